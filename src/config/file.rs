//! The file itself: written at the first start, read at every start, and edited without touching a comment.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use argon2::{Argon2, PasswordHasher};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{Config, Problems, SAMPLE, Secret, edit, settings::differences};
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

/// A config as it stands in its file.
pub struct Draft {
    path: PathBuf,
    text: String,
    config: Config,
}

impl Draft {
    /// Reads the config at `path`, which must be there, and changes nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let text = read(path)?;
        Ok(Self { config: parse(&text, path)?, text, path: path.to_owned() })
    }

    /// What it says. A password may stand there in clear still.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The config to serve with. A password that stands in the file in clear is replaced there by its hash.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then as it was.
    pub fn accept(self) -> Result<Config, OpenError> {
        if self.config.users.iter().all(super::UserConfig::is_hashed) {
            return Ok(self.config);
        }
        let (edited, wanted) = (self.text.clone(), self.config.clone());
        self.write(&edited, &wanted)
    }

    /// A file whose text was `text` a moment ago, good or not, and which somebody changes.
    pub(super) fn changed(path: PathBuf, text: String) -> Self {
        Self { path, text, config: Config::default() }
    }

    /// Writes `edited`, which says what is wanted, with each clear password replaced by its hash.
    pub(super) fn write(self, edited: &str, wanted: &Config) -> Result<Config, OpenError> {
        let edited = edit::hash_passwords(edited, wanted);
        let mut wanted = wanted.clone();
        for (user, hashed) in wanted.users.iter_mut().zip(parse(&edited, &self.path).map(|config| config.users).unwrap_or_default()) {
            user.password = hashed.password;
        }
        let by_hand = "a password stands there in an unusual form; put its hash there by hand: wearhouse hash-password";
        if wanted.users.iter().any(|user| !user.is_hashed()) {
            return Err(self.refuse(by_hand));
        }
        self.replace(&edited, wanted, by_hand)
    }

    /// Writes `edited` into the file, if it says what is wanted.
    fn replace(self, edited: &str, wanted: Config, otherwise: &str) -> Result<Config, OpenError> {
        if !parse(edited, &self.path).is_ok_and(|config| differences(&config, &wanted).is_empty()) {
            return Err(self.refuse(otherwise));
        }
        let folder = folder_of(&self.path);
        // The server and rotate-secret may write at the same time, and must not undo what the other one did.
        let lock = fs::File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
        let _lock = lock.map_err(|source| OpenError::Io { path: folder.display().to_string(), source })?;
        if read(&self.path)? != self.text {
            return Err(self.refuse("somebody changed it at this moment; try again"));
        }
        write(&self.path, edited)?;
        Ok(wanted)
    }

    fn refuse(&self, why: &str) -> OpenError {
        OpenError::Io { path: self.path.display().to_string(), source: io::Error::other(why) }
    }
}

/// Reads the config at `path` and replaces each clear password in it by its hash. Where there is none, writes it first, with
/// `chosen` or a random password for the first user.
///
/// # Errors
/// [`OpenError`]; the file is then as it was.
pub fn open(path: &Path, chosen: Option<&Secret>) -> Result<(Config, Option<FirstPassword>), OpenError> {
    let first = if path.exists() { None } else { Some(write_first(path, chosen)?) };
    Ok((Draft::read(path)?.accept()?, first))
}

/// Reads the config at `path` and changes nothing.
///
/// # Errors
/// [`OpenError`].
pub fn check(path: &Path) -> Result<Config, OpenError> {
    Ok(Draft::read(path)?.config)
}

