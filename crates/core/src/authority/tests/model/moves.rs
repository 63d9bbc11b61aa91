//! Random attempts.

use proptest::prelude::*;

/// One thing that somebody tries.
#[derive(Debug, Clone)]
pub(super) enum Attempt {
    Act {
        wait: i64,
        log: &'static str,
        moves: Vec<Move>,
        who: Vec<Who>,
        envelope: u8,
        twist: Twist,
    },
    /// An act that was done, once more.
    Again {
        wait: i64,
        which: u8,
        log: Option<&'static str>,
    },
    Carrier {
        wait: i64,
        log: &'static str,
        words: Vec<(u8, u8)>,
        envelope: u8,
    },
    /// What the registry tells v1 clients of its own accord.
    News {
        wait: i64,
        log: &'static str,
        envelope: u8,
    },
}

/// How an act is not what it should be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Twist {
    None,
    OtherLog,
    OtherRegistry,
    NoRegistry,
    Early,
    Late,
}

/// Who endorses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    /// Everybody who has a say.
    All,
    /// A role's keys, or the keys that a step names: as many as must agree, and some more or less.
    Crowd {
        which: u8,
        more: i8,
    },
    Key(u8),
    /// The registry's publishing key.
    Registry,
}

/// What a grant says.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) role: u8,
    pub(super) keys: Vec<u8>,
    pub(super) threshold: u8,
    pub(super) powers: u8,
    pub(super) scope: Vec<u8>,
    pub(super) end: Option<i64>,
    pub(super) depth: u8,
    pub(super) parent: u8,
}

#[derive(Debug, Clone)]
pub(super) enum Move {
    Init {
        keys: Vec<u8>,
        threshold: u8,
    },
    Grant(Given),
    Revoke {
        role: u8,
        keys: Vec<u8>,
        since: Option<u8>,
    },
    Release {
        version: u8,
        /// Says on whose behalf where it need not, or the other way round.
        odd: bool,
    },
    Yank {
        version: u8,
    },
    Annotate {
        kind: u8,
        subject: u8,
        value: u8,
    },
    Admit {
        name: u8,
        key: u8,
    },
    Recover {
        keys: Vec<u8>,
        threshold: u8,
    },
    Import {
        name: u8,
    },
    Takedown {
        name: u8,
    },
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => prop::collection::vec(any::<u8>(), 1),
        4 => prop::collection::vec(any::<u8>(), 2),
        2 => prop::collection::vec(any::<u8>(), 3),
    ]
}

fn threshold() -> impl Strategy<Value = u8> {
    prop_oneof![1 => Just(0_u8), 8 => Just(1), 4 => Just(2), 1 => Just(3)]
}

fn grant() -> impl Strategy<Value = Move> {
    let depth = prop_oneof![2 => Just(0_u8), 3 => 1..4_u8, 1 => 4..9_u8];
    let end = prop::option::weighted(0.3, -1..60_i64);
    let scope = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(any::<u8>(), 1..3)];
    (any::<u8>(), keys(), threshold(), any::<u8>(), scope, end, depth, any::<u8>()).prop_map(
        |(role, keys, threshold, powers, scope, end, depth, parent)| {
            Move::Grant(Given { role, keys, threshold, powers, scope, end, depth, parent })
        },
    )
}

fn revoke(since: f64) -> impl Strategy<Value = Move> {
    let keys = prop_oneof![2 => Just(Vec::new()), 3 => keys()];
    (any::<u8>(), keys, prop::option::weighted(since, any::<u8>()))
        .prop_map(|(role, keys, since)| Move::Revoke { role, keys, since })
}

fn release() -> impl Strategy<Value = Move> {
    (any::<u8>(), prop::bool::weighted(0.1)).prop_map(|(version, odd)| Move::Release { version, odd })
}

fn yank() -> impl Strategy<Value = Move> {
    any::<u8>().prop_map(|version| Move::Yank { version })
}

fn annotate() -> impl Strategy<Value = Move> {
    any::<(u8, u8, u8)>().prop_map(|(kind, subject, value)| Move::Annotate { kind, subject, value })
}

fn recover() -> impl Strategy<Value = Move> {
    (keys(), threshold()).prop_map(|(keys, threshold)| Move::Recover { keys, threshold })
}

