//! `wearhouse doctor` before proxies that are broken in one way each: it names that one, and nothing else.

mod certificates;
mod fake;
mod front;
mod made;
mod proxy;
mod reach;
mod run;
