//! The body of a reply: bytes in memory, or a part of an open file that is read while it is sent. Opens no file.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of a file that are in memory at a time while it is sent.
pub const BLOCK_BYTES: usize = 256 << 10;

/// What follows the head of a reply.
///
/// Dereferences to the bytes in memory, of which a part of a file has none; code that sends uses [`Body::write_to`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Everything, in memory.
    Bytes(Vec<u8>),
    /// To be read from a file.
    File(FilePart),
}

impl Body {
    /// No body.
    pub fn empty() -> Body {
        Body::Bytes(Vec::new())
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(part) => part.length,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, unless they are those of a file.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Body::Bytes(bytes) => Some(bytes),
            Body::File(_) => None,
        }
    }

    /// Writes all of it, a file block by block.
    ///
    /// Fails as `output` and as the reader of [`FilePart::reader`] do; a part may have been written by then.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        match self {
            Body::Bytes(bytes) => output.write_all(bytes),
            Body::File(part) => part.write_to(output),
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes().unwrap_or_default()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::Bytes(bytes)
    }
}

/// A part of an open file. Two are equal when they are the same part of the same handle.
#[derive(Clone, Debug)]
pub struct FilePart {
    file: Arc<File>,
    offset: u64,
    length: u64,
}

impl PartialEq for FilePart {
    fn eq(&self, other: &FilePart) -> bool {
        let is_same_file = Arc::ptr_eq(&self.file, &other.file);
        is_same_file && (self.offset, self.length) == (other.offset, other.length)
    }
}

impl Eq for FilePart {}

impl FilePart {
    /// `length` bytes of `file` from `offset` on; whether the file has them is found out by reading.
    pub fn new(file: File, offset: u64, length: u64) -> FilePart {
        FilePart { file: Arc::new(file), offset, length }
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// First byte, counted from the beginning of the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the part from its beginning; independent of other readers.
    ///
    /// Fails with `UnexpectedEof` when the file has become shorter: its length was announced, so nothing but the end
    /// of the connection can tell the client.
    pub fn reader(&self) -> FilePartReader<'_> {
        FilePartReader { file: &self.file, offset: self.offset, left: self.length }
    }

    /// Writes all of it, block by block.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        let mut reader = self.reader();
        let mut block =
            vec![0; BLOCK_BYTES.min(usize::try_from(self.length).unwrap_or(usize::MAX))];
        loop {
            match reader.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(count) => output.write_all(block.get(..count).unwrap_or_default())?,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
    }
}

/// Reads a [`FilePart`].
#[derive(Debug)]
pub struct FilePartReader<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for FilePartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.file.read_at(buffer, self.offset)?;
        if count == 0 {
            let detail = format!("the file ends {} bytes early", self.left);
            return Err(io::Error::new(ErrorKind::UnexpectedEof, detail));
        }
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
