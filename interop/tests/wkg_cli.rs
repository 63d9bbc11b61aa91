//! The unmodified `wkg` 0.16 against `wargate serve`, and what goes in by one door and comes out by the other.

use interop::corpus::{self, Release};
use interop::person::Person;
use interop::server::Server;
use interop::wkg::Wkg;
use tempfile::TempDir;

/// A WIT package is published as what it says, anything else is pushed as what we call it.
fn publish(wkg: &Wkg, release: &Release) {
    if release.file.parent().is_some_and(|folder| folder.ends_with("wit-wasm")) {
        wkg.publish(&release.file).accepted();
    } else {
        wkg.push(&release.package, &release.version, &release.file).accepted();
    }
}

#[test]
fn what_goes_in_by_one_door_comes_out_by_the_other() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path());
    let (wkg, warg) = (Wkg::new(server.url()), Person::new(server.url()));
    // `wkg` begins each namespace, so that `warg` comes into namespaces that are the registry's own.
    let (by_wkg, by_warg): (Vec<_>, Vec<_>) =
        corpus::releases().into_iter().partition(|release| release.package.len() % 2 == 0);
    assert!(by_wkg.len() > 5 && by_warg.len() > 5, "{} and {}", by_wkg.len(), by_warg.len());
    for release in &by_wkg {
        publish(&wkg, release);
    }
    let server = server.crash_and_restart(data.path());
    for release in &by_warg {
        warg.release(&release.package, &release.version, &release.file).accepted();
    }
    let server = server.crash_and_restart(data.path());
    let trust = TempDir::new().unwrap();
    let (other_wkg, other_warg) = (Wkg::new(server.url()), Person::new(server.url()));
    for release in by_wkg.iter().chain(&by_warg) {
        other_wkg.gets_the_bytes_of(&release.package, &release.version, &release.file);
        other_warg.downloads_the_bytes_of(&release.package, &release.version, &release.file);
        server.verifies(trust.path(), &format!("{}@{}", release.package, release.version));
    }
}

#[test]
fn wit_is_built_against_wasi_from_here() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path());
    let wkg = Wkg::new(server.url());
    for release in corpus::releases() {
        if release.version == "0.2.12" {
            publish(&wkg, &release);
        }
    }
    let text = "package test:app@0.1.0;\n\nworld app {\n  import wasi:http/types@0.2.12;\n}\n";
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("app.wit"), text).unwrap();
    let built = wkg.builds_wit(folder.path());
    wkg.publish(&built).accepted();
    wkg.gets_the_bytes_of("test:app", "0.1.0", &built);
}

#[test]
fn refusals_say_what_to_do() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path());
    let (wkg, warg) = (Wkg::new(server.url()), Person::new(server.url()));
    let (hello, greeter) = (corpus::small_component(), corpus::other_component());
    wkg.push("test:once", "1.0.0", &hello).accepted();
    wkg.push("test:once", "1.0.0", &hello).accepted();
    wkg.push("test:once", "1.0.0", &greeter).refused("released already");
    warg.release("test:mine", "1.0.0", &hello).accepted();
    wkg.push("test:mine", "1.1.0", &greeter).refused("warg");
    // Bytes that say another name than the reference.
    let clocks = corpus::canonical_names();
    wkg.push("test:clocks", "0.2.12", &clocks.file).refused("wasi:clocks");
    wkg.publish(&clocks.file).accepted();
    wkg.gets_the_bytes_of(&clocks.package, &clocks.version, &clocks.file);
}
