//! The password of the first user: from the operator, or handed over to the operator.

use std::{env, io::IsTerminal, path::Path};

use super::Failure;
use crate::{
    config::{FirstPassword, Secret},
    storage::{RealDisk, write_over},
};

const TEXT: &str = "WEARHOUSE_ADMIN_PASSWORD";
const FILE: &str = "WEARHOUSE_ADMIN_PASSWORD_FILE";

/// What the operator chose, in the environment or in a file that it names. Only the first start asks: later ones need neither.
pub(super) fn chosen() -> Result<Option<Secret>, Failure> {
    let set = |name| env::var(name).ok().filter(|text| !text.is_empty());
    match (set(TEXT), set(FILE)) {
        (Some(_), Some(_)) => Err(format!("{TEXT} and {FILE} are both set; keep one").into()),
        (Some(password), None) => Ok(Some(Secret::new(password))),
        (None, Some(path)) => from_file(Path::new(&path)).map(Some),
        (None, None) => Ok(None),
    }
}

fn from_file(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {} ({FILE}): {error}; this user must be able to read it", path.display()))?;
    // An editor and echo put a line's end behind it.
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} ({FILE}) is empty; write the password of the user admin into it", path.display()).into()),
        password => Ok(Secret::new(password)),
    }
}

/// Shows the first password to a person; where nobody is looking, leaves it in a file that only this user can read.
pub(super) fn hand_over(first: &FirstPassword, config: &Path) -> Result<(), Failure> {
    let Some(password) = &first.password else {
        println!("wrote {}; log in as {} with the password that you chose ({TEXT} or {FILE})", config.display(), first.user);
        return Ok(());
    };
    if std::io::stdout().is_terminal() {
        println!("wrote {}; log in as {} with the password {}  (it is not shown again)", config.display(), first.user, password.expose());
        return Ok(());
    }
    let path = config.with_file_name("initial-password");
    write_over(&RealDisk, &path, format!("{}\n", password.expose()).as_bytes(), 0o600)?;
    println!("wrote {}; log in as {} with the password in {} (delete that file then)", config.display(), first.user, path.display());
    Ok(())
}
