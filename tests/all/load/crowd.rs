//! A house with many watches that were let in long ago, and what each of them does.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{MissedTickBehavior, interval, sleep},
};
use wearhouse::{
    config::{Config, LimitsConfig},
    handshake::{Claim, Signer},
    ids::{DatasetId, Identifier},
    storage::Layout,
};

use crate::support::{Program, RawAnswer, Watch, config_text, head, read_answer};

/// The program with its watches.
pub struct Crowd {
    pub program: Program,
    pub watches: Vec<Watch>,
    pub folder: TempDir,
}

impl Crowd {
    /// Starts the program, under another one if so wished, with these lines at the end of its config, and knows so many watches.
    pub async fn start(wrapper: &[&str], lines: &str, watches: usize) -> Self {
        wearhouse::server::raise_handle_limit(&LimitsConfig::default());
        let folder = TempDir::new().expect("a folder");
        let uploads = folder.path().join("uploads");
        let text = config_text(&uploads) + lines;
        std::fs::write(folder.path().join("config.yml"), &text).expect("a config");
        let program = Program::wrapped_in_folder(wrapper, folder.path()).start();
        program.researcher().wait_until_up().await;
        let signer = Signer::new(&Config::parse(&text, folder.path()).expect("a good config").security);
        let url = program.researcher().base().to_owned();
        let catalog = format!("sqlite://{}", Layout::new(&uploads).catalog().display());
        let tokens = let_in(&catalog, &signer, watches).await;
        // One client for all of them: each would bring its own pool.
        let first = Watch::with_token(url, String::new());
        let watches = tokens.into_iter().map(|token| first.with_other_token(token)).collect();
        Self { program, watches, folder }
    }
}

/// Writes watches into the catalog, as if they had been let in, and returns their tokens.
async fn let_in(catalog: &str, signer: &Signer, watches: usize) -> Vec<String> {
    let mut catalog = SqliteConnection::connect(catalog).await.expect("the catalog");
    let mut transaction = catalog.begin().await.expect("a transaction");
    let mut tokens = Vec::with_capacity(watches);
    for n in 0..watches {
        let identifier: Identifier = format!("watch {n}[{n:016x}]").parse().expect("an identifier");
        let insert = "INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ($1, $2, 0, 1, 1)";
        let insert = sqlx::query(insert).bind(identifier.device().to_string()).bind(identifier.as_str().to_owned());
        insert.execute(&mut *transaction).await.expect("inserted");
        tokens.push(signer.sign(Claim { device: identifier.device(), generation: 1 }));
    }
    transaction.commit().await.expect("committed");
    tokens
}

/// An upload of its own dataset that is sent in pieces.
pub struct Trickle {
    stream: TcpStream,
    left: usize,
}

const START: &str = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n";
const END: &str = "\r\n--B--\r\n";

impl Trickle {
    /// Sends the head of an upload of so many bytes.
    pub async fn begin(address: SocketAddr, watch: &Watch, bytes: usize) -> std::io::Result<Self> {
        let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", bytes + START.len() + END.len());
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all((head(watch, &format!("?uuid={}", DatasetId::random()), &rest) + START).as_bytes()).await?;
        Ok(Self { stream, left: bytes })
    }

    pub async fn send(&mut self, bytes: usize) -> std::io::Result<()> {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.stream.write_all(&vec![b'7'; bytes]).await
    }

    /// Sends what is left, and reads the answer.
    pub async fn end(mut self) -> std::io::Result<RawAnswer> {
        self.send(self.left).await?;
        self.stream.write_all(END.as_bytes()).await?;
        Ok(read_answer(&mut self.stream).await)
    }

    /// Reads an answer that comes before the end.
    pub async fn refusal(mut self) -> RawAnswer {
        read_answer(&mut self.stream).await
    }
}

/// Uploads 1 kB a second, beginning after `wait`. Returns how long the answer took behind the last byte.
pub async fn upload_slowly(
    address: SocketAddr,
    watch: Watch,
    seconds: usize,
    wait: Duration,
    under_way: Arc<AtomicUsize>,
) -> Result<Duration, String> {
    sleep(wait).await;
    let upload = async {
        let mut trickle = Trickle::begin(address, &watch, seconds * 1000).await?;
        under_way.fetch_add(1, Ordering::SeqCst);
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..seconds {
            second.tick().await;
            trickle.send(1000).await?;
        }
        let sent = Instant::now();
        under_way.fetch_sub(1, Ordering::SeqCst);
        std::io::Result::Ok((trickle.end().await?, sent.elapsed()))
    };
    let (answer, took) = upload.await.map_err(|error| error.to_string())?;
    if answer.status == 200 { Ok(took) } else { Err(format!("{}: {}", answer.status, answer.text)) }
}
