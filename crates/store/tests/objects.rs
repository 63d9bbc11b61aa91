//! Objects as files: what the callers count on.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]

use object_store::path::Path;
use object_store::{Error, GetResultPayload, ObjectStoreExt as _, PutMode, PutPayload};
use tempfile::tempdir;
use wargate_store::{ObjectsError, open_files};

#[tokio::test]
async fn objects_are_put_got_and_read_in_ranges() {
    let dir = tempdir().unwrap();
    let objects = open_files(dir.path()).unwrap();
    let path = Path::from("tile/0/x001/067");
    objects.put(&path, PutPayload::from_static(b"0123456789")).await.unwrap();
    assert!(dir.path().join("tile/0/x001/067").is_file());
    assert_eq!(objects.get_range(&path, 2..5).await.unwrap().as_ref(), b"234");
    let got = objects.get(&path).await.unwrap();
    assert_eq!(got.meta.size, 10);
    assert!(matches!(got.payload, GetResultPayload::File(..)), "large reads take the file itself");
    assert_eq!(got.bytes().await.unwrap().as_ref(), b"0123456789");
    // Overwritten whole, found again by another opening.
    objects.put(&path, PutPayload::from_static(b"new")).await.unwrap();
    let again = open_files(dir.path()).unwrap();
    assert_eq!(again.get(&path).await.unwrap().bytes().await.unwrap().as_ref(), b"new");
    again.delete(&path).await.unwrap();
    assert!(matches!(objects.get(&path).await, Err(Error::NotFound { .. })));
    assert!(dir.path().join("tile/0/x001").is_dir(), "an emptied folder stays");
}

#[tokio::test]
async fn what_is_created_is_never_replaced() {
    let dir = tempdir().unwrap();
    let objects = open_files(dir.path()).unwrap();
    let path = Path::from("blob/a");
    let create = |bytes: &'static [u8]| {
        let payload = PutPayload::from_static(bytes);
        objects.put_opts(&path, payload, PutMode::Create.into())
    };
    create(b"first").await.unwrap();
    assert!(matches!(create(b"second").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(objects.get(&path).await.unwrap().bytes().await.unwrap().as_ref(), b"first");
    // Nothing staged is left behind.
    assert_eq!(std::fs::read_dir(dir.path().join("blob")).unwrap().count(), 1);
}

#[test]
fn an_absent_folder_is_refused() {
    let dir = tempdir().unwrap();
    let absent = dir.path().join("absent");
    assert!(matches!(open_files(&absent), Err(ObjectsError::Folder { path, .. }) if path == absent));
}
