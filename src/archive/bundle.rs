//! One zip of many files, laid out before a byte of them is read, so that its exact length can be said in front. Every entry is
//! stored as it is. Numbers of sections are those of PKWARE's APPNOTE, version 6.3.

use super::{Entry, entry::dos_time};

/// From here on a value stands in a zip64 field, and this in its old place (4.4.1.4).
const MAX32: u64 = 0xffff_ffff;
/// The same for the number of entries.
const MAX16: usize = 0xffff;
/// What a reader must know: folders (2.0), or zip64 (4.5). See 4.4.3.2.
const FOLDERS: u16 = 20;
const ZIP64: u16 = 45;
/// Made on unix, so that the mode below counts (4.4.2).
const MADE_BY: u16 = 3 << 8 | ZIP64;
/// Bit 11: the name is UTF-8 (4.4.4). Bit 3 stays clear: size and CRC-32 stand in front of the bytes.
const UTF8: u16 = 1 << 11;
/// Method 0: as it is (4.4.5).
const STORED: u16 = 0;
/// A file that its owner may write and everybody may read.
const MODE: u32 = 0o100_644;

/// The directory is handed on in pieces of about this size.
const PIECE: usize = 64 << 10;

/// The layout of one zip: for each entry a header and then its bytes, and the directory behind the last one.
///
/// The directory at the end names every entry again, so all of them are kept while the zip is sent, in a compact form: the bytes of
/// the name and 24 more. 200,000 files of a dataset's folder take 27 MB with names as the field app's, 52 MB with the longest.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// The names, one directly after the other.
    names: String,
    entries: Vec<CompactEntry>,
    directory_len: u64,
    directory_at: u64,
}

/// An entry without its name.
#[derive(Debug, Clone, Copy)]
struct CompactEntry {
    size: u64,
    modified: i64,
    crc32: u32,
    name_len: u16,
}

impl Bundle {
    /// Lays out an entry after the last one. No two may have one name; a folder is what stands before a `/` in a name.
    ///
    /// # Panics
    /// If the name is longer than 65,535 bytes, which a zip cannot hold.
    pub fn push(&mut self, entry: &Entry) {
        debug_assert!(self.last_name() != Some(&entry.name), "two entries of one name");
        assert!(entry.name.len() <= MAX16, "a name is too long for a zip");
        self.directory_len += central_header(entry, self.directory_at).len() as u64;
        self.directory_at += local_header(entry).len() as u64 + entry.size;
        self.names.push_str(&entry.name);
        let Entry { size, crc32, modified, .. } = *entry;
        self.entries.push(CompactEntry { size, modified, crc32, name_len: short(entry.name.len()) });
    }

    /// Bytes of the whole zip.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.directory_at + self.directory_len + self.end().len() as u64
    }

    /// Number of entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry. The zip of none is one, too: its end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The header of each entry, behind which exactly `size` bytes of it must follow.
    pub fn parts(&self) -> impl Iterator<Item = (Vec<u8>, Entry)> {
        self.entries().map(|entry| (local_header(&entry), entry))
    }

    /// What follows the last entry, piece by piece: the directory and the end of the zip.
    pub fn directory(&self) -> impl Iterator<Item = Vec<u8>> {
        let (mut entries, mut at, mut end) = (self.entries(), 0, Some(self.end()));
        std::iter::from_fn(move || {
            let mut piece = Vec::new();
            while piece.len() < PIECE
                && let Some(entry) = entries.next()
            {
                piece.extend(central_header(&entry, at));
                at += local_header(&entry).len() as u64 + entry.size;
            }
            if piece.is_empty() { end.take() } else { Some(piece) }
        })
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        let mut names = self.names.as_str();
        self.entries.iter().map(move |&CompactEntry { size, modified, crc32, name_len }| {
            let (name, rest) = names.split_at(name_len.into());
            names = rest;
            Entry { name: name.to_owned(), size, crc32, modified }
        })
    }

    fn last_name(&self) -> Option<&str> {
        let last = self.entries.last()?;
        Some(&self.names[self.names.len() - usize::from(last.name_len)..])
    }

    fn end(&self) -> Vec<u8> {
        end_records(self.entries.len(), self.directory_len, self.directory_at)
    }
}

impl<'a> FromIterator<&'a Entry> for Bundle {
    fn from_iter<I: IntoIterator<Item = &'a Entry>>(entries: I) -> Self {
        let mut bundle = Self::default();
        entries.into_iter().for_each(|entry| bundle.push(entry));
        bundle
    }
}

