//! Whether what a file says about itself agrees with the release it is to become.

use std::borrow::Cow;

use semver::Version;
use serde::{Deserialize, Serialize};
use wargate_core::name::PackageName;

use crate::inspection::Inspection;

/// How a file and a release disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "disagreement", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Disagreement {
    /// The file has another name.
    #[error("the file says that it is `{inside}`, the release is of `{release}`")]
    Name {
        /// The name inside.
        inside: String,
        /// The release's.
        release: String,
    },
    /// The file has a name that WIT allows and no release can have (`spec/components.md`, "Names").
    #[error("the file says that it is `{inside}`: in a release's name every word must begin with a letter")]
    NotForReleases {
        /// The name inside.
        inside: String,
    },
    /// The file has another version.
    #[error("{place} says version {inside}, the release is {release}")]
    Version {
        /// Where it says so.
        place: Cow<'static, str>,
        /// The version inside.
        inside: String,
        /// The release's.
        release: String,
    },
}

/// Checks name and version in a file against those of a release (`spec/components.md`, "Metadata and
/// sections").
///
/// For a WIT package its id counts. Otherwise the debug name counts if it reads as `ns:name`, and the `version`
/// section. A file that says nothing agrees with everything.
///
/// # Errors
/// The first disagreement.
pub fn agree(inspection: &Inspection, ns: &str, name: &str, version: &Version) -> Result<(), Disagreement> {
    let release = format!("{ns}:{name}");
    let inside_name = match &inspection.package {
        Some(id) => Some(format!("{}:{}", id.namespace, id.name)),
        None => inspection.metadata.name.clone().filter(|name| name.parse::<PackageName>().is_ok()),
    };
    if let Some(inside) = inside_name.filter(|inside| *inside != release) {
        return Err(match inside.parse::<PackageName>() {
            Ok(_) => Disagreement::Name { inside, release },
            Err(_) => Disagreement::NotForReleases { inside },
        });
    }
    let id_version = inspection.package.as_ref().and_then(|id| id.version.as_deref());
    for (place, inside) in
        [("the WIT package", id_version), ("the section `version`", inspection.metadata.version.as_deref())]
    {
        let Some(inside) = inside else { continue };
        if inside.parse::<Version>().ok().as_ref() != Some(version) {
            return Err(Disagreement::Version {
                place: place.into(),
                inside: inside.to_owned(),
                release: version.to_string(),
            });
        }
    }
    Ok(())
}
