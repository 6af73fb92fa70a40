//! A PyTorch archive: a zip, whose checksums are verified. What it pickles is a program, and is never run.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

// Not `ZipArchive`, which keeps hundreds of bytes for each entry of a hostile directory, and takes the room before it has read them.
use zip::{
    ZipReadOptions,
    read::{Config, ZipFile},
    result::ZipError,
    unstable::read::ZipIterable,
};

use super::{Facts, Format, error::Flaw, facts::name};

/// What a zip begins with.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";
/// Finding the end of a zip reads no more.
const MOST_SEARCHED: u64 = 4 << 20;
/// What its parts may unpack to beyond a multiple of its own length; PyTorch stores its weights as they are.
const ROOM: u64 = 16 << 20;
/// A file of more parts is no model for a watch.
const MOST_PARTS: usize = 1 << 16;

/// Reads a whole file.
pub(super) fn read(bytes: &[u8]) -> Result<Facts, Flaw> {
    if !bytes.starts_with(MAGIC) {
        return Flaw::unknown("it is no zip, as torch.jit.save and, since PyTorch 1.6, torch.save write it");
    }
    let parts = Parts::read(bytes)?;
    if !parts.pickle || !(parts.constants || parts.version.is_some()) {
        return Flaw::unknown("it is a zip without the data.pkl and the version of a model");
    }
    let made_by = if parts.constants { "TorchScript" } else { "torch.save" };
    let version = parts.version.map_or_else(String::new, |version| format!(", archive version {version}"));
    let made_by = format!("{made_by}{version}");
    Ok(Facts { format: Format::PyTorch, made_by, opsets: Vec::new(), inputs: Vec::new(), outputs: Vec::new() })
}

/// What of an archive tells that it is one of PyTorch's.
#[derive(Default)]
struct Parts {
    /// The folder that all of it lies in.
    top: Vec<u8>,
    pickle: bool,
    constants: bool,
    version: Option<String>,
}

impl Parts {
    fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let most = length.saturating_mul(4).saturating_add(ROOM);
        let mut zip = ZipIterable::try_new(Bounded { bytes: Cursor::new(bytes), left: MOST_SEARCHED }, Config::default()).map_err(flaw)?;
        if zip.len() > MOST_PARTS {
            return Flaw::unfit(format!("it has more than {MOST_PARTS} parts"));
        }
        let entries = zip.files().map_err(flaw)?;
        entries.reader_mut().left = most;
        let (mut parts, mut left) = (Self::default(), most);
        while let Some(entry) = entries.next() {
            let mut entry = entry.and_then(|entry| entry.with_reader(entries.reader_mut(), ZipReadOptions::new())).map_err(flaw)?;
            left -= parts.take(&mut entry, left)?;
        }
        Ok(parts)
    }

    /// Reads an entry to its end, so that its checksum is verified, and says how long it is.
    fn take(&mut self, entry: &mut ZipFile<'_, Bounded<'_>>, left: u64) -> Result<u64, Flaw> {
        let path = entry.name_raw().to_vec();
        let (mut start, mut entry) = (Vec::new(), entry.take(left));
        let unpacked = entry.by_ref().take(20).read_to_end(&mut start).and_then(|read| {
            let rest = io::copy(&mut entry, &mut io::sink())?;
            Ok(rest + u64::try_from(read).unwrap_or(u64::MAX))
        });
        let unpacked = unpacked.map_err(|error| flaw(error.into()))?;
        if unpacked == left {
            return Flaw::unfit("it unpacks to many times its length: export it again");
        }
        self.note(&path, &start);
        Ok(unpacked)
    }

    fn note(&mut self, path: &[u8], start: &[u8]) {
        let Some(slash) = path.iter().position(|byte| *byte == b'/') else { return };
        let (top, rest) = path.split_at(slash);
        if self.top.is_empty() {
            self.top = top.to_vec();
        }
        match rest {
            _ if top != self.top => {}
            b"/data.pkl" => self.pickle = true,
            b"/constants.pkl" => self.constants = true,
            b"/version" => self.version = Some(name(start)),
            _ => {}
        }
    }
}

/// Bytes, of which no more than so many are read, however often.
struct Bounded<'a> {
    bytes: Cursor<&'a [u8]>,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        let left = self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX));
        self.left = left.ok_or_else(|| io::Error::other("its parts lie over each other, or its end is not found"))?;
        Ok(read)
    }
}

impl Seek for Bounded<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// What the zip reader finds wrong, for people.
fn flaw(error: ZipError) -> Flaw {
    match error {
        ZipError::Io(error) => Flaw::Damaged(error.to_string().to_lowercase()),
        error => Flaw::Damaged(error.to_string().to_lowercase()),
    }
}

/// Whether it is a zip that holds a `data.pkl`, be it whole or not.
pub(super) fn is_meant(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) && Parts::read(bytes).is_ok_and(|parts| parts.pickle)
}
