//! What systemd is told (sd_notify(3)), and when.

use std::{os::unix::net::UnixDatagram, path::PathBuf, time::Duration};

use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;

use crate::support::{Program, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A systemd that listens.
pub struct Manager {
    socket: UnixDatagram,
    pub path: PathBuf,
}

impl Manager {
    pub fn new(folder: &TempDir) -> Self {
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        Self { socket, path }
    }

    /// The next message that is no sign of life.
    pub fn hears(&self) -> String {
        loop {
            let said = self.hears_anything();
            if said != "WATCHDOG=1" {
                return said;
            }
        }
    }

    /// Whether anything is said in this time; what it was is not known then.
    fn hears_within(&self, patience: Duration) -> bool {
        self.socket.set_read_timeout(Some(patience)).expect("set");
        let heard = self.socket.recv(&mut [0; 4096]).is_ok();
        self.socket.set_read_timeout(Some(PATIENCE)).expect("set");
        heard
    }

    fn hears_anything(&self) -> String {
        let mut message = [0; 4096];
        let size = self.socket.recv(&mut message).expect("a message within 30 s");
        String::from_utf8_lossy(&message[..size]).trim_end().to_owned()
    }
}

fn monotonic_usec() -> u64 {
    let now = std::fs::read_to_string("/proc/uptime").expect("uptime");
    let seconds: f64 = now.split(' ').next().expect("a number").parse().expect("a number");
    Duration::from_secs_f64(seconds).as_micros().try_into().expect("not so long")
}

#[tokio::test]
async fn systemd_is_told_of_start_reload_life_and_stop() {
    let folder = TempDir::new().expect("a folder");
    let manager = Manager::new(&folder);
    let program = Program::in_folder(folder.path()).env("NOTIFY_SOCKET", manager.path.to_str().expect("text"));
    let program = program.env("WATCHDOG_USEC", "300000").start();
    assert_eq!(manager.hears(), "READY=1");
    assert_eq!(program.researcher().get("/").await.status(), 200, "it was not ready");
    for _ in 0..3 {
        assert_eq!(manager.hears_anything(), "WATCHDOG=1");
    }
    program.hang_up();
    let reloading = manager.hears();
    let (first, since) = reloading.split_once('\n').expect("two lines");
    let since: u64 = since.strip_prefix("MONOTONIC_USEC=").expect("a time").parse().expect("a number");
    assert!(first == "RELOADING=1" && monotonic_usec().abs_diff(since) < 30_000_000, "{reloading}");
    assert_eq!(manager.hears(), "READY=1");
    program.terminate();
    assert_eq!(manager.hears(), "STOPPING=1");
    program.wait_and_say();
}

#[tokio::test]
async fn a_reload_while_it_starts_does_not_say_that_it_serves() {
    let folder = TempDir::new().expect("a folder");
    let manager = Manager::new(&folder);
    let start = || Program::in_folder(folder.path()).env("NOTIFY_SOCKET", manager.path.to_str().expect("text")).start();
    let program = start();
    assert_eq!(manager.hears(), "READY=1");
    drop(program);
    // The schema must be brought up to date, somebody holds the catalog, and so the start waits.
    let catalog = folder.path().join("uploads/.house/catalog.sqlite");
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        drop(std::fs::remove_file(catalog.with_file_name(name)));
    }
    let mut held = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", catalog.display())).await.expect("a catalog");
    let older = include_str!("../../fixtures/schema-1/catalog.sql");
    held.execute(sqlx::AssertSqlSafe(format!("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF; {older}")))
        .await
        .expect("an older schema");
    held.execute("BEGIN IMMEDIATE").await.expect("held");
    let program = start();
    program.hang_up();
    // Long enough for a reload, and not for whoever waits for the catalog.
    assert!(!manager.hears_within(Duration::from_secs(1)), "it does not serve yet");
    held.execute("ROLLBACK").await.expect("released");
    assert_eq!(manager.hears(), "READY=1");
    assert!(manager.hears().starts_with("RELOADING=1"));
    assert_eq!(manager.hears(), "READY=1");
    until("the config was read anew", async || program.said().contains("was read anew")).await;
}
