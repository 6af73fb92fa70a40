//! Devices: who was let in, what people say of each, and when it was last heard of.

mod calendar;
pub mod list;
pub mod one;
mod views;
