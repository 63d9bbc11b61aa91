//! What inspecting files costs on one thread, beside what its two libraries alone take for the same files.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::options::Options;

/// What is measured together: the name, and the largest file of it in bytes.
const CLASSES: [(&str, usize); 3] = [("4_kib", 4 << 10), ("16_kib", 16 << 10), ("64_kib", 64 << 10)];

/// How long each kind of work is done on each file.
const TIME_A_FILE: Duration = Duration::from_millis(60);

/// Inspects every file below `--folder` that a registry lets in; files a second and core, by size.
pub fn inspect(options: &Options) -> Result<Value> {
    let mut files = Vec::new();
    walk(Path::new(&options.text("folder")?), &mut files)?;
    files.sort();
    let mut totals = CLASSES.map(|_| Totals::default());
    for path in files {
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let Some(class) = CLASSES.iter().position(|(_, bytes_max)| bytes.len() <= *bytes_max) else {
            continue;
        };
        if wargate_component::inspect(&bytes).is_ok() {
            totals[class].add(&bytes);
        }
    }
    let mut figures = Map::new();
    for ((name, _), total) in CLASSES.iter().zip(&totals) {
        let mut add = |figure: &str, value: f64| figures.insert(format!("{figure}_{name}"), json!(value));
        add("files", total.files);
        add("inspected_per_s", total.files / total.inspect_s);
        add("libraries_alone_per_s", total.files / total.libraries_s);
    }
    Ok(Value::Object(figures))
}

#[derive(Default)]
struct Totals {
    files: f64,
    inspect_s: f64,
    libraries_s: f64,
}

impl Totals {
    fn add(&mut self, bytes: &[u8]) {
        self.files += 1.0;
        self.inspect_s += seconds(|| drop(black_box(wargate_component::inspect(bytes))));
        self.libraries_s += seconds(|| {
            drop(black_box(wasmparser::Validator::new().validate_all(bytes)));
            if wasmparser::Parser::is_component(bytes) {
                drop(black_box(wit_component::decode(bytes)));
            }
        });
    }
}

/// The median time of one call.
fn seconds(mut work: impl FnMut()) -> f64 {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < TIME_A_FILE {
        let start = Instant::now();
        work();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    Ok(())
}
