//! Pages are read whole or not at all, also while their segment is written anew; the cache holds those of the latest map.

use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use wargate_core::id::RecordId;
use wargate_core::map::page::{PAGE_DEPTH_MAX, update};
use wargate_core::map::segment;

use super::*;

/// Objects of which one becomes another right after it is read for the first time.
#[derive(Debug)]
struct Changing {
    inner: InMemory,
    next: Mutex<Option<Vec<u8>>>,
}

impl fmt::Display for Changing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changing objects")
    }
}

#[async_trait]
impl ObjectStore for Changing {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        o: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, o).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.inner.get_opts(at, options).await;
        let next = self.next.lock().unwrap().take();
        if let Some(next) = next {
            self.inner.put_opts(at, next.into(), PutOptions::default()).await?;
        }
        found
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_segment_that_is_written_anew_under_a_reader_gives_the_page_or_none() {
    let changes: Vec<_> = (0..2000u64)
        .map(|number| Digest::of(&number.to_be_bytes()))
        .map(|key| (key, RecordId::from_digest(key)))
        .collect();
    let pages = update(None, &Pages::default(), &changes, 9).unwrap().pages;
    let whole = segment::encode(&pages);
    assert!(whole.len() as u64 > 3 * SEGMENT_HEAD_BYTES, "its last pages are not read with its head");
    for (at, (page_ref, page)) in pages.iter().enumerate().skip(1).step_by(pages.len() / 8) {
        for stays in [true, false] {
            // Every second page is dead; the wanted one is among them or not.
            let dead: Vec<Digest> = pages
                .iter()
                .enumerate()
                .filter(|(other, _)| if *other == at { !stays } else { other % 2 == 0 })
                .map(|(_, (page, _))| page.hash)
                .collect();
            let (left, _) = segment::without(&whole, |hash| dead.contains(hash)).unwrap();
            let store = Changing { inner: InMemory::new(), next: Mutex::new(None) };
            let path = objects::segment_path(9);
            store.inner.put_opts(&path, whole.clone().into(), PutOptions::default()).await.unwrap();
            *store.next.lock().unwrap() = Some(left);
            let store: Arc<dyn ObjectStore> = Arc::new(store);
            match read_page(&store, page_ref).await.unwrap() {
                Some(bytes) => assert_eq!(Page::decode(&bytes).unwrap(), *page, "page {at}, stays: {stays}"),
                None => assert!(!stays, "page {at} is still there"),
            }
        }
    }
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    assert!(read_page(&store, &pages[0].0).await.unwrap().is_none());
}

#[test]
fn pages_of_a_large_map_are_right_whatever_depth_their_hash_fits() {
    // A page without an empty slot has the same hash at every depth; small maps have none.
    let changes: Vec<(Digest, RecordId)> = (0..20_000_u32)
        .map(|number| {
            let key = Digest::of(&number.to_be_bytes());
            (key, RecordId::from_digest(Digest::of(key.as_bytes())))
        })
        .collect();
    let made = update(None, &Pages::default(), &changes, 1).unwrap();
    for (at, (page_ref, page)) in made.pages.iter().enumerate() {
        let depths = if at == 0 { 0..1 } else { 1..PAGE_DEPTH_MAX };
        check_page(page, &page_ref.hash, depths).unwrap();
        check_page(page, &page_ref.hash, 0..PAGE_DEPTH_MAX).unwrap();
        if at.is_multiple_of(100) {
            let other = Digest::of(page_ref.hash.as_bytes());
            assert!(check_page(page, &other, 0..PAGE_DEPTH_MAX).is_err());
        }
    }
}

#[test]
fn the_cache_holds_the_pages_of_the_latest_map_alone() {
    let hashes = Hashes::new(Arc::new(InMemory::new()));
    let (mut root, mut pages) = (None, Pages::default());
    let mut held: BTreeMap<PageRef, Arc<Page>> = BTreeMap::new();
    for commit in 1..300_u64 {
        let changed = [commit, commit % 40, 7].map(|number| Digest::of(&number.to_be_bytes()));
        let changes = changed.map(|key| (key, RecordId::from_digest(Digest::of(&commit.to_be_bytes()))));
        let made = update(root, &pages, &changes, commit).unwrap();
        let new: Vec<(PageRef, Arc<Page>)> =
            made.pages.into_iter().map(|(page_ref, page)| (page_ref, Arc::new(page))).collect();
        hashes.follow(new.iter().map(|(page_ref, page)| (page_ref, page)), &made.replaced);
        made.replaced.iter().for_each(|page_ref| drop(held.remove(page_ref)));
        for (page_ref, page) in new {
            pages.insert(page_ref, page.clone());
            held.insert(page_ref, page);
        }
        root = Some(made.root);
    }
    assert!(held.iter().all(|(page_ref, page)| hashes.pages.get(page_ref).unwrap() == page.encode()));
    let bytes: u64 = held.values().map(|page| ENTRY_OVERHEAD_BYTES + page.encode().len() as u64).sum();
    assert_eq!(hashes.bytes()[1], bytes);
    assert!(held.keys().any(|page_ref| page_ref.segment < 200), "some stay for long");
}
