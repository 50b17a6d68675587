//! One entry of the cache: the head and the content of its file. Opens no names and removes nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::Key;
use crate::limits::Limits;

const MAGIC: &[u8; 8] = b"imprintR";
const VERSION: u32 = 1;

/// Longest media type that an entry can have.
const MIME_BYTES: usize = 128;

/// Bytes in front of the content: magic, version, checksum and length of the content, key, media type, and the
/// checksum of all that. Numbers are little endian.
pub(super) const HEAD_BYTES: usize = 192;

const CHECKED_BYTES: usize = HEAD_BYTES - 4;
const MIME_AT: usize = CHECKED_BYTES - MIME_BYTES;

/// A stored reply: its file, open. It can be read to its end even when the entry is removed or replaced meanwhile.
#[derive(Debug)]
pub struct CachedReply {
    file: File,
    mime: String,
    length: u64,
    checksum: u32,
}

impl CachedReply {
    /// The entry in `file`; `None` for a file that is not whole, of another version, for another key, or not ours.
    pub(super) fn of_file(file: File, key: &Key) -> Option<CachedReply> {
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, 0).ok()?;
        let checked = head.get(..CHECKED_BYTES)?;
        let is_ours = checked.get(..8)? == MAGIC
            && number::<4>(checked, 8)? == VERSION.to_le_bytes()
            && number::<32>(checked, 24)? == key.0
            && number::<4>(&head, CHECKED_BYTES)? == crc32fast::hash(checked).to_le_bytes();
        if !is_ours {
            return None;
        }
        let length = u64::from_le_bytes(number(checked, 16)?);
        if file.metadata().ok()?.size() != length.checked_add(HEAD_BYTES as u64)? {
            return None;
        }
        let mime_bytes = usize::from(*checked.get(56)?);
        let mime = checked.get(MIME_AT..MIME_AT.checked_add(mime_bytes)?)?;
        let mime = std::str::from_utf8(mime).ok()?.to_owned();
        let checksum = u32::from_le_bytes(number(checked, 12)?);
        Some(CachedReply { file, mime, length, checksum })
    }

    /// The media type that it was stored with.
    pub fn mime(&self) -> &str {
        &self.mime
    }

    /// Bytes of the content.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file and the offset in it at which the content begins, for who sends a range of a file.
    pub fn file(&self) -> (&File, u64) {
        (&self.file, HEAD_BYTES as u64)
    }

    /// The content, if it is what was stored; `None` for one that a fault of the disk has changed, that cannot be read,
    /// and that is larger than a request may hold.
    pub fn content(&self, limits: &Limits) -> Option<Vec<u8>> {
        let mut content = limits.zeroed(self.length).ok()?;
        self.file.read_exact_at(&mut content, HEAD_BYTES as u64).ok()?;
        (crc32fast::hash(&content) == self.checksum).then_some(content)
    }
}

/// Writes head and content; `InvalidInput` for a media type that is not 1 to 128 printable ASCII characters.
pub(super) fn write(file: &mut File, key: &Key, mime: &str, content: &[u8]) -> io::Result<()> {
    let is_printable = mime.bytes().all(|b| (0x20..0x7f).contains(&b));
    let mime_bytes = u8::try_from(mime.len()).ok();
    let mime_bytes = mime_bytes.filter(|&b| is_printable && (1..=MIME_BYTES).contains(&b.into()));
    let Some(mime_bytes) = mime_bytes else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
    head.extend_from_slice(&(content.len() as u64).to_le_bytes());
    head.extend_from_slice(&key.0);
    head.push(mime_bytes);
    head.resize(MIME_AT, 0);
    head.extend_from_slice(mime.as_bytes());
    head.resize(CHECKED_BYTES, 0);
    head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    file.write_all(&head)?;
    file.write_all(content)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
