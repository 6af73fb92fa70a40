//! Runs the program and reads what it says.

use std::process::Command;

use serde_json::Value;
use tokio::task::spawn_blocking;

/// What the program said, in JSON, and how it ended.
pub struct Said {
    good: bool,
    told: Value,
}

/// Asks a server, as the program does for an operator. Returns its exit code and what stands on both outputs.
pub async fn run(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_wearhouse"), "doctor"]).args(arguments);
    // The servers that it asks live on this thread.
    let output = spawn_blocking(move || command.output()).await.expect("no panic").expect("the program");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("an exit code"), String::from_utf8(said).expect("text"))
}

impl Said {
    pub async fn by(arguments: &[&str]) -> Self {
        let (code, said) = run(&[arguments, &["--json"]].concat()).await;
        assert!(code <= 1, "{said}");
        let end = said.rfind('}').expect("JSON") + 1;
        let told: Value = serde_json::from_str(&said[..end]).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(told["good"], code == 0, "{said}");
        Self { good: code == 0, told }
    }

    /// All checks with this verdict, in order.
    pub fn all(&self, verdict: &str) -> Vec<&str> {
        let findings = self.told["findings"].as_array().expect("findings").iter();
        findings.filter(|finding| finding["verdict"] == verdict).map(|finding| finding["check"].as_str().expect("text")).collect()
    }

    /// What it says of a check.
    pub fn of(&self, check: &str) -> &str {
        let mut findings = self.told["findings"].as_array().expect("findings").iter();
        findings.find(|finding| finding["check"] == check).and_then(|finding| finding["says"].as_str()).expect("the check")
    }

    /// Holds that this and nothing else has failed, and what it says of it.
    pub fn fails_only(&self, check: &str, words: &[&str]) {
        assert_eq!((self.good, self.all("fail")), (false, vec![check]), "{:#}", self.told);
        self.says(check, words);
    }

    /// Holds that nothing failed, and that this is a warning.
    pub fn warns(&self, check: &str, words: &[&str]) {
        assert!(self.good && self.all("warn").contains(&check), "{:#}", self.told);
        self.says(check, words);
    }

    /// Holds that nothing failed, and that this is as it should be.
    pub fn is_fine(&self, check: &str, words: &[&str]) {
        assert!(self.good && self.all("ok").contains(&check), "{:#}", self.told);
        self.says(check, words);
    }

    fn says(&self, check: &str, words: &[&str]) {
        let says = self.of(check);
        assert!(words.iter().all(|word| says.contains(word)), "{says}");
    }
}
