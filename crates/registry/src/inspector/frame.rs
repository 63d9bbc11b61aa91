//! The frames between the registry and its inspectors: a length of four bytes, big-endian, then that many bytes.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Largest answer of an inspector, in bytes: 64 MiB. WIT text, documentation and 10,000 names of usual length stay
/// far below it; a file of which there is more to say is refused.
pub const ANSWER_BYTES_MAX: u32 = 64 << 20;

/// What is reserved for a frame before any of it has come, in bytes: a length alone costs nothing.
const RESERVED_BYTES_MAX: u32 = 64 << 10;

/// Reads one frame; `None` where the input ends before one begins.
pub(super) fn read(input: &mut impl Read, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match input.read(&mut length[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_be_bytes(length);
    if u64::from(length) > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    // All at once: growing would take up to twice the memory, and who writes jobs is trusted.
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes one frame.
pub(super) fn write(output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(&length_of(bytes)?)?;
    output.write_all(bytes)?;
    output.flush()
}

/// Reads one frame of a child, whose length is not believed before the bytes are there.
pub(super) async fn receive(
    input: &mut (impl AsyncRead + Unpin + Send),
    bytes_max: u32,
) -> io::Result<Vec<u8>> {
    let length = input.read_u32().await?;
    if length > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    let mut bytes = Vec::with_capacity(length.min(RESERVED_BYTES_MAX) as usize);
    input.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Writes one frame to a child.
pub(super) async fn send(output: &mut (impl AsyncWrite + Unpin + Send), bytes: &[u8]) -> io::Result<()> {
    output.write_all(&length_of(bytes)?).await?;
    output.write_all(bytes).await?;
    output.flush().await
}

fn length_of(bytes: &[u8]) -> io::Result<[u8; 4]> {
    let length = u32::try_from(bytes.len());
    length
        .map(u32::to_be_bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too long for a frame"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_end_is_the_end() {
        let mut written = Vec::new();
        for bytes in [&b""[..], b"a", &[7; 70_000]] {
            write(&mut written, bytes).unwrap();
        }
        let mut input = &written[..];
        for bytes in [&b""[..], b"a", &[7; 70_000]] {
            assert_eq!(read(&mut input, 70_000).unwrap().as_deref(), Some(bytes));
        }
        assert_eq!(read(&mut input, 70_000).unwrap(), None);
    }

    #[tokio::test]
    async fn both_sides_speak_the_same_frames() {
        let mut sent = Vec::new();
        send(&mut sent, b"abc").await.unwrap();
        assert_eq!(sent, b"\0\0\0\x03abc");
        assert_eq!(receive(&mut &sent[..], 3).await.unwrap(), b"abc");
        assert_eq!(read(&mut &sent[..], 3).unwrap().unwrap(), b"abc");
    }

    #[tokio::test]
    async fn a_broken_frame_is_an_error_whoever_reads_it() {
        for broken in [&b"\0"[..], b"\0\0\0", b"\0\0\0\x02a", b"\0\0\0\x04abcd", b"\xff\xff\xff\xff"] {
            assert!(read(&mut &broken[..], 3).is_err(), "{broken:?}");
            assert!(receive(&mut &broken[..], 3).await.is_err(), "{broken:?}");
        }
        assert!(receive(&mut &b""[..], 3).await.is_err());
    }
}
