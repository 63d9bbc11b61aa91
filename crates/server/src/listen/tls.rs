//! TLS: a certificate and its key from PEM files, which can be read anew while connections go on.
//!
//! Only HTTP/1.1 is offered (RFC 7301). Not here: getting certificates, and asking clients for theirs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::paced::Paced;
use crate::limits::{HANDSHAKE_TIMEOUT, PEM_FILE_BYTES_MAX};

/// What a browser sees that speaks HTTP to the port of HTTPS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 55\r\n\
    connection: close\r\n\r\nthis port speaks https, and the request was plain http\n";

/// Bytes of such a request that are taken in before it is answered: closing on unread ones could lose the answer.
const PLAIN_REQUEST_BYTES: usize = 16 * 1024;

/// Why a certificate cannot be used: which file, what is wrong, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read.
    #[error("couldn't read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is something else.
    #[error("`{}` has more than {PEM_FILE_BYTES_MAX} bytes: it is no file of certificates or keys", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is no PEM.
    #[error("`{}` is broken: {reason}; it must be a PEM file", path.display())]
    NoPem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No certificate in the file of certificates.
    #[error(
        "`{}` holds no certificate: it must hold the server's own, then those up to the authority's, each in a block \
         that begins with `-----BEGIN CERTIFICATE-----`", path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A block of the file is no certificate.
    #[error("certificate {number} in `{}` cannot be read: {reason}; get the file anew", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        reason: rustls::Error,
    },
    /// No key in the key's file.
    #[error("`{}` holds no private key: it must hold a block that begins with `-----BEGIN PRIVATE KEY-----`", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key has a passphrase.
    #[error(
        "the private key in `{}` has a passphrase, which nobody is there to type; write it without one, readable by \
         the registry's user alone: openssl pkey -in `{}` -out NEW", path.display(), path.display()
    )]
    LockedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that cannot be used.
    #[error("the private key in `{}` cannot be used: {reason}; ECDSA, Ed25519 and RSA keys can", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
    /// Key and certificate are of different pairs.
    #[error(
        "the key in `{}` is not that of the first certificate in `{}`; the server's own certificate must come first, \
         and both files must be of the same renewal", key.display(), certificates.display()
    )]
    Mismatch {
        /// The file of certificates.
        certificates: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library refuses them for another reason.
    #[error("`{}` cannot be used: {reason}", certificates.display())]
    Refused {
        /// The file of certificates.
        certificates: PathBuf,
        /// What it says.
        reason: rustls::Error,
    },
}

/// A server's certificate with its key, as they were last read.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificates: PathBuf,
    key: PathBuf,
    /// The whole configuration: with it go the sessions that clients could resume without seeing a new certificate.
    current: RwLock<Arc<ServerConfig>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificates", &self.0.certificates).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its key.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = RwLock::new(configured(certificates, key)?);
        Ok(Self(Arc::new(Inner { certificates: certificates.to_owned(), key: key.to_owned(), current })))
    }

    /// Reads the same files again: new connections get what is in them now, those that are open go on.
    ///
    /// # Errors
    /// [`TlsError`]; then what was read before is kept.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = configured(&self.0.certificates, &self.0.key)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Does the handshake, in time.
    pub(super) async fn accept(&self, stream: Paced) -> io::Result<TlsStream<Paced>> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long");
        tokio::time::timeout(HANDSHAKE_TIMEOUT, self.shake_hands(stream)).await.map_err(late)?
    }

    async fn shake_hands(&self, stream: Paced) -> io::Result<TlsStream<Paced>> {
        let mut first = [0];
        // TLS begins with a byte that is no letter, every method of HTTP with one that is (RFC 8446, 5.1).
        if stream.stream().peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
            return Err(refuse_plain(stream).await);
        }
        let config = self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// Says to who speaks plain HTTP that this is the wrong port.
async fn refuse_plain(mut stream: Paced) -> io::Error {
    let mut request = vec![0; PLAIN_REQUEST_BYTES];
    let answered = async {
        // However much of it is there: none of it is looked at.
        let _ = stream.read(&mut request).await?;
        stream.write_all(PLAIN_HTTP).await?;
        stream.shutdown().await
    };
    let plain = || io::Error::new(io::ErrorKind::InvalidData, "it spoke plain HTTP to the port of HTTPS");
    answered.await.err().unwrap_or_else(plain)
}

/// What connections are served with, from these files.
fn configured(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_chain(certificates)?;
    let private = read_key(key)?;
    let provider = Arc::new(default_provider());
    let bad_key = |reason| TlsError::BadKey { path: key.to_owned(), reason };
    provider.key_provider.load_private_key(private.clone_key()).map_err(bad_key)?;
    let refused = |reason| match reason {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificates: certificates.to_owned(), key: key.to_owned() }
        }
        reason => TlsError::Refused { certificates: certificates.to_owned(), reason },
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read_file(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|reason| TlsError::NoPem { path: path.to_owned(), reason: words(&reason) })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    for (at, certificate) in chain.iter().enumerate() {
        ParsedCertificate::try_from(certificate).map_err(|reason| TlsError::BadCertificate {
            path: path.to_owned(),
            number: at + 1,
            reason,
        })?;
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read_file(path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => {
            // Both forms of such keys say so: in the first line (RFC 7468, 11) or in a header (RFC 1421).
            let locked = ["BEGIN ENCRYPTED", "Proc-Type: 4,ENCRYPTED"].map(str::as_bytes);
            let has = |words: &[u8]| text.windows(words.len()).any(|at| at == words);
            let path = path.to_owned();
            Err(if locked.into_iter().any(has) {
                TlsError::LockedKey { path }
            } else {
                TlsError::NoKey { path }
            })
        }
        Err(reason) => Err(TlsError::NoPem { path: path.to_owned(), reason: words(&reason) }),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(PEM_FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > PEM_FILE_BYTES_MAX {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// What is wrong with a PEM file. Never with its bytes, which may be a key's.
fn words(error: &PemError) -> String {
    match error {
        PemError::MissingSectionEnd { .. } => "a block has a beginning and no end".to_owned(),
        PemError::IllegalSectionStart { .. } => "the first line of a block is not whole".to_owned(),
        PemError::Base64Decode(_) => "a block is not base64".to_owned(),
        _ => "it cannot be read".to_owned(),
    }
}
