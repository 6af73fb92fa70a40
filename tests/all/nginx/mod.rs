//! nginx in front of the house: the same verdicts, the same bytes, and nobody waits for nothing.

mod delivery;
mod edge;
mod gate;
mod http2;
mod logs;
mod models;
mod okhttp;
mod ranges;
mod tls;
mod upload;
