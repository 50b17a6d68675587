//! Catalog data files: tab-separated text to rows that are looked up by key (catalogs-and-server.md section 5).
//!
//! All fields of a table lie in one string, which is the memory of the file, with one `u32` for each field and six bytes
//! for each key, so that large tables stay small. It knows no column and opens no file.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use crate::config::{Fault, Severity};
use crate::error::shown;

use super::index::Index;
use super::scan::{self, QUOTED, Scanned};

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
    /// End of each field in `text`, row by row; the top bit says that the field was quoted. Every row is in force.
    ends: Vec<u32>,
    rows: u32,
    hasher: RandomState,
    index: Index,
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

/// Faults of one file that are told one by one.
const TOLD_FAULTS: usize = 100;

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

/// Tells the first faults of a file one by one, in the order of its lines, and counts the others.
#[derive(Default)]
struct Teller {
    told: Vec<(u32, Severity, String)>,
    more: usize,
}

impl Teller {
    fn tell(&mut self, severity: Severity, line: u32, message: String) {
        self.told.push((line, severity, message));
        // Each pass goes down the file, so what is cut off stands below what is kept.
        if self.told.len() == 4 * TOLD_FAULTS {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.told.sort_by_key(|(line, _, _)| *line);
        self.more += self.told.len().saturating_sub(TOLD_FAULTS);
        self.told.truncate(TOLD_FAULTS);
    }

    fn finish(mut self, file: &Path, faults: &mut Vec<Fault>) {
        self.cut();
        for (line, severity, message) in self.told {
            faults.push(Fault::new(severity, file, Some(line), message));
        }
        if self.more > 0 {
            let message = format!("{} more faults in this file", self.more);
            faults.push(Fault::new(Severity::Warning, file, None, message));
        }
    }
}

/// Looks at a row before it is kept: `false` rejects it; faults go to the function.
pub type Accept = fn(Row<'_>, &mut dyn FnMut(Severity, String)) -> bool;

impl Table {
    /// Reads the text of a data file, in its own memory. `None`: its header is bad, or it is too large, and `faults`
    /// says so; a bad record is left out. A key that comes again replaces the earlier row.
    pub fn read(
        text: String,
        columns: &'static Columns,
        file: &Path,
        accept: Accept,
        faults: &mut Vec<Fault>,
    ) -> Option<Table> {
        let mut teller = Teller::default();
        let table = Table::read_telling(text, columns, accept, &mut teller);
        teller.finish(file, faults);
        table
    }

    fn read_telling(
        text: String,
        columns: &'static Columns,
        accept: Accept,
        teller: &mut Teller,
    ) -> Option<Table> {
        if text.len() >= QUOTED as usize {
            teller.tell(Severity::Error, 1, "the file is larger than 2 GiB".to_owned());
            return None;
        }
        let (header, records) = match scan::header(text) {
            Ok(read) => read,
            Err(message) => {
                teller.tell(Severity::Error, 1, message.to_owned());
                return None;
            }
        };
        let places = header_places(&header, columns, teller)?;
        let (places, stored) = compact(&places, header.len());
        let tell = |severity, line, message| teller.tell(severity, line, message);
        let Scanned { text, ends, lines } = records.scan(&stored, header.len(), tell);
        // Fields are cut at ASCII characters, so the text is as good as it was.
        let text = String::from_utf8(text).ok()?;
        let index = Index::build(0, |_| 0, |_, _| false, |_| {});
        let hasher = RandomState::new();
        let rows = u32::try_from(lines.len()).ok()?;
        let mut table =
            Table { columns, places, width: stored.len(), text, ends, rows, hasher, index };
        let mut gone: Vec<bool> = table.rejected(&lines, accept, teller);
        drop(lines);
        if gone.contains(&true) {
            table.remove(&gone)?;
        }
        gone.clear();
        gone.resize(table.len(), false);
        table.index = table.indexed(|row| {
            if let Some(gone) = usize::try_from(row).ok().and_then(|row| gone.get_mut(row)) {
                *gone = true;
            }
        });
        if gone.contains(&true) {
            table.remove(&gone)?;
            table.index = table.indexed(|_| {});
        }
        table.drop_empty_columns();
        table.text.shrink_to_fit();
        table.ends.shrink_to_fit();
        Some(table)
    }

    /// Which rows are not acceptable.
    fn rejected(&self, lines: &[u32], accept: Accept, teller: &mut Teller) -> Vec<bool> {
        let rejects = |(row, line): (Row<'_>, &u32)| {
            let mut tell =
                |severity: Severity, message: String| teller.tell(severity, *line, message);
            if row.text(0).is_none() {
                let name = self.columns.names.first().copied().unwrap_or_default();
                tell(Severity::Warning, format!("record without {name}; it is left out"));
                return true;
            }
            !accept(row, &mut tell)
        };
        self.rows().zip(lines).map(rejects).collect()
    }

    /// Takes rows out, their text too. `None` never happens.
    fn remove(&mut self, gone: &[bool]) -> Option<()> {
        let mut text = std::mem::take(&mut self.text).into_bytes();
        let (mut kept_text, mut kept_ends, mut start) = (0, 0, 0);
        let mut rows = 0;
        for (row, is_gone) in gone.iter().enumerate() {
            let first = row * self.width;
            let end = self.ends.get(first + self.width - 1).map(|end| *end & !QUOTED)?;
            if !is_gone {
                let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
                let to = usize::try_from(kept_text).ok()?;
                text.copy_within(range, to);
                for index in first..first + self.width {
                    let own = *self.ends.get(index)?;
                    *self.ends.get_mut(kept_ends)? = own - start + kept_text;
                    kept_ends += 1;
                }
                kept_text += end - start;
                rows += 1;
            }
            start = end;
        }
        text.truncate(usize::try_from(kept_text).ok()?);
        self.ends.truncate(kept_ends);
        self.text = String::from_utf8(text).ok()?;
        self.rows = rows;
        Some(())
    }

    /// A column without a text costs nothing.
    fn drop_empty_columns(&mut self) {
        let used: Vec<bool> = (0..self.width)
            .map(|place| {
                self.rows().any(|row| row.at(place).is_some_and(|field| !field.text.is_empty()))
            })
            .collect();
        if self.rows == 0 || !used.contains(&false) {
            return;
        }
        let mut column = used.iter().cycle();
        self.ends.retain(|_| column.next().copied().unwrap_or(true));
        let behind = |place: usize| used.iter().take(place).filter(|used| **used).count();
        for place in &mut self.places {
            *place = place.filter(|own| used.get(*own) == Some(&true)).map(behind);
        }
        self.width = behind(self.width);
    }

    fn indexed(&self, replaced: impl FnMut(u32)) -> Index {
        let hash = |row| self.hash(self.row(row).key());
        let is_same = |one, other| {
            let keys = self.row(one).key().zip(self.row(other).key());
            keys.into_iter().all(|(one, other)| self.is_same(one, other))
        };
        Index::build(self.rows, hash, is_same, replaced)
    }

    fn hash<'k>(&self, key: impl Iterator<Item = &'k str>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for part in key {
            match self.columns.folds_case {
                true => part.bytes().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase())),
                false => hasher.write(part.as_bytes()),
            }
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        if self.columns.folds_case { one.eq_ignore_ascii_case(other) } else { one == other }
    }

    fn row(&self, row: u32) -> Row<'_> {
        Row { table: self, row: usize::try_from(row).unwrap_or(usize::MAX) }
    }

    /// The row whose key is `key` alone (for keys of one column). Constant time.
    pub fn get(&self, key: &str) -> Option<Row<'_>> {
        if key.is_empty() {
            return None;
        }
        let is_it = |row| self.row(row).text(0).is_some_and(|own| self.is_same(own, key));
        let row = self.index.find(self.hash(std::iter::once(key)), is_it)?;
        Some(self.row(row))
    }

    /// The rows in force, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// The number of rows in force.
    pub fn len(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }
}

/// For each known column its index in the header.
fn header_places(
    header: &[String],
    columns: &Columns,
    teller: &mut Teller,
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
fn compact(places: &[Option<usize>], width: usize) -> (Vec<Option<usize>>, Vec<usize>) {
    let stored: Vec<usize> = (0..width).filter(|index| places.contains(&Some(*index))).collect();
    let place = |index: &Option<usize>| stored.iter().position(|stored| Some(*stored) == *index);
    (places.iter().map(place).collect(), stored)
}
