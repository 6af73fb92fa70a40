//! The program as it is installed, in a process of its own, and somebody who may read everything.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{ChildStdout, Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{connection::Connection, process::Server};

/// `correct horse battery staple`, hashed with weak parameters: no login is measured.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$tCc9fRe1ZCo/16K285DQzyaDkBqT0FS+sUtZTyzbH18";
const LOGIN: &str = "admin:correct horse battery staple";

/// A program that runs. It ends when this is dropped.
pub struct Launched {
    pub server: Server,
    pub metrics: SocketAddr,
    /// The program may go on to print.
    pub output: BufReader<ChildStdout>,
}

/// The config of a house in a folder, without quotas that anybody would meet.
pub fn config(folder: &Path) -> String {
    format!(
        "storage:\n  uploads: {}\n  reserve_mib: 1\nsecurity:\n  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\n\
         users:\n  - name: admin\n    role: operator\n    password: {HASH}\n\
         limits:\n  device_per_minute: 100000000\n  device_files: 100000000\n  dataset_files: 100000000\n  device_gib: 100000\n  device_uploads_at_once: 256\n\
         \x20 anonymous_per_minute: 100000000\n",
        folder.join("uploads").display()
    )
}

/// Starts the program with the two heaps of the unit and the image, and its log in a file.
pub fn launch(folder: &Path) -> Launched {
    let program = std::env::var("WEARHOUSE_BENCH_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_wearhouse").to_owned());
    let mut child = Command::new(program)
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--config"])
        .arg(folder.join("config.yml"))
        .env("MALLOC_ARENA_MAX", "2")
        .env_remove("WEARHOUSE_ADMIN_PASSWORD")
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(folder.join("log")).expect("a log"))
        .spawn()
        .expect("the program");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = output.by_ref().lines().map_while(Result::ok);
    let mut said = |start: &str| lines.find_map(|line| Some(line.strip_prefix(start)?.split('/').next()?.to_owned()));
    let address = said("wearhouse listens on http://").expect("an address").parse().expect("an address");
    let metrics = said("metrics are at http://").expect("an address").parse().expect("an address");
    let launched = Launched { server: Server::wait(address, child), metrics, output };
    get(address, "/readyz").expect("it is ready");
    launched
}

/// What an address that needs no login says.
pub fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    Connection::open(address)?.read(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

/// The header of somebody who may read everything.
pub fn login() -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(LOGIN))
}
