//! What a token is asked for (`spec/oci.md`, "Auth"): `type:name:action[,action]`, several of them separated by spaces.

use std::fmt;

/// One resource and what is to be done with it. Types and actions that nobody knows are kept as they came: they are
/// granted to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceScope {
    /// `repository`, `registry`, …
    pub kind: String,
    /// Of which.
    pub name: String,
    /// What.
    pub actions: Vec<String>,
}

impl ResourceScope {
    /// The list of all repositories.
    pub const CATALOG: (&'static str, &'static str) = ("registry", "catalog");

    /// Actions on a repository.
    #[must_use]
    pub fn repository(name: &impl ToString, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        Self { kind: "repository".to_owned(), name: name.to_string(), actions }
    }

    /// All scopes of one value. What is no scope is left out: it asks for nothing.
    pub fn parse(value: &str) -> impl Iterator<Item = Self> {
        value.split(' ').filter_map(|text| {
            // A name may hold a colon: a host with its port.
            let (kind, rest) = text.split_once(':')?;
            let (name, actions) = rest.rsplit_once(':')?;
            let actions = actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
            (!kind.is_empty() && !name.is_empty()).then(|| Self {
                kind: kind.to_owned(),
                name: name.to_owned(),
                actions,
            })
        })
    }

    /// Whether it asks for the list of all repositories.
    #[must_use]
    pub fn is_catalog(&self) -> bool {
        (self.kind.as_str(), self.name.as_str()) == Self::CATALOG && self.actions.iter().any(|one| one == "*")
    }
}

impl fmt::Display for ResourceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_clients_write_them() {
        let parse =
            |text: &str| ResourceScope::parse(text).map(|scope| format!("{scope:?}")).collect::<Vec<_>>();
        let scope = |kind: &str, name: &str, actions: &[&str]| {
            let actions = actions.iter().map(ToString::to_string).collect();
            format!("{:?}", ResourceScope { kind: kind.to_owned(), name: name.to_owned(), actions })
        };
        for (text, expected) in [
            ("repository:a/b:pull,push", vec![scope("repository", "a/b", &["pull", "push"])]),
            (
                "repository:a:pull repository:b:push",
                vec![scope("repository", "a", &["pull"]), scope("repository", "b", &["push"])],
            ),
            ("repository:host:5000/a:pull", vec![scope("repository", "host:5000/a", &["pull"])]),
            ("repository(plugin):a:pull", vec![scope("repository(plugin)", "a", &["pull"])]),
            ("registry:catalog:*", vec![scope("registry", "catalog", &["*"])]),
            ("repository:a:", vec![scope("repository", "a", &[])]),
            ("repository:a:,pull,", vec![scope("repository", "a", &["pull"])]),
            ("", vec![]),
            ("  ", vec![]),
            ("pull", vec![]),
            ("repository:a", vec![]),
            (":a:pull", vec![]),
            ("repository::pull", vec![]),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert!(ResourceScope::parse("registry:catalog:*").all(|scope| scope.is_catalog()));
        assert!(!ResourceScope::parse("repository:catalog:*").any(|scope| scope.is_catalog()));
    }
}
