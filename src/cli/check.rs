//! `check`: everything that is wrong with the config, and whom a changed secret would lock out. Changes nothing.

use std::path::Path;

use super::Failure;
use crate::{config, reload::would_serve};

#[tokio::main(flavor = "current_thread")]
pub(super) async fn check(path: &Path) -> Result<(), Failure> {
    let config = config::check(path)?;
    would_serve(&config).await?;
    println!("{} is good", path.display());
    Ok(())
}
