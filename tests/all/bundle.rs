//! One zip of many datasets, laid out before it is read, opens whole with what people have.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use wearhouse::archive::{Bundle, Entry};

use crate::{
    support::{java, sha256},
    zip_readers::{contents, output, read_everywhere},
};

fn entry(name: &str, bytes: &[u8]) -> Entry {
    Entry { name: name.to_owned(), size: bytes.len() as u64, crc32: crc32fast::hash(bytes), modified: 1_793_000_000_000 }
}

fn bundle_of(entries: impl IntoIterator<Item = Entry>) -> Bundle {
    entries.into_iter().collect::<Vec<_>>().iter().collect()
}

/// Writes a bundle whose entries hold these bytes. Where an entry is longer, the rest of it is a hole.
fn write(folder: &TempDir, bundle: &Bundle, bytes: &[Vec<u8>]) -> PathBuf {
    let path = folder.path().join("bundle.zip");
    let mut file = File::create(&path).expect("a file");
    for ((header, entry), bytes) in bundle.parts().zip(bytes) {
        file.write_all(&[header, bytes.clone()].concat()).expect("written");
        let hole = entry.size - bytes.len() as u64;
        file.seek(SeekFrom::Current(i64::try_from(hole).expect("a length"))).expect("seekable");
    }
    bundle.directory().for_each(|piece| file.write_all(&piece).expect("written"));
    assert_eq!(file.metadata().expect("a file").len(), bundle.len());
    path
}

/// What Python prints of a zip that it has opened as `zip`.
fn python(path: &Path, script: &str) -> String {
    let script = format!("import sys, zipfile\nzip = zipfile.ZipFile(sys.argv[1])\n{script}");
    output(Command::new("python3").args(["-X", "utf8", "-c", &script]).arg(path))
}

#[test]
fn a_bundle_opens_whole_everywhere() {
    let folder = TempDir::new().expect("a folder");
    let files = [
        ("kitchen_7/acc.csv", b"1\t2\n".repeat(50_000)),
        ("kitchen_7/tf_models/m.tflite", vec![7; 1000]),
        ("kitchen_8/acc.csv", Vec::new()),
        ("größe 東京 🕐/ü~2.zip", b"PK".to_vec()),
    ];
    let bundle = bundle_of(files.iter().map(|(name, bytes)| entry(name, bytes)));
    let zip = write(&folder, &bundle, &files.clone().map(|(_, bytes)| bytes));
    let expected: BTreeMap<_, _> = files.iter().map(|(name, bytes)| ((*name).to_owned(), sha256(bytes))).collect();
    assert_eq!(contents(&read_everywhere(&zip)), expected);
    let listed = python(&zip, "for entry in zip.infolist(): print(entry.date_time, oct(entry.external_attr >> 16), entry.compress_type)");
    assert_eq!(listed, "(2026, 10, 26, 7, 33, 20) 0o100644 0\n".repeat(files.len()));
}

#[test]
fn a_bundle_of_nothing_is_a_zip_of_nothing() {
    let folder = TempDir::new().expect("a folder");
    // unzip reads it, too, but warns.
    assert_eq!(python(&write(&folder, &Bundle::default(), &[]), "print(zip.namelist())"), "[]\n");
}

#[test]
fn seventy_thousand_entries_are_all_there_for_everyone() {
    let folder = TempDir::new().expect("a folder");
    let bytes: Vec<_> = (0..70_000).map(|number| number.to_string().into_bytes()).collect();
    let entries = bytes.iter().enumerate().map(|(number, bytes)| entry(&format!("{}/{number}.csv", number % 9), bytes));
    let zip = write(&folder, &bundle_of(entries), &bytes);
    assert_eq!(python(&zip, "print(zip.testzip(), len(zip.namelist()), zip.read('6/69999.csv').decode())"), "None 70000 69999\n");
    assert!(output(Command::new("unzip").arg("-tqq").arg(&zip)).is_empty());
    assert_eq!(output(java("ReadZip").arg(&zip)).lines().count(), 70_000);
}

#[test]
fn what_lies_behind_an_entry_of_five_gib_is_found_by_everyone() {
    let folder = TempDir::new().expect("a folder");
    let large = Entry { size: 5 << 30, ..entry("large.mkv", b"") };
    let zip = write(&folder, &bundle_of([large, entry("b.csv", b"behind it")]), &[Vec::new(), b"behind it".to_vec()]);
    let sizes = python(&zip, "print([entry.file_size for entry in zip.infolist()], zip.read('b.csv').decode())");
    assert_eq!(sizes, "[5368709120, 9] behind it\n");
    assert_eq!(output(Command::new("unzip").arg("-p").arg(&zip).arg("b.csv")), "behind it");
}
