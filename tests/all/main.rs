//! The house from outside: real requests to a real server on a port and in a folder of its own.

mod assets;
mod bad_input;
mod doctor;
mod faults;
mod handshake;
mod kill;
mod large;
mod limits;
mod load;
mod logs;
mod names;
mod nginx;
mod observed;
mod okhttp;
mod pages;
mod races;
mod readme;
mod reindex;
mod reload;
mod start;
mod stop;
mod support;
mod sync_order;
mod upgrade;
mod upload;
mod zip_readers;
