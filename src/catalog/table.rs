//! Catalog data files: tab-separated text to rows that are looked up by key (catalogs-and-server.md section 5).
//!
//! All fields of a table lie in one string, with one `u32` for each field and one hash for each key, so that large
//! tables stay small. It knows no column and opens no file.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use crate::config::{Fault, Severity};
use crate::error::shown;

/// The columns of one kind of table.
#[derive(Debug)]
pub struct Columns {
    /// Names that are known; a row gives its fields by index into this list.
    pub names: &'static [&'static str],
    /// How many of them, from the first on, make the key; the first must be there and not be empty.
    pub key: usize,
    /// Whether keys compare without case.
    pub folds_case: bool,
}

/// The rows of one data file.
#[derive(Debug)]
pub struct Table {
    columns: &'static Columns,
    /// For each known column its place in a row, where the file has it.
    places: Vec<Option<usize>>,
    width: usize,
    text: String,
    /// End of each field in `text`, row by row; the top bit says that the field was quoted.
    ends: Vec<u32>,
    hasher: RandomState,
    rows: HashMap<u64, u32, AsIs>,
    /// Rows whose hash another key had first.
    collisions: Vec<u32>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    table: &'a Table,
    row: usize,
}

/// A field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its text, without enclosing quotes.
    pub text: &'a str,
    /// Whether it was enclosed in quotes.
    pub is_quoted: bool,
}

const QUOTED: u32 = 1 << 31;

/// Faults of one file that are told one by one.
const TOLD_FAULTS: usize = 100;

/// The key is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs(u64);

impl BuildHasher for AsIs {
    type Hasher = AsIs;

    fn build_hasher(&self) -> AsIs {
        AsIs(0)
    }
}

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<'a> Row<'a> {
    /// The field of the known column `index`; `None` where the file has no such column or the field is empty.
    pub fn field(self, index: usize) -> Option<Field<'a>> {
        let place = self.table.places.get(index).copied().flatten()?;
        self.at(place).filter(|field| !field.text.is_empty())
    }

    /// The text of that field.
    pub fn text(self, index: usize) -> Option<&'a str> {
        self.field(index).map(|field| field.text)
    }

    fn at(self, place: usize) -> Option<Field<'a>> {
        let index = self.row.checked_mul(self.table.width)?.checked_add(place)?;
        let end = *self.table.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.table.ends.get(before)? & !QUOTED,
            None => 0,
        };
        let range = usize::try_from(start).ok()?..usize::try_from(end & !QUOTED).ok()?;
        Some(Field { text: self.table.text.get(range)?, is_quoted: end & QUOTED != 0 })
    }

    fn key(self) -> impl Iterator<Item = &'a str> {
        (0..self.table.columns.key).map(move |index| self.text(index).unwrap_or(""))
    }
}

/// A place in the text of a file, and its line.
struct Cursor<'t> {
    rest: &'t str,
    line: u32,
}

/// What stood behind a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Tab,
    LineEnd,
    FileEnd,
}

impl<'t> Cursor<'t> {
    /// Takes the separator in front; `None` if there is something else.
    fn separator(&mut self) -> Option<After> {
        if self.rest.is_empty() {
            return Some(After::FileEnd);
        }
        if let Some(rest) = self.rest.strip_prefix('\t') {
            self.rest = rest;
            return Some(After::Tab);
        }
        let rest =
            self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix(['\r', '\n']))?;
        self.rest = rest;
        self.line = self.line.saturating_add(1);
        Some(After::LineEnd)
    }

    fn unquoted(&mut self) -> &'t str {
        let end = self.rest.find(['\t', '\r', '\n']).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        field
    }

    /// The rest of a quoted field behind its first quote; `None` if it never ends.
    fn quoted(&mut self) -> Option<String> {
        let mut field = String::new();
        loop {
            let (part, rest) = self.rest.split_once('"')?;
            let ends = part.replace("\r\n", "\n").matches(['\r', '\n']).count();
            self.line = self.line.saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
            field.push_str(part);
            self.rest = rest;
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    field.push('"');
                    self.rest = rest;
                }
                None => return Some(field),
            }
        }
    }

    fn skip_line(&mut self) {
        let end = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or("");
        self.separator();
    }

    /// The fields of one record, or what is wrong with it; the cursor stands on the next line afterwards.
    fn record(&mut self, fields: &mut Vec<(String, bool)>) -> Result<(), &'static str> {
        fields.clear();
        loop {
            let (field, is_quoted) = match self.rest.strip_prefix('"') {
                None => (self.unquoted().to_owned(), false),
                Some(rest) => {
                    let (start, line) = (rest, self.line);
                    self.rest = rest;
                    match self.quoted() {
                        Some(field) => (field, true),
                        None => {
                            (self.rest, self.line) = (start, line);
                            self.skip_line();
                            return Err("a quoted field does not end");
                        }
                    }
                }
            };
            fields.push((field, is_quoted));
            match self.separator() {
                Some(After::Tab) => {}
                Some(After::LineEnd | After::FileEnd) => return Ok(()),
                None => {
                    self.skip_line();
                    return Err("text stands behind the closing quote of a field, expected TAB");
                }
            }
        }
    }
}

