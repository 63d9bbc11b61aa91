//! Text that strangers wrote, on its way to people.

/// The same in one line that no terminal obeys: control characters are escaped, and those that turn the direction of what
/// follows.
#[must_use]
pub fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_is_obeyed() {
        assert_eq!(plain("it leaks: see €3, naïve"), "it leaks: see €3, naïve");
        assert_eq!(plain("\u{1b}[2J\nok\r\u{7f}"), "\\u{1b}[2J\\nok\\r\\u{7f}");
        assert_eq!(plain("a\u{202e}b\u{2066}"), "a\\u{202e}b\\u{2066}");
    }
}
