//! The rolling zip's next generation, as a pure function: the last generation and new entries in, a zip out. And the layout of
//! one zip of many datasets. No clock, no catalog, no threads.

mod bundle;
mod entry;

use std::io::{self, Read, Seek, Write};

use zip::{ZipArchive, ZipWriter, result::ZipError};

pub use bundle::Bundle;
pub use entry::Entry;

/// What a new generation cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Made {
    /// Bytes taken over from the last generation, as they were.
    pub copied: u64,
    /// Entries that were added.
    pub added: usize,
}

/// Why a generation could not be made. What was written is worthless then.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes of a file are not the ones that were received.
    #[error("{0} has changed since it was received: its size or its CRC-32 is another one")]
    Damaged(String),
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, io::Error),
    /// The zip cannot be written, or the last one not be read.
    #[error("the zip cannot be made: {0}")]
    Zip(#[from] ZipError),
}

/// The last generation, if what it holds can be taken over.
pub struct Last<R> {
    archive: ZipArchive<R>,
    size: u64,
}

impl<R: Read + Seek> Last<R> {
    /// Reads the directory of a published generation of `size` bytes. `None` if it is no zip: then it is made anew.
    pub fn read(generation: R, size: u64) -> Option<Self> {
        Some(Self { archive: ZipArchive::new(generation).ok()?, size })
    }

    /// Whether everything in it is still wanted, as it is.
    #[must_use]
    pub fn is_part_of(&self, wanted: &[Entry]) -> bool {
        let matching = wanted.iter().filter(|entry| self.holds(entry)).count();
        matching == self.archive.len()
    }

    /// Whether it holds an entry with these bytes.
    #[must_use]
    pub fn holds(&self, entry: &Entry) -> bool {
        // Names are written as UTF-8, so their bytes are found without a look at all of them.
        let found = self.archive.index_for_name_raw(entry.name.as_bytes()).and_then(|index| self.archive.by_index_data(index).ok());
        found.is_some_and(|found| (found.size(), found.crc32()) == (entry.size, entry.crc32))
    }
}

/// Writes a generation that holds the `wanted` entries: those of `last` copied as they are, the others read with `open`.
/// Without `last` everything is read anew, which is slower and always right.
///
/// # Errors
/// [`ArchiveError`]. `out` then holds rubbish and must be thrown away.
pub fn write_generation<W, R, F>(
    out: W,
    last: Option<Last<R>>,
    wanted: &[Entry],
    mut open: impl FnMut(&Entry) -> io::Result<F>,
) -> Result<(W, Made), ArchiveError>
where
    W: Write + Seek,
    R: Read + Seek,
    F: Read,
{
    let new: Vec<_> = wanted.iter().filter(|entry| !last.as_ref().is_some_and(|last| last.holds(entry))).collect();
    let copied = last.as_ref().map_or(0, |last| last.size);
    let mut writer = ZipWriter::new(out);
    if let Some(last) = last {
        writer.merge_archive(last.archive)?;
    }
    for entry in &new {
        writer.start_file(&entry.name, entry.options())?;
        let mut file = open(entry).map_err(|error| ArchiveError::Unreadable(entry.name.clone(), error))?;
        copy_checked(&mut file, &mut writer, entry)?;
    }
    Ok((writer.finish()?, Made { copied, added: new.len() }))
}

