//! Somebody else answered where Wearhouse should have. Who, and what to do about it.

use hyper::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};

use super::connection::Answer;

/// What a proxy must do with the addresses of watches.
const LET_THROUGH: &str = "hand /tokenauth/request/ and /recording/new/ on to Wearhouse as they come";

/// Says of an answer that is not in the wire's voice where it comes from.
pub(super) fn describe(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    match status {
        300..=399 => {
            let target = answer.header(LOCATION).unwrap_or("nowhere").split(['?', '#']).next().unwrap_or_default();
            format!(
                "redirected to {target} ({status}), perhaps to a login: a watch cannot log in and loses its upload on the way; {LET_THROUGH}"
            )
        }
        401 | 407 => {
            let scheme = answer.header(WWW_AUTHENTICATE).and_then(|challenge| challenge.split(' ').next()).unwrap_or("a login");
            format!(
                "somebody in front of Wearhouse asks for a password ({status}, {scheme}), and a watch has none: auth_basic off; and {LET_THROUGH}"
            )
        }
        200..=299 if is_page(answer) => {
            format!(
                "a page answers with {status}, such as a login: a watch takes that for a receipt and deletes its only copy; {LET_THROUGH}"
            )
        }
        200..=299 => {
            format!("somebody else answers with {status}, and a watch takes that for a receipt and deletes its only copy; {LET_THROUGH}")
        }
        403 => format!("somebody in front of Wearhouse refuses (403): {LET_THROUGH}"),
        404 | 405 => format!("there is a server, but not Wearhouse ({status}): look at server_name, location and proxy_pass"),
        413 => "somebody in front of Wearhouse takes no body of this size (413): client_max_body_size 4096m;".to_owned(),
        429 => {
            "somebody in front of Wearhouse finds this too often (429): wait a minute and ask again; watches must not meet it".to_owned()
        }
        502..=504 => {
            format!("the proxy answers, Wearhouse behind it does not ({status}): start it, and compare proxy_pass with server.listen")
        }
        _ => format!("somebody answers with {status}, and it is not Wearhouse: {LET_THROUGH}"),
    }
}

/// Whether it is made for people.
pub(super) fn is_page(answer: &Answer) -> bool {
    answer.header(CONTENT_TYPE).is_some_and(|kind| kind.contains("html"))
}
