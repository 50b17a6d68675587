//! TIFF and BigTIFF in and out; the reduced pictures of a pyramid are levels. Other pages are counted, never drawn.
//!
//! `directory` reads tags, `page` what they say of a picture, `chunk` (with `fax` and `jpeg`) the stored samples of a
//! strip or tile, `pixels` their meaning; `encode` writes. A reader meets [`probe`], [`decode()`] and [`encode()`] first.
//! The own reader takes what the `tiff` crate refuses (palettes, group 3 fax, reversed bits, subsampled YCbCr, Lab)
//! and holds one chunk at a time, so that memory follows the region.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::photoshop::path_names;
use super::{Format, Header, ICC_LIMIT_BYTES, Input, Level, Wanted, XMP_LIMIT_BYTES};
use crate::error::{Error, Kind};
use crate::geometry::Rect;
use crate::limits::{Deadline, Limits};
use crate::raster::{Canvas, Pixels};

mod chunk;
mod directory;
mod encode;
mod fax;
mod jpeg;
mod page;
mod pixels;

pub(crate) use encode::{Compressed, encode};

use directory::{Directory, File};
use page::{Page, placement, tag};

/// Directories that are looked at; each may lead to any other (`bomb/tiff-loop`).
const DIRECTORIES: usize = 1024;

/// Blocks of Photoshop resources that are searched for paths.
const PHOTOSHOP_BYTES: usize = 32 << 20;

/// Reads the chain of directories and those below the first.
pub(crate) fn probe(input: &mut Input<'_>, limits: &Limits) -> Result<Header, Error> {
    let mut pyramid = Pyramid::read(input, limits)?;
    let first = &pyramid.directory;
    let file = &mut pyramid.file;
    let (orientation, density_ppi) = placement(file, first);
    let icc = file.block(first, tag::ICC, ICC_LIMIT_BYTES).unwrap_or(None);
    let photoshop = file.block(first, tag::PHOTOSHOP, PHOTOSHOP_BYTES).unwrap_or(None);
    let page = pyramid.pages.first().ok_or_else(no_picture)?;
    Ok(Header {
        format: Some(Format::Tiff),
        size: page.size,
        model: page.meaning.model(),
        alpha: page.alpha,
        bits: page.bits.min(16) as u8,
        orientation,
        density_ppi,
        icc,
        has_xmp: File::has(first, tag::XMP),
        path_names: photoshop.map(|block| path_names(&block)).unwrap_or_default(),
        frames: pyramid.frames,
        has_planes: false,
        decoder_bytes: 0,
        levels: pyramid.pages.iter().map(|level| scaled(level, page)).collect(),
    })
}

/// The XMP packet of the first directory.
pub(crate) fn xmp(input: &mut Input<'_>) -> Result<Option<Vec<u8>>, Error> {
    let (mut file, first) = File::opened(input)?;
    let directory = file.directory(first)?;
    file.block(&directory, tag::XMP, XMP_LIMIT_BYTES)
}

/// Decodes the strips or tiles that meet the region.
pub(crate) fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    let mut pyramid = Pyramid::read(input, limits)?;
    let is_same = pyramid.pages.first().is_some_and(|first| {
        first.size == header.size
            && first.meaning.model() == header.model
            && first.alpha == header.alpha
    });
    let level = header.levels.get(wanted.level).map(|level| level.size);
    let page = pyramid.pages.get(wanted.level).filter(|page| is_same && Some(page.size) == level);
    let page = page.ok_or_else(|| Error::new(Kind::Unreadable, "the TIFF header changed"))?;
    drawn(&mut pyramid.file, page, wanted.region, limits, input.deadline()).map(Pixels::Canvas)
}

/// A file with its full picture, the smaller ones of it, and the number of pages.
struct Pyramid<'a> {
    file: File<'a>,
    directory: Directory,
    /// The full one first, then ever smaller ones.
    pages: Vec<Page>,
    frames: u32,
}

impl<'a> Pyramid<'a> {
    fn read(input: &Input<'a>, limits: &Limits) -> Result<Pyramid<'a>, Error> {
        let (mut file, first) = File::opened(input)?;
        let directory = file.directory(first)?;
        let page = Page::of(&mut file, &directory, limits)?;
        let mut seen = BTreeSet::from([first]);
        let mut levels = Levels { full: &page, found: Vec::new(), chunks: 0 };
        let mut frames = 1u32;
        let below = file.uints(&directory, tag::SUB_DIRECTORIES, 64, limits);
        for offset in below.ok().flatten().unwrap_or_default() {
            if offset == 0 || !seen.insert(offset) {
                continue;
            }
            // What is wrong below the first picture does not make it unreadable.
            if let Ok(below) = file.directory(offset)
                && let Ok(found) = Page::of(&mut file, &below, limits)
            {
                levels.take(found, limits);
            }
        }
        let mut next = directory.next;
        while next != 0 && seen.len() < DIRECTORIES && seen.insert(next) {
            input.deadline().tick()?;
            let Ok(further) = file.directory(next) else { break };
            next = further.next;
            match Page::of(&mut file, &further, limits) {
                Ok(found) if found.is_reduced => levels.take(found, limits),
                _ if frames < limits.frames => frames += 1,
                _ => break,
            }
        }
        let mut levels = levels.found;
        levels.sort_by_key(|level| std::cmp::Reverse(level.size.pixels()));
        levels.dedup_by_key(|level| level.size);
        levels.insert(0, page);
        Ok(Pyramid { file, directory, pages: levels, frames })
    }
}

/// The smaller pictures as they are found. Many directories can share one list of chunks that is long, so all lists
/// together are held to a quarter of the memory of a request.
struct Levels<'p> {
    full: &'p Page,
    found: Vec<Page>,
    chunks: u64,
}

