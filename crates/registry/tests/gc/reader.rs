//! A reader of the static files alone, as they lie in the objects.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use wargate_core::checkpoint::{Checkpoint, peek_note};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId, leaf_hash, parse_entry};
use wargate_core::log::tile::{
    BundleKind, BundlePath, Edge, TILE_WIDTH, TileId, TilePath, decode_entries, decode_names, decode_records,
};
use wargate_core::map::page::{Page, PageRef, Pages, Slot, update};
use wargate_core::map::segment;
use wargate_core::name::LogName;

pub struct Reader(pub Arc<dyn ObjectStore>);

impl Reader {
    pub async fn find(&self, path: &str) -> Option<Bytes> {
        match self.0.get(&Path::from(path)).await {
            Ok(found) => Some(found.bytes().await.unwrap()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The issued checkpoint, once there is one.
    pub async fn issued(&self) -> Option<Checkpoint> {
        let note = String::from_utf8(self.find("log/checkpoint").await?.to_vec()).unwrap();
        Some(peek_note(&note).unwrap().1)
    }

    pub async fn checkpoint(&self) -> Checkpoint {
        self.issued().await.unwrap()
    }

    /// The objects below a prefix with their sizes.
    pub async fn list(&self, prefix: &str) -> BTreeMap<String, u64> {
        let listed =
            self.0.list(Some(&Path::from(prefix))).map_ok(|meta| (meta.location.to_string(), meta.size));
        listed.try_collect().await.unwrap()
    }

    /// A bundle of this width, or what of a wider one it was; and the width that it has.
    async fn bundle(&self, kind: BundleKind, index: u64, width: u16) -> (Bytes, u16) {
        for width in [width, TILE_WIDTH] {
            let path = format!("log/{}", BundlePath { kind, index, width });
            if let Some(bytes) = self.find(&path).await {
                return (bytes, width);
            }
        }
        panic!("no bundle {index} of {kind:?} for width {width}");
    }

    /// Reads the whole log and map from the issued checkpoint; the latest record of each log.
    pub async fn read_all(&self) -> (Checkpoint, HashMap<LogId, RecordId>) {
        let checkpoint = self.checkpoint().await;
        let (mut edge, mut latest, mut names) = (Edge::empty(), HashMap::new(), HashMap::new());
        for index in 0..checkpoint.size.div_ceil(256) {
            let width = u16::try_from((checkpoint.size - index * 256).min(256)).unwrap();
            let (entries, entries_width) = self.bundle(BundleKind::Entries, index, width).await;
            let (records, records_width) = self.bundle(BundleKind::Records, index, width).await;
            let (begun, begun_width) = self.bundle(BundleKind::Names, index, width).await;
            let entries = decode_entries(&entries, entries_width).unwrap();
            let records = decode_records(&records, records_width).unwrap();
            let begun = decode_names(&begun, begun_width).unwrap();
            for at in 0..usize::from(width) {
                let (log, record) = parse_entry(entries[at]).unwrap();
                let name = names.entry(log).or_insert_with(|| begun[at].parse::<LogName>().unwrap());
                assert_eq!(name.log_id(), log);
                let envelope = Envelope::decode(&Bytes::copy_from_slice(records[at])).unwrap();
                assert_eq!(envelope.record_id(name.layer()), record);
                latest.insert(log, record);
            }
            let leaves: Vec<Digest> = entries[..usize::from(width)].iter().map(|e| leaf_hash(e)).collect();
            edge.append(&leaves);
            self.check_tile(index, width, &leaves).await;
        }
        assert_eq!(edge.root(), checkpoint.root);
        let changes: Vec<_> = latest.iter().map(|(log, record)| (log.map_key(), *record)).collect();
        let fold = update(None, &Pages::default(), &changes, 0).unwrap();
        assert_eq!(fold.root.hash, checkpoint.map_root);
        let root = PageRef { hash: checkpoint.map_root, segment: checkpoint.size };
        let mut pages = BTreeSet::new();
        self.reach(root, &mut pages).await;
        assert_eq!(pages.len(), fold.pages.len());
        (checkpoint, latest)
    }

    async fn check_tile(&self, index: u64, width: u16, leaves: &[Digest]) {
        let id = TileId { level: 0, index };
        let partial = self.find(&format!("log/{}", TilePath { id, width })).await;
        let full = self.find(&format!("log/{}", TilePath { id, width: TILE_WIDTH })).await;
        let tile = partial.or(full).unwrap_or_else(|| panic!("no tile {index} for width {width}"));
        let hashes: Vec<Digest> = tile.chunks(32).map(|hash| Digest::from_slice(hash).unwrap()).collect();
        assert_eq!(hashes[..leaves.len()], *leaves);
    }

    pub async fn segment(&self, size: u64) -> Option<Vec<(PageRef, Page)>> {
        let bytes = self.find(&format!("log/map/{size}")).await?;
        Some(segment::decode(&bytes, size).unwrap())
    }

    /// All pages below a root, every one of which must be there.
    pub async fn reach(&self, root: PageRef, into: &mut BTreeSet<PageRef>) {
        let mut segments: HashMap<u64, HashMap<PageRef, Page>> = HashMap::new();
        let mut waiting = vec![root];
        while let Some(page_ref) = waiting.pop() {
            if !into.insert(page_ref) {
                continue;
            }
            let segment = match segments.entry(page_ref.segment) {
                Entry::Occupied(segment) => segment.into_mut(),
                Entry::Vacant(place) => {
                    let pages = self.segment(page_ref.segment).await;
                    let pages = pages.unwrap_or_else(|| panic!("segment {} is gone", page_ref.segment));
                    place.insert(pages.into_iter().collect())
                }
            };
            let page = segment.get(&page_ref);
            let page = page.unwrap_or_else(|| panic!("page {page_ref:?} is gone"));
            waiting.extend(page.slots.iter().filter_map(|slot| match slot {
                Slot::Page(below) => Some(*below),
                _ => None,
            }));
        }
    }
}
