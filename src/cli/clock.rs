//! `clock`: which time the server uses; with `--confirm`, that the machine's clock is right.

use std::path::Path;

use super::Failure;
use crate::{
    catalog::Catalog,
    clock::{Clock, ClockStatus, RELEASED, machine},
    config,
    storage::Layout,
    timekeeping::explain,
};

#[tokio::main(flavor = "current_thread")]
pub(super) async fn clock(config: &Path, confirm: bool) -> Result<(), Failure> {
    let config = config::check(config)?;
    let catalog = Layout::new(&config.storage.uploads).catalog();
    if !catalog.exists() {
        return Err(format!("there is no catalog at {}; the first start of the server makes it", catalog.display()).into());
    }
    let status = Clock::new(Catalog::peek_time(&catalog).await?, std::sync::Arc::new(machine)).status();
    println!("{}", describe(&status));
    if !confirm {
        return Ok(());
    }
    if status.wall < RELEASED {
        return Err("no time before this program was released is confirmed; set the machine's clock first".into());
    }
    if status.is_trusted && status.fault.is_none() {
        println!("there is nothing to confirm");
        return Ok(());
    }
    if !Catalog::confirm_time(&catalog, status.wall).await? {
        return Err("no server has used this catalog yet; there is nothing to confirm".into());
    }
    println!("confirmed; a running server uses it within seconds, a stopped one at its next start");
    Ok(())
}

fn describe(status: &ClockStatus) -> String {
    let explained = explain(status);
    match (status.is_trusted, status.fault) {
        (true, _) => format!("trusted: {explained}"),
        (false, Some(_)) => format!("not trusted: {explained}"),
        (false, None) => format!("about to be trusted: {explained}"),
    }
}
