//! What is told of packages and releases: what became of them, what is noted, how they began.

use serde_json::{Value, json};
use wargate_core::act::{AnnotationKind, Step};
use wargate_core::record::{PackageEntry, PackagePermission};

use crate::site::{ACME, ALICE, Site, fields, id, says};
use crate::support::{Author, key, module};

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_release_is_told_with_it() {
    let mut site = Site::new().await;
    site.story().await;
    let yank = Step::Yank { version: "1.0.0".parse().unwrap(), reason: "it counts in floats".to_owned() };
    site.run(
        "acme:hello",
        vec![yank, says(AnnotationKind::Deprecate, "1.0.0", "1.1.0 counts in cents")],
        &[ALICE],
    )
    .await;
    let one = site.json("/api/packages/acme/hello/1.0.0").await;
    assert_eq!(
        (&one["yanked"]["reason"], &one["yanked"]["keyIds"]),
        (&json!("it counts in floats"), &json!([id(ALICE)]))
    );
    assert_eq!(
        (&one["deprecated"]["extent"], &one["deprecated"]["message"]),
        (&json!("release"), &json!("1.1.0 counts in cents"))
    );
    assert_eq!((&one["distrusted"], &one["guardedBy"]), (&json!(false), &json!(1)));
    let stolen = site.json("/api/packages/acme/hello/2.0.0").await;
    assert_eq!((&stolen["distrusted"], &stolen["deprecated"]), (&json!(true), &Value::Null));
    let (_, page) = site.get("/acme/hello/2.0.0").await;
    assert!(page.contains("Distrusted: do not install it.") && !page.contains("wargate pull"), "{page}");

    // Of more and more: the narrowest counts.
    let package = site.json("/api/packages/acme/hello").await;
    assert_eq!(
        (&package["deprecated"], &package["latest"], &package["guardedBy"]),
        (&Value::Null, &Value::Null, &json!(1))
    );
    assert_eq!(
        fields(&package["releases"], &["version", "distrusted"]),
        json!([["2.0.0", true], ["1.0.0", false]])
    );
    for (log, subject, by, extent) in [
        ("acme", "", &ACME[..], "namespace"),
        ("acme", "hello", &ACME, "package"),
        ("acme:hello", "", &[ALICE], "package"),
    ] {
        let message = format!("said by {log} of {subject}");
        site.run(log, vec![says(AnnotationKind::Deprecate, subject, &message)], by).await;
        for path in ["/api/packages/acme/hello", "/api/packages/acme/hello/2.0.0"] {
            let told = site.json(path).await["deprecated"].clone();
            assert_eq!((&told["extent"], &told["message"]), (&json!(extent), &json!(message)), "{path}");
        }
    }
    site.run("acme:hello", vec![says(AnnotationKind::Deprecate, "", "")], &[ALICE]).await;
    let told = site.json("/api/packages/acme/hello").await;
    assert_eq!(told["deprecated"]["message"], "said by acme of hello", "what was withdrawn is not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_noted_is_told_with_the_narrowest_first() {
    let mut site = Site::new().await;
    site.story().await;
    let told =
        async |site: &Site, path: &str| fields(&site.json(path).await["notes"], &["extent", "message"]);
    let (package, release) = ("/api/packages/acme/hello", "/api/packages/acme/hello/1.0.0");
    assert_eq!([told(&site, package).await, told(&site, release).await], [json!([]), json!([])]);
    let by_hello = format!("<b>bold</b> & {}", "long ".repeat(10_000));
    for (log, subject, by, message) in [
        ("acme", "", &ACME[..], "of all"),
        ("acme", "hello", &ACME, "of hello"),
        ("acme:hello", "", &[ALICE], by_hello.as_str()),
        ("acme:hello", "1.0.0", &[ALICE], "of 1.0.0"),
    ] {
        site.run(log, vec![says(AnnotationKind::Note, subject, message)], by).await;
    }
    let wider = [["package", &by_hello], ["package", "of hello"], ["namespace", "of all"]];
    assert_eq!(told(&site, package).await, json!(wider));
    assert_eq!(told(&site, "/acme/hello.json").await, json!(wider));
    let mut all = vec![["release", "of 1.0.0"]];
    all.extend(wider);
    assert_eq!(told(&site, release).await, json!(all));
    assert_eq!(told(&site, "/api/packages/acme/hello/2.0.0").await, json!(wider));
    assert_eq!(site.json(package).await["deprecated"], Value::Null);

    let (_, page) = site.get("/acme/hello").await;
    assert!(page.contains("&#60;b&#62;bold&#60;/b&#62; &#38; long long"), "{page}");
    assert!(page.len() < by_hello.len() && !page.contains("of 1.0.0"), "{page}");
    assert!(site.get("/acme/hello/1.0.0").await.1.contains("of 1.0.0"));

    site.run("acme:hello", vec![says(AnnotationKind::Note, "", "")], &[ALICE]).await;
    assert_eq!(told(&site, package).await, json!(wider[1..]), "what was withdrawn is not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_tells_how_its_v1_log_began_and_where_its_namespace_is_from() {
    let mut site = Site::new().await;
    let (mut early, mut late) =
        (Author::new(10, "acme:early", &site.clock), Author::new(11, "acme:late", &site.clock));
    early.release(&site.registry, "1.0.0", &module(b"early")).await;
    let began =
        async |site: &Site, name: &str| site.json(&format!("/api/packages/{name}")).await["began"].clone();
    let by = |seed: u8, ground: &str| json!({ "keyId": id(seed), "ground": ground });
    assert_eq!(began(&site, "acme/early").await, by(10, "unclaimed"));
    site.story().await;
    let admit = Step::Admit { name: "late".to_owned(), key: key(11).public().clone() };
    site.run("acme", vec![admit], &ACME).await;
    late.release(&site.registry, "1.0.0", &module(b"late")).await;
    let grant = PackageEntry::GrantFlat {
        key: key(12).public().clone(),
        permissions: PackagePermission::ALL.to_vec(),
    };
    late.publish(&site.registry, vec![grant]).await;
    assert_eq!(began(&site, "acme/early").await, by(10, "beforeClaim"));
    assert_eq!(began(&site, "acme/late").await, by(11, "admitted"));
    assert_eq!(began(&site, "acme/hello").await, Value::Null);
    assert!(site.get("/acme/late").await.1.contains("let in by its namespace’s owners"));

    let mut clocks = Author::new(13, "wasi:clocks", &site.clock);
    clocks.release(&site.registry, "1.0.0", &module(b"clocks")).await;
    let from = async |site: &Site, path: &str| site.json(path).await["importedFrom"].clone();
    assert_eq!(from(&site, "/api/packages/wasi/clocks").await, Value::Null);
    let import = Step::Import { namespace: "wasi".parse().unwrap(), registry: "wasi.dev".to_owned() };
    site.run("", vec![import], &[1]).await;
    assert_eq!(from(&site, "/wasi/clocks.json").await, "wasi.dev");
    assert_eq!(from(&site, "/api/packages/acme/late").await, Value::Null);
    assert!(site.get("/wasi/clocks").await.1.contains("imported from <code>wasi.dev</code>"));
    // What is not here is maybe there.
    for (path, is_told) in
        [("/wasi/http", true), ("/api/packages/wasi/http/1.0.0", true), ("/acme/http", false)]
    {
        let (status, text) = site.get(path).await;
        assert_eq!(
            (status.as_u16(), text.contains("is imported from wasi.dev: look there")),
            (404, is_told),
            "{path}: {text}"
        );
    }
}
