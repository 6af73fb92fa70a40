//! Reads FlatBuffers without knowing their schema: tables by the numbers of their fields, vectors, strings, numbers.
//!
//! Each step goes through the verifier of the `flatbuffers` crate, which counts tables and bytes: a file that points at itself over and
//! over comes to an end.

use std::{iter::StepBy, ops::Range};

use flatbuffers::{InvalidFlatbuffer, Verifier, VerifierOptions};

use super::error::Flaw;

/// A file of more tables is no model for a watch.
const MOST_TABLES: usize = 500_000;
/// So many times its own size a file may grow to when what it shares is counted as often as it is used.
const MOST_SHARED: usize = 16;

/// The limits for a file of this length.
pub(super) fn options(length: usize) -> VerifierOptions {
    let max_apparent_size = length.saturating_mul(MOST_SHARED).saturating_add(1 << 20);
    VerifierOptions { max_depth: 1, max_tables: MOST_TABLES, max_apparent_size, ignore_missing_null_terminator: false }
}

/// Where the fields of a table lie, by their numbers.
pub(super) type Table<const N: usize> = [Option<usize>; N];

/// Reads a file from its root on.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    verifier: Verifier<'a, 'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(options: &'a VerifierOptions, bytes: &'a [u8]) -> Self {
        Self { bytes, verifier: Verifier::new(options, bytes) }
    }

    /// The first fields of the root.
    pub(super) fn root<const N: usize>(&mut self) -> Result<Table<N>, Flaw> {
        self.table(0)
    }

    /// The first fields of the table that the offset at `at` points to.
    pub(super) fn table<const N: usize>(&mut self, at: usize) -> Result<Table<N>, Flaw> {
        let position = self.follow(at)?;
        let mut table = self.verifier.visit_table(position).map_err(flaw)?;
        let mut fields = [None; N];
        for (number, field) in (0..).zip(&mut fields) {
            *field = table.deref(4 + 2 * number).map_err(flaw)?;
        }
        table.finish();
        Ok(fields)
    }

    /// Looks whether there is a table, where one may be.
    pub(super) fn walk(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        field.map_or(Ok(()), |at| self.table::<0>(at).map(drop))
    }

    /// The bytes of a vector of elements of `size` bytes; none where there is no such field.
    pub(super) fn vector(&mut self, field: Option<usize>, size: usize) -> Result<&'a [u8], Flaw> {
        let range = self.range(field, size)?;
        Ok(&self.bytes[range])
    }

    /// Where the offsets of a vector of tables or strings lie.
    pub(super) fn offsets(&mut self, field: Option<usize>) -> Result<StepBy<Range<usize>>, Flaw> {
        Ok(self.range(field, 4)?.step_by(4))
    }

    /// The bytes of a string; none where there is no such field.
    pub(super) fn string(&mut self, field: Option<usize>) -> Result<&'a [u8], Flaw> {
        let range = self.range(field, 1)?;
        if field.is_some() && self.verifier.get_u8(range.end).map_err(flaw)? != 0 {
            return Flaw::damaged("a text in it has no end");
        }
        Ok(&self.bytes[range])
    }

    /// Looks at each string of a vector.
    pub(super) fn strings(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        for at in self.offsets(field)? {
            self.string(Some(at))?;
        }
        Ok(())
    }

    /// A number of `N` bytes; all 0 where there is no such field.
    pub(super) fn number<const N: usize>(&mut self, field: Option<usize>) -> Result<[u8; N], Flaw> {
        let mut number = [0; N];
        if let Some(at) = field {
            self.check(at, N)?;
            number.copy_from_slice(&self.bytes[at..at + N]);
        }
        Ok(number)
    }

    /// A number that counts or points to something; 0 where there is no such field.
    pub(super) fn index(&mut self, field: Option<usize>) -> Result<usize, Flaw> {
        Ok(large(u32::from_le_bytes(self.number(field)?).into()))
    }

    /// That so many bytes lie at `at`, counted from the file's start.
    pub(super) fn check(&mut self, at: usize, size: usize) -> Result<(), Flaw> {
        self.verifier.range_in_buffer(at, size).map_err(flaw)
    }

    fn range(&mut self, field: Option<usize>, size: usize) -> Result<Range<usize>, Flaw> {
        let Some(field) = field else { return Ok(0..0) };
        let at = self.follow(field)?;
        let count = self.verifier.get_uoffset(at).map_err(flaw)?;
        let (start, length) = (at + 4, large(count.into()).saturating_mul(size));
        self.check(start, length)?;
        Ok(start..start + length)
    }

    /// Where the offset at `at` points to.
    fn follow(&mut self, at: usize) -> Result<usize, Flaw> {
        let offset = self.verifier.get_uoffset(at).map_err(flaw)?;
        Ok(large(offset.into()).saturating_add(at))
    }
}

/// A place in a file; one that no file has, where the number is too large.
pub(super) fn large(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What the verifier finds wrong, for people.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn flaw(error: InvalidFlatbuffer) -> Flaw {
    let what = match error {
        InvalidFlatbuffer::RangeOutOfBounds { .. } | InvalidFlatbuffer::SignedOffsetOutOfBounds { .. } => {
            "it points to bytes behind its end"
        }
        InvalidFlatbuffer::TooManyTables | InvalidFlatbuffer::ApparentSizeTooLarge => "it has more parts than a file of its size can hold",
        _ => "it points to bytes that cannot be what they should",
    };
    Flaw::Damaged(what.to_owned())
}
