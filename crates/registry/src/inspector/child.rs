//! The child's side: a loop that reads files and writes what they are.

use std::io::{self, Read, Write};

use wargate_component::inspect::VALIDATOR;
use wargate_component::limits::WASM_BYTES_MAX;
use wargate_component::{Inspection, Refused, inspect};

use super::frame::{self, ANSWER_BYTES_MAX};

/// What a child answers to one file.
pub(super) type Answer = Result<Inspection, Refused>;

/// The first frame of a child: that it is one, and of the same release as its parent. A program that does not
/// say it is the registry's trouble, what happens after it is the file's.
pub(super) fn greeting() -> String {
    format!("wargate inspector {} {VALIDATOR}", env!("CARGO_PKG_VERSION"))
}

/// Inspects one file after another until the input ends: what a child of [`Inspectors`](super::Inspectors) does
/// with its standard input and output. Bounds on memory are set by the process itself before, the one on time
/// by the parent.
///
/// # Errors
/// If the input breaks off within a file or the output is closed.
pub fn serve_child(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    frame::write(&mut output, greeting().as_bytes())?;
    while let Some(content) = frame::read(&mut input, WASM_BYTES_MAX)? {
        let answer = encode(&inspect(&content))?;
        drop(content);
        frame::write(&mut output, &answer)?;
    }
    Ok(())
}

fn encode(answer: &Answer) -> io::Result<Vec<u8>> {
    let bytes = serde_json::to_vec(answer)?;
    let max = u64::from(ANSWER_BYTES_MAX);
    let found = bytes.len() as u64;
    if found <= max {
        return Ok(bytes);
    }
    let what = "bytes in the description of what it holds";
    Ok(serde_json::to_vec(&Answer::Err(Refused::Limit { what: what.into(), found, max }))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_greets_then_answers_each_file_in_turn() {
        let mut input = Vec::new();
        let files: [&[u8]; 3] = [b"\0asm\x01\0\0\0", b"nonsense", b"\0asm\x0d\0\x01\0"];
        for file in files {
            frame::write(&mut input, file).unwrap();
        }
        let mut output = Vec::new();
        serve_child(&input[..], &mut output).unwrap();
        let mut output = &output[..];
        let greeted = frame::read(&mut output, 100).unwrap().unwrap();
        assert_eq!(greeted, greeting().as_bytes());
        for file in files {
            let answer = frame::read(&mut output, 10_000).unwrap().unwrap();
            assert_eq!(serde_json::from_slice::<Answer>(&answer).unwrap(), inspect(file));
        }
        assert!(output.is_empty());
    }

    #[test]
    fn a_broken_job_ends_the_child() {
        for broken in [&b"\0\0\0\x09asm"[..], b"\xff\xff\xff\xff\0asm"] {
            assert!(serve_child(broken, io::sink()).is_err());
        }
    }
}