/// 4.3.7. Where the size is too large, both sizes must stand in the zip64 field (4.5.3).
fn local_header(entry: &Entry) -> Vec<u8> {
    let extra = if entry.size >= MAX32 { zip64(&[entry.size, entry.size]) } else { Vec::new() };
    Record::default().u32(0x0403_4b50).common(entry, extra.len()).bytes(entry.name.as_bytes()).bytes(&extra).0
}

/// 4.3.12. Of the zip64 field, only what is too large for its old place stands in it, in this order (4.5.3).
fn central_header(entry: &Entry, offset: u64) -> Vec<u8> {
    let mut large = Vec::new();
    if entry.size >= MAX32 {
        large.extend([entry.size, entry.size]);
    }
    if offset >= MAX32 {
        large.push(offset);
    }
    let extra = zip64(&large);
    let head = Record::default().u32(0x0201_4b50).u16(MADE_BY).common(entry, extra.len());
    // No comment, the first disk, no internal attributes.
    let head = head.u16(0).u16(0).u16(0).u32(MODE << 16).u32(clip(offset));
    head.bytes(entry.name.as_bytes()).bytes(&extra).0
}

/// 4.5.3; nothing where nothing is too large.
fn zip64(large: &[u64]) -> Vec<u8> {
    if large.is_empty() {
        return Vec::new();
    }
    large.iter().fold(Record::default().u16(1).u16(short(large.len() * 8)), |record, &value| record.u64(value)).0
}

/// 4.3.14 to 4.3.16: the end of the directory, with the one of zip64 before it where something is too large for it.
fn end_records(entries: usize, directory: u64, directory_at: u64) -> Vec<u8> {
    let mut end = Record::default();
    if entries >= MAX16 || directory >= MAX32 || directory_at >= MAX32 {
        // How much of the record is still to come; who made it, for whom; this disk, and the directory's.
        end = end.u32(0x0606_4b50).u64(44).u16(MADE_BY).u16(ZIP64).u32(0).u32(0);
        end = end.u64(entries as u64).u64(entries as u64).u64(directory).u64(directory_at);
        end = end.u32(0x0706_4b50).u32(0).u64(directory_at + directory).u32(1);
    }
    let count = short(entries);
    end.u32(0x0605_4b50).u16(0).u16(0).u16(count).u16(count).u32(clip(directory)).u32(clip(directory_at)).u16(0).0
}

