//! The pool of inspectors with the real program as its children, and with programs that are none.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use support::{corpus, wargate};
use wargate_component::{Inspection, Refused, inspect};
use wargate_registry::inspector::{
    Bounds, Excess, InProcess, InspectError, Inspector, Inspectors, Program, serve_child,
};

/// What an answer may take beyond its bound, on a machine that does something else at the same time.
const GRACE: Duration = Duration::from_secs(10);

/// A short time in which nothing is expected to happen.
const A_MOMENT: Duration = Duration::from_millis(300);

/// A good file that goes to a child in every pool.
const LARGE: &str = "components/file-service.wasm";

fn real() -> Program {
    Program::new(env!("CARGO_BIN_EXE_wargate"), ["inspect"])
}

/// A shell script, with `$0` and so on.
fn script(text: &str, args: &[&Path]) -> Program {
    let args = args.iter().map(|arg| arg.as_os_str().to_owned());
    Program::new("/bin/sh", ["-c".into(), text.into()].into_iter().chain(args))
}

/// The real program, which writes its process id to the file first.
fn noted(pids: &Path) -> Program {
    script(r#"echo $$ >> "$0"; exec "$1" inspect"#, &[pids, Path::new(env!("CARGO_BIN_EXE_wargate"))])
}

fn pids(file: &Path) -> Vec<Pid> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| Pid::from_raw(line.parse().unwrap()).unwrap()).collect()
}

fn one_child() -> Bounds {
    Bounds { children: 1, in_process: false, ..Bounds::default() }
}

