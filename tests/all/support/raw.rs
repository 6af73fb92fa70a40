//! A request as bytes, for what no well-meaning client would send.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Connection, Researcher, Watch};

/// An answer: its status, and everything that came.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub text: String,
}

/// Sends bytes, closes the sending side, and reads what comes back.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> RawAnswer {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    read_answer(&mut stream).await
}

/// Asks for an address as it stands, with the researcher's name and password or without. The sending side stays open: nginx
/// takes a closed one for a client that has gone.
pub async fn raw_get(address: SocketAddr, path: &[u8], with_login: bool) -> RawAnswer {
    let login = BASE64_STANDARD.encode(format!("admin:{}", Researcher::PASSWORD));
    let login = if with_login { format!("Authorization: Basic {login}\r\n") } else { String::new() };
    let head = format!(" HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{login}\r\n");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let _ = stream.write_all(&[b"GET ", path, head.as_bytes()].concat()).await;
    read_answer(&mut stream).await
}

/// Reads an answer until the server closes.
pub async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> RawAnswer {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    RawAnswer { status, text }
}

/// The head of an upload; the body is the test's.
pub fn head(watch: &Watch, query: &str, rest: &str) -> String {
    format!(
        "POST /recording/new/{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{rest}\r\n\r\n",
        watch.token
    )
}

/// A part of a multipart body with the boundary B.
pub fn part(disposition: &str, content: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: application/octet-stream\r\n\r\n{content}\r\n")
}

/// An upload of one file whose size is announced, and which is sent piece by piece. Dropped, its connection is cut.
pub struct Announced {
    stream: Box<dyn Connection>,
    left: usize,
}

impl Announced {
    const END: &str = "\r\n--B--\r\n";

    /// Sends everything that comes before the bytes of the file.
    pub async fn begin(stream: Box<dyn Connection>, watch: &Watch, uuid: &str, name: &str, size: usize) -> Self {
        let first = part(&format!("name=\"file\"; filename=\"{name}\""), "");
        let first = first.strip_suffix("\r\n").unwrap_or(&first);
        let length = first.len() + size + Self::END.len();
        let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {length}");
        let mut upload = Self { stream, left: size };
        upload.write((head(watch, &format!("?uuid={uuid}"), &rest) + first).as_bytes()).await;
        upload
    }

    /// Sends so many bytes of the file.
    pub async fn send(&mut self, bytes: usize) {
        self.left -= bytes;
        self.write(&vec![b'1'; bytes]).await;
    }

    /// Sends the rest, and reads the answer, which may come before all is sent.
    pub async fn finish(self) -> RawAnswer {
        let rest = [&vec![b'1'; self.left][..], Self::END.as_bytes()].concat();
        let (mut read, mut write) = tokio::io::split(self.stream);
        let sent = async {
            // Rejected, it cannot be sent to its end.
            let _ = write.write_all(&rest).await;
            let _ = write.flush().await;
        };
        tokio::join!(read_answer(&mut read), sent).0
    }

    /// Reads the answer to what has been sent.
    pub async fn answer(mut self) -> RawAnswer {
        read_answer(&mut self.stream).await
    }

    async fn write(&mut self, bytes: &[u8]) {
        // Rejected at once, it may not take what comes next.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }
}

/// Begins an upload and leaves it open: dropped, its connection is cut.
pub async fn begin_upload(address: SocketAddr, watch: &Watch, uuid: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let rest = "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000000";
    let begun = head(watch, &format!("?uuid={uuid}"), rest) + &part("name=\"file\"; filename=\"begun.csv\"", &"1".repeat(300_000));
    stream.write_all(begun.as_bytes()).await.expect("sent");
    stream
}
