//! How long a start takes, with nothing and with a million files in the catalog: `cargo bench --bench start`.
//!
//! The files lie on the disk, too, unless `WEARHOUSE_BENCH_ROWS_ONLY` is set: a start must not walk through them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use wearhouse::storage::Layout;

#[path = "common/stored.rs"]
mod stored;

const DATASETS: u32 = 10_000;
const FILES_EACH: u32 = 100;
const STARTS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for full in [false, true] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let layout = Layout::new(folder.path().join("uploads"));
        let config = folder.path().join("config.yml");
        write_config(&config, &layout);
        ready_after(&config);
        if full {
            let on_disk = std::env::var_os("WEARHOUSE_BENCH_ROWS_ONLY").is_none();
            stored::Stored { datasets: DATASETS, files_each: FILES_EACH, on_disk }.fill(&layout).await;
        }
        let mut times: Vec<_> = (0..STARTS).map(|_| ready_after(&config)).collect();
        times.sort();
        let files = if full { DATASETS * FILES_EACH } else { 0 };
        println!("{files:>9} files: ready after {:?} (median of {STARTS}; longest {:?})", times[STARTS / 2], times[STARTS - 1]);
    }
}

fn write_config(config: &Path, layout: &Layout) {
    let text = format!(
        "storage:\n  uploads: {}\nsecurity:\n  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\nusers:\n  - name: admin\n    role: operator\n    password: correct horse battery staple\n",
        layout.root().display()
    );
    fs::write(config, text).expect("a config");
}

/// Starts the program, asks until it is ready, and stops it.
fn ready_after(config: &Path) -> Duration {
    let began = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_wearhouse"))
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--config"])
        .arg(config)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let mut lines = BufReader::new(program.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("wearhouse listens on http://").map(str::to_owned)).expect("an address");
    // It listens before it is open: the answer comes when it is.
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let took = began.elapsed();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    program.kill().expect("killed");
    program.wait().expect("its end");
    took
}