impl Levels<'_> {
    fn take(&mut self, page: Page, limits: &Limits) {
        let chunks = self.chunks + page.offsets.len() as u64;
        if is_level(&page, self.full) && limits.check_memory(chunks * 64).is_ok() {
            self.chunks = chunks;
            self.found.push(page);
        }
    }
}

/// Whether a picture is a smaller version of `full` in the same form; a thumbnail cut to another shape is none.
fn is_level(level: &Page, full: &Page) -> bool {
    let sides = (level.size.width, level.size.height);
    if sides.0 >= full.size.width || sides.1 >= full.size.height {
        return false;
    }
    let scale = scaled(level, full);
    // Half a pixel of rounding on either side of each dimension, and a row that was dropped.
    let slack = 1.5 * scale.scale_x.max(scale.scale_y);
    let expected = f64::from(full.size.height) * scale.scale_x;
    let rounding = 1.5 * f64::from(full.size.height) / f64::from(full.size.width) + 1.5 + slack;
    (f64::from(sides.1) - expected).abs() <= rounding
        && level.meaning.model() == full.meaning.model()
        && level.alpha == full.alpha
}

fn scaled(level: &Page, full: &Page) -> Level {
    Level {
        size: level.size,
        scale_x: f64::from(level.size.width) / f64::from(full.size.width),
        scale_y: f64::from(level.size.height) / f64::from(full.size.height),
    }
}

fn no_picture() -> Error {
    Error::new(Kind::Unreadable, "a TIFF without a picture")
}

fn drawn(
    file: &mut File<'_>,
    page: &Page,
    region: Rect,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    let mut canvas = Canvas::zeroed(region.size(), page.meaning.model(), page.alpha, limits)?;
    let (channels, row_bytes) = (canvas.channels(), canvas.row_bytes());
    let (width, height) = (i64::from(page.chunk.width), i64::from(page.chunk.height));
    let (across, planes) = (page.across(), if page.is_planar { page.samples } else { 1 });
    let down = page.size.height.div_ceil(page.chunk.height) as usize;
    let columns = (region.left / width) as usize..((region.right - 1) / width) as usize + 1;
    let lines = (region.top / height) as usize..((region.bottom - 1) / height) as usize + 1;
    // Two rows of samples as numbers.
    limits.check_memory(u64::from(region.width()) * page.samples as u64 * 8)?;
    let mut part = Vec::new();
    let mut row_samples: Vec<u32> = Vec::new();
    for line in lines {
        for column in columns.clone() {
            let area = page.chunk_area(column, line);
            let visible = area.intersection(region);
            let rows = (visible.top - area.top) as usize..(visible.bottom - area.top) as usize;
            let from = (visible.left - area.left) as usize;
            let count = visible.width() as usize;
            let mut chunks = Vec::with_capacity(planes);
            for plane in 0..planes {
                // Planes of samples without a meaning may be broken; they are not looked at.
                if planes > 1 && plane >= page.meaning.samples() && page.alpha_sample != Some(plane)
                {
                    continue;
                }
                let index = (plane * down + line) * across + column;
                let chunk = chunk::read(file, page, index, rows.clone(), limits, deadline)?;
                chunks.push((plane, chunk));
            }
            for row in rows {
                if row % 64 == 0 {
                    deadline.tick()?;
                }
                let samples = page.chunk_samples();
                // One row of all samples, interleaved.
                row_samples.clear();
                row_samples.resize(count * page.samples, 0);
                for (plane, chunk) in &chunks {
                    let stored = chunk.row(row).ok_or_else(|| {
                        Error::new(Kind::Unreadable, format!("TIFF row {row} is missing"))
                    })?;
                    pixels::samples(stored, from * samples, count * samples, page, &mut part);
                    if planes == 1 {
                        std::mem::swap(&mut row_samples, &mut part);
                    } else {
                        let targets = row_samples.iter_mut().skip(*plane).step_by(page.samples);
                        for (target, sample) in targets.zip(&part) {
                            *target = *sample;
                        }
                    }
                }
                let y = (area.top - region.top + row as i64) as usize;
                let at = y * row_bytes + (visible.left - region.left) as usize * channels;
                let target = canvas.data[at..].chunks_exact_mut(channels);
                let is_rgb = chunks.iter().all(|(_, chunk)| chunk.is_rgb);
                for (pixel, samples) in target.zip(row_samples.chunks_exact(page.samples)) {
                    pixels::put(samples, page, is_rgb, pixel);
                }
            }
        }
    }
    Ok(canvas)
}
