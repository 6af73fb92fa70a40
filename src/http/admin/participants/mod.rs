//! Participants: who takes part, and who wore which device on which days.

pub mod list;
pub mod one;
pub mod spans;
mod views;
