//! `check`: everything that is wrong with the config, and whom a changed secret would lock out. Changes nothing.

use std::path::Path;

use super::Failure;
use crate::{
    catalog::Catalog,
    config::{self, Config},
    handshake::Signer,
    storage::{self, Layout},
};

#[tokio::main(flavor = "current_thread")]
pub(super) async fn check(path: &Path) -> Result<(), Failure> {
    let config = config::check(path)?;
    would_serve(&config).await?;
    println!("{} is good", path.display());
    Ok(())
}

/// Whether a server could run with this config, and every watch that is let in still be known.
pub(super) async fn would_serve(config: &Config) -> Result<(), Failure> {
    let layout = Layout::new(&config.storage.uploads);
    storage::look_at(&layout)?;
    if !layout.catalog().exists() {
        return Ok(());
    }
    let fingerprints = Signer::new(&config.security).fingerprints();
    match Catalog::peek_signed_by_others(&layout.catalog(), &fingerprints).await? {
        0 => Ok(()),
        locked_out => Err(format!(
            "security: {locked_out} devices hold tokens signed with a secret that is not in the file; put it into previous_secrets, or somebody has to walk to each of them"
        )
        .into()),
    }
}
