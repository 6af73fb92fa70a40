//! The way to a server, for those who look at one from outside: its address, and a stream to it.

mod server;
mod stream;

pub use self::{
    server::{NoServer, Server},
    stream::{Encryption, PATIENCE, Stream, WATCH, believing, encrypt, known_to_watches, resolve},
};