/// Whatever its layer.
fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        release(),
        yank(),
        annotate(),
        recover(),
        any::<(u8, u8)>().prop_map(|(name, key)| Move::Admit { name, key }),
        (keys(), threshold()).prop_map(|(keys, threshold)| Move::Init { keys, threshold }),
        any::<u8>().prop_map(|name| Move::Import { name }),
        any::<u8>().prop_map(|name| Move::Takedown { name }),
    ]
}

fn package_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        8 => grant(),
        6 => revoke(0.4),
        8 => release(),
        2 => yank(),
        4 => annotate(),
        1 => recover(),
        1 => any_move(),
    ]
}

fn namespace_move() -> impl Strategy<Value = Move> {
    let admit = any::<(u8, u8)>().prop_map(|(name, key)| Move::Admit { name, key });
    prop_oneof![8 => grant(), 5 => revoke(0.02), 2 => annotate(), 2 => admit, 1 => recover(), 1 => any_move()]
}

fn operator_move() -> impl Strategy<Value = Move> {
    let import = any::<u8>().prop_map(|name| Move::Import { name });
    let takedown = any::<u8>().prop_map(|name| Move::Takedown { name });
    // The role `commit`, mostly.
    let commit = (keys(), prop::bool::weighted(0.4)).prop_map(|(keys, more)| match more {
        true => Move::Grant(Given {
            role: 4,
            keys,
            threshold: 0,
            powers: 0,
            scope: vec![],
            end: None,
            depth: 0,
            parent: 0,
        }),
        false => Move::Revoke { role: 0, keys, since: None },
    });
    prop_oneof![
        6 => grant(),
        4 => commit,
        4 => revoke(0.02),
        2 => annotate(),
        1 => import,
        1 => takedown,
        1 => any_move(),
    ]
}

fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![40 => 0..8_i64, 1 => Just(-3), 1 => 20..90_i64]
}

/// An act in one of these logs.
fn act(logs: &'static [&'static str], a_move: BoxedStrategy<Move>) -> impl Strategy<Value = Attempt> {
    let who = prop_oneof![
        6 => Just(Who::All),
        5 => (any::<u8>(), -1..3_i8).prop_map(|(which, more)| Who::Crowd { which, more }),
        1 => any::<u8>().prop_map(Who::Key),
        2 => Just(Who::Registry),
    ];
    let twists = [Twist::OtherLog, Twist::OtherRegistry, Twist::NoRegistry, Twist::Early, Twist::Late];
    let twist = prop_oneof![40 => Just(Twist::None), 1 => prop::sample::select(twists.to_vec())];
    let moves = prop_oneof![
        6 => prop::collection::vec(a_move.clone(), 1),
        3 => prop::collection::vec(a_move.clone(), 2),
        1 => prop::collection::vec(a_move, 3),
    ];
    let who = prop::collection::vec(who, 1..4);
    (wait(), prop::sample::select(logs), moves, who, any::<u8>(), twist).prop_map(
        |(wait, log, moves, who, envelope, twist)| Attempt::Act { wait, log, moves, who, envelope, twist },
    )
}

pub(super) fn attempt() -> impl Strategy<Value = Attempt> {
    let log = || prop::sample::select(&["acme:hello", "acme:hello", "acme", ""][..]);
    let words = prop::collection::vec(any::<(u8, u8)>(), 0..4);
    prop_oneof![
        8 => act(&["acme:hello", "acme:hello", "acme:hello", "tools:fmt"], package_move().boxed()),
        4 => act(&["acme", "acme", "tools"], namespace_move().boxed()),
        4 => act(&[""], operator_move().boxed()),
        1 => (wait(), any::<u8>(), prop::option::weighted(0.2, log()))
            .prop_map(|(wait, which, log)| Attempt::Again { wait, which, log }),
        1 => (wait(), log(), words, any::<u8>())
            .prop_map(|(wait, log, words, envelope)| Attempt::Carrier { wait, log, words, envelope }),
        3 => (wait(), log(), any::<u8>())
            .prop_map(|(wait, log, envelope)| Attempt::News { wait, log, envelope }),
    ]
}
