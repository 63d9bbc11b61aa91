//! The command line of Wargate: one binary, a command a file.
//!
//! All talking to a person is here and nowhere below; libraries neither print nor read the environment.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;
mod config;
mod credentials;
mod error;
mod keys;
mod origin;
mod registries;
mod secret;
mod ui;

/// A publish makes some hundred small pieces on one thread that another one drops: a sixth of its cost with the
/// system's allocator, a twentieth with this one. Without huge pages: with them a registry that answered reads over
/// 200,000 records held 250 MB instead of 94.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads that wait for files, at most. Each keeps half a megabyte of the allocator's for itself; without a bound a disk
/// that stalls for a moment makes one for every request there is, and they stay.
const BLOCKING_THREADS_MAX: usize = 32;

/// A WebAssembly registry that nobody has to trust.
#[derive(Debug, Parser)]
#[command(name = "wargate", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a registry
    Serve(commands::serve::Serve),
    /// Begin a registry whose owners keep their keys elsewhere
    Operator(commands::operator::Operator),
    /// Check a data folder, and repair it
    Fsck(commands::fsck::Fsck),
    /// Release a version with a key of your own
    Publish(commands::publish::Publish),
    /// Say that a release must not be used any more
    Yank(commands::yank::Yank),
    /// Say what to use instead of a release or a package
    Deprecate(commands::yank::Deprecate),
    /// Make keys of your own, and show them
    Key(commands::key::Key),
    /// Start a namespace that nobody has
    Claim(commands::claim::Claim),
    /// Make a package one's own that the registry began for somebody without a key
    Owner(commands::owner::Owner),
    /// Let a key start a package with `warg` in a namespace
    Admit(commands::claim::Admit),
    /// Say what the owners of a namespace or a package demand
    Policy(commands::claim::SetPolicy),
    /// Let keys do something on a package, a namespace or the registry
    Grant(commands::grant::Grant),
    /// Take that back
    Revoke(commands::revoke::Revoke),
    /// Give a package or a namespace whose owners are lost to new ones
    Recover(commands::recover::Recover),
    /// Give the bytes of a release or a package out no longer, as a registry's operator
    Takedown(commands::takedown::Takedown),
    /// The same until a day
    Quarantine(commands::takedown::Quarantine),
    /// Say that a namespace is another registry's, as a registry's operator
    Import(commands::takedown::Import),
    /// Look at a request that others wrote, and sign it, without network; or make a release one's own
    Sign(commands::sign::Sign),
    /// Hand a signed request in
    Submit(commands::sign::Submit),
    /// Show what waits for more people to agree
    Proposals(commands::proposals::ShowProposals),
    /// Agree to what waits, with a key of your own
    Approve(commands::proposals::Approve),
    /// Turn down what waits
    Reject(commands::proposals::Reject),
    /// Let people and machines do what not everybody may
    Token(commands::token::Token),
    /// Check that a release is what its publisher released
    Verify(commands::verify::Verify),
    /// Check a release and download it
    Pull(commands::pull::Pull),
    /// Show a package, checked
    Info(commands::info::ShowPackage),
    /// Say which registries are trusted, by the id of their first record
    Trust(commands::trust::Trust),
    /// Copy a registry's data, also while it runs
    Backup(commands::backup::Backup),
    /// Make a data folder from a backup
    Restore(commands::restore::Restore),
    /// Remove what a registry that is stopped no longer needs
    Gc(commands::gc::Gc),
    /// Parse files for a registry
    #[command(hide = true)]
    Inspect(commands::inspect::Inspect),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Its memory is bounded, and threads would have their part in it.
    if let Command::Inspect(inspect) = cli.command {
        return inspect.run().map_or_else(|error| error.report(), |()| ExitCode::SUCCESS);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build() {
        Ok(runtime) => runtime,
        Err(error) => return error::CommandError::internal(format!("couldn't start: {error}")).report(),
    };
    let outcome = match cli.command {
        Command::Serve(serve) => runtime.block_on(serve.run()),
        Command::Operator(operator) => runtime.block_on(operator.run()),
        Command::Fsck(fsck) => runtime.block_on(fsck.run()),
        Command::Publish(publish) => runtime.block_on(publish.run()),
        Command::Yank(yank) => runtime.block_on(yank.run()),
        Command::Deprecate(deprecate) => runtime.block_on(deprecate.run()),
        Command::Key(key) => key.run(),
        Command::Claim(claim) => runtime.block_on(claim.run()),
        Command::Owner(owner) => runtime.block_on(owner.run()),
        Command::Admit(admit) => runtime.block_on(admit.run()),
        Command::Policy(policy) => runtime.block_on(policy.run()),
        Command::Grant(grant) => runtime.block_on(grant.run()),
        Command::Revoke(revoke) => runtime.block_on(revoke.run()),
        Command::Recover(recover) => runtime.block_on(recover.run()),
        Command::Takedown(takedown) => runtime.block_on(takedown.run()),
        Command::Quarantine(quarantine) => runtime.block_on(quarantine.run()),
        Command::Import(import) => runtime.block_on(import.run()),
        Command::Sign(sign) => runtime.block_on(sign.run()),
        Command::Submit(submit) => runtime.block_on(submit.run()),
        Command::Proposals(show) => runtime.block_on(show.run()),
        Command::Approve(approve) => runtime.block_on(approve.run()),
        Command::Reject(reject) => runtime.block_on(reject.run()),
        Command::Token(token) => runtime.block_on(token.run()),
        Command::Verify(verify) => runtime.block_on(verify.run()),
        Command::Pull(pull) => runtime.block_on(pull.run()),
        Command::Info(info) => runtime.block_on(info.run()),
        Command::Trust(trust) => runtime.block_on(trust.run()),
        Command::Backup(backup) => runtime.block_on(backup.run()),
        Command::Restore(restore) => runtime.block_on(restore.run()),
        Command::Gc(gc) => runtime.block_on(gc.run()),
        Command::Inspect(inspect) => inspect.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
