//! The segments of a JPEG before its first scan, read in safe Rust. It decodes no entropy-coded data.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, BufReader, Read};

use crate::codec::exif::{Placement, placement};
use crate::codec::{Input, Orientation};
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::raster::Model;

/// Largest ICC profile that is kept; larger ones count as absent.
const ICC_LIMIT: usize = 8 << 20;
/// Photoshop resources are looked at up to this length.
const RESOURCES_LIMIT: usize = 4 << 20;

const ICC_TAG: &[u8] = b"ICC_PROFILE\0";
const XMP_TAG: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const PHOTOSHOP_TAG: &[u8] = b"Photoshop 3.0\0";

/// One component of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    id: u8,
    horizontal: u8,
    vertical: u8,
}

/// What the segments before the first scan say.
#[derive(Clone, Debug, Default)]
pub(super) struct Markers {
    /// Size of the frame.
    pub size: Size,
    /// EXIF orientation.
    pub orientation: Orientation,
    /// JFIF density, else EXIF, else Photoshop resolution.
    pub density_ppi: Option<f64>,
    /// The profile, if all of its parts are there.
    pub icc: Option<Vec<u8>>,
    /// The main XMP packet, if there is one.
    pub xmp: Option<Vec<u8>>,
    /// Names of Photoshop resources 2000 to 2997.
    pub path_names: Vec<String>,
    /// Whether the data are arithmetic-coded, which cannot tell a cut from an end.
    pub is_arithmetic: bool,
    is_progressive: bool,
    components: Vec<Component>,
    is_jfif: bool,
    adobe_transform: Option<u8>,
}

impl Markers {
    /// Color model after decoding.
    pub fn model(&self) -> Result<Model, Error> {
        match self.components.len() {
            1 => Ok(Model::Gray),
            3 => Ok(Model::Rgb),
            4 => Ok(Model::Cmyk),
            count => Err(unsupported(format!("JPEG of {count} components"))),
        }
    }

    /// Whether an Adobe marker says that CMYK values are stored inverted, 255 for no ink.
    pub fn is_inverted(&self) -> bool {
        self.components.len() == 4 && self.adobe_transform.is_some()
    }

    /// Fewest bytes that the blocks of a Huffman-coded file take, at one bit for DC and, in a sequential file, one for
    /// AC. A shorter file was cut, or claims a size to make the reader work.
    pub fn fewest_bytes(&self) -> u64 {
        let bits = match (self.is_arithmetic, self.is_progressive) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        self.blocks() * bits / 8
    }

    /// Bytes of the coefficients that the decoder of a progressive file holds, at any scale; 0 for others.
    pub fn coefficient_bytes(&self) -> u64 {
        let bytes = if self.is_progressive { 128 } else { 0 };
        self.blocks() * bytes
    }

    /// Blocks of 64 coefficients of all components.
    fn blocks(&self) -> u64 {
        let max_h = self.components.iter().map(|c| u64::from(c.horizontal)).max().unwrap_or(1);
        let max_v = self.components.iter().map(|c| u64::from(c.vertical)).max().unwrap_or(1);
        let blocks = |component: &Component| {
            let columns = u64::from(self.size.width) * u64::from(component.horizontal);
            let rows = u64::from(self.size.height) * u64::from(component.vertical);
            columns.div_ceil(8 * max_h) * rows.div_ceil(8 * max_v)
        };
        self.components.iter().map(blocks).sum()
    }

    /// Whether it is YCbCr in one of the samplings 1x1, 2x1, 1x2 and 2x2; decides like libjpeg.
    pub fn has_planes(&self) -> bool {
        let [luma, cb, cr] = self.components.as_slice() else { return false };
        let is_rgb = match (self.is_jfif, self.adobe_transform) {
            (true, _) => false,
            (false, Some(transform)) => transform == 0,
            (false, None) => [luma.id, cb.id, cr.id] == *b"RGB",
        };
        let is_single = |c: &Component| c.horizontal == 1 && c.vertical == 1;
        !is_rgb
            && (1..=2).contains(&luma.horizontal)
            && (1..=2).contains(&luma.vertical)
            && is_single(cb)
            && is_single(cr)
    }
}

/// Parts of metadata that are put together once all segments are read.
#[derive(Default)]
struct Parts {
    /// Sequence number, announced count, bytes.
    icc: Vec<(u8, u8, Vec<u8>)>,
    icc_bytes: usize,
    exif: Option<Vec<u8>>,
    resources: Vec<u8>,
}

