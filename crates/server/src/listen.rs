//! Accepting connections: TCP_NODELAY, TLS, time limits, a cap, and an orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use crate::limits::{CONNECTIONS_MAX, DESCRIPTORS_WANTED, DRAIN_TIMEOUT, HEAD_BYTES_MAX, HEADER_TIMEOUT};

mod paced;
mod proxies;
mod tls;

use paced::Paced;
pub use proxies::{ClientAddress, ForwardedHeader, ProxyError, TrustedProxies};
pub use tls::{Tls, TlsError};

/// How long accepting rests when the process has no descriptor left.
const ACCEPT_REST: std::time::Duration = std::time::Duration::from_millis(50);

/// What lies between the registry and its clients.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    /// TLS; without it HTTP is spoken in the clear.
    pub tls: Option<Tls>,
    /// Proxies that may say who the client is.
    pub trusted_proxies: TrustedProxies,
}

/// Serves HTTP in the clear until `shutdown` is done: [`serve_over`] with nothing in between.
///
/// # Errors
/// As [`serve_over`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_over(listener, Transport::default(), router, shutdown).await
}

/// Serves until `shutdown` is done, then lets requests in flight end, up to [`DRAIN_TIMEOUT`]. Every request has its
/// [`ClientAddress`] as an extension.
///
/// # Errors
/// None today; a listener that fails is tried again, since it fails when descriptors run out.
pub async fn serve_over(
    listener: TcpListener,
    transport: Transport,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let (end, ends) = watch::channel(());
    let transport = Arc::new(transport);
    let room = Arc::new(Semaphore::new(connections_max()));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accept = async {
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (transport, router) = (transport.clone(), router.clone());
                let connection = Connection { transport, router, peer, watcher: graceful.watcher() };
                let ends = ends.clone();
                tokio::spawn(async move {
                    connection.run(stream, ends).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "couldn't accept a connection");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop((listener, end));
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests in flight did not end in time; they are cut off");
    }
    Ok(())
}

/// Half of the descriptors are for connections at most: files and inspectors need some too.
fn connections_max() -> usize {
    use rustix::process::{Resource, getrlimit};
    let descriptors = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    descriptors.map_or(CONNECTIONS_MAX, |most| (most / 2).clamp(1, CONNECTIONS_MAX))
}

/// One client's connection.
struct Connection {
    transport: Arc<Transport>,
    router: Router,
    peer: SocketAddr,
    watcher: Watcher,
}

impl Connection {
    /// Serves it. One that is still in its handshake when the server ends is dropped: nothing was asked yet.
    async fn run(self, stream: TcpStream, mut ends: watch::Receiver<()>) {
        // Without it a reply's last packet waits for the client's delayed acknowledgement, 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "couldn't set TCP_NODELAY");
        }
        let stream = Paced::new(stream);
        let Some(tls) = self.transport.tls.clone() else { return self.speak(stream).await };
        let secured = tokio::select! {
            secured = tls.accept(stream) => secured,
            // Nothing is ever sent: it fails when the sender is gone.
            _ = ends.changed() => return,
        };
        match secured {
            Ok(stream) => self.speak(stream).await,
            Err(error) => tracing::debug!(%error, peer = %self.peer, "a TLS handshake failed"),
        }
    }

    /// Speaks HTTP/1.1 over it.
    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { transport, router, peer, watcher } = self;
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let client = transport.trusted_proxies.client(peer.ip(), request.headers());
            request.extensions_mut().insert(ClientAddress(client));
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, %peer, "a connection broke off");
        }
    }
}

/// Raises the process's limit of open descriptors as far as it may; what it is then.
///
/// # Errors
/// What the kernel says.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let may = limit.maximum.unwrap_or(u64::MAX);
    let wanted = DESCRIPTORS_WANTED.min(may);
    match limit.current {
        Some(current) if current < wanted => {
            let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
            setrlimit(Resource::Nofile, raised)?;
            Ok(wanted)
        }
        current => Ok(current.unwrap_or(u64::MAX)),
    }
}
