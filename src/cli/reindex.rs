//! `reindex`: holds the catalog against the disk.

use std::{path::Path, sync::Arc};

use super::{Failure, logging};
use crate::{
    catalog::Catalog,
    config::{self, LogConfig, LogLevel},
    ledger::Ledger,
    recordings::{Reindex, Shelves},
    storage::{Layout, RealDisk, Storage},
};

#[tokio::main(flavor = "current_thread")]
pub(super) async fn reindex(path: &Path, apply: bool) -> Result<(), Failure> {
    let config = config::check(path)?;
    logging::start(&LogConfig { level: LogLevel::Warn, ..config.log.clone() });
    let storage = Storage::open(Layout::new(&config.storage.uploads), Arc::new(RealDisk))?;
    let _lock = storage.lock()?;
    let ledger = Ledger::open_as_it_is(Arc::clone(storage.disk()), &storage.layout().ledger())?;
    let catalog = Catalog::open(&storage.layout().catalog()).await?;
    let reindex = Reindex::new(Shelves::new(catalog.clone(), storage, ledger));
    let findings = reindex.look().await?;
    let mut failed = 0;
    for finding in &findings {
        println!("{finding}");
        if apply && let Err(error) = reindex.apply(finding).await {
            println!("  left as it is: {error}");
            failed += 1;
        }
    }
    catalog.close().await;
    match (findings.len(), apply) {
        (0, _) => println!("disk and catalog agree"),
        (found, false) => println!("{found} differences; nothing was changed (--apply mends the catalog)"),
        (found, true) => println!("{} of {found} differences mended or left alone as said, {failed} failed", found - failed),
    }
    Ok(())
}