/// Waits until there is no such process any more.
async fn gone(pid: Pid) {
    let start = Instant::now();
    while test_kill_process(pid).is_ok() {
        assert!(start.elapsed() < GRACE, "{pid:?} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[track_caller]
fn assert_excess(result: &Result<Inspection, InspectError>, wanted: Excess) {
    match result {
        Err(InspectError::TooCostly { excess }) => assert_eq!(*excess, wanted),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_good_file_is_inspected_alike_in_a_child_in_process_and_here() {
    let children = Inspectors::with_bounds(real(), Bounds { in_process: false, ..Bounds::default() });
    let pool = Inspectors::new(real());
    let in_process = InProcess::new();
    let mut costly = 0;
    for (file, content) in corpus::good() {
        let here = inspect(&content).unwrap();
        assert_eq!(children.inspect(content.clone()).await.unwrap(), here, "{file}");
        assert_eq!(pool.inspect(content.clone()).await.unwrap(), here, "{file}");
        match in_process.inspect(content).await {
            Ok(found) => assert_eq!(found, here, "{file}"),
            Err(InspectError::TooCostly { excess: Excess::NeedsProcess }) => costly += 1,
            Err(error) => panic!("{file}: {error}"),
        }
    }
    assert!(costly > 5, "{costly} were too costly to inspect in process");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_answered_in_time_while_others_go_on() {
    for in_process in [false, true] {
        let bounds = Bounds { children: 2, in_process, ..Bounds::default() };
        let time_max = bounds.inspect_max + GRACE;
        let pool = Arc::new(Inspectors::with_bounds(real(), bounds));
        let done = Arc::new(AtomicBool::new(false));
        let others = tokio::spawn({
            let (pool, done, good) = (Arc::clone(&pool), Arc::clone(&done), corpus::read(LARGE));
            async move {
                let mut slowest = Duration::ZERO;
                while !done.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    pool.inspect(good.clone()).await.unwrap();
                    slowest = slowest.max(start.elapsed());
                }
                slowest
            }
        });
        for (file, content) in corpus::files(&["hostile"]) {
            let start = Instant::now();
            let found = pool.inspect(content.clone()).await;
            assert!(start.elapsed() < time_max, "{file} took {:?}", start.elapsed());
            match (found, inspect(&content)) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{file}"),
                (Err(InspectError::Refused(found)), Err(expected)) => assert_eq!(found, expected, "{file}"),
                (Err(InspectError::TooCostly { .. }), _) => {}
                (found, _) => panic!("{file}: {found:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        let slowest = others.await.unwrap();
        assert!(slowest < time_max, "another waited {slowest:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_file_is_bounded() {
    let mut too_large = Vec::new();
    flate2::read::GzDecoder::new(&corpus::read("hostile/24_repetitive_256m.wasm.gz")[..])
        .read_to_end(&mut too_large)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let pool = Inspectors::with_bounds(noted(&file), one_child());
    let refused = pool.inspect(too_large.into()).await.unwrap_err();
    assert!(matches!(refused, InspectError::Refused(Refused::Limit { what, .. }) if what == "bytes"));
    let start = Instant::now();
    let found = pool.inspect(filled(256 << 20)).await.unwrap();
    println!("256 MiB took {:?}", start.elapsed());
    assert!(start.elapsed() < Bounds::default().inspect_max + GRACE);
    assert_eq!((found.size, found.metadata.sections.len()), (256 << 20, 1));
    // The child that had it in memory gave that back.
    let status = PathBuf::from(format!("/proc/{}/status", pids(&file)[0].as_raw_nonzero()));
    let status = std::fs::read_to_string(status).unwrap();
    let memory = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    println!("at most {} kB, then {} kB", memory("VmHWM:"), memory("VmRSS:"));
    assert!(memory("VmRSS:") < 64 << 10, "{status}");
}

/// A component of this size, all of it one section of zeros.
fn filled(size: usize) -> Bytes {
    let mut content = b"\0asm\x0d\0\x01\0\0".to_vec();
    let body = u32::try_from(size - 14).unwrap();
    content.extend((0..5).map(|at| (body >> (7 * at)) as u8 & 0x7f | if at < 4 { 0x80 } else { 0 }));
    content.extend(b"\x04fill");
    content.resize(size, 0);
    content.into()
}
#[tokio::test(flavor = "multi_thread")]
async fn a_child_killed_amid_a_file_is_too_costly_and_the_next_file_is_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let pool = Arc::new(Inspectors::with_bounds(noted(&file), one_child()));
    let content = corpus::read(LARGE);
    pool.inspect(content.clone()).await.unwrap();
    let pid = pids(&file)[0];
    // It stands still, so that the file cannot be done before the blow.
    kill_process(pid, Signal::STOP).unwrap();
    let asked = tokio::spawn({
        let (pool, content) = (Arc::clone(&pool), content.clone());
        async move { pool.inspect(content).await }
    });
    tokio::time::sleep(A_MOMENT).await;
    assert!(!asked.is_finished());
    kill_process(pid, Signal::KILL).unwrap();
    assert_excess(&asked.await.unwrap(), Excess::Ended);
    pool.inspect(content.clone()).await.unwrap();
    // One that is killed between two files is nobody's fault.
    let pid = *pids(&file).last().unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    tokio::time::sleep(A_MOMENT).await;
    pool.inspect(content).await.unwrap();
    assert_eq!(pids(&file).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_whose_time_is_up_is_killed_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let pool =
        Inspectors::with_bounds(noted(&file), Bounds { inspect_max: Duration::from_secs(3), ..one_child() });
    let content = corpus::read("made/p3-command-dummy.wasm");
    pool.inspect(content.clone()).await.unwrap();
    let pid = pids(&file)[0];
    kill_process(pid, Signal::STOP).unwrap();
    let late = pool.inspect(content.clone()).await;
    assert_excess(&late, Excess::Time { max_ms: 3_000 });
    assert_eq!(late.unwrap_err().to_string(), "too costly to check: it took more than 3 s");
    gone(pid).await;
    pool.inspect(content).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_runs_out_of_memory_is_too_costly() {
    let wargate = Path::new(env!("CARGO_BIN_EXE_wargate"));
    let poor = script(r#"ulimit -v 150000; exec "$0" inspect"#, &[wargate]);
    let pool = Inspectors::with_bounds(poor, one_child());
    assert_excess(&pool.inspect(filled(128 << 20)).await, Excess::Ended);
    pool.inspect(corpus::read(LARGE)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_goes_away_takes_the_child_along_and_leaves_the_turn() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let pool = Inspectors::with_bounds(noted(&file), one_child());
    let content = corpus::read(LARGE);
    for round in 0..3 {
        pool.inspect(content.clone()).await.unwrap();
        let pid = pids(&file)[round];
        kill_process(pid, Signal::STOP).unwrap();
        assert!(tokio::time::timeout(A_MOMENT, pool.inspect(content.clone())).await.is_err());
        gone(pid).await;
    }
    drop(pool);
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_replaced_after_their_number_of_files_and_end_with_the_pool() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let bounds = Bounds { inspections_per_child_max: 2, ..one_child() };
    let pool = Inspectors::with_bounds(noted(&file), bounds);
    for _ in 0..5 {
        pool.inspect(corpus::read("made/add-1.2.3.wasm")).await.unwrap();
    }
    let pids = pids(&file);
    assert_eq!(pids.len(), 3);
    drop(pool);
    for pid in pids {
        gone(pid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_come_when_too_many_wait_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let bounds = Bounds { waiting_max: 2, inspect_max: Duration::from_secs(2), ..one_child() };
    let pool = Inspectors::with_bounds(noted(&file), bounds);
    let content = corpus::read("made/add-1.2.3.wasm");
    pool.inspect(content.clone()).await.unwrap();
    kill_process(pids(&file)[0], Signal::STOP).unwrap();
    let found = join_all((0..8).map(|_| pool.inspect(content.clone()))).await;
    let count = |wanted: fn(&Result<Inspection, InspectError>) -> bool| {
        found.iter().filter(|one| wanted(one)).count()
    };
    assert_eq!(count(|one| matches!(one, Err(InspectError::TooCostly { .. }))), 1, "{found:?}");
    assert_eq!(count(|one| matches!(one, Err(InspectError::Busy))), 5, "{found:?}");
    assert_eq!(count(Result::is_ok), 2, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_no_inspector_is_the_registrys_trouble_and_never_hangs() {
    let plain = |path: &str, args: &[&str]| Program::new(path, args.iter().copied());
    let programs = [
        plain("/bin/sleep", &["1000"]),
        plain("/bin/cat", &[]),
        plain("/bin/false", &[]),
        plain("/nonexistent/program", &[]),
        plain("/bin/sh", &["-c", "yes"]),
        plain("/bin/sh", &["-c", r"printf '\000\000\000\003abc'; cat"]),
    ];
    for program in programs {
        let bounds = Bounds { children: 2, start_max: Duration::from_millis(500), ..Bounds::default() };
        let pool = Inspectors::with_bounds(program.clone(), bounds);
        let content = corpus::read(LARGE);
        let start = Instant::now();
        for found in join_all((0..4).map(|_| pool.inspect(content.clone()))).await {
            let Err(InspectError::Failed { reason }) = found else { panic!("{program:?}: {found:?}") };
            assert!(reason.contains(program.path.to_str().unwrap()), "{reason}");
        }
        assert!(start.elapsed() < GRACE, "{program:?} took {:?}", start.elapsed());
        // What needs no child goes on.
        pool.inspect(corpus::read("made/add-1.2.3.wasm")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_says_too_much_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let content = corpus::read("made/add-1.2.3.wasm");
    let mut job = u32::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    job.extend(&content);
    let mut said = Vec::new();
    serve_child(&job[..], &mut said).unwrap();
    let greeting = std::fs::read(greeting(folder.path())).unwrap();
    let answer = &said[greeting.len()..];
    let ask = async |first: &[u8], then: &[u8]| {
        // What is not longer than this is written and read at once.
        assert!(first.len().max(then.len()) < 4096);
        let (first_file, then_file) = (folder.path().join("first"), folder.path().join("then"));
        std::fs::write(&first_file, first).unwrap();
        std::fs::write(&then_file, then).unwrap();
        let text = r#"cat "$0"; head -c "$2" > /dev/null; cat "$1"; cat > /dev/null; true"#;
        let program = script(text, &[&first_file, &then_file, Path::new(&job.len().to_string())]);
        Inspectors::with_bounds(program, one_child()).inspect(content.clone()).await
    };
    assert_eq!(ask(&greeting, answer).await.unwrap(), inspect(&content).unwrap());
    assert_excess(&ask(&greeting, &[answer, b"\0"].concat()).await, Excess::Ended);
    let early = ask(&[&greeting[..], b"\0"].concat(), answer).await;
    assert!(matches!(early, Err(InspectError::Failed { .. })), "{early:?}");
}

/// What the real program says first.
fn greeting(folder: &Path) -> PathBuf {
    let output = wargate(&["inspect"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let file = folder.join("greeting");
    std::fs::write(&file, output.stdout).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_answers_nonsense_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let greeting = greeting(folder.path());
    let inspect_max = Duration::from_secs(2);
    let (ended, late) = (Excess::Ended, Excess::Time { max_ms: 2_000 });
    // The last `true` keeps the shell and with it the output; `head` waits until there is a file.
    let cases = [
        (r#"cat "$0""#, ended),
        (r#"cat "$0"; exit 1"#, ended),
        // It says the file back before it has it whole, and neither side reads on.
        (r#"cat "$0" -"#, late),
        (r#"cat "$0"; head -c 1 > /dev/null; yes & exec cat > /dev/null"#, ended),
        (r#"cat "$0"; head -c 1 > /dev/null; printf '\000\000\000\002{}'; cat > /dev/null; true"#, ended),
        (r#"cat "$0"; head -c 1 > /dev/null; printf '\377\377\377\377'; cat > /dev/null; true"#, ended),
        (r#"cat "$0"; exec sleep 1000"#, late),
        (r#"cat "$0"; cat > /dev/null; true"#, late),
        (r#"cat "$0"; head -c 1 > /dev/null; printf '\000\000\000\377abc'; cat > /dev/null; true"#, late),
    ];
    for (text, wanted) in cases {
        let pool = Inspectors::with_bounds(script(text, &[&greeting]), Bounds { inspect_max, ..one_child() });
        for _ in 0..2 {
            let start = Instant::now();
            let found = pool.inspect(corpus::read(LARGE)).await;
            assert!(start.elapsed() < inspect_max + GRACE, "{text}: {:?}", start.elapsed());
            assert!(
                matches!(found, Err(InspectError::TooCostly { excess }) if excess == wanted),
                "{text}: {found:?}"
            );
        }
    }
}

#[test]
fn a_child_ends_with_its_parent_even_amid_a_file() {
    let content = corpus::read("components/js-sandbox.wasm");
    let mut child = wargate(&["inspect"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&u32::try_from(content.len()).unwrap().to_be_bytes()).unwrap();
    input.write_all(&content).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.len() < 200, "it answered, {} bytes", output.stdout.len());
}

/// Descriptors that whoever started this test left open for all its children; the registry has none such.
#[cfg(target_os = "linux")]
fn passed_on() -> Vec<String> {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let entries = std::fs::read_dir("/proc/self/fdinfo").unwrap().map(Result::unwrap);
    let is_passed_on = |entry: &std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        flags.is_some_and(|flags| u32::from_str_radix(flags.trim(), 8).unwrap() & CLOSE_ON_EXEC == 0)
    };
    entries.filter(is_passed_on).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_child_bounds_itself_and_inherits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let pool = Inspectors::with_bounds(noted(&file), one_child());
    pool.inspect(corpus::read(LARGE)).await.unwrap();
    let process = PathBuf::from(format!("/proc/{}", pids(&file)[0].as_raw_nonzero()));
    let limits = std::fs::read_to_string(process.join("limits")).unwrap();
    for (name, value) in
        [("Max address space", "1073741824"), ("Max core file size", "0"), ("Max open files", "3")]
    {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let found: Vec<_> = line[name.len()..].split_whitespace().take(2).collect();
        assert_eq!(found, [value, value], "{name}");
    }
    let passed_on = passed_on();
    for entry in std::fs::read_dir(process.join("fd")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(["0", "1", "2"].contains(&&*name) || passed_on.contains(&name), "descriptor {name} is open");
    }
    let environment = String::from_utf8(std::fs::read(process.join("environ")).unwrap()).unwrap();
    for variable in environment.split_terminator('\0') {
        // The last three are the shell's own.
        let known = ["MIMALLOC_ARENA_RESERVE=0", "PWD=", "OLDPWD=", "_=", "SHLVL="];
        assert!(known.iter().any(|known| variable.starts_with(known)), "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn measured_inspections_in_a_second() {
    let cases = ["made/add-1.2.3.wasm", "made/p3-command-dummy.wasm", LARGE];
    let ways = [
        ("in process if small", true, 1_000),
        ("in a child", false, 1_000),
        ("each in its own child", false, 1),
    ];
    for file in cases {
        let content = corpus::read(file);
        for (way, in_process, inspections_per_child_max) in ways {
            let bounds = Bounds { in_process, inspections_per_child_max, ..Bounds::default() };
            let pool = Arc::new(Inspectors::with_bounds(real(), bounds));
            pool.inspect(content.clone()).await.unwrap();
            let (count, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
            let ask = |_| {
                let (pool, count, content) = (Arc::clone(&pool), Arc::clone(&count), content.clone());
                tokio::spawn(async move {
                    while start.elapsed() < Duration::from_secs(1) {
                        pool.inspect(content.clone()).await.unwrap();
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            };
            join_all((0..4).map(ask)).await;
            let rate = count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
            println!("{file}, {way}: {rate:.0} a second");
        }
    }
}