/// Tells the first faults of a file one by one and counts the others.
struct Teller<'f> {
    file: &'f Path,
    faults: &'f mut Vec<Fault>,
    told: usize,
    more: usize,
}

impl Teller<'_> {
    fn tell(&mut self, severity: Severity, line: u32, message: String) {
        if self.told == TOLD_FAULTS {
            self.more += 1;
            return;
        }
        self.told += 1;
        self.faults.push(Fault::new(severity, self.file, Some(line), message));
    }
}

/// Looks at a row before it is kept: `false` rejects it; faults go to the function.
pub type Accept = fn(Row<'_>, &mut dyn FnMut(Severity, String)) -> bool;

impl Table {
    /// Reads the text of a data file. `None`: its header is bad, or it is too large, and `faults` says so; a bad
    /// record is left out. A key that comes again replaces the earlier row.
    pub fn read(
        text: &str,
        columns: &'static Columns,
        file: &Path,
        accept: Accept,
        faults: &mut Vec<Fault>,
    ) -> Option<Table> {
        let mut teller = Teller { file, faults, told: 0, more: 0 };
        let mut cursor = Cursor { rest: text, line: 1 };
        let mut fields = Vec::new();
        if text.len() >= QUOTED as usize {
            teller.tell(Severity::Error, 1, "the file is larger than 2 GiB".to_owned());
            return None;
        }
        if let Err(message) = cursor.record(&mut fields) {
            teller.tell(Severity::Error, 1, message.to_owned());
            return None;
        }
        let header: Vec<String> = fields.drain(..).map(|(name, _)| name).collect();
        let places = header_places(&header, columns, &mut teller)?;
        let (places, stored, width) = compact(&places, header.len());
        let mut table = Table {
            columns,
            places,
            width,
            text: String::new(),
            ends: Vec::new(),
            hasher: RandomState::new(),
            rows: HashMap::default(),
            collisions: Vec::new(),
        };
        while !cursor.rest.is_empty() {
            let line = cursor.line;
            match cursor.record(&mut fields) {
                Err(message) => {
                    teller.tell(
                        Severity::Error,
                        line,
                        format!("{message}; the record is left out"),
                    );
                }
                Ok(()) if matches!(fields.as_slice(), [(field, false)] if field.is_empty()) => {}
                Ok(()) => {
                    if fields.len() > header.len() {
                        let message = format!(
                            "{} fields, expected {}; the others are ignored",
                            fields.len(),
                            header.len()
                        );
                        teller.tell(Severity::Warning, line, message);
                    }
                    table.keep(&fields, &stored, line, accept, &mut teller);
                }
            }
        }
        let (more, faults) = (teller.more, teller.faults);
        if more > 0 {
            let message = format!("{more} more faults in this file");
            faults.push(Fault::new(Severity::Warning, file, None, message));
        }
        table.text.shrink_to_fit();
        table.ends.shrink_to_fit();
        Some(table)
    }

    /// Appends a row and makes it the one of its key, unless it is not acceptable.
    fn keep(
        &mut self,
        fields: &[(String, bool)],
        stored: &[usize],
        line: u32,
        accept: Accept,
        teller: &mut Teller<'_>,
    ) {
        let (text_before, ends_before) = (self.text.len(), self.ends.len());
        let row = ends_before / self.width.max(1);
        for index in stored {
            let (field, is_quoted) = fields.get(*index).map_or(("", false), |(f, q)| (f, *q));
            self.text.push_str(field);
            // A file is below 2 GiB, and its fields together are no longer than it.
            let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX >> 1) & !QUOTED;
            self.ends.push(if is_quoted { end | QUOTED } else { end });
        }
        let view = Row { table: self, row };
        let is_good = if view.text(0).is_none() {
            let name = self.columns.names.first().copied().unwrap_or_default();
            teller.tell(Severity::Warning, line, format!("record without {name}; it is left out"));
            false
        } else {
            accept(view, &mut |severity, message| teller.tell(severity, line, message))
        };
        if !is_good {
            self.text.truncate(text_before);
            self.ends.truncate(ends_before);
            return;
        }
        let hash = self.hash(view.key());
        let Ok(number) = u32::try_from(row) else { return };
        let other = self.rows.get(&hash).copied();
        match other.map(|other| self.is_same_key(other, view)) {
            None | Some(true) => {
                self.rows.insert(hash, number);
            }
            Some(false) => {
                let found = self.collisions.iter().position(|other| self.is_same_key(*other, view));
                match found.and_then(|index| self.collisions.get_mut(index)) {
                    Some(slot) => *slot = number,
                    None => self.collisions.push(number),
                }
            }
        }
    }

    fn hash<'k>(&self, key: impl Iterator<Item = &'k str>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for part in key {
            for byte in part.bytes() {
                hasher.write_u8(if self.columns.folds_case {
                    byte.to_ascii_lowercase()
                } else {
                    byte
                });
            }
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        if self.columns.folds_case { one.eq_ignore_ascii_case(other) } else { one == other }
    }

    fn is_same_key(&self, row: u32, other: Row<'_>) -> bool {
        self.row(row).key().zip(other.key()).all(|(one, other)| self.is_same(one, other))
    }

    fn row(&self, row: u32) -> Row<'_> {
        Row { table: self, row: usize::try_from(row).unwrap_or(usize::MAX) }
    }

    /// The row whose key is `key` alone (for keys of one column). Constant time.
    pub fn get(&self, key: &str) -> Option<Row<'_>> {
        if key.is_empty() {
            return None;
        }
        let is_it = |row: &u32| self.row(*row).text(0).is_some_and(|own| self.is_same(own, key));
        let first = self.rows.get(&self.hash(std::iter::once(key))).filter(|row| is_it(row));
        first.or_else(|| self.collisions.iter().find(|row| is_it(row))).map(|row| self.row(*row))
    }

    /// The rows in force, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut rows: Vec<u32> = self.rows.values().chain(&self.collisions).copied().collect();
        rows.sort_unstable();
        rows.into_iter().map(|row| self.row(row))
    }

    /// The number of rows in force.
    pub fn len(&self) -> usize {
        self.rows.len() + self.collisions.len()
    }
}

