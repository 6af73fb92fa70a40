//! The ledger keeps what it promised, notices what was changed, and promises nothing that it could not write.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
};

use tempfile::TempDir;

use super::*;
use crate::storage::RealDisk;

/// A disk on which some steps fail.
#[derive(Default)]
struct Failing {
    write: AtomicBool,
    sync: AtomicBool,
    truncate: AtomicBool,
    folder: AtomicBool,
}

fn fail(flag: &AtomicBool) -> io::Result<()> {
    if flag.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
}

impl Disk for Failing {
    /// Fails in the middle, as a full disk does.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        RealDisk.write(file, &bytes[..bytes.len() / 2])?;
        fail(&self.write)?;
        RealDisk.write(file, &bytes[bytes.len() / 2..])
    }

    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        fail(&self.sync)?;
        RealDisk.sync_file(file, path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        fail(&self.folder)?;
        RealDisk.sync_folder(path)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        fail(&self.truncate)?;
        RealDisk.truncate(file, length)
    }
}

/// A folder for a ledger.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ledger.jsonl")
    }

    fn try_open(&self) -> Result<Ledger, OpenError> {
        Ledger::open(Arc::new(RealDisk), &self.path())
    }

    fn open(&self) -> Ledger {
        self.try_open().expect("a good ledger")
    }

    /// One with these entries.
    fn with(entries: &[Entry]) -> Self {
        let place = Self::new();
        let ledger = place.open();
        for entry in entries {
            ledger.append(entry).expect("written");
        }
        place
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("a ledger")
    }

    /// Changes the lines, and tells which one is found wrong, why, and what can be read.
    fn broken_by(&self, change: impl FnOnce(&mut Vec<String>)) -> (usize, &'static str, Ledger) {
        let mut lines: Vec<_> = self.text().lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(self.path(), lines.join("\n") + "\n").expect("written");
        match self.try_open().expect_err("a broken ledger") {
            OpenError::Broken { line, why, ledger, .. } => (line, why, ledger),
            error @ OpenError::Io { .. } => panic!("{error}"),
        }
    }
}

fn dataset(number: u128) -> DatasetId {
    uuid::Uuid::from_u128(number).to_string().parse().expect("a uuid")
}

fn device(number: u8) -> DeviceId {
    DeviceId::from_bytes([number; 16])
}

fn entry(what: What) -> Entry {
    Entry { at: 1_793_000_000_000, by: "admin".to_owned(), what }
}

fn erased(number: u128) -> Entry {
    entry(Evidence::default().of_erased(dataset(number)))
}

fn revoked(number: u8, generation: u32) -> Entry {
    entry(What::DeviceRevoked { device: device(number), generation })
}

fn restored(number: u8) -> Entry {
    entry(What::DeviceRestored { device: device(number), generation: 9 })
}

fn tokens_ended(number: u8, generation: u32) -> Entry {
    entry(What::DeviceTokensEnded { device: device(number), generation })
}

fn forgotten(number: u8, generation: u32) -> Entry {
    entry(What::DeviceForgotten { device: device(number), generation })
}

/// What a ledger says, sorted.
fn state(ledger: &Ledger) -> (Vec<DatasetId>, Vec<(DeviceId, DeviceState)>) {
    let (mut erased, mut devices) = (ledger.erased(), ledger.devices());
    erased.sort();
    devices.sort_by_key(|(device, _)| *device);
    (erased, devices)
}

#[test]
fn what_was_written_is_known_at_once_and_by_the_next_start() {
    let place = Place::new();
    let ledger = place.open();
    let clone = ledger.clone();
    let written = [erased(1), revoked(1, 3), revoked(2, 4), erased(2), restored(2), forgotten(3, 5), restored(4), revoked(4, 6)];
    for entry in &written {
        ledger.append(entry).expect("written");
    }
    let states = [
        (device(1), DeviceState::Revoked { generation: 3 }),
        (device(2), DeviceState::Good { generation: 9 }),
        (device(3), DeviceState::Forgotten { generation: 5 }),
        (device(4), DeviceState::Revoked { generation: 6 }),
    ];
    for ledger in [clone, place.open()] {
        assert_eq!(state(&ledger), (vec![dataset(1), dataset(2)], states.to_vec()));
        assert!(ledger.is_erased(dataset(1)) && !ledger.is_erased(dataset(3)));
        assert_eq!((ledger.device(device(2)), ledger.device(device(5))), (Some(DeviceState::Good { generation: 9 }), None));
    }
    assert_eq!(place.text().lines().count(), written.len());
}

