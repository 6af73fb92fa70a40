//! Recordings: searched, looked at, described, judged, taken home.

pub mod bulk;
pub mod download;
pub mod list;
pub mod one;
pub mod search;
mod views;
