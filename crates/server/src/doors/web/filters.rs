//! How values look to people.

#![expect(unreachable_pub, reason = "the attribute makes public items of a private module")]

use askama::{Result, Values, filter_fn};

/// Characters of a digest's or key's hash that a table shows.
const SHORT_HASH_CHARS: usize = 12;

/// A size in bytes, with three digits.
#[filter_fn]
pub(crate) fn bytes(size: &u64, _: &dyn Values) -> Result<String> {
    Ok(size_text(*size))
}

/// A number in groups of three digits.
#[filter_fn]
pub(crate) fn count(number: &u64, _: &dyn Values) -> Result<String> {
    Ok(grouped(*number))
}

/// The day of an RFC 3339 time.
#[filter_fn]
pub(crate) fn day(time: &str, _: &dyn Values) -> Result<String> {
    Ok(time.get(..10).filter(|_| is_time(time)).unwrap_or(time).to_owned())
}

/// An RFC 3339 time in UTC, to the minute.
#[filter_fn]
pub(crate) fn minute(time: &str, _: &dyn Values) -> Result<String> {
    let parts = time.get(..10).zip(time.get(11..16)).filter(|_| is_time(time));
    Ok(parts.map_or_else(|| time.to_owned(), |(day, minute)| format!("{day} {minute} UTC")))
}

/// The beginning of a digest or key id.
#[filter_fn]
pub(crate) fn short(digest: &str, _: &dyn Values) -> Result<String> {
    Ok(shortened(digest))
}

/// A text in which each digest or key id is its beginning alone.
#[filter_fn]
pub(crate) fn short_ids(text: &str, _: &dyn Values) -> Result<String> {
    Ok(with_short_ids(text))
}

/// A number, or the largest that counts.
#[filter_fn]
pub(crate) fn at_most(number: &u32, _: &dyn Values, most: u32) -> Result<u32> {
    Ok(*number.min(&most))
}

/// At most so many characters of a text, in one line.
#[filter_fn]
pub(crate) fn cut(text: &str, _: &dyn Values, chars_max: usize) -> Result<String> {
    Ok(cut_text(text, chars_max))
}

fn is_time(time: &str) -> bool {
    time.ends_with('Z') && time.as_bytes().get(10) == Some(&b'T')
}

fn size_text(size: u64) -> String {
    const STEP: u64 = 1024;
    if size < STEP {
        return format!("{size} B");
    }
    let mut unit_bytes = STEP;
    let mut units = ["KiB", "MiB", "GiB"].into_iter().peekable();
    let mut unit = "KiB";
    while let Some(next) = units.next() {
        unit = next;
        if size < unit_bytes * STEP || units.peek().is_none() {
            break;
        }
        unit_bytes *= STEP;
    }
    let (whole, tenths) = (size / unit_bytes, size % unit_bytes * 10 / unit_bytes);
    if whole < 100 { format!("{whole}.{tenths} {unit}") } else { format!("{} {unit}", grouped(whole)) }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn shortened(digest: &str) -> String {
    let Some((algorithm, hash)) = digest.split_once(':') else { return digest.to_owned() };
    match hash.char_indices().nth(SHORT_HASH_CHARS) {
        Some((end, _)) => format!("{algorithm}:{}…", &hash[..end]),
        None => digest.to_owned(),
    }
}

fn with_short_ids(text: &str) -> String {
    const ID: &str = "sha256:";
    const HASH_CHARS: usize = 64;
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ID) {
        let from = at + ID.len();
        let hash = rest[from..].bytes().take_while(u8::is_ascii_hexdigit).count();
        short.push_str(&rest[..from]);
        if hash == HASH_CHARS {
            short.push_str(&rest[from..from + SHORT_HASH_CHARS]);
            short.push('…');
            rest = &rest[from + HASH_CHARS..];
        } else {
            rest = &rest[from..];
        }
    }
    short.push_str(rest);
    short
}

fn cut_text(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    for (index, c) in text.trim().chars().enumerate() {
        if index == chars_max {
            line.truncate(line.trim_end().len());
            line.push('…');
            break;
        }
        line.push(if c == '\n' { ' ' } else { c });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (size, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (91_750, "89.5 KiB"),
            (204_800, "200 KiB"),
            (1 << 20, "1.0 MiB"),
            (4 << 30, "4.0 GiB"),
            (5000 << 30, "5,000 GiB"),
        ] {
            assert_eq!(size_text(size), expected);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn digests_keep_their_beginning() {
        assert_eq!(shortened("sha256:0123456789abcdef"), "sha256:0123456789ab…");
        assert_eq!(shortened("sha256:ä123456789abcdef"), "sha256:ä123456789ab…");
        assert_eq!(shortened("sha256:00"), "sha256:00");
        assert_eq!(shortened("odd"), "odd");
    }

    #[test]
    fn ids_within_a_text_keep_their_beginnings() {
        let id = format!("sha256:{}", "0123456789abcdef".repeat(4));
        for (text, expected) in [
            (
                format!("takes {id}, {id} from `ci`"),
                "takes sha256:0123456789ab…, sha256:0123456789ab… from `ci`",
            ),
            (format!("{id}0 is none"), &format!("{id}0 is none")),
            ("sha256:sha256:0 ä sha256:".to_owned(), "sha256:sha256:0 ä sha256:"),
        ] {
            assert_eq!(with_short_ids(&text), expected);
        }
    }

    #[test]
    fn a_cut_text_is_one_line() {
        assert_eq!(cut_text(" a\nb ", 3), "a b");
        assert_eq!(cut_text("äöü ß", 4), "äöü…");
        assert_eq!(cut_text("äöü ß", 5), "äöü ß");
    }
}
