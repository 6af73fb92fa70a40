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

use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};
use wearhouse::{catalog::Catalog, storage::Layout};

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
            fill(&layout).await;
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

async fn fill(layout: &Layout) {
    Catalog::open(&layout.catalog()).await.expect("a catalog").close().await;
    let options = SqliteConnectOptions::new().filename(layout.catalog());
    let mut catalog = options.connect().await.expect("a catalog");
    catalog.execute(sqlx::AssertSqlSafe(rows())).await.expect("filled");
    catalog.close().await.expect("closed");
    if std::env::var_os("WEARHOUSE_BENCH_ROWS_ONLY").is_none() {
        for dataset in 1..=DATASETS {
            let folder = layout.root().join(format!("recordings/00000000-0000-4000-8000-{dataset:012x}"));
            fs::create_dir_all(&folder).expect("a folder");
            (1..=FILES_EACH).for_each(|file| fs::write(folder.join(format!("{file}.csv")), "1").expect("a file"));
        }
    }
}

/// Datasets with their files, as uploads would have left them.
fn rows() -> String {
    let uuid = |number: &str| format!("printf('00000000-0000-4000-8000-%012x', {number})");
    let count = |name: &str, most: u32| format!("{name}(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM {name} WHERE n < {most})");
    format!(
        "BEGIN; \
         INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) \
         VALUES ('8d62f44636589481ed70d22a6c2a442f', 'w[9774d56d682e549c]', 0, 1, 1); \
         WITH RECURSIVE {datasets} INSERT INTO datasets (uuid, device, created_at, updated_at, files, bytes, changes, zipped) \
         SELECT {dataset}, '8d62f44636589481ed70d22a6c2a442f', n, n, {FILES_EACH}, {FILES_EACH}, 1, 1 FROM d; \
         WITH RECURSIVE {datasets}, {files} \
         INSERT INTO files (id, dataset, device, sent_name, stored_name, folded_name, size, sha256, crc32, received_at, state) \
         SELECT printf('00000000-0000-4000-9000-%012x', d.n * {FILES_EACH} + f.n), {dataset_of_file}, '8d62f44636589481ed70d22a6c2a442f', \
         f.n || '.csv', f.n || '.csv', f.n || '.csv', 1, printf('%064x', d.n * {FILES_EACH} + f.n), f.n, d.n, 'placed' FROM d, f; \
         COMMIT;",
        datasets = count("d", DATASETS),
        files = count("f", FILES_EACH),
        dataset = uuid("n"),
        dataset_of_file = uuid("d.n"),
    )
}
