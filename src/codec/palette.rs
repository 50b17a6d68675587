//! Palettes of 2 to 256 colors for PNG8 and GIF, and the index of each pixel. It writes no format.
//!
//! Colors are compared premultiplied, so that what transparency hides neither takes a palette entry nor counts as
//! an error. The work is one pass after another on one thread: the same picture gives the same bytes everywhere.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::{PaletteKind, Quantization};
use crate::error::{Error, Kind};
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas};

/// A picture as a palette and one index a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paletted {
    /// Straight RGBA, 1 to 256 entries, the least opaque ones first.
    pub palette: Vec<[u8; 4]>,
    /// Rows from the top, one byte a pixel.
    pub indices: Vec<u8>,
}

/// Entries of any alpha (`png8`, `png8-alpha`); with a fixed palette alpha is kept as in `with_key`.
pub(crate) fn with_translucency(
    canvas: &Canvas,
    quantization: &Quantization,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Paletted, Error> {
    match quantization.palette {
        PaletteKind::Adaptive => {
            quantized(canvas, Coverage::Graded, quantization, 256, limits, deadline)
        }
        PaletteKind::Web | PaletteKind::Mac => with_key(canvas, quantization, limits, deadline),
    }
}

/// Opaque entries and, for a canvas with alpha, one clear entry for pixels of alpha below 128 (`U080`).
pub(crate) fn with_key(
    canvas: &Canvas,
    quantization: &Quantization,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Paletted, Error> {
    let most = if canvas.alpha == Alpha::Opaque { 256 } else { 255 };
    quantized(canvas, Coverage::Key, quantization, most, limits, deadline)
}

/// What becomes of alpha.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coverage {
    /// It is kept; clear pixels share one entry, which counts as a color.
    Graded,
    /// Below 128 it is the key color, which comes beside the colors; else opaque.
    Key,
}

const CLEAR: [u8; 4] = [0; 4];

fn quantized(
    canvas: &Canvas,
    coverage: Coverage,
    quantization: &Quantization,
    most: usize,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Paletted, Error> {
    let picture = Picture { canvas, coverage };
    let mut palette = match quantization.palette {
        PaletteKind::Web => web().to_vec(),
        PaletteKind::Mac => mac(),
        PaletteKind::Adaptive => {
            let colors = usize::from(quantization.colors.clamp(2, 256)).min(most);
            adaptive(&picture, colors, &quantization.forced, limits, deadline)?
        }
    };
    let has_key = coverage == Coverage::Key && canvas.alpha != Alpha::Opaque;
    if has_key {
        palette.push(CLEAR);
    }
    if palette.len() > 256 {
        return Err(Error::new(Kind::Internal, "a full palette has no place for a key color"));
    }
    palette.sort_by_key(|c| (c[3], *c));
    palette.dedup();
    let indices = picture.mapped(&palette, quantization.is_dithered, limits, deadline)?;
    Ok(Paletted { palette, indices })
}

/// The pixels as straight RGBA in the coverage wanted.
struct Picture<'a> {
    canvas: &'a Canvas,
    coverage: Coverage,
}

impl Picture<'_> {
    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.canvas.data.chunks_exact(self.canvas.row_bytes().max(1))
    }

    fn pixels<'r>(&self, row: &'r [u8]) -> impl Iterator<Item = [u8; 4]> + use<'r> {
        let coverage = self.coverage;
        row.chunks_exact(self.canvas.channels()).map(move |pixel| {
            let [r, g, b, a] = match *pixel {
                [v] => [v, v, v, 255],
                [v, a] => [v, v, v, a],
                [r, g, b] => [r, g, b, 255],
                [r, g, b, a] => [r, g, b, a],
                _ => CLEAR,
            };
            match coverage {
                Coverage::Graded if a == 0 => CLEAR,
                Coverage::Graded => [r, g, b, a],
                Coverage::Key if a < 128 => CLEAR,
                Coverage::Key => [r, g, b, 255],
            }
        })
    }

    /// The different colors if there are at most `most`. The key color is none of them.
    fn distinct(
        &self,
        most: usize,
        deadline: &Deadline,
    ) -> Result<Option<BTreeSet<[u8; 4]>>, Error> {
        let mut colors = BTreeSet::new();
        for row in self.rows() {
            deadline.tick()?;
            let mut last = None;
            for color in self.pixels(row) {
                if last == Some(color) || (color == CLEAR && self.coverage == Coverage::Key) {
                    continue;
                }
                last = Some(color);
                colors.insert(color);
                if colors.len() > most {
                    return Ok(None);
                }
            }
        }
        Ok(Some(colors))
    }

    fn mapped(
        &self,
        palette: &[[u8; 4]],
        is_dithered: bool,
        limits: &Limits,
        deadline: &Deadline,
    ) -> Result<Vec<u8>, Error> {
        let width = self.canvas.size.width as usize;
        let mut indices = limits.zeroed(self.canvas.size.pixels())?;
        limits.check_memory(32 * (width as u64 + 2))?;
        let mut nearest = Nearest::new(palette);
        // Errors of the row at hand and the next, in sixteenths, with a column of margin on both sides.
        let mut errors = [vec![[0i32; 4]; width + 2], vec![[0i32; 4]; width + 2]];
        for (row, target) in self.rows().zip(indices.chunks_exact_mut(width.max(1))) {
            deadline.tick()?;
            for (x, (color, index)) in self.pixels(row).zip(target).enumerate() {
                if !is_dithered || color == CLEAR {
                    *index = nearest.index(premultiplied(color));
                    continue;
                }
                let wished = with_error(premultiplied(color), errors[0][x + 1]);
                *index = nearest.index(wished);
                let got = nearest.color(*index);
                let left: [i32; 4] =
                    std::array::from_fn(|c| i32::from(wished[c]) - i32::from(got[c]));
                for (line, at, share) in [(0, x + 2, 7), (1, x, 3), (1, x + 1, 5), (1, x + 2, 1)] {
                    for (sum, error) in errors[line][at].iter_mut().zip(left) {
                        *sum += error * share;
                    }
                }
            }
            errors.swap(0, 1);
            errors[1].fill([0; 4]);
        }
        Ok(indices)
    }
}

