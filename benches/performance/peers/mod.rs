//! The others: what is there of them on this machine.

pub mod bare;
pub mod dufs;
pub mod nginx;

use std::{env, path::PathBuf, process::Command};

/// A program of this name, where people have programs.
fn find(name: &str) -> Option<PathBuf> {
    let named = env::var_os(name.to_uppercase()).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let home = env::home_dir().unwrap_or_default().join(".cargo/bin");
    let folders = env::split_paths(&path).chain([home, "/usr/sbin".into()]);
    named.into_iter().chain(folders.map(|folder| folder.join(name))).find(|program| program.is_file())
}

/// What it says of its version, if it is there.
pub fn version(name: &str, flag: &str) -> Option<String> {
    let output = Command::new(find(name)?).arg(flag).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&said).trim().replace("nginx version: nginx/", "nginx "))
}
