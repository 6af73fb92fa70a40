//! The house from outside: real requests to a real server on a port and in a folder of its own.

mod bad_input;
mod faults;
mod handshake;
mod kill;
mod large;
mod limits;
mod load;
mod logs;
mod names;
mod nginx;
mod okhttp;
mod pages;
mod races;
mod readme;
mod reindex;
mod start;
mod support;
mod sync_order;
mod upload;
mod zip_readers;