/// The color plus the error carried to it: within range, and color never above alpha.
fn with_error(color: [u8; 4], error: [i32; 4]) -> [u8; 4] {
    let moved = |c: usize| i32::from(color[c]) + (error[c] + 8 * error[c].signum()) / 16;
    let alpha = if color[3] == 255 { 255 } else { moved(3).clamp(0, 255) };
    let part = |c: usize| moved(c).clamp(0, alpha) as u8;
    [part(0), part(1), part(2), alpha as u8]
}

fn premultiplied([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    let part = |c: u8| ((u32::from(c) * u32::from(a) + 127) / 255) as u8;
    [part(r), part(g), part(b), a]
}

/// How much a difference in red, green or blue counts.
const WEIGHTS: [i32; 3] = [3, 4, 2];

/// How far two premultiplied colors are apart on the worse of a black and a white ground.
fn distance(one: [u8; 4], other: [u8; 4]) -> i32 {
    let alpha = i32::from(one[3]) - i32::from(other[3]);
    let mut sum = 0;
    for c in 0..3 {
        let on_black = i32::from(one[c]) - i32::from(other[c]);
        let on_white = on_black - alpha;
        sum += WEIGHTS[c] * (on_black * on_black).max(on_white * on_white);
    }
    sum
}

/// Finds the nearest palette entry: outwards from the same green, with the answers remembered.
struct Nearest {
    /// Premultiplied colors by index.
    colors: Vec<[u8; 4]>,
    /// Premultiplied colors with their indices, by rising green.
    by_green: Vec<([u8; 4], u8)>,
    /// Color and index found last for each hash.
    known: Vec<Option<([u8; 4], u8)>>,
}

const KNOWN: usize = 1 << 14;

impl Nearest {
    fn new(palette: &[[u8; 4]]) -> Nearest {
        let colors: Vec<[u8; 4]> = palette.iter().map(|c| premultiplied(*c)).collect();
        let mut by_green: Vec<([u8; 4], u8)> = colors.iter().copied().zip(0..=255).collect();
        by_green.sort_by_key(|(color, index)| (color[1], *index));
        Nearest { colors, by_green, known: vec![None; KNOWN] }
    }

    fn color(&self, index: u8) -> [u8; 4] {
        self.colors.get(usize::from(index)).copied().unwrap_or(CLEAR)
    }

    fn index(&mut self, color: [u8; 4]) -> u8 {
        let hash = u32::from_le_bytes(color).wrapping_mul(0x9e37_79b1) as usize >> 18;
        let place = hash % KNOWN;
        if let Some((known, index)) = self.known[place]
            && known == color
        {
            return index;
        }
        let index = self.search(color);
        self.known[place] = Some((color, index));
        index
    }

    fn search(&self, color: [u8; 4]) -> u8 {
        let start = self.by_green.partition_point(|(entry, _)| entry[1] < color[1]);
        let (below, above) = self.by_green.split_at(start);
        let (mut best, mut index) = (i32::MAX, 0);
        for side in [&mut above.iter() as &mut dyn Iterator<Item = _>, &mut below.iter().rev()] {
            for (entry, candidate) in side {
                let green = i32::from(color[1]) - i32::from(entry[1]);
                if WEIGHTS[1] * green * green > best {
                    break;
                }
                // A clear pixel takes a clear entry only, and no other takes it while there is a choice.
                let far = if (color[3] == 0) == (entry[3] == 0) { 0 } else { 1 << 20 };
                let found = distance(color, *entry) + far;
                if found < best || (found == best && *candidate < index) {
                    (best, index) = (found, *candidate);
                }
            }
        }
        index
    }
}

/// At most `colors` entries: the forced ones first (`U079`), then the picture's own if they fit, else its best cut.
fn adaptive(
    picture: &Picture<'_>,
    colors: usize,
    forced: &[[u8; 3]],
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Vec<[u8; 4]>, Error> {
    let mut palette: Vec<[u8; 4]> = Vec::new();
    for [r, g, b] in forced {
        if palette.len() < colors && !palette.contains(&[*r, *g, *b, 255]) {
            palette.push([*r, *g, *b, 255]);
        }
    }
    if let Some(distinct) = picture.distinct(colors, deadline)? {
        let further: Vec<_> = distinct.iter().filter(|c| !palette.contains(c)).copied().collect();
        if palette.len() + further.len() <= colors {
            palette.extend(further);
            // A picture that is clear everywhere has no color at all.
            if palette.is_empty() {
                palette.push([0, 0, 0, 255]);
            }
            return Ok(palette);
        }
    }
    let mut histogram = Histogram::gathered(picture, &palette, limits, deadline)?;
    if histogram.has_clear && palette.len() < colors {
        palette.push(CLEAR);
    }
    let rest = colors - palette.len();
    palette.extend(histogram.cut(rest, deadline)?);
    Ok(palette)
}

/// Premultiplied colors that fall into one cell.
#[derive(Clone, Copy, Default)]
struct Cell {
    count: f64,
    sums: [f64; 4],
}

impl Cell {
    /// Mean of a component, in a space where squared distances carry the weights.
    fn coordinate(&self, component: usize) -> f64 {
        const SCALES: [f64; 4] = [1.732, 2.0, 1.414, 1.732];
        self.sums[component] / self.count * SCALES[component]
    }

    /// The mean as a straight color.
    fn color(&self) -> [u8; 4] {
        let alpha = (self.sums[3] / self.count).round().clamp(1.0, 255.0);
        let part = |c: usize| {
            (self.sums[c] * 255.0 / self.sums[3].max(1.0)).round().clamp(0.0, 255.0) as u8
        };
        [part(0), part(1), part(2), alpha as u8]
    }
}

struct Histogram {
    cells: Vec<Cell>,
    has_clear: bool,
}

impl Histogram {
    /// Counts all pixels but clear ones and those that `settled` entries give exactly.
    fn gathered(
        picture: &Picture<'_>,
        settled: &[[u8; 4]],
        limits: &Limits,
        deadline: &Deadline,
    ) -> Result<Histogram, Error> {
        // 64 steps a component, or 32 where alpha makes a fourth.
        let is_graded =
            picture.coverage == Coverage::Graded && picture.canvas.alpha != Alpha::Opaque;
        let (bits, components) = if is_graded { (5, 4) } else { (6, 3) };
        limits
            .check_memory((44u64 << (bits * components)).min(44 * picture.canvas.size.pixels()))?;
        let mut places = vec![0u32; 1 << (bits * components)];
        let mut cells: Vec<Cell> = Vec::new();
        let mut has_clear = false;
        for row in picture.rows() {
            deadline.tick()?;
            for straight in picture.pixels(row) {
                if straight == CLEAR {
                    has_clear |= picture.coverage == Coverage::Graded;
                    continue;
                }
                if settled.contains(&straight) {
                    continue;
                }
                let color = premultiplied(straight);
                let place = color[..components]
                    .iter()
                    .fold(0, |place, c| place << bits | usize::from(*c) >> (8 - bits));
                if places[place] == 0 {
                    cells.push(Cell::default());
                    places[place] = cells.len() as u32;
                }
                let cell = &mut cells[places[place] as usize - 1];
                cell.count += 1.0;
                for (sum, component) in cell.sums.iter_mut().zip(color) {
                    *sum += f64::from(component);
                }
            }
        }
        Ok(Histogram { cells, has_clear })
    }

    /// At most `parts` colors: the part with the largest squared error is split where that helps most, again and again
    /// (Wu's criterion, over the cells themselves instead of a cube of moments).
    fn cut(&mut self, parts: usize, deadline: &Deadline) -> Result<Vec<[u8; 4]>, Error> {
        if parts == 0 || self.cells.is_empty() {
            return Ok(Vec::new());
        }
        let mut ranges = vec![Part::of(&self.cells, 0, self.cells.len())];
        while ranges.len() < parts {
            deadline.tick()?;
            let (mut worst, mut error) = (None, 0.0);
            for (at, part) in ranges.iter().enumerate() {
                if part.end - part.start > 1 && part.error > error {
                    (worst, error) = (Some(at), part.error);
                }
            }
            let Some(worst) = worst else { break };
            let Part { start, end, axis, .. } = ranges.swap_remove(worst);
            let cells = &mut self.cells[start..end];
            cells.sort_by(|a, b| a.coordinate(axis).total_cmp(&b.coordinate(axis)));
            let middle = start + best_split(cells);
            ranges.push(Part::of(&self.cells, start, middle));
            ranges.push(Part::of(&self.cells, middle, end));
        }
        Ok(ranges.iter().map(|part| sum(&self.cells[part.start..part.end]).color()).collect())
    }
}

/// A run of cells that share a palette entry.
struct Part {
    start: usize,
    end: usize,
    error: f64,
    axis: usize,
}

impl Part {
    fn of(cells: &[Cell], start: usize, end: usize) -> Part {
        let cells = &cells[start..end];
        let whole = sum(cells);
        let (mut error, mut axis, mut widest) = (0.0, 0, -1.0);
        for component in 0..4 {
            let mean = whole.coordinate(component);
            let spread: f64 = cells
                .iter()
                .map(|cell| cell.count * (cell.coordinate(component) - mean).powi(2))
                .sum();
            error += spread;
            if spread > widest {
                (widest, axis) = (spread, component);
            }
        }
        Part { start, end, error, axis }
    }
}

fn sum(cells: &[Cell]) -> Cell {
    let mut whole = Cell::default();
    for cell in cells {
        whole.count += cell.count;
        for (sum, part) in whole.sums.iter_mut().zip(cell.sums) {
            *sum += part;
        }
    }
    whole
}

/// The number of cells to the left of the split that leaves the least squared error; at least one on each side.
fn best_split(cells: &[Cell]) -> usize {
    let whole = sum(cells);
    let power = |cell: &Cell| -> f64 {
        (0..4).map(|c| cell.coordinate(c).powi(2)).sum::<f64>() * cell.count
    };
    let (mut left, mut best, mut at) = (Cell::default(), f64::NEG_INFINITY, 1);
    for (count, cell) in cells.iter().enumerate().take(cells.len().saturating_sub(1)) {
        left.count += cell.count;
        let mut right = Cell { count: whole.count - left.count, sums: [0.0; 4] };
        for c in 0..4 {
            left.sums[c] += cell.sums[c];
            right.sums[c] = whole.sums[c] - left.sums[c];
        }
        let gain = power(&left) + power(&right);
        if gain > best {
            (best, at) = (gain, count + 1);
        }
    }
    at
}

/// The 216 colors of components 00, 33, 66, 99, CC and FF.
fn web() -> [[u8; 4]; 216] {
    std::array::from_fn(|index| {
        let step = |place: usize| (index / place % 6) as u8 * 0x33;
        [step(36), step(6), step(1), 255]
    })
}

/// The system palette of classic Mac OS: the same cube, and ramps of red, green, blue and gray between its steps.
fn mac() -> Vec<[u8; 4]> {
    let mut palette = web().to_vec();
    for v in [0xee, 0xdd, 0xbb, 0xaa, 0x88, 0x77, 0x55, 0x44, 0x22, 0x11] {
        palette.extend([[v, 0, 0, 255], [0, v, 0, 255], [0, 0, v, 255], [v, v, v, 255]]);
    }
    palette
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_palettes_have_their_sizes_without_repeats() {
        for (name, palette, size) in [("web", web().to_vec(), 216), ("mac", mac(), 256)] {
            assert_eq!(palette.iter().collect::<BTreeSet<_>>().len(), size, "{name}");
        }
    }

    #[test]
    fn the_search_outwards_from_green_finds_what_a_full_search_finds() {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let palette: Vec<[u8; 4]> =
            (0..97).map(|_| [next(), next(), next(), next().max(1)]).collect();
        let mut nearest = Nearest::new(&palette);
        for _ in 0..2000 {
            let color = premultiplied([next(), next(), next(), next().max(1)]);
            let best = palette.iter().map(|c| distance(color, premultiplied(*c))).min();
            let found = nearest.index(color);
            assert_eq!(Some(distance(color, nearest.color(found))), best, "{color:?}");
        }
    }
}
