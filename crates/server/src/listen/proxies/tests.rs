//! Chains as proxies write them, and as those write them who would like to be somebody else.

use axum::http::HeaderValue;

use super::*;

const PROXIES: [&str; 5] = ["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48", "::1", "::ffff:198.51.100.4"];

fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
    let line = |line: &&str| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
    lines.iter().map(line).collect()
}

fn check(header: ForwardedHeader, name: &HeaderName, table: &[(&str, &[&str], &str)]) {
    let proxies = TrustedProxies::new(PROXIES, header).unwrap();
    for (peer, lines, expected) in table {
        let client = proxies.client(peer.parse().unwrap(), &headers(name, lines));
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} says {lines:?}");
    }
}

#[test]
fn the_client_is_the_rightmost_hop_that_is_not_trusted() {
    let full = vec!["10.0.0.1"; FORWARDED_HOPS_MAX].join(", ");
    let long = format!("203.0.113.9, {full}");
    let table: &[(&str, &[&str], &str)] = &[
        // Nobody in front, or nobody who is believed.
        ("203.0.113.9", &[], "203.0.113.9"),
        ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", &["10.0.0.1"], "203.0.113.9"),
        ("2001:db8:2::1", &["198.51.100.1"], "2001:db8:2::1"),
        // One proxy.
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.7", &["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.8", &["203.0.113.9"], "192.0.2.8"),
        ("::1", &["2001:db8:2::1"], "2001:db8:2::1"),
        // A socket of both families shows IPv4 as IPv6.
        ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ("198.51.100.4", &["203.0.113.9"], "203.0.113.9"),
        // Two proxies, in one line or in two.
        ("10.0.0.1", &["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("2001:db8:1::1", &["203.0.113.9,2001:db8:1::2 ,10.0.0.2"], "203.0.113.9"),
        // A client that writes hops of its own in front of those that proxies add.
        ("10.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["10.0.0.9, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.1", "10.0.0.9", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", &["127.0.0.1, ::1, 203.0.113.9"], "203.0.113.9"),
        // All of them are trusted: a proxy asks for itself.
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        // What cannot be read ends the chain at the last one that could.
        ("10.0.0.1", &["unknown"], "10.0.0.1"),
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9, "], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9, nobody, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.9, 300.0.0.1"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9\u{e9}"], "10.0.0.1"),
        ("10.0.0.1", &["fe80::1%eth0"], "10.0.0.1"),
        ("10.0.0.1", &["010.0.0.2"], "10.0.0.1"),
        // Ports and brackets.
        ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", &["[2001:db8:2::1]"], "2001:db8:2::1"),
        ("10.0.0.1", &["[2001:db8:2::1]:4711"], "2001:db8:2::1"),
        ("10.0.0.1", &["[203.0.113.9]"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9:99999"], "10.0.0.1"),
        // No chain is followed for ever.
        ("10.0.0.1", &[&full], "10.0.0.1"),
        ("10.0.0.1", &[&long], "10.0.0.1"),
    ];
    check(ForwardedHeader::XForwardedFor, &X_FORWARDED_FOR, table);
}

#[test]
fn forwarded_is_read_with_its_quotes_and_other_pairs() {
    let table: &[(&str, &[&str], &str)] = &[
        ("203.0.113.9", &["for=198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", &["for=203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["For=\"[2001:db8:2::1]:4711\""], "2001:db8:2::1"),
        ("10.0.0.1", &["for=203.0.113.9;proto=https;by=10.0.0.1"], "203.0.113.9"),
        ("10.0.0.1", &["proto=https; FOR = 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["for=203.0.113.9, for=10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", &["for=203.0.113.9", "for=10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", &["for=198.51.100.1, for=203.0.113.9"], "203.0.113.9"),
        // Separators inside of quotes separate nothing.
        ("10.0.0.1", &["host=\"a,for=198.51.100.1\";for=203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["for=198.51.100.1;host=\"\\\",for=198.51.100.2\", for=203.0.113.9"], "203.0.113.9"),
        // An open quote must not swallow the hop that the proxy added.
        ("10.0.0.1", &["for=\"198.51.100.1", "for=203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["for=\"198.51.100.1, for=203.0.113.9"], "10.0.0.1"),
        ("10.0.0.1", &["for=_hidden"], "10.0.0.1"),
        ("10.0.0.1", &["for=unknown, for=10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["proto=https"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9"], "10.0.0.1"),
    ];
    check(ForwardedHeader::Forwarded, &FORWARDED, table);
}

#[test]
fn only_the_header_that_the_proxies_write_is_believed() {
    let peer = "10.0.0.1".parse().unwrap();
    let mut both = headers(&X_FORWARDED_FOR, &["203.0.113.9"]);
    both.extend(headers(&FORWARDED, &["for=198.51.100.1"]));
    for (header, expected) in
        [(ForwardedHeader::XForwardedFor, "203.0.113.9"), (ForwardedHeader::Forwarded, "198.51.100.1")]
    {
        let proxies = TrustedProxies::new(PROXIES, header).unwrap();
        assert_eq!(proxies.client(peer, &both).to_string(), expected);
    }
    let nobody = TrustedProxies::default();
    assert_eq!(nobody.client(peer, &both), peer);
}

#[test]
fn an_entry_that_is_no_network_is_refused_by_name() {
    let refused = |entry: &str| {
        let error = TrustedProxies::new([entry], ForwardedHeader::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{entry}`")), "{error}");
    };
    for entry in ["", "proxy.example", "10.0.0.0/33", "10.0.0", "10.0.0.0/", "::/129", "0.0.0.0/0", "::/0"] {
        refused(entry);
    }
    assert!("X-Real-IP".parse::<ForwardedHeader>().unwrap_err().to_string().contains("`X-Real-IP`"));
    assert_eq!("Forwarded".parse::<ForwardedHeader>().unwrap(), ForwardedHeader::Forwarded);
}
