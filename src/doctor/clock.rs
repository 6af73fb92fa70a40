//! Do the server's clock and this one agree? Certificates, grants and the times of recordings hang on it.

use std::time::{Duration, SystemTime};

use hyper::header::DATE;

use super::{
    connection::Answer,
    finding::{Check, Finding},
};

const A_MINUTE: Duration = Duration::from_secs(60);
const TOO_FAR: Duration = Duration::from_secs(10 * 60);

pub(super) fn compare(answer: &Answer) -> Finding {
    judge(answer.header(DATE), SystemTime::now())
}

fn judge(date: Option<&str>, now: SystemTime) -> Finding {
    let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
        return Check::Clock.not_asked("the answer has no date");
    };
    let (apart, direction) = match theirs.duration_since(now) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let seconds = apart.as_secs();
    let says = format!("the server is {seconds} s {direction} this machine: see which is right, and set the other (timedatectl)");
    match apart {
        _ if apart > TOO_FAR => Check::Clock.fail(says),
        _ if apart > A_MINUTE => Check::Clock.warn(says),
        _ => Check::Clock.ok(format!("within {} s of this machine's", seconds + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_minute_apart_is_a_warning_and_ten_are_too_many() {
        let now = SystemTime::now();
        let verdict = |theirs: SystemTime| judge(Some(&httpdate::fmt_http_date(theirs)), now).verdict;
        let seconds = Duration::from_secs;
        for (apart, expected) in [(30, Verdict::Ok), (90, Verdict::Warn), (590, Verdict::Warn), (620, Verdict::Fail)] {
            assert_eq!((verdict(now + seconds(apart)), verdict(now - seconds(apart))), (expected, expected), "{apart}");
        }
        assert_eq!(judge(None, now).verdict, Verdict::NotAsked);
    }
}
