//! From the files of a dataset to its description. It reads little of them, and it blocks.

use std::{
    fs::File,
    io::{self, Read},
};

use super::{
    MetaInfo, from_names,
    meta_info::MOST_BYTES,
    plausible_start,
    tail::{Clocks, is_table, last_in, plausible_end},
};
use crate::{
    catalog::{Brought, Description, Run, ToDescribe},
    config::PrivacyConfig,
    ids::{DatasetId, FileName},
    storage::{Layout, open_beneath},
};

/// No more tables are read of a dataset; a run has seven.
const MOST_TABLES: usize = 100;
/// Of no more files the names can be searched for; a run has forty.
const MOST_NAMES: usize = 1000;

/// What the files of a dataset say, and their names.
pub(super) fn describe(layout: &Layout, to: &ToDescribe, files: &[Brought], privacy: &PrivacyConfig) -> io::Result<Description> {
    let meta_info = meta_info(layout, to.uuid, files)?;
    let said = meta_info.as_ref().map(|text| MetaInfo::parse(text.as_bytes())).unwrap_or_default();
    let named = from_names(files.iter().map(|file| file.sent_name.as_str()));
    let started_at = first_arrival(files).and_then(|arrival| plausible_start(said.start, named.start, arrival));
    let clocks = started_at.filter(|start| said.start == Some(*start)).zip(said.sensor_clock);
    let ended_at = match clocks.map(|(start, sensor)| Clocks { start, sensor }) {
        Some(clocks) => plausible_end(clocks, last_moments(layout, to.uuid, files)?),
        None => None,
    };
    Ok(Description {
        changes: to.changes,
        run: Run { started_at, ended_at, number: said.run_number.or(named.run_number), app_version: said.app_version, model: said.model },
        hardware: said.hardware,
        meta_info,
        last_upload_at: files.iter().filter(|file| file.by_device).map(|file| file.received_at).max(),
        names: names(files, privacy),
    })
}

/// When the first file came. One that was found on the disk came nobody knows when, and is asked only where there is no other.
fn first_arrival(files: &[Brought]) -> Option<i64> {
    let brought = files.iter().filter(|file| file.by_device).map(|file| file.received_at).min();
    brought.or_else(|| files.iter().map(|file| file.received_at).min())
}

/// The text of the metaInfo that came last; empty where it is too long to be one.
fn meta_info(layout: &Layout, dataset: DatasetId, files: &[Brought]) -> io::Result<Option<String>> {
    let is_meta_info = |file: &&Brought| file.is_here && file.sent_name.starts_with("metaInfo") && file.sent_name.ends_with(".json");
    let Some(file) = files.iter().filter(is_meta_info).max_by_key(|file| file.received_at) else { return Ok(None) };
    let Some(opened) = open(layout, dataset, &file.name)? else { return Ok(None) };
    let mut bytes = Vec::new();
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        bytes.clear();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The last moments that the plain tables hold, on the sensor clock.
fn last_moments(layout: &Layout, dataset: DatasetId, files: &[Brought]) -> io::Result<Vec<i64>> {
    let mut moments = Vec::new();
    for table in files.iter().filter(|file| file.is_here && is_table(&file.sent_name)).take(MOST_TABLES) {
        if let Some(opened) = open(layout, dataset, &table.name)? {
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

/// The names, sent and stored, of the files that are not sensitive: who may not have them shall not find them either.
fn names(files: &[Brought], privacy: &PrivacyConfig) -> Vec<String> {
    let mut names = Vec::new();
    for file in files.iter().filter(|file| !privacy.is_sensitive(&file.name)).take(MOST_NAMES) {
        names.push(file.name.to_string());
        if file.sent_name != file.name.as_str() {
            names.push(file.sent_name.clone());
        }
    }
    names
}
