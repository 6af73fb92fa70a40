//! What the tests share: a house in a folder of its own, a watch, a researcher.

mod disk;
mod faketime;
mod hook;
mod house;
mod java;
mod link;
mod nginx;
mod people;
mod raw;
mod smtp;
mod tls;
mod tmpfs;

pub use disk::{Call, Held, WatchedDisk};
pub use faketime::FakeClock;
pub use hook::Hook;
pub use house::{House, Program, config_text, list};
pub use java::{FieldApp, java};
pub use link::{Fault, Link};
pub use nginx::{Nginx, Setup, free_address};
pub use people::{Researcher, Watch, contents, hex, sha256};
pub use raw::{Announced, RawAnswer, begin_upload, head, part, raw, raw_get, read_answer};
pub use smtp::{Mood, SmtpSink, TestCertificate};
pub use tls::Connection;
pub use tmpfs::{free_bytes, on_tmpfs, seen_by};

/// Waits until `done` says yes; the only way in which a test waits. Panics after 30 s with what was waited for.
pub async fn until<F: AsyncFnMut() -> bool>(what: &str, mut done: F) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}
