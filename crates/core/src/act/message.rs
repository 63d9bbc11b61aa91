//! Steps as protobuf messages: every value is read strictly, and written back in the one way.
//!
//! What a step says is checked here, as far as it can be without a log.

use super::power::Power;
use super::scope::Scope;
use super::step::{
    AnnotationKind, Dependency, Grant, OnBehalfOf, Release, Revoke, Step, Variant, VariantKind,
};
use super::{ActError, ROLE_NAME_BYTES_MAX, check_unique, check_unique_messages, is_kebab};
use crate::key::{Algorithm, PublicKey};
use crate::proto::{self, step};
use crate::record::{parse_time, time_message};
use crate::time::Time;

fn field<T>(field: &'static str, value: Option<T>) -> Result<T, ActError> {
    value.ok_or(ActError::Field { field })
}

fn parse<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, ActError> {
    field(name, text.parse().ok())
}

/// A value that is absent where its text is empty.
fn parse_optional<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<Option<T>, ActError> {
    if text.is_empty() { Ok(None) } else { parse(name, text).map(Some) }
}

fn optional_text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn parse_end(time: Option<&proto::Timestamp>) -> Result<Option<Time>, ActError> {
    Ok(time.map(|time| parse_time(Some(time))).transpose()?)
}

fn parse_keys(texts: &[String]) -> Result<Vec<PublicKey>, ActError> {
    check_unique("keys", texts)?;
    texts.iter().map(|text| parse("key", text)).collect()
}

