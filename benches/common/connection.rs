//! One blocking connection that does nothing but send and read, so that on two cores it is the server that is measured.

use std::{
    io::{self, BufRead, BufReader, IoSlice, Read, Write},
    net::{SocketAddr, TcpStream},
};

/// Kept alive from one request to the next.
pub struct Connection(BufReader<TcpStream>);

/// An answer's head; what is behind it is still to be read.
pub struct Answer {
    pub status: u16,
    /// Bytes of the body; not said where it comes in chunks.
    pub length: Option<u64>,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(256 << 10, stream)))
    }

    /// Sends a request, reads the answer, and throws its bytes away.
    pub fn ask(&mut self, pieces: &[&[u8]]) -> io::Result<Answer> {
        let answer = self.begin(pieces)?;
        match answer.length {
            Some(length) => self.discard(length)?,
            None => while self.discard_chunk()? {},
        }
        Ok(answer)
    }

    /// Sends a request, and reads the answer as text.
    pub fn read(&mut self, request: &str) -> io::Result<String> {
        let answer = self.begin(&[request.as_bytes()])?;
        let mut text = String::new();
        let length = answer.length.ok_or(io::ErrorKind::Unsupported)?;
        self.0.by_ref().take(length).read_to_string(&mut text)?;
        if answer.is_success() { Ok(text) } else { Err(io::Error::other(format!("{}: {text}", answer.status))) }
    }

    fn begin(&mut self, pieces: &[&[u8]]) -> io::Result<Answer> {
        write_all(self.0.get_mut(), pieces)?;
        let (mut line, mut length) = (String::new(), Some(0));
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { return Ok(Answer { status, length }) };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().map_err(io::Error::other)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = None;
            }
        }
    }

    /// Throws a chunk away (RFC 9112, 7.1). `false` behind the last one.
    fn discard_chunk(&mut self) -> io::Result<bool> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        // Each ends with an empty line.
        self.discard(length + 2)?;
        Ok(length > 0)
    }

    fn discard(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let here = (self.0.fill_buf()?.len() as u64).min(left);
            if here == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.0.consume(usize::try_from(here).map_err(io::Error::other)?);
            left -= here;
        }
        Ok(())
    }
}

/// One call where the kernel takes all at once.
fn write_all(stream: &mut TcpStream, pieces: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        let written = stream.write_vectored(left)?;
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}