/// Copies a file into the archive and holds it against what was received.
fn copy_checked(file: &mut impl Read, writer: &mut impl Write, entry: &Entry) -> Result<(), ArchiveError> {
    let mut crc32 = crc32fast::Hasher::new();
    let mut size = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer).map_err(|error| ArchiveError::Unreadable(entry.name.clone(), error))?;
        if read == 0 {
            break;
        }
        size += read as u64;
        crc32.update(&buffer[..read]);
        writer.write_all(&buffer[..read]).map_err(ZipError::from)?;
    }
    if size == entry.size && crc32.finalize() == entry.crc32 { Ok(()) } else { Err(ArchiveError::Damaged(entry.name.clone())) }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, io::Cursor};

    use super::*;

    fn entry(name: &str, bytes: &[u8]) -> Entry {
        Entry { name: name.to_owned(), size: bytes.len() as u64, crc32: crc32fast::hash(bytes), modified: 1_793_000_000_000 }
    }

    fn content(name: &str) -> Vec<u8> {
        name.bytes().cycle().take(1000 + name.len() * 7).collect()
    }

    fn entries(names: &[&str]) -> Vec<Entry> {
        names.iter().map(|name| entry(name, &content(name))).collect()
    }

    fn roll(last: Option<&[u8]>, wanted: &[Entry]) -> Result<(Vec<u8>, Made), ArchiveError> {
        let last = last.and_then(|bytes| Last::read(Cursor::new(bytes), bytes.len() as u64)).filter(|last| last.is_part_of(wanted));
        let (out, made) = write_generation(Cursor::new(Vec::new()), last, wanted, |entry| Ok(Cursor::new(content(&entry.name))))?;
        Ok((out.into_inner(), made))
    }

    fn read_all(bytes: &[u8]) -> HashMap<String, Vec<u8>> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
        (0..archive.len())
            .map(|index| {
                let mut file = archive.by_index(index).expect("an entry");
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).expect("whole");
                (file.name().expect("utf-8").into_owned(), bytes)
            })
            .collect()
    }

    #[test]
    fn a_chain_of_generations_holds_what_a_full_rebuild_holds() {
        let names = ["a.csv", "b.zip", "tf_models/m.tflite", "ü~2.json", "e.mkv"];
        let mut last: Option<Vec<u8>> = None;
        for count in 1..=names.len() {
            let wanted = entries(&names[..count]);
            let (next, made) = roll(last.as_deref(), &wanted).expect("rolled");
            assert_eq!(made.added, 1);
            let (full, _) = roll(None, &wanted).expect("rebuilt");
            assert_eq!(read_all(&next), read_all(&full));
            last = Some(next);
        }
    }

    #[test]
    fn what_is_removed_or_replaced_makes_a_full_rebuild() {
        let (last, _) = roll(None, &entries(&["a.csv", "b.csv"])).expect("rolled");
        let (next, made) = roll(Some(&last), &entries(&["b.csv", "c.csv"])).expect("rolled");
        assert_eq!((made.copied, made.added), (0, 2));
        assert_eq!(read_all(&next).len(), 2);
    }

    #[test]
    fn a_flipped_bit_stops_the_roll_and_names_the_file() {
        let mut wanted = entries(&["a.csv", "b.csv"]);
        wanted[1].crc32 ^= 1;
        assert!(matches!(roll(None, &wanted), Err(ArchiveError::Damaged(name)) if name == "b.csv"));
    }

    #[test]
    fn a_file_of_another_length_stops_the_roll_although_its_crc_is_right() {
        let mut wanted = entries(&["a.csv"]);
        wanted[0].size += 1;
        assert!(matches!(roll(None, &wanted), Err(ArchiveError::Damaged(name)) if name == "a.csv"));
    }

    #[test]
    fn a_file_that_was_replaced_by_one_of_the_same_length_is_read_anew() {
        let (last, _) = roll(None, &entries(&["a.csv", "b.csv"])).expect("rolled");
        let mut replaced = entries(&["a.csv", "b.csv"]);
        replaced[0].crc32 ^= 1;
        let last = Last::read(Cursor::new(&last), last.len() as u64).expect("a zip");
        assert!(!last.is_part_of(&replaced));
        assert!(last.is_part_of(&entries(&["a.csv", "b.csv", "c.csv"])));
    }

    /// Without this field the writer fails behind 4 GiB, and the zip of such a dataset could never be made.
    #[test]
    fn an_entry_that_may_need_64_bits_has_the_field_for_them() {
        let has_field = |size| {
            let entry = Entry { size, ..entry("a.mkv", b"") };
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            writer.start_file(&entry.name, entry.options()).expect("started");
            let bytes = writer.finish().expect("finished").into_inner();
            // The extra fields of the local header stand behind the name; number 1 is zip64 (APPNOTE 4.3.7 and 4.5.3).
            let extra = 30 + entry.name.len();
            bytes[extra..extra + 2] == [1, 0]
        };
        assert!(!has_field(1 << 30));
        assert!(has_field(u64::from(u32::MAX)) && has_field(5 << 30));
    }

    #[test]
    fn a_torn_last_generation_is_made_anew() {
        let wanted = entries(&["a.csv", "b.csv"]);
        let (last, _) = roll(None, &wanted).expect("rolled");
        let (next, made) = roll(Some(&last[..last.len() - 10]), &wanted).expect("rolled");
        assert_eq!((made.copied, made.added), (0, 2));
        assert_eq!(read_all(&next).len(), 2);
    }

    #[test]
    fn text_is_deflated_and_stored_entries_say_their_size_in_front() {
        let (bytes, _) = roll(None, &entries(&["a.csv", "b.zip"])).expect("rolled");
        let archive = ZipArchive::new(Cursor::new(&bytes)).expect("a zip");
        let [csv, zip] = [0, 1].map(|index| archive.by_index_data(index).expect("an entry"));
        assert!(csv.compressed_size() < csv.size());
        assert_eq!(zip.compressed_size(), zip.size());
        // Local header (APPNOTE 4.3.7): bit 3 of the flags would say that sizes and CRC come behind the data.
        let header = usize::try_from(zip.header_start()).expect("small");
        assert_eq!(bytes[header + 6] & 8, 0);
        let in_front = [14, 18, 22].map(|at| u32::from_le_bytes(bytes[header + at..header + at + 4].try_into().expect("four")));
        assert_eq!(in_front, [zip.crc32(), 1035, 1035]);
    }
}
