//! A registry of its own for each test.

use std::sync::Arc;

use wargate_registry::{Registry, Repository};

use crate::support::{self, TestClock, open};

/// A registry of its own, and one repository of a package's name in it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub registry: Registry,
    pub hello: Repository,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let registry = open(dir.path(), &clock).await;
        let hello = registry.repository("acme/hello".parse().unwrap());
        Self { dir, clock, registry, hello }
    }

    pub fn repository(&self, name: &str) -> Repository {
        self.registry.repository(name.parse().unwrap())
    }

    /// Nothing that was done here is damage.
    pub async fn end_sound(self) {
        self.registry.close().await;
        drop((self.registry, self.hello));
        let (db, objects) = support::engines(self.dir.path());
        let options = wargate_registry::fsck::FsckOptions {
            origin: Some(support::ORIGIN.to_owned()),
            ..Default::default()
        };
        let report = wargate_registry::fsck::check(&*db, &objects, &options).await.unwrap();
        assert!(report.is_clean(), "{:?}", report.damage);
    }
}
