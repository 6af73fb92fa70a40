//! File handles: how many this process may have, and how many connections and uploads they carry. What is let in never
//! fails for want of one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{config::LimitsConfig, http};

/// For what is always open: the catalog, the log, the listener, zips that are being made.
const RESERVED: u64 = 256;

/// Takes as many file handles as the limits need, or as many as this user may have.
pub fn raise_handle_limit(limits: &LimitsConfig) {
    let (limit, needed) = (getrlimit(Resource::Nofile), needed(limits));
    let wanted = |most: Option<u64>| Rlimit { current: most, maximum: most };
    // Beyond the hard limit only root may go.
    let higher = limit.maximum.is_some_and(|most| most < needed) && setrlimit(Resource::Nofile, wanted(Some(needed))).is_ok();
    if !higher
        && limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted(limit.maximum))
    {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
}

/// What the handles of a process carry.
pub(super) struct Carried {
    pub(super) connections: u32,
    /// Uploads and downloads at once.
    pub(super) at_once: http::AtOnce,
    /// Files of uploads that may be open at once: slow uploads can share them.
    pub(super) files: usize,
}

/// What the handles of this process carry. If that is less than the config wants, says so.
pub(super) fn carried(limits: &LimitsConfig) -> Carried {
    let (handles, needed) = (getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), needed(limits));
    let carried = carried_by(handles, limits);
    if handles < needed {
        tracing::warn!(
            handles,
            needed,
            connections = carried.connections,
            uploads = limits.uploads_at_once.min(carried.at_once.uploads),
            "this process may not open as many files as the limits in the config need; so many connections and uploads are taken at once (raise it with LimitNOFILE= or ulimit -n, or lower limits.connections)"
        );
    }
    carried
}

fn needed(limits: &LimitsConfig) -> u64 {
    RESERVED + u64::from(limits.connections) + u64::from(limits.uploads_at_once) + u64::from(limits.downloads_at_once)
}

/// One handle a connection and one a download, an eighth at least for files that come in. Of too few connections a quarter
/// is kept for those who bring no file: an upload too many must be able to come and be refused.
fn carried_by(handles: u64, limits: &LimitsConfig) -> Carried {
    let number = |most: u64| u32::try_from(most.max(1)).unwrap_or(u32::MAX);
    let all = handles - RESERVED.min(handles / 4);
    let least = all / 8;
    let downloads = u64::from(limits.downloads_at_once).min(least);
    let for_connections = all - least - downloads;
    let enough = for_connections >= limits.connections.into();
    let connections = if enough { limits.connections } else { number(for_connections) };
    let uploads = if enough { u32::MAX } else { number(for_connections / 4 * 3) };
    let files = all.saturating_sub(u64::from(connections) + downloads);
    Carried {
        connections,
        at_once: http::AtOnce { uploads, downloads: number(least) },
        files: usize::try_from(files).unwrap_or(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_enough_nothing_is_lowered_and_each_upload_has_its_own() {
        let limits = LimitsConfig::default();
        let carried = carried_by(needed(&limits), &limits);
        assert_eq!(carried.connections, limits.connections);
        assert!(carried.at_once.uploads >= limits.uploads_at_once && carried.at_once.downloads >= limits.downloads_at_once);
        assert_eq!(carried.files, limits.uploads_at_once as usize);
    }

    #[test]
    fn however_few_there_are_they_carry_what_is_let_in() {
        let limits = LimitsConfig::default();
        for handles in [64, 256, 1024, 4096, 20_000, 40_000, u64::MAX] {
            let carried = carried_by(handles, &limits);
            let (uploads, downloads) =
                (limits.uploads_at_once.min(carried.at_once.uploads), limits.downloads_at_once.min(carried.at_once.downloads));
            let taken = u64::from(carried.connections) + u64::from(downloads) + carried.files as u64;
            assert!(taken <= handles - RESERVED.min(handles / 4), "{handles}: {taken}");
            assert!(carried.files as u64 >= handles.min(needed(&limits)) / 12, "{handles}: {}", carried.files);
            assert!(uploads < carried.connections, "{handles}");
        }
        assert!(carried_by(20_000, &limits).at_once.uploads >= limits.uploads_at_once);
    }
}