fn key_texts(keys: &[PublicKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn check_role_name(name: String) -> Result<String, ActError> {
    field("role name", (name.len() <= ROLE_NAME_BYTES_MAX && is_kebab(&name)).then_some(name))
}

impl Grant {
    fn from_message(grant: proto::Grant) -> Result<Self, ActError> {
        check_unique("powers", &grant.powers)?;
        check_unique("scope", &grant.scope)?;
        let powers = grant.powers.iter().map(|text| field("power", Power::parse(text)));
        Ok(Self {
            role: check_role_name(grant.role)?,
            keys: parse_keys(&grant.keys)?,
            threshold: grant.threshold,
            powers: powers.collect::<Result<_, _>>()?,
            scope: field("scope", Scope::parse(&grant.scope))?,
            not_after: parse_end(grant.not_after.as_ref())?,
            depth: grant.depth,
            parent: if grant.parent.is_empty() { grant.parent } else { check_role_name(grant.parent)? },
        })
    }

    fn to_message(&self) -> proto::Grant {
        proto::Grant {
            role: self.role.clone(),
            keys: key_texts(&self.keys),
            threshold: self.threshold,
            powers: self.powers.iter().map(ToString::to_string).collect(),
            scope: self.scope.to_texts(),
            not_after: self.not_after.map(time_message),
            depth: self.depth,
            parent: self.parent.clone(),
        }
    }
}

impl Revoke {
    fn from_message(revoke: proto::Revoke) -> Result<Self, ActError> {
        check_unique("key ids", &revoke.key_ids)?;
        Ok(Self {
            role: check_role_name(revoke.role)?,
            key_ids: revoke.key_ids.iter().map(|text| parse("key id", text)).collect::<Result<_, _>>()?,
            since: parse_optional("since", &revoke.since)?,
        })
    }
}

impl Release {
    fn from_message(release: &proto::Release) -> Result<Self, ActError> {
        check_unique_messages("variants", &release.variants)?;
        check_unique_messages("dependencies", &release.dependencies)?;
        let on_behalf_of = match release.on_behalf_of.as_str() {
            "" => None,
            text => Some(field("on_behalf_of", OnBehalfOf::parse(text))?),
        };
        let variant = |variant: &proto::Variant| -> Result<Variant, ActError> {
            Ok(Variant {
                kind: field("variant's kind", VariantKind::parse(&variant.kind))?,
                content: parse("variant's content hash", &variant.content_hash)?,
                manifest: parse_optional("variant's manifest", &variant.manifest)?,
            })
        };
        let dependency = |dependency: &proto::Dependency| -> Result<Dependency, ActError> {
            Ok(Dependency {
                name: parse("dependency's name", &dependency.name)?,
                requirement: dependency.requirement.clone(),
                version: parse_optional("dependency's version", &dependency.version)?,
                content: parse_optional("dependency's content hash", &dependency.content_hash)?,
            })
        };
        Ok(Self {
            version: parse("version", &release.version)?,
            content: parse("content hash", &release.content_hash)?,
            manifest: parse_optional("manifest", &release.manifest)?,
            variants: release.variants.iter().map(variant).collect::<Result<_, _>>()?,
            dependencies: release.dependencies.iter().map(dependency).collect::<Result<_, _>>()?,
            on_behalf_of,
            breaking: release.breaking,
        })
    }

    fn to_message(&self) -> proto::Release {
        let variant = |variant: &Variant| proto::Variant {
            kind: variant.kind.to_string(),
            content_hash: variant.content.to_string(),
            manifest: optional_text(variant.manifest.as_ref()),
        };
        let dependency = |dependency: &Dependency| proto::Dependency {
            name: dependency.name.to_string(),
            requirement: dependency.requirement.clone(),
            version: optional_text(dependency.version.as_ref()),
            content_hash: optional_text(dependency.content.as_ref()),
        };
        proto::Release {
            version: self.version.to_string(),
            content_hash: self.content.to_string(),
            manifest: optional_text(self.manifest.as_ref()),
            variants: self.variants.iter().map(variant).collect(),
            dependencies: self.dependencies.iter().map(dependency).collect(),
            on_behalf_of: optional_text(self.on_behalf_of.as_ref()),
            breaking: self.breaking,
        }
    }
}

impl Step {
    pub(super) fn from_message(message: proto::Step) -> Result<Self, ActError> {
        Ok(match field("step", message.step)? {
            step::Step::Init(init) => Self::Init { keys: parse_keys(&init.keys)?, threshold: init.threshold },
            step::Step::Grant(grant) => Self::Grant(Grant::from_message(grant)?),
            step::Step::Revoke(revoke) => Self::Revoke(Revoke::from_message(revoke)?),
            step::Step::Release(release) => Self::Release(Release::from_message(&release)?),
            step::Step::Yank(yank) => {
                Self::Yank { version: parse("version", &yank.version)?, reason: yank.reason }
            }
            step::Step::Annotate(annotate) => Self::Annotate {
                kind: field("annotation's kind", AnnotationKind::parse(&annotate.kind))?,
                subject: annotate.subject,
                value: annotate.value,
            },
            step::Step::Admit(admit) => {
                let key: PublicKey = parse("key", &admit.key)?;
                Self::Admit {
                    name: field("name", is_kebab(&admit.name).then_some(admit.name))?,
                    key: field("key", (key.algorithm() == Algorithm::EcdsaP256).then_some(key))?,
                }
            }
            step::Step::Recover(recover) => {
                Self::Recover { keys: parse_keys(&recover.keys)?, threshold: recover.threshold }
            }
            step::Step::Import(import) => Self::Import {
                namespace: parse("namespace", &import.namespace)?,
                registry: field("registry", (!import.registry.is_empty()).then_some(import.registry))?,
            },
            step::Step::Takedown(takedown) => {
                let (package, version) = match takedown.subject.split_once('@') {
                    Some((package, version)) => (package, Some(parse("subject's version", version)?)),
                    None => (takedown.subject.as_str(), None),
                };
                Self::Takedown {
                    package: parse("subject", package)?,
                    version,
                    reason: takedown.reason,
                    lifted: takedown.lifted,
                    not_after: parse_end(takedown.not_after.as_ref())?,
                }
            }
        })
    }

    pub(super) fn to_message(&self) -> proto::Step {
        let step = match self {
            Self::Init { keys, threshold } => {
                step::Step::Init(proto::Init { keys: key_texts(keys), threshold: *threshold })
            }
            Self::Grant(grant) => step::Step::Grant(grant.to_message()),
            Self::Revoke(revoke) => step::Step::Revoke(proto::Revoke {
                role: revoke.role.clone(),
                key_ids: revoke.key_ids.iter().map(ToString::to_string).collect(),
                since: optional_text(revoke.since.as_ref()),
            }),
            Self::Release(release) => step::Step::Release(release.to_message()),
            Self::Yank { version, reason } => {
                step::Step::Yank(proto::Yank { version: version.to_string(), reason: reason.clone() })
            }
            Self::Annotate { kind, subject, value } => step::Step::Annotate(proto::Annotate {
                kind: kind.to_string(),
                subject: subject.clone(),
                value: value.clone(),
            }),
            Self::Admit { name, key } => {
                step::Step::Admit(proto::Admit { name: name.clone(), key: key.to_string() })
            }
            Self::Recover { keys, threshold } => {
                step::Step::Recover(proto::Recover { keys: key_texts(keys), threshold: *threshold })
            }
            Self::Import { namespace, registry } => step::Step::Import(proto::ImportNamespace {
                namespace: namespace.to_string(),
                registry: registry.clone(),
            }),
            Self::Takedown { package, version, reason, lifted, not_after } => {
                step::Step::Takedown(proto::Takedown {
                    subject: version
                        .as_ref()
                        .map_or_else(|| package.to_string(), |version| format!("{package}@{version}")),
                    reason: reason.clone(),
                    lifted: *lifted,
                    not_after: not_after.map(time_message),
                })
            }
        };
        proto::Step { step: Some(step) }
    }
}