/// Writes a new random secret into the file, and the old one into `previous_secrets`, so that its tokens stay good.
///
/// # Errors
/// [`OpenError`]; the file is then as it was.
pub fn rotate_secret(path: &Path) -> Result<Config, OpenError> {
    let draft = Draft::read(path)?;
    let mut wanted = draft.config.clone();
    let security = &mut wanted.security;
    security.previous_secrets.insert(0, std::mem::replace(&mut security.secret, random_secret()));
    let edited = edit::set_secrets(&draft.text, security);
    draft.replace(&edited, wanted, "the section security has an unusual form; move secret to previous_secrets by hand")
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

pub(super) fn read(path: &Path) -> Result<String, OpenError> {
    fs::read_to_string(path).map_err(|source| OpenError::Io { path: path.display().to_string(), source })
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Config, OpenError> {
    Config::parse(text, folder_of(path)).map_err(|problems| OpenError::Problems { path: path.display().to_string(), problems })
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write(path: &Path, text: &str) -> Result<(), OpenError> {
    // Where the path is a link, the file that it leads to.
    let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&file).map_or(MODE, |old| mode_after(old.permissions().mode()));
    write_over(&RealDisk, &file, text.as_bytes(), mode).map_err(|source| OpenError::Io { path: path.display().to_string(), source })
}

/// A group that may read the file keeps that; what everybody could read is for its owner only from now on.
fn mode_after(mode: u32) -> u32 {
    if matches!(mode & 0o007, 0) { MODE | mode & 0o040 } else { MODE }
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
        .replace(" secret: \"\"", &format!(" secret: {}", random_secret().expose()))
        .replace(" password: \"\"", &format!(" password: {}", hash_password(&password)));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .map_err(|source| OpenError::Io { path: folder.display().to_string(), source })?;
    write(path, &text)?;
    Ok(FirstPassword { user: "admin", password: chosen.is_none().then_some(password) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown, symlink};

    use tempfile::TempDir;

    use super::*;

    /// A folder with a config in which a password stands in clear.
    fn with_a_clear_password() -> (TempDir, PathBuf) {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("config.yml");
        let text = SAMPLE.replace(" secret: \"\"", &format!(" secret: {}", random_secret().expose()));
        fs::write(&path, text.replace(" password: \"\"", " password: correct horse battery staple")).expect("written");
        (folder, path)
    }

    #[test]
    fn a_secret_that_is_turned_over_while_a_password_is_hashed_stays() {
        let (_folder, path) = with_a_clear_password();
        let draft = Draft::read(&path).expect("good");
        let turned = rotate_secret(&path).expect("a new secret");
        let said = draft.accept().map(drop).expect_err("the file is another one").to_string();
        assert!(said.contains("try again"), "{said}");
        let config = Draft::read(&path).and_then(Draft::accept).expect("good");
        assert!(config.security == turned.security && config.users[0].is_hashed());
    }

    #[test]
    fn an_edit_that_says_something_else_is_not_written() {
        let (_folder, path) = with_a_clear_password();
        let before = fs::read_to_string(&path).expect("there");
        for edited in ["users: [", &before.replace("max_upload_mib: 4096", "max_upload_mib: 4095")] {
            let draft = Draft::read(&path).expect("good");
            let wanted = draft.config.clone();
            assert!(draft.replace(edited, wanted, "by hand").is_err());
            assert_eq!(fs::read_to_string(&path).expect("there"), before);
        }
    }

    #[test]
    fn whoever_could_read_the_file_still_can_and_nobody_else() {
        for (before, after) in [(0o600, 0o600), (0o640, 0o640), (0o644, 0o600), (0o666, 0o600)] {
            let (_folder, path) = with_a_clear_password();
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).expect("set");
            let ours = fs::metadata(&path).expect("there").uid();
            // Only root can give it to somebody else.
            let owner = if chown(&path, Some(4711), None).is_ok() { 4711 } else { ours };
            rotate_secret(&path).expect("a new secret");
            let now = fs::metadata(&path).expect("there");
            assert_eq!((now.mode() & 0o777, now.uid()), (after, owner), "{before:o}");
        }
    }

    #[test]
    fn a_link_to_the_file_stays_one() {
        let (folder, path) = with_a_clear_password();
        let link = folder.path().join("link.yml");
        symlink("config.yml", &link).expect("a link");
        let config = rotate_secret(&link).expect("a new secret");
        assert!(link.is_symlink() && check(&path).expect("good").security == config.security);
    }
}
