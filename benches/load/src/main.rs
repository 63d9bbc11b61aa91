//! Loads a registry and prints what it measured as one line of JSON.
//!
//! Warg, any registry that speaks it:
//! `wargate-load publish --server HOST:PORT --pid PID --packages N --connections C --run NAME`
//! `wargate-load lone    --server HOST:PORT --packages N --run NAME`
//! `wargate-load read    --server HOST:PORT --pid PID --packages N --requests R --connections C --run NAME`
//!
//! OCI, the same; `LOAD` is `--artifacts N --layer-bytes B --repositories R --run NAME`, which says what is pushed:
//! `wargate-load oci-push --server HOST:PORT --pid PID --connections C LOAD`
//! `wargate-load oci-pull | oci-head | oci-get-blob | oci-tags --server HOST:PORT --pid PID --connections C --seconds S LOAD`
//! `wargate-load oci-files --folder DIR LOAD` writes what a server of files needs to answer the reads.
//!
//! The server's CPU is read from the kernel by its process id.

mod drive;
mod http;
mod oci;
mod options;
mod records;
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
        "oci-push" => oci::push::push(&options).await?,
        "oci-pull" => oci::read::pull(&options).await?,
        "oci-head" => oci::read::head_manifest(&options).await?,
        "oci-get-blob" => oci::read::get_blob(&options).await?,
        "oci-tags" => oci::read::tags(&options).await?,
        "oci-files" => oci::files::write(&options)?,
        other => bail!("unknown verb {other}"),
    };
    println!("{result}");
    Ok(())
}
