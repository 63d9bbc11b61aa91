//! The server's process as the kernel sees it, with all processes below it: servers have work done by others
//! (inspectors of ours, workers of nginx).

use std::collections::HashMap;

use anyhow::{Context as _, Result};

const TICKS_PER_SECOND: f64 = 100.0;

/// What is written to `clear_refs` so that the peak begins anew: proc(5).
const FORGET_PEAK: &str = "5";

/// A process by its id.
pub struct Process(pub usize);

impl Process {
    /// CPU seconds that it and all below it have used so far. Of those that ended their parents know.
    pub fn cpu_seconds(&self) -> Result<f64> {
        Ok(self.tree()?.into_iter().map(|(_, ticks)| ticks).sum::<f64>() / TICKS_PER_SECOND)
    }

    /// Resident memory of all of them, in MiB; what they share counts for each.
    pub fn resident_mib(&self) -> Result<f64> {
        self.sum_mib("VmRSS:")
    }

    /// The most that each of them had since [`Process::forget_peak`].
    pub fn peak_mib(&self) -> Result<f64> {
        self.sum_mib("VmHWM:")
    }

    /// Has the peak begin anew.
    pub fn forget_peak(&self) -> Result<()> {
        for (id, _) in self.tree()? {
            let forgot = std::fs::write(format!("/proc/{id}/clear_refs"), FORGET_PEAK);
            // One of those below may have ended.
            if id == self.0 {
                forgot.context("have the kernel forget the server's peak of memory")?;
            }
        }
        Ok(())
    }

    fn sum_mib(&self, field: &str) -> Result<f64> {
        let mut kib = 0.0;
        for (id, _) in self.tree()? {
            // A process may end while we look.
            let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) else { continue };
            kib += kib_of(&status, field).with_context(|| format!("process {id} has no {field}"))?;
        }
        Ok(kib / 1024.0)
    }

    /// It and all below it, each with its clock ticks.
    fn tree(&self) -> Result<Vec<(usize, f64)>> {
        let mut processes = HashMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<usize>().ok()) else {
                continue;
            };
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            let (parent, ticks) = parent_and_ticks(&stat).with_context(|| format!("process {id}"))?;
            processes.insert(id, (parent, ticks));
        }
        processes.get(&self.0).context("the server's process is gone")?;
        let is_below = |mut id: usize| {
            while id != self.0 {
                match processes.get(&id) {
                    Some((parent, _)) if *parent != id => id = *parent,
                    _ => return false,
                }
            }
            true
        };
        Ok(processes.iter().filter(|(id, _)| is_below(**id)).map(|(id, (_, ticks))| (*id, *ticks)).collect())
    }
}

/// A field of proc(5), `status`, in KiB.
fn kib_of(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The parent of a process, and the clock ticks of itself and of its ended children: proc(5), `stat`.
fn parent_and_ticks(stat: &str) -> Result<(usize, f64)> {
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |at: usize| fields.get(at).context("a short stat");
    let mut ticks = 0.0;
    for at in 11..=14 {
        ticks += field(at)?.parse::<f64>()?;
    }
    Ok((field(1)?.parse()?, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4194304 1 2 3 4 10 20 300 4000 20 0 1 0 5";
        assert_eq!(parent_and_ticks(stat).unwrap(), (3, 4330.0));
        assert!(parent_and_ticks("7 (a) S 3").is_err());
    }

    #[test]
    fn memory_is_read_from_its_own_line() {
        let status = "Name:\tVmRSS: 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kib_of(status, "VmRSS:"), Some(1024.0));
        assert_eq!(kib_of(status, "VmHWM:"), Some(2048.0));
        assert_eq!(kib_of(status, "VmPeak:"), None);
    }

    #[test]
    fn a_process_knows_its_own_memory_and_time() {
        let own = Process(std::process::id() as usize);
        own.forget_peak().unwrap();
        let held = std::hint::black_box(vec![1u8; 64 << 20]);
        let peak = own.peak_mib().unwrap();
        assert!(peak > 64.0, "{peak}");
        drop(held);
        assert!(own.resident_mib().unwrap() > 0.0 && own.cpu_seconds().unwrap() >= 0.0);
    }
}
