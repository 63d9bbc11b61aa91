//! The kind of a file, always derived from its bytes (`spec/components.md`, "Kinds from bytes").

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::refused::{HeaderFault, Refused};

/// Bytes in the header of every WebAssembly file.
pub const HEADER_BYTES: usize = 8;

const MAGIC: &[u8; 4] = b"\0asm";
const CORE_VERSION: u16 = 1;
const COMPONENT_VERSION: u16 = 0x0d;
const CORE_LAYER: u16 = 0;
const COMPONENT_LAYER: u16 = 1;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A component.
    Component,
    /// A WIT package, encoded as a component.
    Wit,
    /// A core module.
    Module,
}

impl Kind {
    /// The word for it, as in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Wit => "wit",
            Self::Module => "module",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the first eight bytes promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Core,
    Component,
}

/// Reads the header.
pub(crate) fn layer(bytes: &[u8]) -> Result<Layer, Refused> {
    let fault = if bytes.len() < HEADER_BYTES {
        HeaderFault::TooShort
    } else if !bytes.starts_with(MAGIC) {
        HeaderFault::NoMagic
    } else {
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        match u16::from_le_bytes([bytes[6], bytes[7]]) {
            CORE_LAYER if version == CORE_VERSION => return Ok(Layer::Core),
            COMPONENT_LAYER if version == COMPONENT_VERSION => return Ok(Layer::Component),
            CORE_LAYER | COMPONENT_LAYER => HeaderFault::UnknownVersion { version },
            layer => HeaderFault::UnknownLayer { layer },
        }
    };
    Err(Refused::NotWasm { fault })
}
