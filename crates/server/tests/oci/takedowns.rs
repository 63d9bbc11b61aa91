//! What is told of a release that the operator took down.

use hyper::{Method, StatusCode};
use serde_json::json;
use wargate_core::digest::Digest;

use crate::site::Site;
use crate::support::{lift, module, operate, takedown};

const LIFECYCLE: &str = "application/vnd.microsoft.artifact.lifecycle";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_down_is_refused_with_the_reason() {
    let site = Site::new().await;
    let wasm = module(b"evil");
    let (manifest, pushed) = site.push("acme/hello", "1.0.0", &wasm).await;
    pushed.is(StatusCode::CREATED);
    let (manifest_digest, content) = (Digest::of(&manifest), Digest::of(&wasm));
    let paths = [
        "/v2/acme/hello/manifests/1.0.0".to_owned(),
        format!("/v2/acme/hello/manifests/{manifest_digest}"),
        format!("/v2/acme/hello/blobs/{content}"),
    ];
    for path in &paths {
        site.get(path).await.is(StatusCode::OK);
    }
    let referrers = format!("/v2/acme/hello/referrers/{manifest_digest}");
    assert_eq!(site.get(&referrers).await.json()["manifests"], json!([]));
    operate(&site.registry, &site.clock, 1, takedown("acme:hello@1.0.0", None)).await;
    site.explains(&referrers, &manifest_digest).await;
    for path in &paths {
        let refused = site.get(path).await;
        refused.is_refused(451, "DENIED");
        let words = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(words.starts_with("`acme:hello@1.0.0` was taken down: it steals keys (record "), "{words}");
        let head = site.head(path).await;
        assert_eq!((head.status, head.bytes.len()), (451, 0));
        let ranged = site.send(Method::GET, path, &[("range", "bytes=0-1")], b"").await;
        ranged.is_refused(451, "DENIED");
        let etag = format!("\"{}\"", path.rsplit('/').next().unwrap());
        site.send(Method::GET, path, &[("if-none-match", &etag)], b"").await.is_refused(451, "DENIED");
    }
    assert_eq!(site.get("/v2/acme/hello/tags/list").await.json()["tags"].as_array().unwrap().len(), 0);
    site.get("/v2/acme/hello/manifests/latest").await.is_refused(404, "MANIFEST_UNKNOWN");
    let again = site.put("/v2/acme/hello/manifests/1.0.0", &manifest).await;
    again.is_refused(451, "DENIED");
    site.delete(&paths[1]).await.is_refused(405, "UNSUPPORTED");
    // A mount from there begins an upload instead.
    let mount = format!("/v2/acme/other/blobs/uploads/?mount={content}&from=acme/hello");
    site.post(&mount, b"").await.is(StatusCode::ACCEPTED);

    operate(&site.registry, &site.clock, 2, lift("acme:hello@1.0.0")).await;
    for path in &paths {
        site.get(path).await.is(StatusCode::OK);
    }
    assert_eq!(site.get(&referrers).await.json()["manifests"], json!([]));

    // Of a package that is taken down as a whole only that is given.
    operate(&site.registry, &site.clock, 3, takedown("acme:hello", None)).await;
    site.explains(&referrers, &manifest_digest).await;
    for path in &paths {
        site.get(path).await.is_refused(451, "DENIED");
    }
}

impl Site {
    /// That it is told why a manifest is refused, by what can be read whole.
    async fn explains(&self, referrers: &str, refused: &Digest) {
        let listed = self.get(&format!("{referrers}?artifactType={LIFECYCLE}")).await;
        let listed = listed.is(StatusCode::OK).json()["manifests"].clone();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        let annotations = &listed[0]["annotations"];
        assert_eq!(annotations["vnd.wargate.lifecycle.state"], "taken-down");
        assert_eq!(annotations["vnd.wargate.lifecycle.reason"], "it steals keys");
        assert_eq!(annotations["vnd.microsoft.artifact.lifecycle.end-of-life.date"], "2027-01-15");
        let path = format!("/v2/acme/hello/manifests/{}", listed[0]["digest"].as_str().unwrap());
        let told = self.get(&path).await.is(StatusCode::OK).json();
        assert_eq!(
            (&told["annotations"], &told["subject"]["digest"]),
            (annotations, &json!(refused.to_string()))
        );
        self.head(&path).await.is(StatusCode::OK);
        let config = format!("/v2/acme/hello/blobs/{}", told["config"]["digest"].as_str().unwrap());
        assert_eq!(self.get(&config).await.is(StatusCode::OK).bytes, b"{}");
        self.head(&config).await.is(StatusCode::OK);
    }
}
