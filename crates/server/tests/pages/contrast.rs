//! The style's colours can be read: WCAG 2.2, 1.4.3, level AA.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../assets/style.css");
const AA: f64 = 4.5;
/// WCAG 1.4.11: what shows where the focus is.
const AA_SHAPES: f64 = 3.0;

/// The custom properties between two marks of the style.
fn colours(from: &str, to: &str) -> BTreeMap<&'static str, u32> {
    let start = STYLE.find(from).unwrap() + from.len();
    let end = STYLE[start..].find(to).unwrap() + start;
    let lines =
        STYLE[start..end].lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
    lines.map(|(name, hex)| (name, u32::from_str_radix(&hex[..6], 16).unwrap())).collect()
}

fn luminance(colour: u32) -> f64 {
    let channel = |shift: u32| {
        let value = f64::from(colour >> shift & 0xff) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}

fn contrast(a: u32, b: u32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_can_be_read_in_both_themes() {
    let light = colours(":root {", "}");
    let dark = colours("(prefers-color-scheme: dark) {", "}");
    assert_eq!(light.keys().collect::<Vec<_>>(), dark.keys().collect::<Vec<_>>());
    for theme in [light, dark] {
        for ground in ["ground", "raised", "warn-ground"] {
            for text in ["text", "quiet", "link", "publisher", "ci", "account", "warn"] {
                let contrast = contrast(theme[ground], theme[text]);
                assert!(contrast >= AA, "{text} on {ground}: {contrast:.2}");
            }
            let contrast = contrast(theme[ground], theme["focus"]);
            assert!(contrast >= AA_SHAPES, "focus on {ground}: {contrast:.2}");
        }
    }
}

#[test]
fn black_on_white_is_twenty_one() {
    assert!((contrast(0, 0xff_ff_ff) - 21.0).abs() < 1e-9);
}
