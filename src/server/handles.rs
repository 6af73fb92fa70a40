//! File handles: how many this process may have, and how many connections and uploads they carry. What is let in never
//! fails for want of one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::LimitsConfig;

/// For what is always open: the catalog, the log, the listener, zips that are being made.
const RESERVED: u64 = 256;

/// Takes as many file handles as the limits need, or as many as this user may have.
pub fn raise_handle_limit(limits: &LimitsConfig) {
    let (limit, needed) = (getrlimit(Resource::Nofile), needed(limits));
    let wanted = |most: Option<u64>| Rlimit { current: most, maximum: most };
    // Beyond the hard limit only root may go.
    let higher = limit.maximum.is_some_and(|most| most < needed) && setrlimit(Resource::Nofile, wanted(Some(needed))).is_ok();
    if !higher && let Err(error) = setrlimit(Resource::Nofile, wanted(limit.maximum)) {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
}

/// Lowers the limits to what the handles of this process carry, and says so. Returns how many files of uploads may be open at
/// once: slow uploads can share them.
pub(super) fn fit(limits: &mut LimitsConfig) -> usize {
    let (handles, needed) = (getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), needed(limits));
    let files = fit_into(handles, limits);
    if handles < needed {
        tracing::warn!(
            handles,
            needed,
            connections = limits.connections,
            uploads = limits.uploads_at_once,
            "this process may not open as many files as the limits in the config need; so many connections and uploads are taken at once (raise it with LimitNOFILE= or ulimit -n, or lower limits.connections)"
        );
    }
    files
}

fn needed(limits: &LimitsConfig) -> u64 {
    RESERVED + u64::from(limits.connections) + u64::from(limits.uploads_at_once) + u64::from(limits.downloads_at_once)
}

/// One handle a connection and one a download, an eighth at least for files that come in. Of too few connections a quarter
/// is kept for those who bring no file: an upload too many must be able to come and be refused.
fn fit_into(handles: u64, limits: &mut LimitsConfig) -> usize {
    let carried = handles - RESERVED.min(handles / 4);
    let least = carried / 8;
    let at_most = |number: &mut u32, most: u64| *number = (*number).min(u32::try_from(most.max(1)).unwrap_or(u32::MAX));
    at_most(&mut limits.downloads_at_once, least);
    let for_connections = carried - least - u64::from(limits.downloads_at_once).min(carried - least);
    if for_connections < limits.connections.into() {
        at_most(&mut limits.connections, for_connections);
        at_most(&mut limits.uploads_at_once, for_connections / 4 * 3);
    }
    let files = carried.saturating_sub(u64::from(limits.connections) + u64::from(limits.downloads_at_once));
    usize::try_from(files).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(handles: u64) -> (LimitsConfig, u64) {
        let mut limits = LimitsConfig::default();
        let files = fit_into(handles, &mut limits);
        (limits, files as u64)
    }

    #[test]
    fn where_there_are_enough_nothing_is_lowered_and_each_upload_has_its_own() {
        let configured = LimitsConfig::default();
        let (limits, files) = fitted(needed(&configured));
        assert_eq!((limits.connections, limits.uploads_at_once, limits.downloads_at_once), (16_384, 12_000, 256));
        assert_eq!(files, 12_000);
    }

    #[test]
    fn however_few_there_are_they_carry_what_is_let_in() {
        for handles in [64, 256, 1024, 4096, 20_000, 40_000, u64::MAX] {
            let (limits, files) = fitted(handles);
            let taken = u64::from(limits.connections) + u64::from(limits.downloads_at_once) + files;
            assert!(taken <= handles - RESERVED.min(handles / 4), "{handles}: {taken}");
            assert!(files >= handles.min(needed(&limits)) / 12, "{handles}: {files}");
            assert!(limits.uploads_at_once < limits.connections, "{handles}");
        }
        assert_eq!(fitted(20_000).0.uploads_at_once, 12_000);
    }
}
