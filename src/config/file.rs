//! The file itself: written at the first start, read at every start, and edited without touching a comment.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use argon2::{Argon2, PasswordHasher};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{Config, Problems, SAMPLE, Secret, edit};
use crate::storage::{Layout, RealDisk, write_over};

/// Only the server's user may read the file: it holds the secret.
const MODE: u32 = 0o600;

/// The password that the first start made.
#[derive(Debug)]
pub struct FirstPassword {
    /// The user's name.
    pub user: &'static str,
    /// The password; `None` if the operator chose it.
    pub password: Option<Secret>,
}

/// Why there is no config to start with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file holds mistakes.
    #[error("{path} holds mistakes:\n{problems}")]
    Problems {
        /// The file.
        path: String,
        /// What is wrong.
        problems: Problems,
    },
    /// The file is missing, but there is a catalog: with a new secret, every watch would be locked out without a word.
    #[error(
        "{path} is missing, but {catalog} is there: a new file would have a new secret and lock out every watch. Put the file \
         back from your backup, or name it with --config"
    )]
    Missing {
        /// The file.
        path: String,
        /// The catalog.
        catalog: String,
    },
    /// The password that the operator chose for the first user is not good enough.
    #[error(
        "the password in WEARHOUSE_ADMIN_PASSWORD, or in the file that WEARHOUSE_ADMIN_PASSWORD_FILE names, is short or easy to \
         guess; use 12 characters or more"
    )]
    WeakPassword,
    /// The operating system refuses.
    #[error("cannot read or write {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Reads the config at `path` as [`reopen`] does. Where there is none, writes it first, with `chosen` or a random password for
/// the first user.
///
/// # Errors
/// [`OpenError`]; the file is then as it was.
pub fn open(path: &Path, chosen: Option<&Secret>) -> Result<(Config, Option<FirstPassword>), OpenError> {
    let first = if path.exists() { None } else { Some(write_first(path, chosen)?) };
    Ok((reopen(path)?, first))
}

/// Reads the config at `path`, which must be there. A password that stands in the file in clear is replaced by its hash.
///
/// # Errors
/// [`OpenError`]; the file is then as it was.
pub fn reopen(path: &Path) -> Result<Config, OpenError> {
    let text = read(path)?;
    let config = parse(&text, path)?;
    if config.users.iter().all(super::UserConfig::is_hashed) {
        return Ok(config);
    }
    let text = edit::hash_passwords(&text, &config);
    write(path, &text)?;
    parse(&text, path)
}

/// Reads the config at `path` and changes nothing.
///
/// # Errors
/// [`OpenError`].
pub fn check(path: &Path) -> Result<Config, OpenError> {
    parse(&read(path)?, path)
}

/// Writes a new random secret into the file, and the old one into `previous_secrets`, so that its tokens stay good.
///
/// # Errors
/// [`OpenError`]; the file is then as it was.
pub fn rotate_secret(path: &Path) -> Result<Config, OpenError> {
    let text = read(path)?;
    let mut wanted = parse(&text, path)?.security;
    wanted.previous_secrets.insert(0, std::mem::replace(&mut wanted.secret, random_secret()));
    let edited = edit::set_secrets(&text, &wanted);
    let config = parse(&edited, path)?;
    if config.security != wanted {
        let source = io::Error::other("the section security has an unusual form; move secret to previous_secrets by hand");
        return Err(OpenError::Io { path: path.display().to_string(), source });
    }
    write(path, &edited)?;
    Ok(config)
}

fn random_secret() -> Secret {
    Secret::new(BASE64_STANDARD.encode(rand::random::<[u8; 32]>()))
}

/// The Argon2id hash of a password, in PHC form, with a random salt and the crate's parameters (19 MiB, 2 passes).
///
/// # Panics
/// Never: the parameters are constant.
#[must_use]
pub fn hash_password(password: &Secret) -> String {
    let hashed = Argon2::default().hash_password(password.expose().as_bytes());
    hashed.expect("constant parameters are valid").to_string()
}

fn read(path: &Path) -> Result<String, OpenError> {
    fs::read_to_string(path).map_err(|source| OpenError::Io { path: path.display().to_string(), source })
}

fn parse(text: &str, path: &Path) -> Result<Config, OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Config::parse(text, folder).map_err(|problems| OpenError::Problems { path: path.display().to_string(), problems })
}

fn write(path: &Path, text: &str) -> Result<(), OpenError> {
    write_over(&RealDisk, path, text.as_bytes(), MODE).map_err(|source| OpenError::Io { path: path.display().to_string(), source })
}

fn write_first(path: &Path, chosen: Option<&Secret>) -> Result<FirstPassword, OpenError> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let catalog = Layout::new(super::resolve(&folder, &super::StorageConfig::default().uploads)).catalog();
    if catalog.exists() {
        return Err(OpenError::Missing { path: path.display().to_string(), catalog: catalog.display().to_string() });
    }
    if chosen.is_some_and(|password| super::looks_weak(password.expose(), 12, 6)) {
        return Err(OpenError::WeakPassword);
    }
    let password = chosen.cloned().unwrap_or_else(|| Secret::new(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())));
    let text = SAMPLE
        .replace("secret: \"\"", &format!("secret: {}", random_secret().expose()))
        .replace("password: \"\"", &format!("password: {}", hash_password(&password)));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .map_err(|source| OpenError::Io { path: folder.display().to_string(), source })?;
    write(path, &text)?;
    Ok(FirstPassword { user: "admin", password: chosen.is_none().then_some(password) })
}
