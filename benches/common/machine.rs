//! The machine that all figures are of, the programs, and the day.

use std::{fs, path::Path};

/// What is said of it above the figures; `programs` are the others that were measured.
pub fn describe(folder: &Path, programs: &[String]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = line_of("/etc/os-release", "PRETTY_NAME=").unwrap_or_default().replace('"', "");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = line_of("/proc/cpuinfo", "model name\t: ").unwrap_or_else(|| "unknown processor".to_owned());
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let programs = [&[format!("Wearhouse {} ({build} build)", env!("CARGO_PKG_VERSION"))], programs].concat().join(", ");
    format!(
        "{}. {cores} cores ({model}), {} GiB, {}, {system}, Linux {}. {programs}. \
         The client runs on the same cores.",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        memory(),
        file_system(folder),
        kernel.split('.').take(2).collect::<Vec<_>>().join("."),
    )
}

fn line_of(path: &str, start: &str) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().find_map(|line| Some(line.strip_prefix(start)?.to_owned()))
}

fn memory() -> u64 {
    let total = line_of("/proc/meminfo", "MemTotal:").and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok());
    // The kernel keeps some for itself.
    total.unwrap_or_default().div_ceil(1 << 20)
}

/// The kind of the mount that holds a folder.
fn file_system(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = mounts.lines().filter_map(|line| line.split(' ').nth(1).zip(line.split(' ').nth(2)));
    let holding = fields.filter(|(mount, _)| folder.starts_with(mount)).max_by_key(|(mount, _)| mount.len());
    holding.map_or("unknown file system", |(_, kind)| kind).to_owned()
}
