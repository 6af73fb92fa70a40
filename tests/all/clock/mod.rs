//! The server under a wall clock that is wrong, or becomes so while it runs.

mod faked;
mod wrong;
