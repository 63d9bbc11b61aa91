//! `cargo xtask conformance`: the rules of `conformance/` against our own server and against Debian's docker-registry.
//!
//! Ours must keep all. Of docker-registry it is known which rules it breaks (`conformance/docker-registry-2.8.txt`): it
//! must break exactly those, which shows that the rules can fail and that a change of theirs is noticed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::bench::peer::{self, Server};
use crate::{checkout, run};

/// The rules that docker-registry is known to break, one a line.
const KNOWN: &str = "conformance/docker-registry-2.8.txt";

/// The first line of that list.
const HEADING: &str = "# Rules that Debian's docker-registry 2.8 breaks, deletes on, without tokens.\n";

/// Judges both; with `update`, what docker-registry breaks is written anew.
pub(crate) fn conformance(update: bool) -> Result<()> {
    let binary = run::wargate()?;
    run::must(&mut run::cargo(&["build", "--locked", "--package", "wargate-conformance"]))?;
    let registry = peer::debian("docker-registry", "/usr/bin/docker-registry")?;
    let folder = std::env::temp_dir().join(format!("wargate-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = both(&binary, &registry, &folder, update);
    std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    outcome
}

fn both(binary: &Path, registry: &Path, folder: &Path, update: bool) -> Result<()> {
    let ours = judged("wargate", &peer::wargate_at(binary, &folder.join("ours"))?)?;
    let theirs = judged("docker-registry", &peer::docker_registry(registry, &folder.join("theirs"))?)?;
    println!("\nwargate: {}\ndocker-registry: {}", ours.summary, theirs.summary);
    let known = checkout::root().join(KNOWN);
    if update {
        let text: String = theirs.failing.iter().map(|id| format!("{id}\n")).collect();
        std::fs::write(&known, format!("{HEADING}{text}"))?;
    }
    if !ours.failing.is_empty() {
        bail!("wargate breaks {}", ours.failing.into_iter().collect::<Vec<_>>().join(", "));
    }
    compare("docker-registry", KNOWN, &theirs.failing)
}

/// A server must break exactly the rules of a list.
fn compare(name: &str, list: &str, failing: &BTreeSet<String>) -> Result<()> {
    let path = checkout::root().join(list);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let (fewer, more) = differences(&ids(&text), failing);
    for (what, ids) in [("breaks no more", &fewer), ("breaks, too", &more)] {
        ids.iter().for_each(|id| println!("{name} {what}: {id}"));
    }
    if !fewer.is_empty() || !more.is_empty() {
        bail!("{name} breaks other rules than {list} says");
    }
    Ok(())
}

/// What a run of the rules came to.
struct Judged {
    summary: String,
    failing: BTreeSet<String>,
}

fn judged(name: &str, server: &Server) -> Result<Judged> {
    let program = checkout::target().join("debug/wargate-conformance");
    let mut command = run::command(program);
    let output = command.arg(format!("http://{}", server.address)).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("\n=== {name}");
    text.lines().filter(|line| !line.starts_with("ok ")).for_each(|line| println!("{line}"));
    if !matches!(output.status.code(), Some(0 | 1)) {
        bail!("{name} could not be judged: {}", output.status);
    }
    Ok(parse(&text))
}

/// Reads the lines of a run: `FAIL  ID  …`, and the summary at the end.
fn parse(text: &str) -> Judged {
    let failing = text.lines().filter_map(|line| line.strip_prefix("FAIL")?.split_whitespace().next());
    let summary = text.lines().last().unwrap_or_default().to_owned();
    Judged { summary, failing: failing.map(str::to_owned).collect() }
}

/// The ids in a list, without its remarks.
fn ids(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// What is known and was not seen, and what was seen and is not known.
fn differences(known: &BTreeSet<String>, seen: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    (known.difference(seen).cloned().collect(), seen.difference(known).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_run_and_of_the_list_are_read() {
        let run =
            "ok    base.ok\nFAIL  blob.a  GET /: expected 200, saw 404\nskip  auth.a  why\n3 rules, 1 passed";
        let run = parse(run);
        assert_eq!(run.failing, ids("blob.a"));
        assert_eq!(run.summary, "3 rules, 1 passed");
        assert_eq!(ids("# a remark\n\nb\na\n"), ids("a\nb"));
    }

    #[test]
    fn both_kinds_of_difference_are_found() {
        let (fewer, more) = differences(&ids("a\nb"), &ids("b\nc"));
        assert_eq!((fewer, more), (vec!["a".to_owned()], vec!["c".to_owned()]));
        assert_eq!(differences(&ids("a"), &ids("a")), (vec![], vec![]));
    }
}
