//! What a look at a server found, told to a person or to a machine.

use std::fmt::Display;

use serde::Serialize;

use super::Failure;

/// A report and the word on it. The exit code says so, too.
#[derive(Serialize)]
pub(super) struct Findings<'a, R> {
    pub(super) good: bool,
    pub(super) verdict: String,
    #[serde(flatten)]
    pub(super) report: &'a R,
}

impl<R: Display + Serialize> Findings<'_, R> {
    /// Prints the report, and fails with the verdict unless it is good. To a machine, what is printed is JSON and nothing else.
    pub(super) fn tell(self, json: bool) -> Result<(), Failure> {
        if json {
            println!("{}", serde_json::to_string_pretty(&self)?);
        } else {
            println!("{}", self.report);
        }
        if !self.good {
            return Err(self.verdict.into());
        }
        if !json {
            println!("{}", self.verdict);
        }
        Ok(())
    }
}
