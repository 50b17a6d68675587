//! The directories of a TIFF or BigTIFF file: tags and their values, bounded. It knows no picture.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use super::super::{Input, read_failure};
use crate::error::{Error, Kind};
use crate::limits::Limits;

/// Entries of one directory that are read; a real one has under a hundred.
const ENTRIES: u64 = 4096;

/// One tag of a directory: where its value lies.
#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: u16,
    count: u64,
    at: u64,
}

/// A file with its byte order and width of offsets.
pub(super) struct File<'a> {
    input: Input<'a>,
    pub is_big_endian: bool,
    is_wide: bool,
    bytes: u64,
}

/// The tags of one directory.
pub(super) struct Directory {
    entries: BTreeMap<u16, Entry>,
    /// Offset of the next directory; 0 ends the chain.
    pub next: u64,
}

impl<'a> File<'a> {
    /// Reads the file header; also returns the offset of the first directory.
    pub fn opened(input: &Input<'a>) -> Result<(File<'a>, u64), Error> {
        let mut file = File {
            input: input.reopened(),
            is_big_endian: false,
            is_wide: false,
            bytes: input.source_bytes(),
        };
        let head = file.bytes_at(0, 8)?;
        file.is_big_endian = head.starts_with(b"MM");
        file.is_wide = head.get(2..4).is_some_and(|version| version.contains(&43));
        let first = if file.is_wide { file.uint_at(8, 8)? } else { file.uint_at(4, 4)? };
        Ok((file, first))
    }

    /// The tags of the directory at `offset`.
    pub fn directory(&mut self, offset: u64) -> Result<Directory, Error> {
        self.input.deadline().tick()?;
        let (count_bytes, entry_bytes, word) = if self.is_wide { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.uint_at(offset, count_bytes)?;
        if count == 0 || count > ENTRIES {
            return Err(Error::new(Kind::Unreadable, format!("a TIFF directory of {count} tags")));
        }
        let start = offset.saturating_add(count_bytes);
        let block = self.bytes_at(start, count * entry_bytes)?;
        let mut entries = BTreeMap::new();
        for (index, entry) in block.chunks_exact(entry_bytes as usize).enumerate() {
            let (tag, kind) = (self.uint(&entry[..2]) as u16, self.uint(&entry[2..4]) as u16);
            let count = self.uint(&entry[4..4 + word]);
            let inline = start + index as u64 * entry_bytes + 4 + word as u64;
            let length = count.saturating_mul(kind_bytes(kind));
            let at = if length <= word as u64 { inline } else { self.uint(&entry[4 + word..]) };
            entries.entry(tag).or_insert(Entry { kind, count, at });
        }
        // A file may end right behind its last entry.
        let next = self.uint_at(start + block.len() as u64, word as u64).unwrap_or(0);
        Ok(Directory { entries, next })
    }

    /// Unsigned values of a tag, at most `most`; more is an error, none is `None`.
    pub fn uints(
        &mut self,
        directory: &Directory,
        tag: u16,
        most: u64,
        limits: &Limits,
    ) -> Result<Option<Vec<u64>>, Error> {
        let Some(entry) = directory.entries.get(&tag).filter(|entry| entry.count > 0) else {
            return Ok(None);
        };
        let width = match entry.kind {
            1 | 7 => 1,
            3 => 2,
            4 | 13 => 4,
            16 | 18 => 8,
            kind => return Err(broken_tag(tag, format!("type {kind}"))),
        };
        if entry.count > most {
            return Err(broken_tag(tag, format!("{} values", entry.count)));
        }
        // As read, as numbers, and once more as another tag of the same picture.
        limits.check_memory(entry.count * 32)?;
        let bytes = self.bytes_at(entry.at, entry.count * width)?;
        Ok(Some(bytes.chunks_exact(width as usize).map(|value| self.uint(value)).collect()))
    }

    /// The first unsigned value of a tag.
    pub fn uint_of(&mut self, directory: &Directory, tag: u16) -> Result<Option<u64>, Error> {
        let limits = Limits::default();
        Ok(self.uints(directory, tag, 1 << 20, &limits)?.and_then(|values| values.first().copied()))
    }

    /// The bytes of a tag; `None` if there are none or more than `most`.
    pub fn block(
        &mut self,
        directory: &Directory,
        tag: u16,
        most: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(entry) = directory.entries.get(&tag) else { return Ok(None) };
        let length = entry.count.saturating_mul(kind_bytes(entry.kind));
        if length == 0 || length > most as u64 {
            return Ok(None);
        }
        self.bytes_at(entry.at, length).map(Some)
    }

    /// The first value of a tag of rational numbers.
    pub fn rational(&mut self, directory: &Directory, tag: u16) -> Option<f64> {
        let entry = directory.entries.get(&tag).filter(|e| e.kind == 5 && e.count > 0)?;
        let bytes = self.bytes_at(entry.at, 8).ok()?;
        let (numerator, denominator) = (self.uint(&bytes[..4]), self.uint(&bytes[4..]));
        (denominator > 0).then(|| numerator as f64 / denominator as f64)
    }

    /// Whether the directory has the tag.
    pub fn has(directory: &Directory, tag: u16) -> bool {
        directory.entries.contains_key(&tag)
    }

    /// Exactly `length` bytes from `offset`; an error where the file ends before.
    pub fn bytes_at(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, Error> {
        if offset.checked_add(length).is_none_or(|end| end > self.bytes) {
            return Err(Error::new(
                Kind::Unreadable,
                format!("TIFF data of {length} bytes at {offset} of {}", self.bytes),
            ));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.input.seek(SeekFrom::Start(offset)).map_err(|e| read_failure("TIFF", e))?;
        self.input.read_exact(&mut bytes).map_err(|e| read_failure("TIFF", e))?;
        Ok(bytes)
    }

    /// Length of the file.
    pub fn length(&self) -> u64 {
        self.bytes
    }

    fn uint_at(&mut self, offset: u64, width: u64) -> Result<u64, Error> {
        let bytes = self.bytes_at(offset, width)?;
        Ok(self.uint(&bytes))
    }

    fn uint(&self, bytes: &[u8]) -> u64 {
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        match self.is_big_endian {
            true => bytes.iter().fold(0, join),
            false => bytes.iter().rev().fold(0, join),
        }
    }
}

fn broken_tag(tag: u16, what: String) -> Error {
    Error::new(Kind::Unreadable, format!("TIFF tag {tag} has {what}"))
}

fn kind_bytes(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}
