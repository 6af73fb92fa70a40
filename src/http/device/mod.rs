//! What a watch calls. Every refusal is a non-2xx, for the app deletes its only copy on a 2xx; none is a redirect.

mod guarded_body;
pub mod handshake;
mod lingering;
pub mod models;
mod multipart;
pub mod upload;
mod writer;

pub use lingering::linger;
