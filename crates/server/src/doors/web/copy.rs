//! Lines to copy: how each tool gets a release.

use super::Site;

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyLine {
    /// The program.
    pub(crate) tool: &'static str,
    /// The whole line.
    pub(crate) line: String,
}

impl CopyLine {
    fn new(tool: &'static str, line: String) -> Self {
        Self { tool, line }
    }
}

/// How to get a release, the checking client first.
///
/// A version with build metadata has no form in OCI (`spec/oci.md`, "The Wasm artifact"): `wkg` and oras cannot
/// name it. `warg` takes a requirement, so it is told to take no other.
pub(crate) fn lines(site: &Site, name: &str, version: &str) -> Vec<CopyLine> {
    let (url, host, prefix) = (&site.url, site.host(), &site.oci_prefix);
    let mut lines = vec![CopyLine::new("wargate", format!("wargate pull {name}@{version} --registry {url}"))];
    let in_oci = !version.contains('+');
    if in_oci {
        lines.push(CopyLine::new("wkg", format!("wkg get --registry {host} {name}@{version}")));
    }
    let warg = format!("warg download --registry {url} {name} --version \"={version}\"");
    lines.push(CopyLine::new("warg", warg));
    if in_oci {
        let path = name.replace(':', "/");
        lines.push(CopyLine::new("oras", format!("oras pull {host}/{prefix}{path}:{version}")));
    }
    lines
}

/// How to pin the registry.
pub(crate) fn trust(site: &Site) -> Option<CopyLine> {
    let root = site.root_id.as_ref()?;
    Some(CopyLine::new("wargate", format!("wargate trust add {} --root {root}", site.url)))
}

/// How one of its people agrees to what waits in a package.
pub(crate) fn approving(site: &Site, name: &str, proposal: &str) -> String {
    format!("wargate approve {name} {proposal} --registry {}", site.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_gets_its_own_way_of_naming_a_release() {
        let mut site = Site {
            name: "registry".into(),
            url: "https://wargate.example".into(),
            oci_prefix: "p/".into(),
            root_id: None,
        };
        let all = lines(&site, "acme:hello", "1.0.0");
        let expected = [
            "wargate pull acme:hello@1.0.0 --registry https://wargate.example",
            "wkg get --registry wargate.example acme:hello@1.0.0",
            "warg download --registry https://wargate.example acme:hello --version \"=1.0.0\"",
            "oras pull wargate.example/p/acme/hello:1.0.0",
        ];
        assert_eq!(all.iter().map(|line| line.line.as_str()).collect::<Vec<_>>(), expected);
        let tools: Vec<_> = lines(&site, "acme:hello", "1.0.0+b").iter().map(|line| line.tool).collect();
        assert_eq!(tools, ["wargate", "warg"]);
        assert_eq!(trust(&site), None);
        site.root_id = Some("sha256:00".into());
        let line = trust(&site).unwrap().line;
        assert_eq!(line, "wargate trust add https://wargate.example --root sha256:00");
        let line = approving(&site, "acme:hello", "sha256:01");
        assert_eq!(line, "wargate approve acme:hello sha256:01 --registry https://wargate.example");
    }
}
