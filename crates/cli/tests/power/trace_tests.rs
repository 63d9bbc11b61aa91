//! The recorder's lines.

use super::*;

/// A line as the recorder writes it: `'text'` and `<path>` stand for what is hexadecimal there.
fn line(text: &str) -> String {
    let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let mut line = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '{']) {
        let (quote, close) = if rest[at..].starts_with('\'') { ("\"", '\'') } else { ("", '}') };
        let end = at + 1 + rest[at + 1..].find(close).unwrap();
        line.push_str(&rest[..at]);
        let inner = hex(&rest[at + 1..end]);
        line.push_str(&if quote.is_empty() { format!("<{inner}>") } else { format!("\"{inner}\"") });
        rest = &rest[end + 1..];
    }
    line + rest
}

fn acts(lines: &[&str]) -> Result<Vec<Act>, Refused> {
    let mut trace = Trace::of(Path::new("/d"));
    let mut acts = Vec::new();
    for text in lines {
        acts.extend(trace.line(&line(&format!("7  1.000002 {text}")))?.1);
    }
    Ok(acts)
}

#[test]
fn calls_on_the_data_folder_are_read() {
    let path = || PathBuf::from("a");
    let open = |create, truncate| Act::Open { fd: 5, path: path(), create, truncate, append: false };
    for (text, expected) in [
        ("openat(AT_FDCWD{/x}, '/d/a', O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 5{/d/a}", vec![open(true, false)]),
        ("open('/d/a', O_WRONLY|O_TRUNC) = 5{/d/a}", vec![open(false, true)]),
        ("openat(AT_FDCWD{/x}, '/d/a', O_RDONLY) = -1 ENOENT (No such file or directory)", vec![]),
        ("openat(AT_FDCWD{/x}, '/e/a', O_RDONLY) = 5{/e/a}", vec![]),
        (
            "write(5{/d/a}, 'hello', 5) = 3",
            vec![Act::Write { fd: 5, path: path(), at: None, bytes: b"hel".to_vec() }],
        ),
        (
            "pwrite64(5{/d/a}, ', = )', 5, 4096) = 5",
            vec![Act::Write { fd: 5, path: path(), at: Some(4096), bytes: b", = )".to_vec() }],
        ),
        ("write(2{/e}, 'x', 1) = 1", vec![]),
        ("ftruncate(5{/d/a}, 3) = 0", vec![Act::Resize { path: path(), size: 3 }]),
        ("lseek(5{/d/a}, 8, SEEK_SET) = 8", vec![Act::Seek { fd: 5, path: path(), to: 8 }]),
        (
            "fsync(5{/d/a}) = 0",
            vec![Act::SyncBegins { thread: 7, path: path() }, Act::SyncEnds { thread: 7, path: path() }],
        ),
        (
            "fdatasync(5{/d/a}) = 0 (INJECTED)",
            vec![Act::SyncBegins { thread: 7, path: path() }, Act::SyncSwallowed { path: path() }],
        ),
        ("rename('/d/a', '/d/b') = 0", vec![Act::Rename { from: path(), to: "b".into() }]),
        ("mkdir('/d/a', 0777) = -1 EEXIST (File exists)", vec![]),
        ("unlink('/d/a') = 0", vec![Act::Remove { path: path() }]),
        (
            "mmap(NULL, 9, PROT_READ|PROT_WRITE, MAP_SHARED, 5{/d/a}, 0) = 0x7f",
            vec![Act::MapShared { path: path() }],
        ),
        ("mmap(NULL, 9, PROT_READ, MAP_PRIVATE, 5{/d/a}, 0) = 0x7f", vec![]),
        ("fsync(5{/d/a}) = ?", vec![Act::SyncBegins { thread: 7, path: path() }]),
        ("+++ exited with 0 +++", vec![]),
    ] {
        assert_eq!(acts(&[text]).as_deref(), Ok(expected.as_slice()), "{text}");
    }
}

#[test]
fn a_call_in_two_lines_ends_with_the_second() {
    let lines = ["fsync(5{/d/a} <unfinished ...>", "<... fsync resumed>) = 0"];
    assert_eq!(acts(&lines[..1]).unwrap(), [Act::SyncBegins { thread: 7, path: "a".into() }]);
    assert_eq!(
        acts(&lines).unwrap(),
        [Act::SyncBegins { thread: 7, path: "a".into() }, Act::SyncEnds { thread: 7, path: "a".into() }]
    );
    let lines = ["write(5{/d/a}, 'x', 1 <unfinished ...>", "<... write resumed>) = 1"];
    assert_eq!(acts(&lines[..1]).unwrap(), []);
    assert_eq!(acts(&lines).unwrap().len(), 1);
}

#[test]
fn what_is_not_modelled_is_refused() {
    for text in [
        "pwritev(5{/d/a}, [{iov_base='x', iov_len=1}], 1, 0) = 1",
        "dup(5{/d/a}) = 6{/d/a}",
        "fallocate(5{/d/a}, 0, 0, 10) = 0",
        "openat(AT_FDCWD{/x}, '/d/a', O_WRONLY|O_DSYNC) = 5{/d/a}",
        "rename('/d/a', '/e/a') = 0",
        "rename('a', 'b') = 0",
        "renameat2(AT_FDCWD{/x}, '/d/a', AT_FDCWD{/x}, '/d/b', 0) = 0",
        "fsync(5{/d/a}) = -1 EIO (Input/output error)",
        "write(5{/d/a}, 'x'..., 1) = 1",
        "write(5{/d/a}, 'x', 1) = 1 (INJECTED)",
        "write(5{/d/a}, 'x', 1) = ?",
        "sync() = 0",
        "<... write resumed>) = 1",
        "nonsense",
    ] {
        assert!(acts(&[text]).is_err(), "{text}");
    }
}
