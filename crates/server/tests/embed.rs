//! The example of an embedder, as a process of its own: what the documentation shows must run.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use wargate_core::digest::Digest;

/// The example, killed when dropped.
struct Shop {
    process: Child,
    address: String,
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It fails only where the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Shop {
    fn open(folder: &std::path::Path) -> Self {
        let tests = std::env::current_exe().unwrap();
        let example = tests.parent().unwrap().with_file_name("examples").join("embed");
        assert!(example.is_file(), "examples are built by `cargo test` of the whole crate only");
        let mut process = Command::new(example).arg(folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().to_owned();
        Self { process, address }
    }

    /// Status, head and body of the answer to one request.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        (head[9..12].parse().unwrap(), head, answer[end + 4..].to_vec())
    }

    fn push(&self, tag: &str, wasm: &[u8]) -> (u16, String) {
        for blob in [wasm, b"{}"] {
            let path = format!("/v2/acme/hello/blobs/uploads/?digest={}", Digest::of(blob));
            assert_eq!(self.ask("POST", &path, blob).0, 201);
        }
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{}","size":2}},"layers":[{{"mediaType":"application/wasm","digest":"{}","size":{}}}]}}"#,
            Digest::of(b"{}"),
            Digest::of(wasm),
            wasm.len()
        );
        let (status, _, body) =
            self.ask("PUT", &format!("/v2/acme/hello/manifests/{tag}"), manifest.as_bytes());
        (status, String::from_utf8(body).unwrap())
    }
}

#[test]
fn an_embedder_has_a_server_of_its_own_and_a_say_in_what_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    assert_eq!(shop.ask("GET", "/", b"").2, b"A shop that has a registry, too.");
    let small = b"\0asm\x01\0\0\0";
    assert_eq!(shop.push("1.0.0", small).0, 201);
    let (status, words) = shop.push("2.0.0-rc.1", small);
    assert_eq!(status, 400, "{words}");
    assert!(words.contains("this shop sells no pre-releases"), "{words}");
    let (status, head, checkpoint) = shop.ask("GET", "/warg/v1/fetch/checkpoint", b"");
    assert_eq!(status, 200, "{head}");
    let checkpoint = String::from_utf8(checkpoint).unwrap();
    assert!(checkpoint.contains("\"logLength\":3"), "operator, namespace and package: {checkpoint}");
}
