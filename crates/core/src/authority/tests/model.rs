//! Random logs of all three layers, by random signers at random times, judged twice: by the judge, and by a second one
//! written from `spec/delegation.md` alone, which answers every question from all that was said, from the beginning
//! (`past`, `rules`). They agree on every attempt, and the properties of "What must be shown by test" hold.
//!
//! `WARGATE_LOGS` is how many logs are tried, 1,000 if it is absent. Signatures are not: they are taken as verified.

use proptest::prelude::*;

mod checks;
mod form;
mod moves;
mod past;
mod place;
mod play;
mod rules;
mod scopes;

const LOGS: u32 = 1_000;

#[expect(clippy::disallowed_methods, reason = "how long a test may take is said where it is started")]
fn logs() -> u32 {
    std::env::var("WARGATE_LOGS").map_or(LOGS, |count| count.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: logs(),
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn two_judges_agree_on_random_logs(
        attempts in prop::collection::vec(moves::attempt(), 1..40),
        rows_every in 1..6_usize,
    ) {
        let mut play = play::Play::begun();
        for attempt in &attempts {
            play.attempt(attempt)?;
        }
        play.replay(rows_every)?;
    }
}
