//! What a person sees. Results go to standard output, everything else to standard error.
#![expect(clippy::print_stderr, reason = "the one place that talks to a person")]

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// How often a person sees how far copying is.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// A line of the result. A reader that went away ends the command quietly.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// A line of a command that goes on: a server does not end because nobody reads what it says.
pub(crate) fn announce(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        tracing::debug!(%error, "nobody reads standard output");
    }
}

/// A result for a script.
pub(crate) fn json(value: &serde_json::Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Something worth knowing that is no result.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Whether standard error shows colours.
pub(crate) fn is_colored() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal()
}

/// What failed.
pub(crate) fn error(code: &str, message: &str) {
    let (red, bold, reset) = if is_colored() { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    eprintln!("{red}error[{code}]{reset}{bold}: {message}{reset}");
}

/// What to do next.
pub(crate) fn hint(text: &str) {
    let (cyan, reset) = if is_colored() { ("\x1b[1;36m", "\x1b[0m") } else { ("", "") };
    eprintln!("{cyan}hint{reset}: {text}");
}

/// Progress of a download, shown on a terminal only.
pub(crate) fn progress() -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec}");
    indicatif::ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
}

/// Progress of something that is counted in pages, shown on a terminal only.
pub(crate) fn pages() -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{spinner} ledger {percent}%");
    indicatif::ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
}

/// Shows on a terminal how far copying is, until it is done.
pub(crate) async fn watch<T>(
    counts: &wargate_registry::backup::CopyCounts,
    copying: impl Future<Output = T>,
) -> T {
    let style = indicatif::ProgressStyle::with_template("{spinner} {msg}");
    let shown = indicatif::ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()));
    tokio::pin!(copying);
    loop {
        tokio::select! {
            done = &mut copying => {
                shown.finish_and_clear();
                return done;
            }
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
        // Before that, copying the ledger is shown.
        if counts.copied() + counts.present() > 0 {
            shown.set_message(format!(
                "{} objects copied, {} already there, {}",
                counts.copied(),
                counts.present(),
                indicatif::HumanBytes(counts.bytes())
            ));
            shown.tick();
        }
    }
}

/// Progress of work that is counted, shown on a terminal only.
pub(crate) fn counts() -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{spinner} {msg}");
    indicatif::ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
}
