//! Loads a registry and prints what it measured as one line of JSON.
//!
//! Warg, any registry that speaks it:
//! `wargate-load publish --server HOST:PORT --pid PID --packages N --connections C --run NAME`
//! `wargate-load lone    --server HOST:PORT --packages N --run NAME`
//! `wargate-load read    --server HOST:PORT --pid PID --packages N --requests R --connections C --run NAME`
//! `wargate-load next-records | next-acts --server HOST:PORT --pid PID --packages N --connections C --run NAME
//! [--content-bytes B]`: a release more into packages of v1 logs, or (Wargate alone) of delegated ones; of what is
//! stored already, or each with content of its own
//!
//! OCI, the same; `LOAD` is `--artifacts N --layer-bytes B --repositories R --run NAME`, which says what is pushed:
//! `wargate-load oci-push --server HOST:PORT --pid PID --connections C LOAD [--first N] [--phase NAME]`
//! `wargate-load oci-pull | oci-head | oci-get-manifest | oci-get-blob | oci-tags | oci-resolve --server HOST:PORT --pid PID --connections C --seconds S LOAD`
//! `wargate-load oci-tags-page --server HOST:PORT --pid PID --connections C --seconds S --phase NAME LOAD`
//! `wargate-load oci-push-referrers --server HOST:PORT --pid PID --connections C --phase NAME --referrers N [--first N]`
//! `wargate-load oci-referrers --server HOST:PORT --pid PID --connections C --seconds S --phase NAME --referrers N`
//! `wargate-load oci-push-large --server HOST:PORT --pid PID --connections C --phase NAME LARGE`, and `LARGE` is
//! `--blobs N --bytes B --run NAME`
//! `wargate-load oci-pull-large --server HOST:PORT --pid PID --connections C --seconds S --phase NAME LARGE`
//! `wargate-load oci-files --folder DIR LOAD` and `oci-large-files --folder DIR LARGE` write what a server of files needs
//! to answer the reads.
//!
//! No server: `wargate-load inspect --folder DIR`, what inspecting the files there takes.
//! Both, until the server is gone, with a list of what was acknowledged; and a server checked against such a list:
//! `wargate-load soak  --server HOST:PORT --seconds S --per-second R --run NAME --acknowledged FILE`
//! `wargate-load check --server HOST:PORT --pid PID --connections C --acknowledged FILE`
//!
//! The server's CPU is read from the kernel by its process id.

mod drive;
mod http;
mod inspect;
mod next;
mod oci;
mod options;
mod process;
mod records;
mod soak;
mod warg;

use anyhow::{Context as _, Result, bail};

use crate::options::Options;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().context("which verb?")?;
    let options = Options::parse(arguments)?;
    let result = match verb.as_str() {
        "publish" => warg::publish(&options).await?,
        "lone" => warg::lone(&options).await?,
        "read" => warg::read(&options).await?,
        "next-records" => next::records(&options).await?,
        "next-acts" => next::acts(&options).await?,
        "oci-push" => oci::push::push(&options).await?,
        "oci-pull" => oci::read::pull(&options).await?,
        "oci-head" => oci::read::head_manifest(&options).await?,
        "oci-get-blob" => oci::read::get_blob(&options).await?,
        "oci-get-manifest" => oci::read::get_manifest(&options).await?,
        "oci-tags" => oci::read::tags(&options).await?,
        "oci-resolve" => oci::read::resolve(&options).await?,
        "oci-tags-page" => oci::lists::tags_page(&options).await?,
        "oci-push-referrers" => oci::lists::push_referrers(&options).await?,
        "oci-referrers" => oci::lists::referrers(&options).await?,
        "oci-push-large" => oci::large::push(&options).await?,
        "oci-pull-large" => oci::large::pull(&options).await?,
        "oci-large-files" => oci::large::files(&options)?,
        "oci-files" => oci::files::write(&options)?,
        "inspect" => inspect::inspect(&options)?,
        "soak" => soak::soak(&options).await?,
        "check" => soak::check(&options).await?,
        other => bail!("unknown verb {other}"),
    };
    println!("{result}");
    Ok(())
}
