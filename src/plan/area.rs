//! AREA elements of image maps as text (requests.md 19): reads them, and writes other shapes into them byte for byte.
//! Moves nothing; `map.rs` does.

use std::ops::Range;

use crate::error::{Error, Kind};

/// Most bytes of one map.
const MAP_BYTES: usize = 1 << 20;
/// Most elements of one map.
const AREAS: usize = 2000;
/// Most attributes of one element.
const ATTRIBUTES: usize = 100;
/// Most numbers in one `COORDS`.
const COORDINATES: usize = 2000;
/// Coordinates beyond this magnitude are moved to it (`r-restrictions-and-known-issues`).
const FARTHEST: f64 = 2_147_483_648.0;

/// What an element encloses, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// `SHAPE` missing or `DEFAULT`: the whole rectangle of the layer.
    Whole,
    /// `RECT`: left, top, right, bottom, in this order also where the text has them exchanged.
    Rect([f64; 4]),
    /// `POLY`: at least three corners.
    Poly(Vec<[f64; 2]>),
    /// `CIRCLE`: x and y of the center, radius above 0.
    Circle([f64; 3]),
    /// Nothing: too few numbers, percentages (not supported) or no numbers at all.
    Nothing,
}

/// A shape in whole pixels, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outline {
    /// Left, top, right, bottom.
    Rect([i64; 4]),
    /// Corners.
    Poly(Vec<[i64; 2]>),
}

/// Where an attribute stands in the text of its element.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    name: Range<usize>,
    /// Without quotes; `None` for a name alone.
    value: Option<Range<usize>>,
}

/// One complete `<AREA …>` element.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    text: String,
    /// Where the tag name ends.
    name_end: usize,
    attributes: Vec<Attribute>,
    shape: Shape,
}

/// The elements of a map in their order. Text between them, other elements, comments and what is not complete are
/// passed over, as HTML does.
///
/// `TooLarge` for more than 1 MiB, 2000 elements, 100 attributes of an element or 2000 coordinates of one.
pub fn parse(map: &str) -> Result<Vec<Area>, Error> {
    check("bytes of an image map", map.len(), MAP_BYTES)?;
    let mut areas = Vec::new();
    let mut rest = map;
    while let Some((_, behind)) = rest.split_once('<') {
        if let Some(comment) = behind.strip_prefix("!--") {
            let Some((_, after)) = comment.split_once("-->") else { break };
            rest = after;
            continue;
        }
        if !behind.trim_start_matches('/').starts_with(|c: char| c.is_ascii_alphabetic()) {
            rest = behind;
            continue;
        }
        let Some(tag) = Tag::read(behind)? else { break };
        let (element, after) = behind.split_at_checked(tag.length).unwrap_or((behind, ""));
        rest = after;
        let name = element.get(..tag.name_end).unwrap_or_default();
        if name.eq_ignore_ascii_case("area") {
            areas.push(tag.into_area(element)?);
            check("areas of an image map", areas.len(), AREAS)?;
        }
    }
    Ok(areas)
}

fn check(what: &str, found: usize, limit: usize) -> Result<(), Error> {
    match found > limit {
        true => Err(Error::new(Kind::TooLarge, format!("{found} {what} exceed {limit}"))),
        false => Ok(()),
    }
}

/// A tag as it stands behind its `<`.
struct Tag {
    name_end: usize,
    attributes: Vec<Attribute>,
    /// Up to and with its `>`.
    length: usize,
}

/// Reads the text of a tag from left to right.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl Cursor<'_> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over bytes that fulfil `is_part` and says where they stood. Every stop is an ASCII byte, so ranges never
    /// split a character.
    fn take(&mut self, is_part: impl Fn(u8) -> bool) -> Range<usize> {
        let start = self.at;
        while self.next().is_some_and(&is_part) {
            self.at += 1;
        }
        start..self.at
    }
}

