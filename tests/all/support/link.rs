//! A link between a watch and a house that fails in the way a test wants, for every upload; other requests pass.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What befalls an upload.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// After so many bytes nothing more gets through, but the answer does.
    Stall(u64),
    /// After so many bytes the connection is cut.
    Cut(u64),
    /// Everything gets through, but the answer does not.
    LoseAnswer,
    /// Somebody on the way answers with a redirect of this status to the same address.
    Redirect(u16),
}

/// A link that listens on a port of its own.
pub struct Link {
    pub address: SocketAddr,
    uploads: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Link {
    pub async fn to(house: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let uploads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&uploads);
        let accepting = tokio::spawn(async move {
            while let Ok((watch, _)) = listener.accept().await {
                // An end that goes away is what this is for.
                tokio::spawn(carry(watch, house, fault, Arc::clone(&counted)));
            }
        });
        Self { address, uploads, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many uploads have come, repetitions included.
    pub fn uploads(&self) -> usize {
        self.uploads.load(Ordering::SeqCst)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one connection. What its first request is decides whether the fault befalls it.
async fn carry(mut watch: TcpStream, house: SocketAddr, fault: Fault, uploads: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut house = TcpStream::connect(house).await?;
    let mut method = [0; 4];
    watch.read_exact(&mut method).await?;
    house.write_all(&method).await?;
    if &method != b"POST" {
        return tokio::io::copy_bidirectional(&mut watch, &mut house).await.map(drop);
    }
    uploads.fetch_add(1, Ordering::SeqCst);
    let (mut from_watch, mut to_watch) = watch.split();
    let (mut from_house, mut to_house) = house.split();
    match fault {
        Fault::Stall(bytes) => {
            copy(&mut (&mut from_watch).take(bytes), &mut to_house).await?;
            copy(&mut from_house, &mut to_watch).await?;
            close(to_watch, from_watch).await?;
        }
        Fault::Cut(bytes) => {
            copy(&mut from_watch.take(bytes), &mut to_house).await?;
        }
        Fault::LoseAnswer => {
            // The first byte of the answer says that the house is done. A watch does not end its side before.
            tokio::select! {
                result = copy(&mut from_watch, &mut to_house) => result.map(drop)?,
                result = from_house.read_u8() => result.map(drop)?,
            }
        }
        Fault::Redirect(status) => {
            let address = address_of(&mut from_watch).await?;
            let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            to_watch.write_all(answer.as_bytes()).await?;
            close(to_watch, from_watch).await?;
        }
    }
    Ok(())
}

/// Ends the answer, and reads on until the watch has closed its side: else the kernel may throw the answer away.
async fn close(mut to_watch: impl AsyncWrite + Unpin, mut from_watch: impl AsyncRead + Unpin) -> std::io::Result<()> {
    to_watch.shutdown().await?;
    copy(&mut from_watch, &mut sink()).await.map(drop)
}

/// The address in a request line whose method has been read.
async fn address_of(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(from.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&line);
    Ok(line.split_whitespace().next().unwrap_or_default().to_owned())
}
