//! `rotate-secret`: a new secret signs from now on, and nobody is locked out.

use std::path::Path;

use super::Failure;
use crate::{catalog::Catalog, config, handshake::Signer, storage::Layout};

#[tokio::main(flavor = "current_thread")]
pub(super) async fn rotate_secret(path: &Path) -> Result<(), Failure> {
    let config = config::rotate_secret(path)?;
    let catalog = Layout::new(&config.storage.uploads).catalog();
    let mut devices = 0;
    if catalog.exists() {
        devices = Catalog::peek_signed_by_others(&catalog, &[Signer::new(&config.security).fingerprint()]).await?;
    }
    println!("{} has a new secret; the old one stands in previous_secrets, where its tokens stay good.", path.display());
    println!("Without it there, {devices} devices would be cut off; each gets a token of the new secret when it is let in again.");
    println!("Put it in force with: systemctl reload wearhouse, or kill -HUP and the server's process id");
    Ok(())
}
