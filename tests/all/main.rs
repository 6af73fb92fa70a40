//! The house from outside: real requests to a real server on a port and in a folder of its own.

mod handshake;
mod okhttp;
mod support;
mod upload;
mod zip_readers;
