//! 10,000 idle connections hinder nobody.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use support::Server;
use support::author::{Author, module, publish};

const IDLE: usize = 10_000;

#[tokio::test]
async fn ten_thousand_idle_connections_hinder_nobody() {
    let limit = wargate_server::raise_descriptor_limit().unwrap();
    assert!(
        limit > IDLE as u64 + 500,
        "{limit} descriptors are too few for this test's end of the connections"
    );
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&data.path().join("data"), &[]);
    let address = server.url.strip_prefix("http://").unwrap();
    let mut idle: Vec<TcpStream> = (0..IDLE).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(server.get("/healthz").contains("200"));
    let content = module(b"content");
    let signed = Author::new("acme:busy").release("1.0.0", &content);
    assert!(publish(&reqwest::Client::new(), &server.url, &signed, &content).await.unwrap());
    // One of the idle ones is as good as new.
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    last.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}
