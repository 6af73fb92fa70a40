//! dufs, a file server in Rust: `cargo install dufs --locked`.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::find;
use crate::process::{Server, free_address};

/// Starts it in an empty folder, if it is there. It takes `PUT` and logs nothing.
pub fn start(folder: &Path) -> Option<Server> {
    let address = free_address();
    let child = Command::new(find("dufs")?)
        .args(["--allow-all", "--log-format", "", "--bind", "127.0.0.1", "--port", &address.port().to_string()])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dufs");
    Some(Server::wait(address, child))
}
