//! What does a watch meet that was given http:// instead of https://?

use hyper::header::LOCATION;

use super::{
    Visit,
    connection::{Answer, Door},
    finding::{Check, Finding},
    question::whole_upload,
};

pub(super) async fn ask(door: &Door, visit: &Visit) -> Finding {
    if !door.server.encrypted {
        return Check::PlainHttp.not_asked("only for https://");
    }
    match door.unencrypted(visit.http_port).ask(whole_upload()).await {
        Ok(answer) => judge(&answer),
        Err(_) => Check::PlainHttp.ok(format!("nobody answers on port {}", visit.http_port)),
    }
}

/// OkHttp makes a GET without the file of a POST that is redirected with 301, 302 or 303. On 307 and 308 it gives up, and
/// the watch keeps the file.
fn judge(answer: &Answer) -> Finding {
    let check = Check::PlainHttp;
    let status = answer.status.as_u16();
    let target = answer.header(LOCATION).unwrap_or("nowhere");
    match status {
        307 | 308 if target.starts_with("https://") => check
            .ok(format!("redirected to https with {status}: a watch that was given http:// keeps its files, until it is given https://")),
        300..=399 if target.starts_with("https://") => check.fail(format!(
            "redirected with {status}, which makes a watch send its upload as a GET without the file: return 308 https://$host$request_uri;"
        )),
        300..=399 => {
            check.fail(format!("redirected with {status} to {target}, where no upload arrives: return 308 https://$host$request_uri;"))
        }
        200..=299 => check.fail(format!(
            "an upload is answered with {status}, on which a watch deletes its only copy: return 308 https://$host$request_uri;"
        )),
        _ if answer.refusal().is_some() => {
            check.warn("Wearhouse answers there, too, where recordings and tokens travel readable: return 308 https://$host$request_uri;")
        }
        _ => check.ok(format!("nothing is taken there ({status})")),
    }
}
