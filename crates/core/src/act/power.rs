//! Powers: what a role may do, by layer (`spec/delegation.md`, "Three layers, one machine").

use std::fmt;

use crate::id::Layer;

/// What a role may do. Which powers there are depends on the log's layer, see [`Power::is_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// Operator: sign checkpoints.
    Commit,
    /// Operator: start namespaces.
    Define,
    /// Operator: replace a namespace's owners. Namespace: replace a package's owners.
    Recover,
    /// Operator: marks the registry's publishing keys.
    Publish,
    /// Operator: say that a namespace is another registry's.
    Import,
    /// Operator: remove content.
    Takedown,
    /// Namespace: start packages.
    Init,
    /// Namespace and package: deprecate and note.
    Annotate,
    /// Package: release versions.
    Release,
    /// Package: yank versions.
    Yank,
}

impl Power {
    /// Every power of every layer.
    pub const ALL: [Self; 10] = [
        Self::Commit,
        Self::Define,
        Self::Recover,
        Self::Publish,
        Self::Import,
        Self::Takedown,
        Self::Init,
        Self::Annotate,
        Self::Release,
        Self::Yank,
    ];

    /// Its name in an act.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Define => "define",
            Self::Recover => "recover",
            Self::Publish => "publish",
            Self::Import => "import",
            Self::Takedown => "takedown",
            Self::Init => "init",
            Self::Annotate => "annotate",
            Self::Release => "release",
            Self::Yank => "yank",
        }
    }

    /// The power with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.as_str() == text)
    }

    /// Whether roles of a layer's logs can hold it.
    #[must_use]
    pub const fn is_of(self, layer: Layer) -> bool {
        match layer {
            Layer::Operator => matches!(
                self,
                Self::Commit | Self::Define | Self::Recover | Self::Publish | Self::Import | Self::Takedown
            ),
            Layer::Namespace => matches!(self, Self::Init | Self::Recover | Self::Annotate),
            Layer::Package => matches!(self, Self::Release | Self::Yank | Self::Annotate),
        }
    }

    /// Whether it is held only by roles directly under `owner` whose grant names it, is never copied, and
    /// takes no scope.
    #[must_use]
    pub const fn is_named_only(self) -> bool {
        matches!(self, Self::Commit | Self::Publish)
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
