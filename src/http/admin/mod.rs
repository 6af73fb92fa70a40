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

use super::error::Problem;

/// What a path segment or a query cannot hold as it is (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest text that a name or a note is searched for, in bytes: the catalog takes no longer pattern than 50,000.
const MOST_SOUGHT: usize = 1000;

/// The text that is searched for, if there is one.
fn sought(text: &str) -> Result<Option<String>, Problem> {
    let text = text.trim();
    if text.len() > MOST_SOUGHT {
        return Err(Problem::malformed("q: what you search for is longer than 1,000 bytes; shorten it"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}
