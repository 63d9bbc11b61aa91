//! A stream whose other end must take what is written, at some pace (`DESIGN.md`, "Limits").
//!
//! It lies below TLS, so both kinds of connections are held to the same. Not here: reading; heads and bodies of
//! requests have time limits of their own.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::http::pace::Pace;

/// A connection whose client must not stop reading.
pub(super) struct Paced {
    stream: TcpStream,
    pace: Pace,
    /// Since when a write waits, and until when it may.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, pace: Pace::default(), waiting: None }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Passes on how a write went; one that waits for too long fails.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                let waited = self.waiting.take().map(|(since, _)| since.elapsed()).unwrap_or_default();
                if self.pace.note(waited, bytes) { Poll::Ready(Ok(bytes)) } else { self.give_up() }
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let left = self.pace.left();
                let (_, until) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
                if until.as_mut().poll(context).is_ready() {
                    return self.give_up();
                }
                Poll::Pending
            }
        }
    }

    /// The connection is over, and with it what the system still holds for the client.
    fn give_up(&self) -> Poll<io::Result<usize>> {
        if let Err(error) = self.stream.set_zero_linger() {
            tracing::debug!(%error, "couldn't make a slow client's connection end at once");
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes its answer too slowly")))
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
