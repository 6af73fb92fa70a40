//! Runs the program and reads what it says.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::support::Researcher;

/// What the program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub output: String,
    pub errors: String,
}

impl Said {
    /// Sends out a fleet. The password is read from standard input.
    pub async fn by(server: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("timeout");
        command.args(["100", env!("CARGO_BIN_EXE_wearhouse"), "simulate", "--server", server]).args(arguments);
        // The servers that it loads live on this thread.
        spawn_blocking(move || Self::of(command)).await.expect("no panic")
    }

    fn of(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program");
        // It may have ended without reading.
        let _ = writeln!(child.stdin.take().expect("piped"), "{}", Researcher::PASSWORD);
        let output = child.wait_with_output().expect("its output");
        let [said, errors] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("text"));
        Self { code: output.status.code().expect("an exit code"), output: said, errors }
    }

    /// The report in JSON of a fleet whose researcher is `admin`.
    pub async fn report(server: &str, arguments: &[&str]) -> Value {
        let said = Self::by(server, &[&["--json", "--grant-with", "admin"], arguments].concat()).await;
        let report: Value = serde_json::from_str(&said.output).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        assert_eq!(report["good"], said.code == 0, "{said:?}");
        report
    }
}
