//! A stranger's text made safe to show: cut, control characters and direction marks escaped.

/// Whether a character could move the cursor or turn the text around it.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `bytes_max` bytes of `text` (and an ellipsis if it was cut) with unsafe characters as `\u{…}`.
///
/// Lines and tabs stay. HTML is the business of whoever writes HTML (`spec/components.md`, "Metadata and
/// sections").
pub(crate) fn shown(text: &str, bytes_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(bytes_max));
    for c in text.chars() {
        let before = out.len();
        if is_unsafe(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        if out.len() > bytes_max {
            out.truncate(before);
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn harmless_text_stays_and_the_rest_is_escaped() {
        for (text, expected) in [
            ("plain\ttext\nä", "plain\ttext\nä"),
            ("\x1b[31mred", "\\u{1b}[31mred"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(shown(text, 100), expected);
        }
    }

    #[test]
    fn a_cut_falls_between_characters_and_never_inside_an_escape() {
        assert_eq!(shown("abcdef", 3), "abc…");
        assert_eq!(shown("abä", 3), "ab…");
        assert_eq!(shown("ab\x1b", 5), "ab…");
        assert_eq!(shown("abc", 3), "abc");
    }
}
