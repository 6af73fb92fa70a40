//! `doctor`: asks a server what a watch will ask, and says what is wrong.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, certificates, findings::Findings};
use crate::{
    doctor::{Visit, examine},
    outside::Server,
};

#[derive(Args)]
pub(super) struct Questions {
    /// The server as a watch has it, such as https://wearhouse.example.org.
    server: Server,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    /// The largest upload that must pass: limits.max_upload_mib of the server.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=1 << 24), value_name = "MIB")]
    max_upload_mib: u64,
    /// Where plain HTTP is looked for, which should be redirected.
    #[arg(long, default_value_t = 80, value_name = "PORT")]
    http_port: u16,
    /// Believe the authorities in this PEM file, too, for a trial: the app in the field does not.
    #[arg(long, value_name = "FILE")]
    trust_ca: Option<PathBuf>,
}

/// Fails if something must be mended, with the verdict.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn doctor(questions: &Questions) -> Result<(), Failure> {
    let report = examine(&visit(questions)?).await;
    Findings { good: report.is_good(), verdict: report.verdict(), report: &report }.tell(questions.json)
}

fn visit(questions: &Questions) -> Result<Visit, Failure> {
    let trusted = certificates(questions.trust_ca.as_deref())?;
    Ok(Visit { server: questions.server.clone(), trusted, max_upload_mib: questions.max_upload_mib, http_port: questions.http_port })
}
