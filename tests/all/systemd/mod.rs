//! The unit: what systemd is told, whether it would take the unit, and whether the program can live within what it allows.
//! (`./scripts/test-image` runs it under a real systemd.)

mod notify;
mod users;

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    process::{Command, Output},
};

use tempfile::TempDir;

use self::notify::Manager;
use crate::support::{Program, until};

const UNIT: &str = include_str!("../../../packaging/wearhouse.service");

fn systemd_analyze(folder: &TempDir, arguments: &[&str]) -> Output {
    let unit = folder.path().join("wearhouse.service");
    // The program need not be installed where the tests run.
    std::fs::write(&unit, UNIT.replace("/usr/local/bin/wearhouse", env!("CARGO_BIN_EXE_wearhouse"))).expect("written");
    Command::new("systemd-analyze").args(arguments).arg(unit).output().expect("systemd-analyze")
}

#[test]
fn systemd_takes_the_unit_and_finds_little_that_it_could_do_without() {
    let folder = TempDir::new().expect("a folder");
    let verified = systemd_analyze(&folder, &["verify"]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    // Times ten. What is left is the network, and files that nginx can read.
    let exposed = systemd_analyze(&folder, &["security", "--offline=true", "--no-pager", "--threshold=11"]);
    assert!(exposed.status.success(), "{}", String::from_utf8_lossy(&exposed.stdout));
}

#[test]
fn the_unit_stops_later_than_the_program() {
    let allows = UNIT.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("there");
    let allows: u64 = allows.trim_end_matches('s').parse().expect("seconds");
    assert!(allows > wearhouse::config::Config::default().server.stop_seconds + 10);
}

/// A size as systemd and Docker write it, in bytes.
fn bytes(text: &str) -> u64 {
    let (number, unit) = text.trim().split_at(text.trim().len() - 1);
    let shift = match unit.to_lowercase().as_str() {
        "m" => 20,
        "g" => 30,
        _ => panic!("no unit: {text}"),
    };
    number.parse::<u64>().expect("a number") << shift
}

#[test]
fn unit_and_container_bound_the_memory_above_what_the_settings_allow() {
    let value = |text: &str, key: &str| bytes(text.lines().find_map(|line| line.trim().strip_prefix(key)).expect("there"));
    let (high, most) = (value(UNIT, "MemoryHigh="), value(UNIT, "MemoryMax="));
    // As the slow uploads are measured, and a dataset at its quota beside them.
    let uploads = u64::from(wearhouse::config::Config::default().limits.uploads_at_once) * (32 << 10);
    assert!((64 << 20) + uploads + (150 << 20) < high && high < most, "{high} {most}");
    assert_eq!(value(include_str!("../../../docker-compose.yml"), "mem_limit:"), most);
}

/// The system calls of a systemd filter set, such as `@system-service`, and of the sets in it.
fn calls(set: &str) -> BTreeSet<String> {
    let listed = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", set]).output().expect("systemd-analyze");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let names = listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.flat_map(|name| if name.starts_with('@') { calls(name) } else { BTreeSet::from([name.to_owned()]) }).collect()
}

/// What `SystemCallFilter=` leaves, read as systemd reads it: the first line allows, one with `~` takes away.
fn allowed_by_the_unit() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for line in UNIT.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let sets: BTreeSet<_> = line.trim_start_matches('~').split(' ').flat_map(calls).collect();
        allowed = if line.starts_with('~') { &allowed - &sets } else { &allowed | &sets };
    }
    allowed
}

#[tokio::test]
async fn every_system_call_of_a_day_is_one_that_the_unit_allows() {
    let mut allowed = allowed_by_the_unit();
    let folder = TempDir::new().expect("a folder");
    let manager = Manager::new(&folder);
    let trace = folder.path().join("trace");
    let strace = ["strace", "-f", "-qq", "-o", trace.to_str().expect("text")];
    let program = Program::wrapped_in_folder(&strace, folder.path()).env("NOTIFY_SOCKET", manager.path.to_str().expect("text")).start();
    let researcher = program.researcher();
    let watch = researcher.let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1\t2\n".repeat(100_000)).await;
    watch.upload(&uuid, "strange.exe", "2").await;
    researcher.zip(&uuid).await;
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", program.pid())).expect("strace");
    let server = children.split_whitespace().next().expect("a child").to_owned();
    assert!(Command::new("kill").args(["-HUP", &server]).status().expect("kill").success());
    until("the config was read anew", async || program.said().contains("was read anew")).await;
    assert!(Command::new("kill").arg(&server).status().expect("kill").success());
    program.wait_and_say();
    let text = std::fs::read_to_string(&trace).expect("a trace");
    let name = |line: &str| Some(line.split_once(' ')?.1.trim_start().split_once('(')?.0.to_owned());
    let used: BTreeSet<_> = text.lines().filter(|line| !line.contains("resumed>") && !line.contains("+++")).filter_map(name).collect();
    assert!(used.contains("fdatasync") && used.contains("renameat2") && used.contains("sendto"), "no day of work: {used:?}");
    if is_root() {
        // SQLite hands its files to the folder's owner where it can; the unit's user cannot.
        allowed.insert("fchown".to_owned());
    }
    let refused: Vec<_> = used.difference(&allowed).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").expect("there").uid() == 0
}
