//! The web pages: HTML from plain values (`DESIGN.md`, "Doors").
//!
//! Pure functions of what `wargate_wire::api` describes, so a page and its `.json` twin cannot tell two stories.
//! Not here: where the values come from, and any rule. Every page works without a script, and every text in a
//! value is taken for a stranger's: the templates' one escaper makes it safe.

mod address;
mod assets;
mod copy;
mod escape;
mod external;
mod filters;
mod pages;
mod response;

pub use address::RESERVED_NAMESPACES;
pub use assets::{Asset, asset};
pub use pages::{render_keys, render_list, render_package, render_problem, render_release};
pub use response::{respond, respond_asset, secure_headers};

/// Packages on one page of the list.
pub const PACKAGES_PER_PAGE: usize = 50;

/// Imports that a page shows, and exports; the rest is in its twin.
pub const EXTERNS_SHOWN_MAX: usize = 500;

/// Imports from which on their table is folded, and exports.
pub const EXTERNS_FOLDED_FROM: usize = 40;

/// Custom sections, tools and components within that a page shows, of each; the rest is in its twin.
pub const PARTS_SHOWN_MAX: usize = 100;

/// Warnings that a page shows.
pub const WARNINGS_SHOWN_MAX: usize = 64;

/// Releases that a package's page shows; the rest is in its twin.
pub const RELEASES_SHOWN_MAX: usize = 500;

/// Levels of the tree of roles that are set in: no log has more.
pub const LEVELS_SHOWN_MAX: u32 = 8;

/// Largest WIT text that a page shows, in bytes; a larger one is in its twin: 128 KiB.
pub const WIT_SHOWN_BYTES_MAX: usize = 128 << 10;

/// Characters of a description in a list.
pub const SUMMARY_CHARS_MAX: usize = 160;

/// Characters of a description under a page's title.
pub const LEAD_CHARS_MAX: usize = 320;

/// Characters of what else a publisher says; the rest is in the page's twin.
pub const CLAIM_CHARS_MAX: usize = 200;

/// Characters of a version in a list.
pub const VERSION_CHARS_MAX: usize = 32;

/// Characters of a `producers` field's name, which is one of three words in an honest file.
pub const PRODUCER_FIELD_CHARS_MAX: usize = 16;

/// The registry whose pages these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// What it calls itself: its origin, as in its checkpoints.
    pub name: String,
    /// The URL under which it is reached, without a slash at its end; a path in it begins every link.
    pub url: String,
    /// What stands before `NAMESPACE/NAME` in an OCI reference: empty, or ending with a slash.
    pub oci_prefix: String,
    /// The id to pin.
    pub root_id: Option<String>,
}
