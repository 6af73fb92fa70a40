//! `hash-password`: from a password on standard input to what stands in the config.

use std::io::{BufRead, IsTerminal};

use super::Failure;
use crate::config::{self, Secret};

pub(super) fn hash_password() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        eprintln!("type the password and press Enter (it is shown):");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("no password on standard input; for example: echo 'a long password' | wearhouse hash-password".into());
    }
    println!("{}", config::hash_password(&Secret::new(password)));
    Ok(())
}
