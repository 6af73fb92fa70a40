//! Would an upload come through: at all, in full size, and while it is under way? Asked with a made-up token, so that
//! Wearhouse says 401 as soon as it sees the head.

use hyper::StatusCode;

use super::{
    Visit,
    connection::{Answer, Door, Unanswered},
    finding::{Check, Finding, Verdict},
    question::{begun_upload, whole_upload},
    stranger,
};

const MIB: u64 = 1 << 20;

/// Small enough for every proxy, and more than is sent of it.
const SMALL: u64 = 64 << 10;

pub(super) async fn ask(door: &Door, visit: &Visit) -> Vec<Finding> {
    let upload = whole(door).await;
    if upload.verdict != Verdict::Ok {
        return vec![upload];
    }
    let largest = visit.max_upload_mib;
    let (large, small) = tokio::join!(door.ask(begun_upload(largest * MIB)), door.ask(begun_upload(SMALL)));
    vec![upload, size(large, largest), buffering(small)]
}

async fn whole(door: &Door) -> Finding {
    match door.ask(whole_upload()).await {
        Ok(answer) => match (answer.status, answer.refusal()) {
            (StatusCode::UNAUTHORIZED, Some(_)) => Check::Upload.ok("reaches Wearhouse, which refuses a made-up token as it should"),
            (status, Some(msg)) => Check::Upload.fail(format!("Wearhouse answers {}: {msg}", status.as_u16())),
            (_, None) => Check::Upload.fail(stranger::describe(&answer)),
        },
        Err(error) => Check::Upload.fail(format!("{error}: look at the proxy's log")),
    }
}

fn size(answer: Result<Answer, Unanswered>, largest: u64) -> Finding {
    let check = Check::UploadSize;
    match answer {
        Ok(answer) if answer.refusal().is_some() && answer.status != StatusCode::PAYLOAD_TOO_LARGE => {
            check.ok(format!("{largest} MiB may come"))
        }
        Ok(answer) if answer.refusal().is_some() => {
            check.fail(format!("Wearhouse takes less than {largest} MiB: raise limits.max_upload_mib, or ask with --max-upload-mib"))
        }
        Ok(answer) if answer.status == StatusCode::PAYLOAD_TOO_LARGE => check.fail(format!(
            "the proxy takes less than {largest} MiB, and a watch whose file is larger is stuck for good: client_max_body_size {largest}m;"
        )),
        Ok(answer) => check.fail(stranger::describe(&answer)),
        Err(Unanswered::Silent) => check.not_asked("nobody answers before the whole body is there: see buffering"),
        Err(error) => {
            check.fail(format!("the announcement of {largest} MiB ends the connection ({error}): look for a limit on request bodies"))
        }
    }
}

fn buffering(answer: Result<Answer, Unanswered>) -> Finding {
    match answer {
        Ok(answer) if answer.refusal().is_some() => Check::Buffering.ok("Wearhouse sees an upload while it comes in"),
        Ok(answer) => Check::Buffering.fail(stranger::describe(&answer)),
        Err(Unanswered::Silent) => Check::Buffering.fail(
            "the proxy keeps an upload until it is whole, on its own disk, while the watch's patience runs out: proxy_request_buffering off;",
        ),
        Err(error) => Check::Buffering.fail(format!("{error}: look at the proxy's log")),
    }
}
