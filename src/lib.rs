//! Wearhouse

pub mod archive;
pub mod catalog;
pub mod config;
pub mod handshake;
pub mod ids;
pub mod recordings;
pub mod roller;
pub mod storage;