/// What stands in a field of four bytes.
fn clip(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// What stands in a field of two bytes.
fn short(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// Fields, one behind the other, the lowest byte first (4.1.4).
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// What both headers of an entry say in the same words: from the version to the lengths.
    fn common(self, entry: &Entry, extra: usize) -> Self {
        let time = dos_time(entry.modified);
        let version = if extra == 0 { FOLDERS } else { ZIP64 };
        let head = self.u16(version).u16(UTF8).u16(STORED).u16(time.timepart()).u16(time.datepart());
        head.u32(entry.crc32).u32(clip(entry.size)).u32(clip(entry.size)).u16(short(entry.name.len())).u16(short(extra))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Cursor, Read, Seek, SeekFrom, Write},
    };

    use zip::{CompressionMethod, DateTime, ZipArchive};

    use super::*;

    /// 2026-10-26 07:33:20 UTC.
    const AT: i64 = 1_793_000_000_000;

    fn entry(name: &str, bytes: &[u8]) -> Entry {
        Entry { name: name.to_owned(), size: bytes.len() as u64, crc32: crc32fast::hash(bytes), modified: AT }
    }

    fn content(name: &str) -> Vec<u8> {
        name.bytes().cycle().take(name.len() * 3).collect()
    }

    fn bundle_of(entries: impl IntoIterator<Item = Entry>) -> Bundle {
        entries.into_iter().collect::<Vec<_>>().iter().collect()
    }

    /// The whole zip, whose entries hold what their names say.
    fn written(bundle: &Bundle) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (header, entry) in bundle.parts() {
            bytes.extend(header);
            bytes.extend(content(&entry.name));
        }
        bytes.extend(bundle.directory().flatten());
        bytes
    }

    #[test]
    fn what_is_bundled_reads_back_and_is_as_long_as_was_said() {
        let names = ["kitchen_7/acc.csv", "kitchen_7/metaInfo.json", "garden_8/acc.csv", "größe 東京 🕐/ü~2.zip"];
        let bundle = bundle_of(names.iter().map(|name| entry(name, &content(name))));
        let bytes = written(&bundle);
        assert_eq!(bytes.len() as u64, bundle.len());
        let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
        assert_eq!(archive.len(), names.len());
        for (index, name) in names.iter().enumerate() {
            let mut file = archive.by_index(index).expect("an entry");
            let mut read = Vec::new();
            file.read_to_end(&mut read).expect("whole");
            assert_eq!((file.name().expect("utf-8").as_ref(), read), (*name, content(name)));
            assert_eq!((file.compression(), file.unix_mode()), (CompressionMethod::Stored, Some(0o100_644)));
            assert_eq!(file.last_modified(), DateTime::from_date_and_time(2026, 10, 26, 7, 33, 20).ok());
        }
    }

    #[test]
    fn a_bundle_of_nothing_is_a_zip() {
        let bundle = Bundle::default();
        assert!(bundle.is_empty() && bundle.len() == 22);
        assert!(ZipArchive::new(Cursor::new(bundle.directory().flatten().collect::<Vec<_>>())).expect("a zip").is_empty());
    }

    #[test]
    fn as_many_entries_as_a_zip_could_not_count_once_are_all_there() {
        for count in [65_534, 65_535, 70_000] {
            let bundle = bundle_of((0..count).map(|number| entry(&format!("{number}.csv"), &content(&format!("{number}.csv")))));
            let bytes = written(&bundle);
            assert_eq!(bytes.len() as u64, bundle.len());
            let has_zip64_end = bytes[bytes.len() - 42..bytes.len() - 38] == [b'P', b'K', 6, 7];
            assert_eq!(has_zip64_end, count >= 65_535, "{count}");
            let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
            assert_eq!(archive.len(), count);
            let mut last = Vec::new();
            archive.by_index(count - 1).expect("the last").read_to_end(&mut last).expect("whole");
            assert_eq!(last, content(&format!("{}.csv", count - 1)));
        }
    }

    /// A zip of one large entry, of which only the headers are written, and a small one behind it.
    fn sparse(large: u64) -> (File, Bundle) {
        let bundle = bundle_of([Entry { size: large, ..entry("large.mkv", b"") }, entry("b.csv", b"small")]);
        let mut file = tempfile::tempfile().expect("a file");
        for ((header, entry), bytes) in bundle.parts().zip([&b""[..], b"small"]) {
            file.write_all(&header).expect("written");
            file.write_all(bytes).expect("written");
            let ahead = i64::try_from(entry.size).expect("small enough") - i64::try_from(bytes.len()).expect("small");
            file.seek(SeekFrom::Current(ahead)).expect("seekable");
        }
        bundle.directory().for_each(|piece| file.write_all(&piece).expect("written"));
        (file, bundle)
    }

    #[test]
    fn an_entry_beyond_four_gib_and_what_lies_behind_it_are_found() {
        for large in [MAX32 - 1, MAX32, 5 << 30] {
            let (file, bundle) = sparse(large);
            assert_eq!(file.metadata().expect("a file").len(), bundle.len());
            let mut archive = ZipArchive::new(file).expect("a zip");
            assert_eq!(archive.by_index_data(0).expect("an entry").size(), large);
            let mut small = String::new();
            archive.by_index(1).expect("an entry").read_to_string(&mut small).expect("whole");
            assert_eq!(small, "small");
        }
    }

    #[test]
    fn a_size_that_fits_stands_in_its_place_and_one_that_does_not_in_the_field_of_zip64() {
        let header = |size| local_header(&Entry { size, ..entry("a", b"") });
        let small = header(MAX32 - 1);
        assert_eq!(small[6..10], [0, 8, 0, 0], "a name in UTF-8, stored");
        assert_eq!((small.len(), &small[4..6], &small[18..26]), (31, &[20, 0][..], &[0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff][..]));
        let large = header(5 << 30);
        assert_eq!((large.len(), &large[4..6], &large[18..26]), (51, &[45, 0][..], &[0xff; 8][..]));
        let size = (5_u64 << 30).to_le_bytes();
        assert_eq!(
            (&large[28..30], &large[31..35], &large[35..43], &large[43..51]),
            (&[20, 0][..], &[1, 0, 16, 0][..], &size[..], &size[..])
        );
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "two entries of one name")]
    fn two_entries_of_one_name_are_a_mistake_of_the_caller() {
        drop(bundle_of([entry("a", b""), entry("a", b"")]));
    }
}
