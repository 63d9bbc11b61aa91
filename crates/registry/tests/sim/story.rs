//! One run: people use a registry that fails and dies as its plan says; then the faults end, and everything that was
//! promised must be there.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use wargate_registry::Registry;
use wargate_registry::clock::Clock as _;

use crate::book::Book;
use crate::checker::check;
use crate::faults::Plan;
use crate::keeper::Keeper;
use crate::operator::Operator;
use crate::people::{Author, Owner, Person};
use crate::pusher::OciUser;
use crate::rng::Rng;
use crate::world::{Life, World};

/// The operator's check costs as much as a story.
const FSCK_EVERY: u64 = 4;

/// Tries that each person has while there are faults.
const TRIES: usize = 5;

/// The keeper's: two backups and a restore cost as much as all else that one does.
const KEEPER_TRIES: usize = 3;

/// Processes that may fail to start or die, one after another, before somebody looks for the cause.
const LIVES_MAX: usize = 60;

/// Tries of each person once all is calm: what they are about must succeed.
const CALM_TRIES: usize = 40;

/// How long laying down may take once all is calm.
const CALM_WAIT: Duration = Duration::from_secs(60);

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub calls: u64,
    /// Those that could meet a fault.
    pub troubled: Vec<String>,
    pub injected: u64,
    pub trace: u64,
}

/// Runs a story; the error is for whoever looks for the cause.
pub fn run(seed: u64, plan: Plan, people: &[&str]) -> Result<Told, String> {
    let mut rng = Rng::new(seed);
    let world = Arc::new(World::new(&mut rng, plan));
    let mut book = Book::new(world.faults.clone());
    let mut people: Vec<(Person, Rng)> =
        people.iter().enumerate().map(|(at, name)| (person(name, at, &world), rng.fork())).collect();
    // Each has a page of the book. It outlives the process: who has an answer remembers it.
    let mut pages: Vec<Book> = people.iter().map(|_| Book::new(world.faults.clone())).collect();
    let mut left = LIVES_MAX;
    let mut tries: Vec<usize> = people.iter().map(|(person, _)| tries_of(person)).collect();
    while tries.iter().any(|left| *left > 0) && left > 0 {
        left -= 1;
        let life = world.life(async |registry| {
            trouble(registry, &world, &mut people, &mut pages, &mut tries, &mut book).await;
            // In every other story the process that had the faults must get over them, in the others the next one.
            if !seed.is_multiple_of(2) {
                world.faults.end();
                settle(registry, &world, &mut people, &mut book).await;
            }
            registry.close().await;
        });
        pages.iter_mut().for_each(|page| book.take_over(page));
        // What a dying or refused process leaves must be whole; what an ended one leaves may still be on its way.
        check(&world, &book, false);
        if let Life::Refused(error) = life
            && world.faults.injected() == 0
        {
            world.faults.violated(format!("the registry does not start: {error}"));
        }
    }
    calm(seed, &world, &mut people, &mut book);
    for (person, rng) in &mut people {
        if let Person::Keeper(keeper) = person {
            keeper.end(seed, rng, seed.is_multiple_of(FSCK_EVERY));
        }
    }
    let told = Told {
        calls: world.faults.calls(),
        troubled: world.faults.troubled(),
        injected: world.faults.injected(),
        trace: world.faults.trace_hash(),
    };
    report(&world, seed, plan).map_or(Ok(told), Err)
}

fn tries_of(person: &Person) -> usize {
    if matches!(person, Person::Keeper(_)) { KEEPER_TRIES } else { TRIES }
}

fn person(name: &str, at: usize, world: &Arc<World>) -> Person {
    let seed = 20 + at as u8;
    match name.split_once(' ').unwrap_or((name, "")) {
        ("author", name) => Person::Author(Author::new(name, seed)),
        ("sweeper", _) => Person::Sweeper,
        ("operator", _) => Person::Operator(Operator::new()),
        ("keeper", _) => Person::Keeper(Box::new(Keeper::new(world.clone()))),
        ("pusher", name) => Person::Pusher(OciUser::new(name)),
        ("pair", name) => Person::Owner(Owner::new(name, seed, Some(seed + 100))),
        (_, name) => Person::Owner(Owner::new(name, seed, None)),
    }
}

/// One life with faults: everybody at once, until their tries are used up.
async fn trouble(
    registry: &Registry,
    world: &World,
    people: &mut [(Person, Rng)],
    pages: &mut [Book],
    tries: &mut [usize],
    book: &mut Book,
) {
    book.look(registry);
    let shared = tokio::sync::Mutex::new(book);
    let all = people.iter_mut().zip(pages).zip(tries).map(async |(((person, rng), page), tries)| {
        while *tries > 0 {
            *tries -= 1;
            person.pause(&world.clock, rng).await;
            let book = shared.lock().await;
            person.read(&book, false);
            drop(book);
            person.act(registry, &world.clock, page, rng).await;
            let mut book = shared.lock().await;
            book.take_over(page);
            book.look(registry);
        }
    });
    futures::future::join_all(all).await;
}

/// All is calm: whoever is about something gets an answer, all is laid down, and every promise is kept.
async fn settle(registry: &Registry, world: &World, people: &mut [(Person, Rng)], book: &mut Book) {
    for (person, rng) in people.iter_mut() {
        let mut done = false;
        for _ in 0..CALM_TRIES {
            person.read(book, true);
            done = person.act(registry, &world.clock, book, rng).await;
            if done {
                break;
            }
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        if !done {
            let why = &book.trouble;
            world.faults.violated(format!("somebody tries for ever, though all is calm; {why}"));
        }
    }
    book.ask(registry, world.clock.now_ms()).await;
    world.clock.sleep(CALM_WAIT).await;
    check(world, book, true);
}

/// The faults end, and every promise is kept in a new process and in the one after it.
fn calm(seed: u64, world: &World, people: &mut [(Person, Rng)], book: &mut Book) {
    world.faults.end();
    let life = world.life(async |registry| {
        settle(registry, world, people, book).await;
        registry.close().await;
    });
    if let Life::Refused(error) = life {
        return world.faults.violated(format!("the registry does not start, though all is calm: {error}"));
    }
    let again = world.life(async |registry| {
        book.ask(registry, world.clock.now_ms()).await;
        // Whoever stops a registry does not wait until nobody writes.
        let known = book.clone();
        let last = people.iter_mut().map(async |(person, rng)| {
            let mut page = Book::new(world.faults.clone());
            person.read(&known, false);
            person.act(registry, &world.clock, &mut page, rng).await;
            page
        });
        let (mut pages, ()) = tokio::join!(biased; futures::future::join_all(last), registry.close());
        pages.iter_mut().for_each(|page| book.take_over(page));
    });
    if let Life::Refused(error) = again {
        world.faults.violated(format!("the registry does not start again: {error}"));
    }
    check(world, book, true);
    if seed.is_multiple_of(FSCK_EVERY) {
        for damage in world.fsck().damage {
            world.faults.violated(format!("fsck: {damage}"));
        }
    }
}

fn report(world: &World, seed: u64, plan: Plan) -> Option<String> {
    let violations = world.faults.violations();
    if violations.is_empty() {
        return None;
    }
    let mut text = format!("SIM_SEED={seed} {plan:?}\n");
    for violation in violations.iter().take(8) {
        let _ = writeln!(text, "  {violation}");
    }
    let _ = write!(text, "  the last calls:\n    {}", world.faults.tail());
    Some(text)
}
