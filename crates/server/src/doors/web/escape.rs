//! The one way of a text into a page.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};

/// Escapes HTML, and characters that could turn, hide or forge the text around them, as `\u{…}`.
///
/// The inspection does the latter once already (`spec/components.md`, "Metadata and sections"); but subjects of
/// issuers and what a visitor typed come another way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageText;

impl Escaper for PageText {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, unsafe_char)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            Html.write_escaped_str(&mut dest, &rest[..at])?;
            write!(dest, "{}", unsafe_char.escape_unicode())?;
            rest = &rest[at + unsafe_char.len_utf8()..];
        }
        Html.write_escaped_str(dest, rest)
    }
}

/// Control characters but newline and tab, direction marks, line separators, the invisible, and tags.
fn is_unsafe(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_keeps_its_direction() {
        for (text, expected) in [
            ("plain ä\tb\nc", "plain ä\tb\nc"),
            ("<b a=\"'&>", "&#60;b a=&#34;&#39;&#38;&#62;"),
            ("a\u{202e}<b>", "a\\u{202e}&#60;b&#62;"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("\u{2066}\u{feff}", "\\u{2066}\\u{feff}"),
            ("x\u{e0041}", "x\\u{e0041}"),
            // Scripts and emoji need joiners; they stay.
            ("\u{200c}\u{200d}", "\u{200c}\u{200d}"),
            ("", ""),
        ] {
            let mut out = String::new();
            PageText.write_escaped_str(&mut out, text).unwrap();
            assert_eq!(out, expected, "{text:?}");
        }
    }
}
