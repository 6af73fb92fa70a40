//! Large files: little memory, and little left to do behind the last byte. By default 256 MiB; with WEARHOUSE_TEST_LARGE=1 the
//! 2 GiB upload and the 5 GiB zip.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::support::{Call, House, Program, Watch, WatchedDisk, hex};

const MIB: u64 = 1 << 20;
/// As slow as a bad memory card.
const SLOW: u64 = 50 * MIB;

fn is_large() -> bool {
    std::env::var_os("WEARHOUSE_TEST_LARGE").is_some()
}

/// Bytes that do not compress; each MiB is another one.
fn mebibyte(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(1 << 20);
    while bytes.len() < 1 << 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

async fn upload(watch: &Watch, uuid: &str, name: &str, mebibytes: u64) -> String {
    let body = stream::iter((0..mebibytes).map(|seed| Ok::<_, std::io::Error>(mebibyte(seed))));
    watch.upload(uuid, name, reqwest::Body::wrap_stream(body)).await["sha256"].as_str().expect("a digest").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_and_a_larger_zip_need_little_memory() {
    let mebibytes = if is_large() { 2048 } else { 256 };
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let mut digest = Sha256::new();
    (0..mebibytes).for_each(|seed| digest.update(mebibyte(seed)));
    let digest = hex(&digest.finalize());
    for name in ["a.mkv", "b.mkv", "c.mkv"] {
        assert_eq!(upload(&watch, &uuid, name, mebibytes).await, digest);
        println!("memory after the upload of {name}, {mebibytes} MiB: at most {} MiB", program.peak_memory() / MIB);
    }
    let answer = poll_zip(&program, &uuid).await;
    let size = answer.content_length().expect("a length");
    let mut chunks = answer.bytes_stream();
    let mut read = 0;
    while let Some(chunk) = chunks.next().await {
        read += chunk.expect("a chunk").len() as u64;
    }
    assert_eq!(read, size);
    assert!(size > 3 * mebibytes * MIB);
    let peak = program.peak_memory();
    println!("memory after a zip of {} MiB: at most {} MiB", size / MIB, peak / MIB);
    assert!(peak < 100 * MIB, "{} MiB", peak / MIB);
    let zip = zip::ZipArchive::new(std::fs::File::open(folder.path().join(format!("uploads/zips/{uuid}.zip"))).expect("a zip"));
    let mut zip = zip.expect("whole");
    assert_eq!(zip.len(), 3);
    for index in 0..3 {
        std::io::copy(&mut zip.by_index(index).expect("an entry"), &mut std::io::sink()).expect("whole, with the right CRC");
    }
}

/// A zip that takes longer than the gate waits is 503 until it is there.
async fn poll_zip(program: &Program, uuid: &str) -> reqwest::Response {
    for _ in 0..20 {
        let answer = program.researcher().get(&format!("/uploads/zips/{uuid}.zip")).await;
        if answer.status() != 503 {
            assert_eq!(answer.status(), 200);
            return answer;
        }
    }
    panic!("the zip is never ready");
}

/// The watch hangs up 10 s behind its last byte, and sends everything again. On a slow disk, what the answer waits for must be
/// a small part of a large file: the rest was synced on the way.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_slow_disk_the_answer_comes_soon_after_the_last_byte() {
    let mebibytes = if is_large() { 2048 } else { 256 };
    let disk = WatchedDisk::new();
    let (unsynced, last_sync) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let last = Arc::clone(&last_sync);
    disk.before(move |call| {
        match call {
            Call::Write(_, bytes) => drop(unsynced.fetch_add(*bytes as u64, Ordering::SeqCst)),
            Call::SyncFile(_) => {
                let bytes = unsynced.swap(0, Ordering::SeqCst);
                last.store(bytes, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(bytes * 1000 / SLOW));
            }
            _ => {}
        }
        Ok(())
    });
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let part = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mkv\"\r\n\r\n";
    let (end, size) = ("\r\n--B--\r\n", mebibytes * MIB);
    let head = format!(
        "POST /recording/new/?uuid={uuid} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n{part}",
        watch.token,
        size + (part.len() + end.len()) as u64
    );
    let mut stream = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let bytes = mebibyte(1);
    for _ in 0..mebibytes {
        stream.write_all(&bytes).await.expect("sent");
    }
    stream.write_all(end.as_bytes()).await.expect("sent");
    let sent = Instant::now();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    println!("{mebibytes} MiB at 50 MB/s: the answer came {:.2} s behind the last byte", sent.elapsed().as_secs_f64());
    // Half a second of work at most; the time itself depends on the machine and is printed, not judged.
    let last = last_sync.load(Ordering::SeqCst);
    assert!(last <= 25 * MIB, "{} MiB were left to sync behind the last byte", last / MIB);
}
