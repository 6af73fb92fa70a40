//! What researchers and operators see: pages, and the same as JSON. Each file holds a page, its template's struct and its
//! JSON together.

pub mod audit;
pub mod clock;
pub mod devices;
pub mod front;
pub mod live;
pub mod missing;
pub mod models;
pub mod participants;
pub mod quarantine;
pub mod recordings;
pub mod requests;
pub mod settings;
mod table;
pub mod trash;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::Problem;

/// What a path segment or a query cannot hold as it is (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest text that a name or a note is searched for, in bytes: the catalog takes no longer pattern than 50,000.
const MOST_SOUGHT: usize = 1000;

/// The text that is searched for, if there is one, from a field with this label.
fn sought(label: &str, text: &str) -> Result<Option<String>, Problem> {
    let text = text.trim();
    if text.len() > MOST_SOUGHT {
        return Err(Problem::field("q", label, "what you search for is longer than 1,000 bytes; shorten it"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Fields as the query of an address; those that are empty say nothing.
fn query_of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, SEGMENT))).collect::<Vec<_>>().join("&")
}

/// Cuts what was found to one page, where it is one more than that or less. Returns the last one of the page if there is a next.
fn cut<T>(found: &mut Vec<T>, page: u32) -> Option<&T> {
    let more = found.len() > page as usize;
    found.truncate(page as usize);
    found.last().filter(|_| more)
}

/// 400 for the key of a page that was cut.
fn broken_key() -> Problem {
    Problem::malformed("this page key is broken; start again at the first page")
}
