//! What the figures of `bench oci` must reach, and how each phase compares.

use super::{FERRO, NGINX, READS, REGISTRY};
use crate::bench::{Bar, Measured, WARGATE};

/// Every bar of the OCI door.
pub(super) fn bars(measured: &Measured) -> Vec<Bar> {
    [pushes(measured), reads(measured), large(measured), growth(measured)].into_iter().flatten().collect()
}

fn pushes(measured: &Measured) -> Vec<Bar> {
    let lone = measured.ratio("push_lone_p50_ms", REGISTRY);
    vec![
        Bar::at_least("push ÷ docker-registry", measured.ratio("push_per_s", REGISTRY), 10.0),
        Bar::at_least("push ÷ ferro-oci-server", measured.ratio("push_per_s", FERRO), 3.0),
        Bar::at_most("push on one connection, p50 ÷ docker-registry", lone, 0.2),
    ]
}

fn reads(measured: &Measured) -> Vec<Bar> {
    let nginx = |phase: &str| measured.ratio(&format!("{phase}_per_s"), NGINX);
    let registry = |phase: &str| measured.ratio(&format!("{phase}_per_s"), REGISTRY);
    vec![
        Bar::at_least("pull ÷ nginx", nginx("pull"), 0.7),
        Bar::at_least("pull ÷ docker-registry", registry("pull"), 25.0),
        Bar::at_least("small blobs ÷ nginx", nginx("get_blob"), 0.7),
        Bar::at_least("small blobs ÷ docker-registry", registry("get_blob"), 25.0),
        Bar::at_least("manifest HEAD ÷ nginx", nginx("head"), 0.7),
        Bar::at_least("manifest GET ÷ nginx", nginx("get_manifest"), 0.7),
        Bar::at_least("resolve ÷ nginx", nginx("resolve"), 0.7),
    ]
}

fn large(measured: &Measured) -> Vec<Bar> {
    let of = |figure: &str| measured.of(WARGATE, figure);
    let idle = of("push_many_large_resident_before_mib");
    let grown = |phase: &str| of(&format!("{phase}_resident_peak_mib")) - idle;
    vec![
        Bar::at_least("large push ÷ docker-registry", measured.ratio("push_large_mb_per_s", REGISTRY), 1.5),
        Bar::at_least("large pull ÷ nginx", measured.ratio("pull_large_mb_per_s", NGINX), 0.9),
        Bar::at_most("memory above idle, 32 large pushes, MiB", grown("push_many_large"), 64.0),
        Bar::at_most("memory above idle, 32 large pulls, MiB", grown("pull_many_large"), 64.0),
    ]
}

fn growth(measured: &Measured) -> Vec<Bar> {
    let grown = |late: &str, early: &str| measured.of(WARGATE, late) / measured.of(WARGATE, early);
    let few = "pages of 100 tags of 10,000 ÷ of 1,000, rate";
    let referrers = grown("referrers_many_cpu_us_an_entry", "referrers_few_cpu_us_an_entry");
    let rare = grown("referrers_many_rare_cpu_us_a_request", "referrers_few_rare_cpu_us_a_request");
    vec![
        Bar::at_least("push late ÷ early, rate", grown("push_late_per_s", "push_early_per_s"), 0.9),
        Bar::at_least(
            "push to 10,000 tags of one package ÷ to 1,000, rate",
            grown("push_many_tags_per_s", "push_few_tags_per_s"),
            0.9,
        ),
        Bar::at_least(few, grown("tags_page_many_per_s", "tags_page_few_per_s"), 0.8),
        Bar::at_most("referrers, CPU an entry, of 10,000 ÷ of 1,000", referrers, 1.25),
        Bar::at_most("10 referrers of a type, CPU, of 10,000 ÷ of 1,000", rare, 1.25),
    ]
}

/// How each phase compares: rates, and the server's CPU.
pub(super) fn ratios(measured: &Measured) {
    let line = |phase: &str, cells: [String; 6]| {
        println!("{phase:<14}{}", cells.map(|cell| format!(" {cell:>16}")).concat());
    };
    println!();
    let names = ["rate ÷ registry", "÷ ferro", "÷ nginx", "CPU ÷ registry", "÷ ferro", "÷ nginx"];
    line("", names.map(str::to_owned));
    for phase in ["push", "push_lone"].into_iter().chain(READS.map(|(_, phase)| phase)) {
        let of = |figure: &str| [REGISTRY, FERRO, NGINX].map(|who| measured.ratio(figure, who));
        let [rates, cpu] = ["per_s", "cpu_us_a_request"].map(|figure| of(&format!("{phase}_{figure}")));
        let row = [rates[0], rates[1], rates[2], cpu[0], cpu[1], cpu[2]];
        // nginx takes no pushes.
        line(phase, row.map(|ratio| if ratio.is_nan() { "–".to_owned() } else { format!("{ratio:.2}") }));
    }
}
