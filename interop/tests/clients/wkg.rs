//! `wkg` 0.16 with a login; what it does without one is in `wkg_cli`.

use interop::corpus;
use interop::registry::{Login, Registry};

#[test]
fn a_component_and_a_wit_package_are_published_and_got() {
    Registry::each(|registry| {
        let (author, other) = (registry.wkg(), registry.wkg());
        let (hello, wit) = (corpus::small_component(), corpus::canonical_names());
        author.push("wkg:hello", "1.0.0", &hello).accepted();
        other.gets_the_bytes_of("wkg:hello", "1.0.0", &hello);
        author.publish(&wit.file).accepted();
        other.gets_the_bytes_of(&wit.package, &wit.version, &wit.file);
    });
}

#[test]
fn a_bearer_token_is_enough_and_nobody_is_told_anything_without_one() {
    let registry = Registry::closed();
    let Login::Basic { password: token, .. } = registry.login().clone() else {
        panic!("it asks for a login")
    };
    let (holder, nobody) = (registry.wkg_as(&Login::Bearer(token)), registry.wkg_as(&Login::Open));
    let (hello, wit) = (corpus::small_component(), corpus::canonical_names());
    registry.wkg().push("wkg:hello", "1.0.0", &hello).accepted();
    holder.gets_the_bytes_of("wkg:hello", "1.0.0", &hello);
    holder.publish(&wit.file).accepted();
    holder.gets_the_bytes_of(&wit.package, &wit.version, &wit.file);
    nobody.wkg(&["get", "wkg:hello@1.0.0"]).refused("Not authorized");
    nobody.publish(&wit.file).refused("takes a token that may");
}

#[test]
fn what_is_missing_is_named() {
    Registry::each(|registry| {
        let wkg = registry.wkg();
        wkg.push("wkg:missing", "1.0.0", &corpus::small_component()).accepted();
        let get = |spec: &str| wkg.wkg(&["get", spec]);
        let ours = registry.is_ours();
        get("wkg:missing@2.0.0").refused(if ours {
            "`wkg/missing` has no manifest `2.0.0`"
        } else {
            "2.0.0"
        });
        get("wkg:nowhere@1.0.0").refused(if ours {
            "repository `wkg/nowhere` is not known here"
        } else {
            "1.0.0"
        });
    });
}
