//! The config's file while the server runs: read anew or changed, looked at as `check` does, and put in force.

use crate::{
    catalog::{Catalog, CatalogError},
    config::{self, Change, Config, Draft, Replaced, Settings, Source},
    handshake::Signer,
    storage::{self, Layout, blocking},
};

/// Why the settings of before stay in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file cannot be read or written, or holds mistakes.
    #[error(transparent)]
    File(#[from] config::OpenError),
    /// Its folders cannot be used.
    #[error(transparent)]
    Storage(#[from] storage::OpenError),
    /// The catalog in its folders cannot be looked at.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// So many watches would not be known any more.
    #[error(
        "security: {0} devices hold tokens signed with a secret that is not in the file; put it into previous_secrets, or somebody has to walk to each of them"
    )]
    LockedOut(u64),
    /// The work was broken off.
    #[error(transparent)]
    Broken(#[from] std::io::Error),
}

/// Whether a server could run with this config, and every watch that is let in still be known.
///
/// # Errors
/// [`ReloadError`] where it could not.
pub async fn would_serve(config: &Config) -> Result<(), ReloadError> {
    let layout = Layout::new(&config.storage.uploads);
    storage::look_at(&layout)?;
    if !layout.catalog().exists() {
        return Ok(());
    }
    let fingerprints = Signer::new(&config.security).fingerprints();
    match Catalog::peek_signed_by_others(&layout.catalog(), &fingerprints).await? {
        0 => Ok(()),
        locked_out => Err(ReloadError::LockedOut(locked_out)),
    }
}

/// Reads the file anew and puts it in force. One that is not good changes nothing.
///
/// # Errors
/// [`ReloadError`]
pub async fn read_anew(settings: &Settings, source: &Source) -> Result<Replaced, ReloadError> {
    let _turn = source.turn().await;
    // Read once: what is put in force is what was looked at.
    let draft = Draft::read(source.path())?;
    may_be_in_force(settings, draft.config()).await?;
    let config = blocking(move || draft.accept()).await??;
    Ok(put_in_force(settings, source, config))
}

/// Writes a change into the file and puts it in force. One that is not good changes nothing. Whoever calls has the
/// source's turn.
///
/// # Errors
/// [`ReloadError`]
pub async fn save(settings: &Settings, source: &Source, change: Change) -> Result<Replaced, ReloadError> {
    may_be_in_force(settings, change.config()).await?;
    let config = blocking(move || change.accept()).await??;
    Ok(put_in_force(settings, source, config))
}

async fn may_be_in_force(settings: &Settings, config: &Config) -> Result<(), ReloadError> {
    would_serve(config).await?;
    // In other folders there may be nobody to lock out; in these there is.
    would_serve(&settings.with(config.clone())).await
}

fn put_in_force(settings: &Settings, source: &Source, config: Config) -> Replaced {
    let replaced = settings.replace(&source.over(config));
    source.set_level(settings.now().log.level);
    replaced
}
