//! `wearhouse simulate` against a real house, and against servers that lie: what it says is true.

mod fake;
mod liars;
mod refusals;
mod run;
mod safe;
