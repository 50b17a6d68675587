//! The text of a data file to its fields, in the memory of the file itself (catalogs-and-server.md section 5).
//!
//! It knows no column and no key, and opens no file. Fields are cut at ASCII characters only, so what was UTF-8 stays
//! UTF-8.

use crate::config::Severity;

/// The fields of a file behind its header.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// The stored fields one behind the other.
    pub text: Vec<u8>,
    /// End of each stored field in `text`, row by row; [`QUOTED`] says that the field was quoted.
    pub ends: Vec<u32>,
    /// The line of each row.
    pub lines: Vec<u32>,
}

/// Marks the end of a field that was quoted; a file is smaller than this many bytes.
pub(super) const QUOTED: u32 = 1 << 31;

/// A field as it stands in the buffer.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    end: usize,
    is_quoted: bool,
}

/// What stands behind a field.
enum After {
    Tab,
    LineEnd,
    FileEnd,
    Else,
}

/// Reads a buffer from the front and writes shorter text into what has been read.
struct Cursor {
    bytes: Vec<u8>,
    at: usize,
    line: u32,
}

impl Cursor {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at.checked_add(ahead)?).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn find(&self, from: usize, is_it: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest.iter().position(|byte| is_it(*byte)).unwrap_or(rest.len())
    }

    fn after(&mut self) -> After {
        let (length, after) = match (self.peek(0), self.peek(1)) {
            (None, _) => return After::FileEnd,
            (Some(b'\t'), _) => (1, After::Tab),
            (Some(b'\r'), Some(b'\n')) => (2, After::LineEnd),
            (Some(b'\r' | b'\n'), _) => (1, After::LineEnd),
            (Some(_), _) => return After::Else,
        };
        self.at += length;
        if matches!(after, After::LineEnd) {
            self.line = self.line.saturating_add(1);
        }
        after
    }

    fn unquoted(&mut self) -> Piece {
        let start = self.at;
        self.at = self.find(start, |byte| matches!(byte, b'\t' | b'\r' | b'\n'));
        Piece { start, end: self.at, is_quoted: false }
    }

    /// The quote that ends the field which starts at `from`; `None` if none does.
    fn closing(&self, mut from: usize) -> Option<usize> {
        loop {
            let quote = self.find(from, |byte| byte == b'"');
            self.bytes.get(quote)?;
            if self.bytes.get(quote + 1) != Some(&b'"') {
                return Some(quote);
            }
            from = quote + 2;
        }
    }

    /// The field behind a quote; `None` if it never ends. Doubled quotes become one where they stand.
    fn quoted(&mut self) -> Option<Piece> {
        let start = self.at + 1;
        let closing = self.closing(start)?;
        let (mut to, mut previous) = (start, 0);
        let mut from = start;
        while from < closing {
            let byte = self.bytes.get(from).copied()?;
            if byte == b'\r' || (byte == b'\n' && previous != b'\r') {
                self.line = self.line.saturating_add(1);
            }
            previous = byte;
            *self.bytes.get_mut(to)? = byte;
            to += 1;
            from += if byte == b'"' { 2 } else { 1 };
        }
        self.at = closing + 1;
        Some(Piece { start, end: to, is_quoted: true })
    }

    fn skip_line(&mut self) {
        self.at = self.find(self.at, |byte| matches!(byte, b'\r' | b'\n'));
        self.after();
    }

    /// The fields of one record, or what is wrong with it; the cursor stands on the next line afterwards.
    fn record(&mut self, pieces: &mut Vec<Piece>) -> Result<(), &'static str> {
        pieces.clear();
        loop {
            let piece = match self.peek(0) {
                // All quotes behind one that does not end are pairs, so the file is searched in vain once at most.
                Some(b'"') => self.quoted(),
                _ => Some(self.unquoted()),
            };
            let Some(piece) = piece else {
                self.skip_line();
                return Err("a quoted field does not end");
            };
            pieces.push(piece);
            match self.after() {
                After::Tab => {}
                After::LineEnd | After::FileEnd => return Ok(()),
                After::Else => {
                    self.skip_line();
                    return Err("text stands behind the closing quote of a field, expected TAB");
                }
            }
        }
    }
}

/// A file with its header read.
pub(super) struct Records(Cursor);

/// Reads the header: the names of the fields.
pub(super) fn header(text: String) -> Result<(Vec<String>, Records), &'static str> {
    let mut cursor = Cursor { bytes: text.into_bytes(), at: 0, line: 1 };
    let mut pieces = Vec::new();
    cursor.record(&mut pieces)?;
    let name = |piece: &Piece| {
        let bytes = cursor.bytes.get(piece.start..piece.end).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let names = pieces.iter().map(name).collect();
    Ok((names, Records(cursor)))
}

impl Records {
    /// Reads all records and keeps the fields `stored` of each, indices into the `width` names of the header. Faults go
    /// to `tell` with their lines; a record that is broken is left out.
    pub(super) fn scan(
        self,
        stored: &[usize],
        width: usize,
        mut tell: impl FnMut(Severity, u32, String),
    ) -> Scanned {
        let Records(mut cursor) = self;
        let mut out = Scanned::default();
        let mut pieces = Vec::new();
        // The end of what is kept; never beyond what has been read.
        let mut kept = 0;
        while !cursor.is_at_end() {
            let line = cursor.line;
            if let Err(message) = cursor.record(&mut pieces) {
                tell(Severity::Error, line, format!("{message}; the record is left out"));
                continue;
            }
            if let [piece] = pieces.as_slice()
                && !piece.is_quoted
                && piece.start == piece.end
            {
                continue;
            }
            if pieces.len() > width {
                let count = pieces.len();
                let message = format!("{count} fields, expected {width}; the others are ignored");
                tell(Severity::Warning, line, message);
            }
            // Columns are stored in the order of the file, so each field moves to the front.
            for index in stored {
                let quoted = match pieces.get(*index) {
                    Some(piece) => {
                        cursor.bytes.copy_within(piece.start..piece.end, kept);
                        kept += piece.end - piece.start;
                        if piece.is_quoted { QUOTED } else { 0 }
                    }
                    None => 0,
                };
                out.ends.push(u32::try_from(kept).unwrap_or(u32::MAX) & !QUOTED | quoted);
            }
            out.lines.push(line);
        }
        cursor.bytes.truncate(kept);
        out.text = cursor.bytes;
        out
    }
}
