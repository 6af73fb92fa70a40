//! What researchers and operators see: pages, and the same as JSON. Each file holds a page, its template's struct and its
//! JSON together.

pub mod alerts;
pub mod audit;
pub mod devices;
pub mod front;
pub mod live;
pub mod missing;
pub mod participants;
pub mod quarantine;
pub mod recordings;
pub mod requests;
pub mod settings;
mod table;
pub mod trash;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What a path segment or a query cannot hold as it is (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
