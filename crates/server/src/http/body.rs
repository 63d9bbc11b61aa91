//! Reading bodies within limits of size and time.

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::time::Instant;

use super::content_length;
use super::pace::Pace;
use crate::limits::{BODY_IDLE_TIMEOUT, WHOLE_BODY_TIMEOUT};

/// A body that did not arrive as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is too large: at most {bytes_max} bytes are allowed")]
    TooLarge { bytes_max: usize },
    #[error("the body broke off")]
    BrokeOff,
    #[error("the body stopped arriving")]
    Stopped,
    #[error("the body took too long to arrive")]
    TooSlow,
}

impl BodyError {
    /// The HTTP status, the same at every door.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::BrokeOff => 400,
            Self::Stopped | Self::TooSlow => 408,
        }
    }
}

/// The pieces of a body. A client that stops in the middle, or drips, is not waited for.
pub(crate) struct Pieces {
    stream: BodyDataStream,
    pace: Pace,
}

impl Pieces {
    pub(crate) fn new(body: Body) -> Self {
        Self { stream: body.into_data_stream(), pace: Pace::default() }
    }

    /// The next one; `None` at the body's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let (asked, left) = (Instant::now(), self.pace.left());
        match tokio::time::timeout(left.min(BODY_IDLE_TIMEOUT), self.stream.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) if self.pace.note(asked.elapsed(), piece.len()) => Ok(Some(piece)),
            Ok(Some(Ok(_))) => Err(BodyError::TooSlow),
            Ok(Some(Err(_))) => Err(BodyError::BrokeOff),
            Err(_) if left < BODY_IDLE_TIMEOUT => Err(BodyError::TooSlow),
            Err(_) => Err(BodyError::Stopped),
        }
    }
}

/// A whole body of at most `bytes_max`.
pub(crate) async fn read_whole(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, BodyError> {
    if content_length(headers).unwrap_or(0) > bytes_max as u64 {
        return Err(BodyError::TooLarge { bytes_max });
    }
    let whole = gather(body, bytes_max);
    tokio::time::timeout(WHOLE_BODY_TIMEOUT, whole).await.map_err(|_| BodyError::TooSlow)?
}

async fn gather(body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut pieces = Pieces::new(body);
    let Some(first) = pieces.next().await? else { return Ok(Bytes::new()) };
    // Most bodies are one piece, which is taken as it is.
    let Some(second) = pieces.next().await? else {
        return if first.len() > bytes_max { Err(BodyError::TooLarge { bytes_max }) } else { Ok(first) };
    };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if whole.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge { bytes_max });
        }
        whole.extend_from_slice(&piece);
        next = pieces.next().await?;
    }
    Ok(whole.freeze())
}
