//! The real process on a disk that is full, read-only or stands still: what was acknowledged is there and provable,
//! reading goes on, nothing is done by half, and publishing comes back without a restart.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use support::Server;
use support::load::Load;
use support::mounts::{fill, in_own_mounts, mount_tmpfs, run};
use support::seen::{check, checkpoint};

/// How long it may take until publishing goes on once it can.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// A server on a disk of its own.
struct Scene {
    _folder: tempfile::TempDir,
    /// Where the disk is mounted.
    disk: PathBuf,
    log: PathBuf,
    config: PathBuf,
    http: Client,
    load: Arc<Load>,
}

impl Scene {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let scene = Self {
            disk: path("disk"),
            log: path("log"),
            config: path("wargate.toml"),
            http: Client::builder().timeout(Duration::from_secs(60)).build().unwrap(),
            load: Arc::default(),
            _folder: folder,
        };
        std::fs::create_dir(&scene.disk).unwrap();
        std::fs::write(&scene.config, config).unwrap();
        scene
    }

    fn start(&self) -> Server {
        let config = self.config.to_str().unwrap();
        Server::start_logged(&self.disk.join("data"), &self.log, None, &["--config", config])
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Everything that was acknowledged is there, by proof and byte for byte.
    async fn check(&self, url: &str) {
        let mut seen = std::mem::take(&mut *self.load.seen.lock().unwrap());
        check(&self.http, url, &mut seen, 0).await;
        let (records, pushed) =
            (seen.published.len(), std::mem::take(&mut *self.load.pushed.lock().unwrap()));
        for push in &pushed {
            assert!(push.is_there(&self.http, url).await, "{}:{} is gone", push.repository, push.version);
        }
        assert!(records > 0 && !pushed.is_empty(), "the load was no load");
        *self.load.seen.lock().unwrap() = seen;
        *self.load.pushed.lock().unwrap() = pushed;
    }

    /// Waits until both doors take what is new.
    async fn back(&self, url: &str) {
        let start = Instant::now();
        while let Err(words) = self.load.one_of_each(&self.http, url).await {
            assert!(start.elapsed() < BACK_WITHIN, "it does not come back: {words}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.keeps_promises(url).await;
    }

    /// What was taken gets its verdict.
    async fn keeps_promises(&self, url: &str) {
        let start = Instant::now();
        let all = std::mem::take(&mut *self.load.promised.lock().unwrap());
        for promised in all {
            let at = format!("{url}/v1/package/{}/record/{}", promised.log, promised.record);
            loop {
                let (_, status) = text(&self.http, &at).await;
                if status.contains("\"published\"") {
                    break;
                }
                assert!(start.elapsed() < BACK_WITHIN, "promised, and now {status}\n{}", self.log());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            self.load.seen.lock().unwrap().published.push(promised);
        }
    }

    /// What each refusal was; none may be anything but a clear one.
    fn check_refusals(&self, allowed: &[u16]) {
        let refused = std::mem::take(&mut *self.load.refused.lock().unwrap());
        for ((door, status), (_, words)) in &refused {
            assert!(allowed.contains(status), "{door} answered {status}: {words}\n{}", self.log());
        }
        let doors: std::collections::BTreeSet<_> = refused.keys().map(|(door, _)| door).collect();
        assert_eq!(doors.len(), 2, "nobody was refused at some door: {refused:?}");
    }

    /// Files of uploads and puts that broke off.
    fn left_over(&self) -> Vec<PathBuf> {
        files(&self.disk.join("data/objects"))
            .into_iter()
            .filter(|path| {
                path.to_string_lossy().contains('#') || path.to_string_lossy().contains("/uploads/")
            })
            .collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future);
}

/// Reading answers as ever: a checkpoint, a page of packages, the metrics.
async fn check_reading(http: &Client, url: &str) {
    for path in ["/v1/fetch/checkpoint", "/log/checkpoint", "/metrics", "/healthz", "/"] {
        let answer = http.get(format!("{url}{path}")).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
}

async fn text(http: &Client, url: &str) -> (u16, String) {
    let answer = http.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[test]
fn a_full_disk_loses_nothing_and_publishing_goes_on_once_there_is_room() {
    in_own_mounts("a_full_disk_loses_nothing_and_publishing_goes_on_once_there_is_room", || block_on(full()));
}

async fn full() {
    // No floor: the disk itself must refuse, in the middle of whatever.
    let scene = Scene::new("free_bytes_floor = 0\n");
    mount_tmpfs(&scene.disk, 256);
    let server = scene.start();
    let (http, url, load) = (&scene.http, server.url.clone(), &scene.load);
    let ballast = scene.disk.join("ballast");
    for round in 0..3 {
        let writers = load.begin(http, &url);
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(fill(&ballast) > 0, "round {round}");
        let start = Instant::now();
        while load.times_refused() < 60 && start.elapsed() < Duration::from_secs(20) {
            fill(&ballast);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        check_reading(http, &url).await;
        let now = http.get(format!("{url}/v1/fetch/checkpoint")).send().await.unwrap();
        let now = checkpoint(&now.json().await.unwrap());
        load.seen.lock().unwrap().checkpoints.push(now);
        load.end(writers).await;
        // While it is full, everything acknowledged is provable.
        scene.check(&url).await;
        scene.check_refusals(&[202, 503, 507]);
        std::fs::remove_file(&ballast).unwrap();
        scene.back(&url).await;
        scene.check(&url).await;
    }
    let said = scene.log();
    assert!(said.contains("the disk is full") && said.contains("there is room again"), "{said}");
    assert_eq!(scene.left_over(), Vec::<PathBuf>::new());
    server.end();
    let server = scene.start();
    scene.check(&server.url).await;
    scene.back(&server.url).await;
    server.end();
}

#[test]
fn the_floor_stops_writers_before_the_disk_does_and_lets_them_in_again() {
    in_own_mounts(
        "the_floor_stops_writers_before_the_disk_does_and_lets_them_in_again",
        || block_on(floor()),
    );
}

async fn floor() {
    let scene = Scene::new("free_bytes_floor = 134_217_728\n");
    mount_tmpfs(&scene.disk, 512);
    let server = scene.start();
    let (http, url, load) = (&scene.http, server.url.clone(), &scene.load);
    scene.back(&url).await;
    let ballast = scene.disk.join("ballast");
    let writers = load.begin(http, &url);
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The disk itself stays far from full.
    run("fallocate", &["-l", "400M", ballast.to_str().unwrap()]);
    let start = Instant::now();
    while load.times_refused() < 60 && start.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    load.end(writers).await;
    scene.check_refusals(&[202, 507]);
    // Room for them was there: the floor is above them.
    scene.keeps_promises(&url).await;
    // It looks at the disk once a second.
    let start = Instant::now();
    loop {
        let (status, words) = text(http, &format!("{url}/readyz")).await;
        if status == 200 && words.contains("134217728 must stay so") {
            break;
        }
        assert!(start.elapsed() < BACK_WITHIN, "{status} {words}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_, metrics) = text(http, &format!("{url}/metrics")).await;
    for name in ["wargate_free_bytes ", "wargate_free_bytes_floor 134217728", "wargate_writes_refused_total"]
    {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    assert!(scene.log().contains("must stay so"), "{}", scene.log());
    check_reading(http, &url).await;
    scene.check(&url).await;
    std::fs::remove_file(&ballast).unwrap();
    scene.back(&url).await;
    assert_eq!(text(http, &format!("{url}/readyz")).await, (200, "ready\n".to_owned()));
    scene.check(&url).await;
    server.end();
}

#[test]
fn objects_that_become_read_only_are_told_and_come_back() {
    in_own_mounts("objects_that_become_read_only_are_told_and_come_back", || block_on(read_only_objects()));
}

async fn read_only_objects() {
    let scene = Scene::new("free_bytes_floor = 0\n");
    mount_tmpfs(&scene.disk, 256);
    let server = scene.start();
    let (http, url, load) = (&scene.http, server.url.clone(), &scene.load);
    scene.back(&url).await;
    // Another mount of the same folder in its place: what is opened from now on is read-only.
    let objects = scene.disk.join("data/objects").to_str().unwrap().to_owned();
    run("mount", &["--bind", &objects, &objects]);
    run("mount", &["-o", "remount,bind,ro", &objects]);
    let writers = load.begin(http, &url);
    let start = Instant::now();
    while load.times_refused() < 60 && start.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    load.end(writers).await;
    scene.check_refusals(&[202, 503]);
    let (status, words) = text(http, &format!("{url}/readyz")).await;
    assert!(status == 200 && words.contains("nothing is taken in"), "{status} {words}");
    check_reading(http, &url).await;
    scene.check(&url).await;
    run("umount", &[&objects]);
    scene.back(&url).await;
    scene.check(&url).await;
    server.end();
}
