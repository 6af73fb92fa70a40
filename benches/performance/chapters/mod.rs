//! What is measured, a chapter each.

pub mod downloads;
pub mod growth;
pub mod rolling;
pub mod slow;
pub mod uploads;
