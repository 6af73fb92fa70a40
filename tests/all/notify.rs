//! What systemd is told (sd_notify(3)), and when.

use std::{
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;

use crate::support::{Program, ProgramBuilder, until};

/// Stands in for systemd.
struct Systemd {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Systemd {
    fn listen(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("set");
        Self { socket, path }
    }

    /// What it was told since the last question, without times.
    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut bytes = [0; 256];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            let lines = String::from_utf8_lossy(&bytes[..length]).into_owned();
            told.extend(lines.lines().filter(|line| !line.starts_with("MONOTONIC")).map(str::to_owned));
        }
        told
    }

    fn program(&self, folder: &Path) -> ProgramBuilder {
        Program::in_folder(folder).env("NOTIFY_SOCKET", self.path.to_str().expect("text"))
    }

    fn start(&self, folder: &Path) -> Program {
        self.program(folder).start()
    }

    /// Waits until it is told this, and returns everything that it was told with it.
    async fn wait_for(&self, state: &str) -> Vec<String> {
        let told = std::cell::RefCell::new(Vec::new());
        until(state, async || {
            told.borrow_mut().extend(self.told());
            told.borrow().last().is_some_and(|told| told == state)
        })
        .await;
        told.into_inner()
    }
}

#[tokio::test]
async fn systemd_is_told_of_the_start_of_a_reload_and_of_the_stop_in_order() {
    let folder = TempDir::new().expect("a folder");
    let systemd = Systemd::listen(folder.path());
    let program = systemd.start(folder.path());
    assert_eq!(systemd.wait_for("READY=1").await, ["READY=1"]);
    program.hang_up();
    assert_eq!(systemd.wait_for("READY=1").await, ["RELOADING=1", "READY=1"]);
    program.terminate();
    program.wait_and_say();
    assert_eq!(systemd.told(), ["STOPPING=1"]);
}

#[tokio::test]
async fn the_watchdog_is_told_again_and_again() {
    let folder = TempDir::new().expect("a folder");
    let systemd = Systemd::listen(folder.path());
    let program = systemd.program(folder.path()).env("WATCHDOG_USEC", "300000").start();
    for _ in 0..3 {
        systemd.wait_for("WATCHDOG=1").await;
    }
    program.terminate();
    program.wait_and_say();
    assert!(systemd.told().contains(&"STOPPING=1".to_owned()));
}

#[tokio::test]
async fn a_reload_while_it_starts_does_not_say_that_it_serves() {
    let folder = TempDir::new().expect("a folder");
    let systemd = Systemd::listen(folder.path());
    let program = systemd.start(folder.path());
    systemd.wait_for("READY=1").await;
    drop(program);
    // The schema must be brought up to date, somebody holds the catalog, and so the start waits.
    let catalog = format!("sqlite://{}", folder.path().join("uploads/.house/catalog.sqlite").display());
    let mut held = SqliteConnection::connect(&catalog).await.expect("the catalog");
    held.execute("DROP TABLE arrivals; DELETE FROM _sqlx_migrations WHERE version > 1").await.expect("an older schema");
    held.execute("BEGIN IMMEDIATE").await.expect("held");
    let program = systemd.start(folder.path());
    program.hang_up();
    let told = systemd.wait_for("READY=1");
    tokio::pin!(told);
    // Long enough for a reload, and not for whoever waits for the catalog.
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut told).await.is_err(), "it does not serve yet");
    held.execute("ROLLBACK").await.expect("released");
    let mut told = told.await;
    while told.len() < 3 {
        told.extend(systemd.wait_for("READY=1").await);
    }
    assert_eq!(told, ["READY=1", "RELOADING=1", "READY=1"]);
    assert!(program.said().contains("was read anew"), "{}", program.said());
}
