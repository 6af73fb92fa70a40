//! When a zip is rolled that nobody asked for: soon while it is small, rarely when it is large, and never at the price of
//! copying much more than has arrived.

use std::time::Duration;

use crate::config::ZipConfig;

/// What to do with a zip that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Roll it now.
    Roll,
    /// Look again when it has been quiet for so long.
    WhenQuiet(Duration),
    /// Wait for more files, or for somebody who asks.
    Wait,
}

/// What is known of a zip that is behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog {
    /// Bytes of the published zip.
    pub zip: u64,
    /// Bytes of the files that it does not hold.
    pub pending: u64,
    /// Bytes of all files of the dataset.
    pub arrived: u64,
    /// Bytes copied so far to make its zips.
    pub copied: u64,
    /// How long nothing has arrived.
    pub quiet: Duration,
}

pub(super) fn judge(backlog: Backlog, config: &ZipConfig) -> Verdict {
    let within_budget = backlog.copied + backlog.zip <= 2 * backlog.arrived;
    // Copying no more than has just arrived: the zip doubles, so all copies together stay below the bytes arrived.
    let doubles = backlog.pending >= backlog.zip;
    if doubles || (within_budget && (backlog.zip < config.small() || backlog.quiet >= config.quiet())) {
        Verdict::Roll
    } else if within_budget {
        Verdict::WhenQuiet(config.quiet())
    } else {
        Verdict::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn backlog(zip: u64, pending: u64, quiet_minutes: u64) -> Backlog {
        Backlog {
            zip: zip * MIB,
            pending: pending * MIB,
            arrived: (zip + pending) * MIB,
            copied: 0,
            quiet: Duration::from_secs(quiet_minutes * 60),
        }
    }

    #[test]
    fn a_small_zip_is_kept_fresh_and_a_large_one_waits_for_as_much_again_or_quiet() {
        let config = ZipConfig::default();
        assert_eq!(judge(backlog(0, 1, 0), &config), Verdict::Roll);
        assert_eq!(judge(backlog(63, 1, 0), &config), Verdict::Roll);
        assert_eq!(judge(backlog(100, 1, 0), &config), Verdict::WhenQuiet(config.quiet()));
        assert_eq!(judge(backlog(100, 100, 0), &config), Verdict::Roll);
        assert_eq!(judge(backlog(100, 1, 10), &config), Verdict::Roll);
    }

    #[test]
    fn what_was_copied_much_waits() {
        let copied = 150 * MIB;
        assert_eq!(judge(Backlog { copied, ..backlog(100, 1, 10) }, &ZipConfig::default()), Verdict::Wait);
    }

    #[test]
    fn files_that_trickle_in_cost_at_most_three_times_their_bytes() {
        let config = ZipConfig::default();
        let (mut zip, mut pending, mut copied, mut arrived) = (0, 0, 0, 0);
        for _ in 0..1440 {
            pending += MIB;
            arrived += MIB;
            if judge(Backlog { zip, pending, arrived, copied, quiet: config.quiet() }, &config) == Verdict::Roll {
                copied += zip;
                zip += pending;
                pending = 0;
            }
        }
        assert!(copied <= 3 * arrived, "{copied} of {arrived}");
        assert!(zip > arrived / 2, "the zip is left far behind");
    }
}
