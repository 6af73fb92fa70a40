//! Devices: who was let in, what people say of each, and when it was last heard of.

pub mod list;
pub mod one;
mod views;
