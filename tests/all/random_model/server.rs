//! The program in a process of its own, and how it is configured, killed and started again.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::task::block_in_place;

use super::names::{RULES, Rule};
use crate::support::{FakeClock, Program, Researcher, Watch, config_text};

/// The devices, by the identifiers under which they ask.
pub const DEVICES: [&str; 3] = ["left wrist[00000000000000a1]", "right wrist[00000000000000b2]", "spare[00000000000000c3]"];

/// How long a question waits for its zip, seconds.
pub const ZIP_WAIT: u64 = 20;

/// Lines of the log in the message of a failure.
const LOG_LINES: usize = 20;

pub struct Server {
    folder: TempDir,
    program: Program,
    rule: Rule,
    pub clock: FakeClock,
    pub operator: Researcher,
    pub devices: Vec<Watch>,
}

impl Server {
    /// Starts it in a folder of its own, and grants access to [`DEVICES`].
    pub async fn start(rule: Rule) -> Self {
        let folder = TempDir::new().expect("a folder");
        write_config(folder.path(), rule);
        let clock = FakeClock::in_folder(folder.path());
        let program = block_in_place(|| Program::in_folder(folder.path()).clock(&clock).start());
        let operator = program.researcher();
        let mut devices = Vec::new();
        for identifier in DEVICES {
            devices.push(operator.let_in(identifier).await);
        }
        Self { folder, program, rule, clock, operator, devices }
    }

    pub fn uploads(&self) -> PathBuf {
        self.folder.path().join("uploads")
    }

    /// `kill -9`, and its end.
    pub fn kill(&mut self) {
        block_in_place(|| self.program.kill());
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.program.terminate();
    }

    /// Whether it has stopped.
    pub fn has_ended(&mut self) -> bool {
        self.program.has_ended()
    }

    /// The rule in its config file.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Starts it in the same folder, on another port.
    pub fn start_again(&mut self) {
        self.program = block_in_place(|| Program::in_folder(self.folder.path()).clock(&self.clock).start());
        self.operator = self.program.researcher();
        self.devices = self.devices.iter().map(|device| device.at(self.operator.base())).collect();
    }

    /// Puts a rule into the config file and sends SIGHUP.
    pub fn change_rule(&mut self, rule: Rule) -> Reload {
        self.rule = rule;
        write_config(self.folder.path(), rule);
        let before = self.program.said().len();
        // One that has stopped reads it at its next start.
        if !self.program.has_ended() {
            self.program.hang_up();
        }
        Reload { before }
    }

    /// Whether the server has read its config since.
    pub fn has_reloaded(&self, reload: &Reload) -> bool {
        self.program.said()[reload.before..].contains("the config was read anew")
    }

    /// The last lines of its log.
    pub fn end_of_log(&self) -> String {
        let log = self.program.said();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

/// A SIGHUP that was sent: where the log ended then.
pub struct Reload {
    before: usize,
}

/// One zip at once, so that others wait for it; zips of some size are built only when they are asked for.
fn write_config(folder: &Path, rule: Rule) {
    let patterns: Vec<_> = RULES[rule.0].iter().map(|pattern| format!("'{pattern}'")).collect();
    let text = format!(
        "{}zip:\n  rolls_at_once: 1\n  wait_seconds: {ZIP_WAIT}\n  small_mib: 1\nprivacy:\n  sensitive: [{}]\n",
        config_text(&folder.join("uploads")),
        patterns.join(", ")
    );
    // Read by a server that starts at the same moment, it is the old one or the new one.
    let next = folder.join("config.yml.new");
    std::fs::write(&next, text).expect("a config");
    std::fs::rename(next, folder.join("config.yml")).expect("a config");
}
