//! The ways in which servers take files.

use std::io;

use crate::connection::{Answer, Connection};

const BOUNDARY: &str = "boundary-of-the-parts";

/// How a server takes a file.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// Multipart, as a watch does it: a dataset for each connection.
    Multipart(&'a [Dataset]),
    /// `PUT /<connection>/<name>`.
    Put,
}

/// A watch's dataset.
#[derive(Clone)]
pub struct Dataset {
    pub token: String,
    pub uuid: String,
}

impl Way<'_> {
    /// Sends one file, and throws the answer's bytes away.
    pub fn upload(self, connection: &mut Connection, number: usize, name: &str, body: &[u8]) -> io::Result<Answer> {
        let (head, tail) = self.frame(number, name, body.len());
        connection.ask(&[head.as_bytes(), body, tail.as_bytes()])
    }

    /// What stands before and behind the bytes of a file.
    fn frame(self, number: usize, name: &str, size: usize) -> (String, String) {
        match self {
            Self::Put => (format!("PUT /{number}/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"), String::new()),
            Self::Multipart(datasets) => datasets[number % datasets.len()].frame(name, size),
        }
    }
}

impl Dataset {
    /// What stands before and behind the bytes of a file.
    pub fn frame(&self, name: &str, size: usize) -> (String, String) {
        let Self { token, uuid } = self;
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let length = part.len() + size + tail.len();
        let head = format!(
            "POST /recording/new/?uuid={uuid} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n{part}"
        );
        (head, tail)
    }
}
