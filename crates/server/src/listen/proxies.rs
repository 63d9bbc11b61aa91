//! Who the client is when a proxy stands in front: the rightmost hop that no trusted proxy vouches for.
//!
//! Only the client's address is taken from a proxy's word. Host, scheme and path of our URLs never are: those come
//! from the public URL alone.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

use crate::limits::FORWARDED_HOPS_MAX;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of a request's client, as a request extension: for logs, and for limits by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

/// An entry of the list of trusted proxies that is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is no address.
    #[error("`{entry}` is neither an IP address nor a network such as `10.0.0.0/8`")]
    Malformed {
        /// What was written.
        entry: String,
    },
    /// It is everybody.
    #[error("`{entry}` is every address there is: any client could say that it is somebody else")]
    Everybody {
        /// What was written.
        entry: String,
    },
    /// It is another header.
    #[error(
        "`{header}` is not a header that tells the client's address: `x-forwarded-for` and `forwarded` do"
    )]
    Header {
        /// What was written.
        header: String,
    },
}

/// The header that proxies tell the client's address in. Only one is believed: a proxy that writes the one passes the
/// other on as the client sent it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, as nginx and Caddy write it.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl FromStr for ForwardedHeader {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(ProxyError::Header { header: text.to_owned() }),
        }
    }
}

/// The proxies whose word about the client's address is taken; none by default.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
}

impl TrustedProxies {
    /// Proxies by address or network, and the header that they write.
    ///
    /// # Errors
    /// [`ProxyError`] names the entry.
    pub fn new<'a>(
        entries: impl IntoIterator<Item = &'a str>,
        header: ForwardedHeader,
    ) -> Result<Self, ProxyError> {
        let networks = entries.into_iter().map(network).collect::<Result<_, _>>()?;
        Ok(Self { networks, header })
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client's address, of a request that came from `peer`.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let chain = match self.header {
            ForwardedHeader::XForwardedFor => hops(headers, &X_FORWARDED_FOR, |line| {
                line.split(',').map(|hop| address(hop.trim())).collect()
            }),
            ForwardedHeader::Forwarded => hops(headers, &FORWARDED, forwarded),
        };
        for hop in chain.into_iter().rev().take(FORWARDED_HOPS_MAX) {
            // What cannot be read says nothing, and nor does all that stands before it.
            let Some(hop) = hop else { break };
            client = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        client
    }
}

fn network(entry: &str) -> Result<IpNet, ProxyError> {
    let text = entry.trim();
    let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let network = address.or_else(|_| text.parse::<IpNet>());
    let network = network.map_err(|_| ProxyError::Malformed { entry: entry.to_owned() })?;
    if network.prefix_len() == 0 {
        return Err(ProxyError::Everybody { entry: entry.to_owned() });
    }
    Ok(network)
}

/// All hops of a header's lines, in their order; `None` is one that cannot be read.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Vec<Option<IpAddr>>,
) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.to_str().map_or_else(|_| vec![None], &read)).collect()
}

/// An address with or without a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse::<IpAddr>().ok().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

/// The hops of one `Forwarded` line (RFC 7239, 4). A line with an open quote is no hop at all.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let Some(elements) = split(line, ',') else { return vec![None] };
    let node = |element: &str| {
        let pairs = split(element, ';')?;
        let mut nodes = pairs.iter().filter_map(|pair| pair.split_once('='));
        let (_, node) = nodes.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
        let node = node.trim();
        address(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
    };
    elements.into_iter().map(node).collect()
}

/// The parts between separators outside of quoted strings; `None` if a quote stays open.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests;
