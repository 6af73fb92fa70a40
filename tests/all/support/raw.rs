//! A request as bytes, for what no well-meaning client would send.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Researcher;

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
pub async fn read_answer(stream: &mut TcpStream) -> RawAnswer {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    RawAnswer { status, text }
}
