//! The unmodified `warg` 0.10 client against `wargate serve`: what people have installed must simply work.

use interop::corpus::{self, Release};
use interop::person::Person;
use interop::server::Server;
use tempfile::TempDir;

/// A server on fresh data, and two people who know it.
fn start() -> (TempDir, Server, Person, Person) {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path());
    let (anna, ben) = (Person::new(server.url()), Person::new(server.url()));
    (data, server, anna, ben)
}

#[test]
fn all_of_the_corpus_goes_from_one_person_to_the_other() {
    let (data, server, anna, ben) = start();
    let releases = corpus::releases();
    // A package has one owner; the second person begins with a package of their own.
    let middle = releases.len() / 2;
    let of_anna = releases.iter().take_while(|release| release.package <= releases[middle].package).count();
    let (of_anna, of_ben) = releases.split_at(of_anna);
    // At the same time, as people do.
    let publish = |person: &Person, releases: &[Release]| {
        for release in releases {
            person.release(&release.package, &release.version, &release.file).accepted();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| publish(&anna, of_anna));
        publish(&ben, of_ben);
    });
    let server = server.crash_and_restart(data.path());
    // Each the other's: what one published oneself would come from the client's own cache.
    for (reader, releases) in [(&ben, of_anna), (&anna, of_ben)] {
        for release in releases {
            reader.downloads_the_bytes_of(&release.package, &release.version, &release.file);
        }
    }
    let trust = TempDir::new().unwrap();
    for release in &releases {
        server.verifies(trust.path(), &format!("{}@{}", release.package, release.version));
    }
}

#[test]
fn permissions_go_from_person_to_person_and_back() {
    let (_data, server, anna, ben) = start();
    let (hello, greeter) = (corpus::small_component(), corpus::other_component());
    anna.init("test:shared").accepted();
    anna.release("test:shared", "1.0.0", &hello).accepted();

    ben.release("test:shared", "1.1.0", &greeter).refused(&ben.key_id);
    anna.grant("test:shared", &ben, "release").accepted();
    ben.release("test:shared", "1.1.0", &greeter).accepted();
    anna.downloads_the_bytes_of("test:shared", "1.1.0", &greeter);
    // Only the permission that was granted.
    ben.yank("test:shared", "1.0.0").refused("yank");

    anna.revoke("test:shared", &ben, "release").accepted();
    ben.release("test:shared", "1.2.0", &hello).refused("permission release");
    anna.revoke("test:shared", &ben, "yank").refused(&ben.key_id);

    anna.grant("test:shared", &ben, "release,yank").accepted();
    ben.yank("test:shared", "1.0.0").accepted();
    ben.yank("test:shared", "1.0.0").refused("already yanked");
    // Someone new, whose client has no older state of the log.
    let carla = Person::new(server.url());
    carla.download("test:shared", "1.0.0").refused("1.0.0");
    carla.downloads_the_bytes_of("test:shared", "1.1.0", &greeter);
}

#[test]
fn refusals_say_why() {
    let (_data, _server, anna, ben) = start();
    let (hello, greeter) = (corpus::small_component(), corpus::other_component());
    anna.init("test:taken").accepted();
    anna.init("test:taken").refused("test:taken");
    ben.init("test:taken").refused("test:taken");
    anna.release("test:taken", "1.0.0", &hello).accepted();
    anna.release("test:taken", "1.0.0", &greeter).refused("already released");
    anna.yank("test:taken", "2.0.0").refused("2.0.0");
    ben.download("test:taken", "2.0.0").refused("2.0.0");
    ben.download("test:nothing", "1.0.0").refused("test:nothing");
    // Nothing of all that harmed the release.
    ben.downloads_the_bytes_of("test:taken", "1.0.0", &hello);
}

#[test]
fn a_killed_server_keeps_every_acknowledged_record() {
    let (data, server, anna, ben) = start();
    let (hello, greeter) = (corpus::small_component(), corpus::other_component());
    anna.init("test:kept").accepted();
    anna.release("test:kept", "1.0.0", &hello).accepted();

    let server = server.crash_and_restart(data.path());
    ben.downloads_the_bytes_of("test:kept", "1.0.0", &hello);
    anna.grant("test:kept", &ben, "release,yank").accepted();

    let server = server.crash_and_restart(data.path());
    // Both clients still hold the checkpoints they saw: a server that forgot anything would be caught here.
    ben.release("test:kept", "1.1.0", &greeter).accepted();
    ben.yank("test:kept", "1.0.0").accepted();

    let server = server.crash_and_restart(data.path());
    anna.download("test:kept", "1.0.0").refused("1.0.0");
    anna.downloads_the_bytes_of("test:kept", "1.1.0", &greeter);
    Person::new(server.url()).downloads_the_bytes_of("test:kept", "1.1.0", &greeter);
}