/// Reads the segments up to the first start of scan.
pub(super) fn read(input: &mut Input<'_>) -> Result<Markers, Error> {
    let mut reader = BufReader::with_capacity(16 << 10, input);
    // Other readers refuse files with other bytes behind the start, though libjpeg would skip them.
    let mut magic = [0; 3];
    reader.read_exact(&mut magic).map_err(read_error)?;
    if magic != [0xff, 0xd8, 0xff] {
        return Err(unreadable("no JPEG start of image"));
    }
    let mut is_prefixed = true;
    let mut found = Markers::default();
    let mut parts = Parts::default();
    loop {
        let marker = next_marker(&mut reader, is_prefixed)?;
        is_prefixed = false;
        match marker {
            0xda if found.components.is_empty() => {
                return Err(unreadable("JPEG scan before its frame"));
            }
            0xda => break,
            0xd9 => return Err(unreadable("JPEG without a scan")),
            // Markers without a length.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let mut length = [0; 2];
        reader.read_exact(&mut length).map_err(read_error)?;
        // A length below 2 counts as 2, as in libjpeg.
        let length = u16::from_be_bytes(length).saturating_sub(2);
        let is_wanted = matches!(marker, 0xc0..=0xcf | 0xe0..=0xe2 | 0xed | 0xee) && marker != 0xc4;
        if is_wanted {
            let mut segment = vec![0; usize::from(length)];
            reader.read_exact(&mut segment).map_err(read_error)?;
            take_segment(marker, &segment, &mut found, &mut parts)?;
        } else {
            skip(&mut reader, usize::from(length))?;
        }
    }
    finish(found, parts)
}

fn take_segment(
    marker: u8,
    segment: &[u8],
    found: &mut Markers,
    parts: &mut Parts,
) -> Result<(), Error> {
    match marker {
        0xc8 | 0xcc => {}
        0xc0..=0xcf => {
            if !found.components.is_empty() {
                return Err(unreadable("JPEG with two frames"));
            }
            take_frame(marker, segment, found)?;
        }
        0xe0 if segment.starts_with(b"JFIF\0") && segment.len() >= 14 => {
            found.is_jfif = true;
            let dots = u16::from_be_bytes([segment[8], segment[9]]);
            found.density_ppi = match segment[7] {
                1 if dots > 0 => Some(f64::from(dots)),
                2 if dots > 0 => Some(f64::from(dots) * 2.54),
                _ => found.density_ppi,
            };
        }
        0xe1 => {
            if let Some(exif) = segment.strip_prefix(b"Exif\0\0".as_slice()) {
                parts.exif.get_or_insert_with(|| exif.to_vec());
            } else if let Some(packet) = segment.strip_prefix(XMP_TAG) {
                found.xmp.get_or_insert_with(|| packet.to_vec());
            }
        }
        0xe2 => {
            if let Some([sequence, count, bytes @ ..]) = segment.strip_prefix(ICC_TAG) {
                parts.icc_bytes += bytes.len();
                if parts.icc_bytes <= ICC_LIMIT {
                    parts.icc.push((*sequence, *count, bytes.to_vec()));
                }
            }
        }
        0xed => {
            if let Some(bytes) = segment.strip_prefix(PHOTOSHOP_TAG)
                && parts.resources.len() + bytes.len() <= RESOURCES_LIMIT
            {
                parts.resources.extend_from_slice(bytes);
            }
        }
        0xee if segment.starts_with(b"Adobe") && segment.len() >= 12 => {
            found.adobe_transform = Some(segment[11]);
        }
        _ => {}
    }
    Ok(())
}

fn take_frame(marker: u8, segment: &[u8], found: &mut Markers) -> Result<(), Error> {
    match marker {
        0xc0..=0xc2 | 0xc9 | 0xca => {}
        0xc3 | 0xcb => return Err(unsupported("lossless JPEG")),
        _ => return Err(unsupported("hierarchical JPEG")),
    }
    let [precision, h0, h1, w0, w1, count, rest @ ..] = segment else {
        return Err(unreadable("JPEG frame header is cut short"));
    };
    found.is_progressive = matches!(marker, 0xc2 | 0xca);
    found.is_arithmetic = matches!(marker, 0xc9 | 0xca);
    if *precision != 8 {
        return Err(unsupported(format!("JPEG of {precision} bits, expected 8")));
    }
    found.size =
        Size::new(u16::from_be_bytes([*w0, *w1]).into(), u16::from_be_bytes([*h0, *h1]).into());
    if rest.len() != usize::from(*count) * 3 || *count == 0 {
        return Err(unreadable(format!("JPEG frame header of {count} components is malformed")));
    }
    for component in rest.chunks_exact(3) {
        let (horizontal, vertical) = (component[1] >> 4, component[1] & 15);
        if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) {
            return Err(unreadable(format!("JPEG sampling factors {horizontal}x{vertical}")));
        }
        found.components.push(Component { id: component[0], horizontal, vertical });
    }
    Ok(())
}