#[test]
fn a_new_ledger_is_empty_and_for_nobody_else_to_read() {
    let place = Place::new();
    assert_eq!(state(&place.open()), (Vec::new(), Vec::new()));
    assert_eq!(fs::metadata(place.path()).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn tokens_that_were_ended_or_shut_out_before_a_newer_grant_are_known_to_be_dead() {
    let (revoked_at, good) = (|generation| DeviceState::Revoked { generation }, |generation| DeviceState::Good { generation });
    for (entries, state, lowest) in [
        (vec![tokens_ended(1, 3), tokens_ended(1, 2)], None, Some(3)),
        (vec![revoked(1, 2), tokens_ended(1, 2)], Some(revoked_at(2)), Some(2)),
        (vec![revoked(1, 2), tokens_ended(1, 4)], Some(good(4)), Some(4)),
        (vec![forgotten(1, 2), tokens_ended(1, 4)], Some(good(4)), Some(4)),
        (vec![revoked(1, 2), restored(1)], Some(good(9)), Some(3)),
        (vec![revoked(1, 9), restored(1)], Some(good(9)), None),
        (vec![revoked(1, 2), revoked(1, 5)], Some(revoked_at(5)), Some(3)),
    ] {
        let ledger = Place::with(&entries).open();
        let known = ledger.lowest_generations().first().map(|(_, lowest)| *lowest);
        assert_eq!((ledger.device(device(1)), known), (state, lowest), "{entries:?}");
    }
}

#[test]
fn where_another_file_was_put_in_its_place_nothing_is_written_until_the_next_start() {
    let place = Place::with(&[erased(1)]);
    let (ledger, whole) = (place.open(), place.text());
    fs::remove_file(place.path()).expect("removed");
    let refused = ledger.append(&erased(2)).expect_err("no file");
    assert!(refused.to_string().contains("restart the server"), "{refused}");
    fs::write(place.path(), &whole).expect("another file");
    ledger.append(&erased(2)).expect_err("another file");
    assert_eq!((state(&ledger).0, place.text()), (vec![dataset(1)], whole));
    place.open().append(&erased(3)).expect("written");
}

#[test]
fn a_ledger_says_whether_it_began_with_nothing() {
    let place = Place::new();
    let ledger = place.open();
    ledger.append(&erased(1)).expect("written");
    assert!(ledger.began_empty() && !place.open().began_empty());
}

#[test]
fn a_last_line_without_its_end_is_cut_off_and_the_next_one_follows_from_the_one_before() {
    let place = Place::with(&[erased(1)]);
    let whole = place.text();
    for torn in [&whole[..1], &whole[..whole.len() - 1]] {
        File::options().append(true).open(place.path()).expect("a file").write_all(torn.as_bytes()).expect("written");
        assert_eq!(state(&place.open()).0, [dataset(1)]);
        assert_eq!(place.text(), whole);
    }
    fs::write(place.path(), format!("{whole}{{\"at\":1")).expect("written");
    place.open().append(&erased(2)).expect("written");
    assert_eq!(state(&place.open()).0, [dataset(1), dataset(2)]);
}

#[test]
fn a_line_that_was_changed_taken_out_put_in_or_moved_is_named() {
    let place = || Place::with(&[erased(1), erased(2), erased(3), erased(4)]);
    let follow = "does not follow from the line before it";
    let (line, why, ledger) = place().broken_by(|lines| lines[1] = lines[1].replace("admin", "nobody"));
    assert_eq!((line, why), (3, follow));
    assert_eq!(ledger.erased().len(), 4, "what can be read counts");
    let (line, why, ledger) = place().broken_by(|lines| drop(lines.remove(1)));
    assert_eq!((line, why, ledger.erased().len()), (2, follow, 3));
    assert_eq!(place().broken_by(|lines| drop(lines.remove(0))).0, 1);
    assert_eq!(place().broken_by(|lines| lines.insert(1, lines[2].clone())).0, 2);
    assert_eq!(place().broken_by(|lines| lines.swap(2, 3)).0, 3);
    let (line, why, ledger) = place().broken_by(|lines| lines[2] = "{}".to_owned());
    assert_eq!((line, why, ledger.erased().len()), (3, "cannot be read", 3));
    assert_eq!(place().broken_by(|lines| lines[3] = lines[3].replace("erased", "praised")).0, 4);
}

#[test]
fn whoever_goes_on_with_a_broken_ledger_hears_of_the_same_line_again() {
    let place = Place::with(&[erased(1), erased(2), erased(3)]);
    let ledger = place.broken_by(|lines| drop(lines.remove(1))).2;
    ledger.append(&erased(4)).expect("written");
    let error = place.try_open().expect_err("still broken");
    let OpenError::Broken { line: 2, ledger, .. } = &error else { panic!("{error}") };
    assert_eq!(state(ledger).0, [dataset(1), dataset(3), dataset(4)]);
    assert!(error.to_string().starts_with("line 2 of ") && error.to_string().contains("backup"), "{error}");
}

/// What is known and written where this step fails, and once it does not any more.
fn check_failing(step: fn(&Failing) -> &AtomicBool) {
    let place = Place::with(&[erased(1)]);
    let (disk, before) = (Arc::new(Failing::default()), place.text());
    let ledger = Ledger::open(Arc::clone(&disk) as Arc<dyn Disk>, &place.path()).expect("a ledger");
    step(&disk).store(true, Ordering::SeqCst);
    assert!(ledger.append(&erased(2)).is_err() && ledger.append(&revoked(1, 1)).is_err());
    assert_eq!((state(&ledger), place.text()), ((vec![dataset(1)], Vec::new()), before));
    step(&disk).store(false, Ordering::SeqCst);
    ledger.append(&erased(3)).expect("written");
    assert_eq!(state(&place.open()).0, [dataset(1), dataset(3)]);
}

#[test]
fn what_could_not_be_written_or_synced_is_not_known_and_leaves_nothing_behind() {
    check_failing(|disk| &disk.write);
    check_failing(|disk| &disk.sync);
}

#[test]
fn where_a_line_cannot_be_taken_back_nothing_more_is_written_until_the_next_start() {
    let place = Place::with(&[erased(1)]);
    let disk = Arc::new(Failing::default());
    let ledger = Ledger::open(Arc::clone(&disk) as Arc<dyn Disk>, &place.path()).expect("a ledger");
    for flag in [&disk.write, &disk.truncate] {
        flag.store(true, Ordering::SeqCst);
    }
    ledger.append(&erased(2)).expect_err("the disk fails");
    for flag in [&disk.write, &disk.truncate] {
        flag.store(false, Ordering::SeqCst);
    }
    let refused = ledger.append(&erased(3)).expect_err("uncertain");
    assert!(refused.to_string().contains("restart"), "{refused}");
    assert_eq!(state(&ledger).0, [dataset(1)]);
    place.open().append(&erased(4)).expect("written");
    assert_eq!(state(&place.open()).0, [dataset(1), dataset(4)]);
}

#[test]
fn a_ledger_whose_name_may_be_lost_is_not_opened() {
    let place = Place::new();
    let disk = Failing::default();
    disk.folder.store(true, Ordering::SeqCst);
    let error = Ledger::open(Arc::new(disk), &place.path()).expect_err("no ledger");
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}

#[test]
fn many_who_write_at_once_make_one_chain() {
    let place = Place::new();
    let ledger = place.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let ledger = &ledger;
            scope.spawn(move || (0..25).for_each(|number| ledger.append(&erased(thread * 100 + number)).expect("written")));
        }
    });
    assert_eq!(place.open().erased().len(), 200);
}

#[test]
fn a_hundred_thousand_lines_are_read() {
    let place = Place::new();
    let (mut chain, mut text) = (Chain::start(), Vec::new());
    for number in 0..100_000 {
        let line = chain.line(&erased(number)).expect("a line");
        chain = Chain::behind(&line);
        text.extend(line);
        text.push(b'\n');
    }
    fs::write(place.path(), text).expect("written");
    let ledger = place.open();
    assert_eq!(ledger.erased().len(), 100_000);
    assert!(ledger.is_erased(dataset(99_999)));
}
