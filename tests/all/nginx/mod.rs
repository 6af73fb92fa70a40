//! nginx in front of the house: the same verdicts, the same bytes, and nobody waits for nothing.

mod delivery;
mod gate;
mod logs;
mod ranges;
mod upload;
