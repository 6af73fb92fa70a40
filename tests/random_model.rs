//! The random model test, in a process of its own: it keeps both cores busy, and other tests hold the server to times.

#[allow(dead_code, unused_imports, reason = "shared with the other tests; this one needs a part of it")]
#[path = "all/support/mod.rs"]
mod support;

#[path = "all/random_model/mod.rs"]
mod random_model;