/// For each known column its index in the header.
fn header_places(
    header: &[String],
    columns: &Columns,
    teller: &mut Teller<'_>,
) -> Option<Vec<Option<usize>>> {
    let mut places = vec![None; columns.names.len()];
    let mut seen: Vec<&str> = Vec::new();
    for (index, name) in header.iter().enumerate() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            let message =
                format!("header names field {}, expected letters, digits, - and _", shown(name));
            teller.tell(Severity::Error, 1, message);
            return None;
        }
        if seen.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            teller.tell(Severity::Error, 1, format!("header names field {} twice", shown(name)));
            return None;
        }
        seen.push(name);
        let known = columns.names.iter().position(|known| known.eq_ignore_ascii_case(name));
        match known.and_then(|known| places.get_mut(known)) {
            Some(place) => *place = Some(index),
            None if name.starts_with('.') => {}
            None => {
                let message = format!("field {} is not known; ignored", shown(name));
                teller.tell(Severity::Warning, 1, message);
            }
        }
    }
    if places.first().copied().flatten().is_none() {
        let name = columns.names.first().copied().unwrap_or_default();
        teller.tell(Severity::Error, 1, format!("header has no field {name}"));
        return None;
    }
    Some(places)
}

/// Keeps known columns only: places within a stored row, and which fields of the file are stored.
fn compact(places: &[Option<usize>], width: usize) -> (Vec<Option<usize>>, Vec<usize>, usize) {
    let stored: Vec<usize> = (0..width).filter(|index| places.contains(&Some(*index))).collect();
    let place = |index: &Option<usize>| stored.iter().position(|stored| Some(*stored) == *index);
    let compacted = places.iter().map(place).collect();
    let width = stored.len();
    (compacted, stored, width)
}
