//! From the files of a dataset to its description. It reads little of them, and it blocks.

use std::{
    fs::File,
    io::{self, Read},
};

use super::{
    MetaInfo, NameFacts,
    meta_info::{MOST_BYTES, is_meta_info},
    plausible_start,
    tail::{Clocks, is_table, last_in, plausible_end},
};
use crate::{
    catalog::{Brought, Description, Millis, Run, ToDescribe},
    config::PrivacyConfig,
    ids::{DatasetId, FileName},
    storage::{Layout, open_beneath},
};

/// No more tables are read of a dataset; a run has seven.
const MOST_TABLES: usize = 100;
/// Of no more files the names can be searched for; a run has forty.
const MOST_NAMES: usize = 1000;

/// What the catalog knows of the files of a dataset, as far as it matters for the description. Files are added one by one, by name:
/// there may be many more than a run has, and only so much of them is kept.
#[derive(Default)]
pub(super) struct FileFacts {
    names: NameFacts,
    /// When the first file that a device uploaded was received, and the last one.
    uploaded: Option<(Millis, Millis)>,
    /// When the first file of all was received.
    first_arrival: Option<Millis>,
    /// The metaInfo that came last.
    meta_info: Option<(Millis, FileName)>,
    tables: Vec<FileName>,
    searchable: Vec<String>,
    /// How many files these names are of.
    searchable_files: usize,
}