impl Tag {
    /// `None` for a tag that does not end.
    fn read(text: &str) -> Result<Option<Tag>, Error> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.take(|byte| byte == b'/');
        let name_end = cursor.take(|byte| !is_space(byte) && byte != b'/' && byte != b'>').end;
        let mut attributes = Vec::new();
        loop {
            cursor.take(|byte| is_space(byte) || byte == b'/');
            match cursor.next() {
                None => return Ok(None),
                Some(b'>') => return Ok(Some(Tag { name_end, attributes, length: cursor.at + 1 })),
                Some(_) => {}
            }
            let start = cursor.at;
            // An equals sign at the start is part of the name, as in HTML.
            cursor.at += usize::from(cursor.next() == Some(b'='));
            cursor.take(|byte| !is_space(byte) && !matches!(byte, b'/' | b'>' | b'='));
            let name = start..cursor.at;
            cursor.take(is_space);
            let mut value = None;
            if cursor.next() == Some(b'=') {
                cursor.at += 1;
                cursor.take(is_space);
                value = match cursor.next() {
                    Some(quote @ (b'"' | b'\'')) => {
                        cursor.at += 1;
                        let value = cursor.take(|byte| byte != quote);
                        cursor.at += 1;
                        Some(value)
                    }
                    Some(_) | None => Some(cursor.take(|byte| !is_space(byte) && byte != b'>')),
                };
            }
            attributes.push(Attribute { name, value });
            check("attributes of an area", attributes.len(), ATTRIBUTES)?;
        }
    }

    /// The element, whose text starts behind the `<`.
    fn into_area(self, element: &str) -> Result<Area, Error> {
        let moved = |range: Range<usize>| range.start + 1..range.end + 1;
        let attributes = self.attributes.into_iter().map(|attribute| Attribute {
            name: moved(attribute.name),
            value: attribute.value.map(moved),
        });
        let mut area = Area {
            text: format!("<{element}"),
            name_end: self.name_end + 1,
            attributes: attributes.collect(),
            shape: Shape::Whole,
        };
        area.shape = area.read_shape()?;
        Ok(area)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

impl Area {
    /// The whole element as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it encloses.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Names and values of the attributes as they were written, entities and all; `None` for a name alone. Of several
    /// with one name, in any case, the first counts.
    pub fn attributes(&self) -> Vec<(&str, Option<&str>)> {
        let mut found: Vec<(&str, Option<&str>)> = Vec::with_capacity(self.attributes.len());
        for attribute in &self.attributes {
            let name = self.part(&attribute.name);
            if !found.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                found.push((name, attribute.value.as_ref().map(|value| self.part(value))));
            }
        }
        found
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| self.part(&attribute.name).eq_ignore_ascii_case(name))
    }

    /// Where the value of `attribute` stands. The slash of `/>` is no part of it.
    fn value(&self, attribute: &Attribute) -> Option<Range<usize>> {
        let value = attribute.value.clone()?;
        let is_last = self.text.get(value.end..) == Some(">");
        let has_slash = self.part(&value).ends_with('/');
        Some(if is_last && has_slash { value.start..value.end - 1 } else { value })
    }

    fn text_of(&self, name: &str) -> &str {
        let value = self.attribute(name).and_then(|attribute| self.value(attribute));
        value.map_or("", |value| self.part(&value).trim())
    }

    /// The words of HTML; an unknown one is a rectangle, as there.
    fn read_shape(&self) -> Result<Shape, Error> {
        let word = self.text_of("shape").to_ascii_lowercase();
        if word.is_empty() || word == "default" {
            return Ok(Shape::Whole);
        }
        let Some(numbers) = coordinates(self.text_of("coords"))? else {
            return Ok(Shape::Nothing);
        };
        Ok(match (word.as_str(), numbers.as_slice()) {
            ("circle" | "circ", [x, y, radius, ..]) if *radius > 0.0 => {
                Shape::Circle([*x, *y, *radius])
            }
            ("circle" | "circ", _) => Shape::Nothing,
            ("poly" | "polygon", [_, _, _, _, _, _, ..]) => {
                Shape::Poly(numbers.as_chunks::<2>().0.to_vec())
            }
            ("poly" | "polygon", _) => Shape::Nothing,
            (_, [x1, y1, x2, y2, ..]) => {
                Shape::Rect([x1.min(*x2), y1.min(*y2), x1.max(*x2), y1.max(*y2)])
            }
            (_, _) => Shape::Nothing,
        })
    }

    /// The element with another shape: `SHAPE` and `COORDS` are written, all else stays byte for byte. `SHAPE` stays
    /// too where its word says the same; what is missing is added behind the tag name.
    pub fn with(&self, outline: &Outline) -> String {
        let (word, is_same) = match (outline, &self.shape) {
            (Outline::Rect(_), shape) => ("RECT", matches!(shape, Shape::Rect(_))),
            (Outline::Poly(_), shape) => ("POLY", matches!(shape, Shape::Poly(_))),
        };
        let numbers: Vec<i64> = match outline {
            Outline::Rect(sides) => sides.to_vec(),
            Outline::Poly(corners) => corners.iter().flatten().copied().collect(),
        };
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        let mut added = String::new();
        let mut write = |name: &str, text: &str| match self.attribute(name) {
            None => added.push_str(&format!(" {name}=\"{text}\"")),
            Some(attribute) => match self.value(attribute) {
                // A value without quotes may be empty only because nothing stands there.
                Some(value) if !value.is_empty() || self.is_quoted(&value) => {
                    edits.push((value, text.to_owned()));
                }
                Some(value) => edits.push((value, format!("\"{text}\""))),
                None => {
                    let end = attribute.name.end;
                    edits.push((end..end, format!("=\"{text}\"")));
                }
            },
        };
        if !is_same {
            write("SHAPE", word);
        }
        write("COORDS", &numbers.join(","));
        edits.push((self.name_end..self.name_end, added));
        edits.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(self.text.len() + 64);
        let mut done = 0;
        for (range, text) in &edits {
            out.push_str(self.part(&(done..range.start)));
            out.push_str(text);
            done = range.end;
        }
        out.push_str(self.part(&(done..self.text.len())));
        out
    }

    fn is_quoted(&self, value: &Range<usize>) -> bool {
        let before = value.start.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        matches!(before, Some(b'"' | b'\''))
    }
}

/// Numbers between commas, semicolons and white space; `None` where one of them is none, or a percentage.
fn coordinates(text: &str) -> Result<Option<Vec<f64>>, Error> {
    let is_between = |c: char| c == ',' || c == ';' || c.is_ascii_whitespace();
    let mut numbers = Vec::new();
    for word in text.split(is_between).filter(|word| !word.is_empty()) {
        let is_plain = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
        let Some(number) = word.parse::<f64>().ok().filter(|_| is_plain) else {
            return Ok(None);
        };
        numbers.push(number.clamp(-FARTHEST, FARTHEST));
        check("coordinates of an area", numbers.len(), COORDINATES)?;
    }
    Ok(Some(numbers))
}
