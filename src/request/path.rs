//! Path data of `clipPath=`, `textPath=` and their kin. Draws nothing.

use super::value::{real_position, unexpected};
use crate::error::Error;

/// A piece of a subpath; points are absolute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Segment {
    /// A straight line to this point.
    Line([f64; 2]),
    /// A cubic Bézier curve: two control points and the end.
    Curve([[f64; 2]; 3]),
}

/// A run of segments from one starting point.
#[derive(Clone, Debug, PartialEq)]
pub struct Subpath {
    /// The starting point.
    pub start: [f64; 2],
    /// What follows.
    pub segments: Vec<Segment>,
    /// Whether `z` closed it; clip and flow paths are closed anyway, text paths are not.
    pub is_closed: bool,
}

/// One or more subpaths in layer pixels.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PathData {
    /// In the order of the text.
    pub subpaths: Vec<Subpath>,
}

impl PathData {
    /// Parses `M m L l C c Z z` and numbers separated by commas or blanks, also SVG's implied lines after `M` (U058).
    ///
    /// Relative points become absolute; an `m` is relative to the start of a subpath that was closed, else to its end.
    /// `Syntax` for other letters, for a wrong number of values and for values that are no numbers.
    pub fn parse(text: &str) -> Result<PathData, Error> {
        let mut path = PathData::default();
        let mut current = [0.0; 2];
        let mut rest = text;
        while let Some((letter, numbers, tail)) = next_command(rest)? {
            rest = tail;
            path.apply(letter, &numbers, &mut current, text)?;
        }
        match path.subpaths.is_empty() {
            true => Err(unexpected(text, "path data that starts with M or m")),
            false => Ok(path),
        }
    }

    fn apply(
        &mut self,
        letter: char,
        numbers: &[f64],
        current: &mut [f64; 2],
        text: &str,
    ) -> Result<(), Error> {
        let group = if letter.eq_ignore_ascii_case(&'c') { 6 } else { 2 };
        let is_close = letter.eq_ignore_ascii_case(&'z');
        let is_count_right = if is_close {
            numbers.is_empty()
        } else {
            !numbers.is_empty() && numbers.len().is_multiple_of(group)
        };
        if !is_count_right {
            let expected = if is_close { "no numbers" } else { "groups of 2 (c: 6)" };
            return Err(unexpected(
                text,
                &format!("{expected} after {letter}, not {}", numbers.len()),
            ));
        }
        if is_close {
            let open = self.open(text)?;
            open.is_closed = true;
            *current = open.start;
            return Ok(());
        }
        let is_relative = letter.is_ascii_lowercase();
        for (index, values) in numbers.chunks(group).enumerate() {
            let base = if is_relative { *current } else { [0.0; 2] };
            let point = |at: usize| {
                let coordinate = |at: usize| values.get(at).copied().unwrap_or_default();
                let [x, y] = base;
                [x + coordinate(at), y + coordinate(at + 1)]
            };
            if group == 6 {
                let curve = [point(0), point(2), point(4)];
                self.open(text)?.segments.push(Segment::Curve(curve));
                *current = point(4);
            } else {
                let starts = letter.eq_ignore_ascii_case(&'m') && index == 0;
                if starts {
                    let subpath =
                        Subpath { start: point(0), segments: Vec::new(), is_closed: false };
                    self.subpaths.push(subpath);
                } else {
                    self.open(text)?.segments.push(Segment::Line(point(0)));
                }
                *current = point(0);
            }
        }
        Ok(())
    }

    /// The subpath that takes further segments; as in SVG a closed one is continued by a new one from its start.
    fn open(&mut self, text: &str) -> Result<&mut Subpath, Error> {
        let bad = || unexpected(text, "path data that starts with M or m");
        let last = self.subpaths.last().ok_or_else(bad)?;
        if last.is_closed {
            let start = last.start;
            self.subpaths.push(Subpath { start, segments: Vec::new(), is_closed: false });
        }
        self.subpaths.last_mut().ok_or_else(bad)
    }
}

type Command<'a> = (char, Vec<f64>, &'a str);

/// The next letter, its numbers, and what follows; `None` at the end.
fn next_command(text: &str) -> Result<Option<Command<'_>>, Error> {
    let text = text.trim_start_matches([' ', ',']);
    let Some(letter) = text.chars().next() else {
        return Ok(None);
    };
    if !matches!(letter, 'M' | 'm' | 'L' | 'l' | 'C' | 'c' | 'Z' | 'z') {
        return Err(unexpected(text, "one of M m L l C c Z z"));
    }
    let rest = text.get(letter.len_utf8()..).unwrap_or_default();
    let end =
        rest.find(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E')).unwrap_or(rest.len());
    let (numbers, tail) = rest.split_at(end);
    let numbers = numbers
        .split([' ', ','])
        .filter(|number| !number.is_empty())
        .map(real_position)
        .collect::<Result<Vec<f64>, Error>>()?;
    Ok(Some((letter, numbers, tail)))
}
