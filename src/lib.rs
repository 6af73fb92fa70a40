//! Wearhouse takes in what wearables record, and hands each recording on as one whole zip.
//!
//! The walk of a recording, and the rooms that it passes:
//!
//! ```text
//! watch → http::device → recordings (receive) → storage (whole, synced) → catalog (owner, name, digest)
//!       → storage (into place, synced) → 2xx with a receipt → roller (marks; rolls the next zip with archive)
//!       → http::gatekeeper lets a researcher through → nginx, or http::delivery, sends the zip
//! ```
//!
//! One direction: a room uses those below it and never one above.
//!
//! | floor | room | what for |
//! |---|---|---|
//! | 8 | [`cli`] | the command line, one file a command |
//! | 7 | [`server`] | build, serve, drain, await the workers |
//! | 6 | [`http`] | the only floor that knows axum, askama and status codes |
//! | 5 | [`recordings`], [`handshake`] | use cases: receive, browse, describe, decide, delete, erase, recover; ask, grant, collect, revoke, forget |
//! | 5 | [`participants`] | who wore which device on which days |
//! | 5 | [`models`] | detection models: publish, hand out, know who runs which |
//! | 5 | [`audit`] | who did what |
//! | 5 | [`alerts`] | what somebody should know, told once over each way: mail, webhook |
//! | 5 | [`timekeeping`] | the time is stored; a wrong wall clock is reported, and confirmed by an operator |
//! | 5 | [`reload`] | the config's file while the server runs: read anew or changed, looked at, put in force |
//! | 4 | [`roller`] | the rolling zip: mark, coalesce, roll, publish, barrier |
//! | 4 | [`runs`] | what a run says of itself, read off its files; what is missing |
//! | 3 | [`archive`], [`catalog`] | pure zip making; SQL |
//! | 2 | [`storage`], [`config`] | bytes on disk; `conf/config.yml`, which may change while the server runs |
//! | 2 | [`ledger`] | what must outlive the catalog: datasets that were erased, devices that were shut out |
//! | 2 | [`doctor`] | looks at a server from outside, as a watch does; knows nothing of the house within |
//! | 2 | [`fleet`] | watches without wearers, that load a server and read everything back; knows nothing of the house within |
//! | 1 | [`clock`] | which time the server uses, also where the wall clock is wrong |
//! | 1 | [`ids`], [`metrics`], [`recent`] | ids and names, parsed once, trusted above; what is counted; the last errors |
//! | 1 | [`outside`] | the way to a server, for those who look at one from outside, and for the webhook |

pub mod alerts;
pub mod archive;
pub mod audit;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod fleet;
pub mod handshake;
pub mod http;
pub mod ids;
pub mod ledger;
pub mod metrics;
pub mod models;
pub mod outside;
pub mod participants;
pub mod recent;
pub mod recordings;
pub mod reload;
pub mod roller;
pub mod runs;
pub mod server;
pub mod storage;
pub mod timekeeping;