impl FileFacts {
    pub(super) fn add(&mut self, file: &Brought, privacy: &PrivacyConfig) {
        let at = file.received_at;
        self.names.add(file.sent_name.as_str());
        self.first_arrival = Some(self.first_arrival.map_or(at, |first| first.min(at)));
        if file.by_device {
            self.uploaded = Some(self.uploaded.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        }
        if file.is_here && is_meta_info(&file.name) && self.meta_info.as_ref().is_none_or(|(latest, _)| *latest <= at) {
            self.meta_info = Some((at, file.name.clone()));
        }
        if file.is_here && self.tables.len() < MOST_TABLES && is_table(file.sent_name.as_str()) {
            self.tables.push(file.name.clone());
        }
        // Who may not have a sensitive file shall not find it either.
        if self.searchable_files < MOST_NAMES && !privacy.is_sensitive(&file.name) {
            self.searchable_files += 1;
            self.searchable.push(file.name.to_string());
            self.searchable.extend((file.sent_name.as_str() != file.name.as_str()).then(|| file.sent_name.to_string()));
        }
    }

    /// When the first file came. One that was found on the disk came nobody knows when, and is asked only where there is no other.
    fn first_arrival(&self) -> Option<Millis> {
        self.uploaded.map(|(first, _)| first).or(self.first_arrival)
    }
}

/// What the files of a dataset say, and their names.
pub(super) fn describe(layout: &Layout, to: &ToDescribe, files: FileFacts) -> io::Result<Description> {
    let meta_info = files.meta_info.as_ref().map(|(_, name)| meta_info(layout, to.uuid, name)).transpose()?.flatten();
    let said = meta_info.as_ref().map(|text| MetaInfo::parse(text.as_bytes())).unwrap_or_default();
    let named = files.names.named();
    let started_at = files.first_arrival().and_then(|arrival| plausible_start(said.start, named.start, arrival));
    let clocks = started_at.filter(|start| said.start == Some(*start)).zip(said.sensor_clock);
    let ended_at = match clocks.map(|(start, sensor)| Clocks { start, sensor }) {
        Some(clocks) => plausible_end(clocks, last_moments(layout, to.uuid, &files.tables)?),
        None => None,
    };
    Ok(Description {
        changes: to.changes,
        run: Run { started_at, ended_at, number: said.run_number.or(named.run_number), app_version: said.app_version, model: said.model },
        hardware: said.hardware,
        meta_info,
        last_upload_at: files.uploaded.map(|(_, last)| last),
        names: files.searchable,
    })
}

/// The text of a metaInfo; empty where it is too long to be one, none where the file is gone.
fn meta_info(layout: &Layout, dataset: DatasetId, name: &FileName) -> io::Result<Option<String>> {
    let Some(opened) = open(layout, dataset, name)? else { return Ok(None) };
    let mut bytes = Vec::new();
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        bytes.clear();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The last moments that the plain tables hold, on the sensor clock.
fn last_moments(layout: &Layout, dataset: DatasetId, tables: &[FileName]) -> io::Result<Vec<i64>> {
    let mut moments = Vec::new();
    for table in tables {
        if let Some(opened) = open(layout, dataset, table)? {
            moments.extend(last_in(opened)?);
        }
    }
    Ok(moments)
}

/// The file, unless somebody has taken it away.
fn open(layout: &Layout, dataset: DatasetId, name: &FileName) -> io::Result<Option<File>> {
    let path = layout.file(dataset, name);
    let path = path.strip_prefix(layout.root()).unwrap_or(&path);
    match open_beneath(layout.root(), path) {
        Ok(opened) => Ok(Some(opened.file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{ids::SentName, runs::start::at};

    const META_INFO: &str = "metaInfo_7_2026-11-20T09:20+0000_9774d56d682e549c.json";
    const BATTERY: &str = "battery_7_2026-11-20T09:20+0000_9774d56d682e549c.csv";
    const MARKERS: &str = "marker_time_stamps_7_2026-11-20T09:20+0000_9774d56d682e549c.csv";
    const VOICE: &str = "recording_mic_7_2026-11-20T09:20+0000_9774d56d682e549c.zip";
    const TEXT: &str = r#"{"date": "2026-11-20T09:20:30Z", "start_time_stamp": 1000000000, "run_number": 8, "app_version": "1.4",
        "tf_model": "hands", "build_device": "sturgeon"}"#;

    /// The files of a dataset, all of which arrived at noon.
    struct Files {
        layout: Layout,
        to: ToDescribe,
        brought: Vec<Brought>,
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::TempDir::new().expect("a folder");
            let to = ToDescribe { uuid: DatasetId::random(), number: 1, changes: 3 };
            let mut made = Self { layout: Layout::new(folder.path()), to, brought: Vec::new(), folder };
            for (name, text) in files {
                made.add(name, text);
            }
            made
        }

        fn add(&mut self, sent_name: &str, text: &str) -> &mut Brought {
            let name = FileName::from_sent(sent_name);
            let path = self.layout.file(self.to.uuid, &name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
            let received_at = at(20, 12, 0);
            self.brought.push(Brought { sent_name: SentName::new(sent_name), name, received_at, by_device: true, is_here: true });
            self.brought.last_mut().expect("just pushed")
        }

        fn path(&self, at: usize) -> std::path::PathBuf {
            self.layout.file(self.to.uuid, &self.brought[at].name)
        }

        fn describe(&self) -> io::Result<Description> {
            let mut files = FileFacts::default();
            self.brought.iter().for_each(|file| files.add(file, &PrivacyConfig::default()));
            describe(&self.layout, &self.to, files)
        }

        fn read(&self) -> Description {
            self.describe().expect("read")
        }
    }

    #[test]
    fn a_whole_run_says_when_it_was_and_what_it_was() {
        let said = Files::new(&[(META_INFO, TEXT), (BATTERY, "1000000000\t99\n61000000000\t98\n"), (MARKERS, "31000000000\n")]).read();
        let start = at(20, 9, 20) + 30_000;
        assert_eq!((said.changes, said.run.started_at, said.run.ended_at), (3, Some(start), Some(start + 60_000)));
        assert_eq!((said.run.number, said.run.app_version.as_deref(), said.run.model.as_deref()), (Some(8), Some("1.4"), Some("hands")));
        assert_eq!((said.hardware.as_deref(), said.meta_info.as_deref()), (Some("sturgeon"), Some(TEXT)));
        assert_eq!(said.last_upload_at, Some(at(20, 12, 0)));
    }

    #[test]
    fn without_a_meta_info_the_names_say_what_they_can() {
        let said = Files::new(&[(BATTERY, "1000000000\t99\n")]).read();
        assert_eq!((said.run.started_at, said.run.ended_at, said.run.number), (Some(at(20, 9, 20)), None, Some(7)));
        assert_eq!(said.meta_info, None);
        let broken = Files::new(&[(META_INFO, "{"), (BATTERY, "1000000000\t99\n")]).read();
        assert_eq!((broken.run, broken.meta_info.as_deref()), (said.run, Some("{")));
    }

    #[test]
    fn a_start_behind_the_arrival_of_the_first_file_is_not_believed() {
        let mut files = Files::new(&[(META_INFO, TEXT), (BATTERY, "2000000000\t99\n")]);
        files.brought[1].received_at = at(20, 8, 0);
        let said = files.read();
        assert_eq!((said.run.started_at, said.run.ended_at, said.run.number), (None, None, Some(8)));
        // A file that somebody laid there came nobody knows when.
        files.brought[1].by_device = false;
        assert!(files.read().run.started_at.is_some());
    }

    #[test]
    fn of_two_meta_infos_the_later_is_read_and_none_that_is_lost() {
        let mut files = Files::new(&[(META_INFO, "{}")]);
        let later = files.add("metaInfo_8.json", TEXT);
        later.received_at += 1;
        assert_eq!(files.read().meta_info.as_deref(), Some(TEXT));
        files.brought[1].is_here = false;
        assert_eq!(files.read().meta_info.as_deref(), Some("{}"));
        fs::remove_file(files.path(0)).expect("removed");
        assert_eq!(files.read().meta_info, None);
    }

    #[test]
    fn a_meta_info_that_is_too_long_is_there_and_not_read() {
        let long = format!("{TEXT}{}", " ".repeat(64 << 10));
        let said = Files::new(&[(META_INFO, &long)]).read();
        assert_eq!((said.meta_info.as_deref(), said.run.app_version), (Some(""), None));
    }

    #[test]
    fn names_of_sensitive_files_cannot_be_searched_for() {
        let said = Files::new(&[(BATTERY, ""), (VOICE, "a voice"), ("notes.txt", "")]).read();
        assert_eq!(said.names, [FileName::from_sent(BATTERY).as_str(), BATTERY, "notes.txt"]);
    }

    #[test]
    fn a_link_that_somebody_laid_there_is_not_followed() {
        let files = Files::new(&[(META_INFO, "")]);
        let secret = files.folder.path().join("secret");
        fs::write(&secret, TEXT).expect("written");
        fs::remove_file(files.path(0)).expect("removed");
        std::os::unix::fs::symlink(secret, files.path(0)).expect("a link");
        assert!(files.describe().is_err());
    }
}
