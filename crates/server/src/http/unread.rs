//! What is left of a request that was refused before its body was read.
//!
//! A connection that is closed on bytes nobody read is reset, and the answer lost with it: the sender would not hear
//! why. So some of the rest is taken in, and where more comes, the connection says that it ends (RFC 9112, §9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures::StreamExt as _;
use hyper::body::{Body as _, Frame, SizeHint};

use crate::limits::{REFUSED_BODY_BYTES_MAX, REFUSED_BODY_TIMEOUT};

/// Where a body goes that its handler dropped.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Body>>>);

/// A body that leaves its rest behind.
struct Watched {
    body: Body,
    rest: Rest,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            let body = std::mem::take(&mut self.body);
            *self.rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

/// Watches the request's body; `None` if it has none, or waits for leave to send it.
pub(super) fn watch(request: Request) -> (Request, Option<Rest>) {
    // Reading it would give the leave.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return (request, None);
    }
    let rest = Rest::default();
    let (parts, body) = request.into_parts();
    (Request::from_parts(parts, Body::new(Watched { body, rest: rest.clone() })), Some(rest))
}

impl Rest {
    /// Lets the sender of a refused request hear the answer.
    pub(super) async fn settle(self, response: &mut Response) {
        let refused = response.status().is_client_error() || response.status().is_server_error();
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(body) = body.filter(|_| refused) else { return };
        let ended = tokio::time::timeout(REFUSED_BODY_TIMEOUT, drain(body)).await.unwrap_or(false);
        if !ended {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Whether the body ended, in time and within what is taken in.
async fn drain(body: Body) -> bool {
    let mut pieces = body.into_data_stream();
    let mut taken = 0;
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { return false };
        taken += piece.len();
        if taken > REFUSED_BODY_BYTES_MAX {
            return false;
        }
    }
    true
}