fn finish(mut found: Markers, parts: Parts) -> Result<Markers, Error> {
    found.icc = joined_icc(parts.icc, parts.icc_bytes);
    if let Some(exif) = parts.exif {
        let (orientation, density_ppi) = exif_values(exif);
        found.orientation = orientation;
        found.density_ppi = found.density_ppi.or(density_ppi);
    }
    for (id, name, bytes) in Resources(&parts.resources) {
        match id {
            2000..=2997 => found.path_names.push(text(name)),
            // Resolution info: horizontal resolution in pixels an inch, 16.16 fixed point.
            0x03ed if found.density_ppi.is_none() => {
                found.density_ppi = bytes
                    .first_chunk::<4>()
                    .map(|b| f64::from(u32::from_be_bytes(*b)) / 65536.0)
                    .filter(|ppi| *ppi > 0.0);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The profile in the order of its sequence numbers; `None` when parts are missing, double or disagree.
fn joined_icc(mut parts: Vec<(u8, u8, Vec<u8>)>, bytes: usize) -> Option<Vec<u8>> {
    if parts.is_empty() {
        return None;
    }
    parts.sort_by_key(|part| part.0);
    let is_whole = bytes <= ICC_LIMIT
        && parts.iter().enumerate().all(|(index, (sequence, count, _))| {
            usize::from(*sequence) == index + 1 && usize::from(*count) == parts.len()
        });
    if !is_whole {
        log::debug!("broken ICC profile in a JPEG is ignored");
        return None;
    }
    Some(parts.into_iter().flat_map(|part| part.2).collect())
}

/// Orientation and resolution from EXIF bytes that start at the TIFF header; broken ones give what was readable.
pub(crate) fn exif_values(bytes: Vec<u8>) -> (Orientation, Option<f64>) {
    let Placement { orientation, density_ppi } = placement(&bytes);
    (orientation, density_ppi)
}

/// Photoshop image resources (`8BIM`): id, name, bytes. Ends at the first malformed one.
pub(crate) struct Resources<'a>(pub &'a [u8]);

impl<'a> Iterator for Resources<'a> {
    type Item = (u16, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.strip_prefix(b"8BIM".as_slice())?;
        let (id, rest) = rest.split_first_chunk::<2>()?;
        let name_bytes = usize::from(*rest.first()?);
        let name = rest.get(1..1 + name_bytes)?;
        // Name with its length byte, and the bytes, are padded to even lengths.
        let rest = rest.get((1 + name_bytes).next_multiple_of(2)..)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let bytes = rest.get(..length)?;
        self.0 = rest.get(length.next_multiple_of(2)..).unwrap_or(&[]);
        Some((u16::from_be_bytes(*id), name, bytes))
    }
}

/// A resource name: UTF-8 if it is, else one character a byte.
fn text(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => name.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The next marker code; bytes that belong to no segment are skipped, as libjpeg does. `is_prefixed` says that the
/// marker's first byte has been read.
fn next_marker(reader: &mut impl BufRead, mut is_prefixed: bool) -> Result<u8, Error> {
    loop {
        let mut byte = [0];
        reader.read_exact(&mut byte).map_err(read_error)?;
        match byte[0] {
            0xff => is_prefixed = true,
            0 => is_prefixed = false,
            code if is_prefixed => return Ok(code),
            _ => {}
        }
    }
}

fn skip(reader: &mut impl BufRead, count: usize) -> Result<(), Error> {
    let skipped = io::copy(&mut reader.take(count as u64), &mut io::sink()).map_err(read_error)?;
    match skipped == count as u64 {
        true => Ok(()),
        false => Err(read_error(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// What a failed read of a header means; the deadline's own error is handed on.
pub(crate) fn read_error(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return unreadable("the data end within the header");
    }
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => unreadable("the source cannot be read").with_cause(error),
    }
}

fn unreadable(detail: impl Into<String>) -> Error {
    Error::new(Kind::Unreadable, detail)
}

fn unsupported(detail: impl Into<String>) -> Error {
    Error::new(Kind::Unsupported, detail)
}
