//! JPEG in and out: 8 bit, baseline, extended or progressive. No color management; EXIF orientation is read, not applied.
//!
//! `markers` reads the header in safe Rust; `decode` and `encode` hand pixels from and to mozjpeg through `library`,
//! the only file that holds its structures; at 1/8 `scan` mostly takes its place. A reader meets [`probe`], [`decode()`] and [`encode()`] with [`Settings`] first.

use std::io::Write;

use crate::codec::{Chroma, Format, Header, Input, Level, Metadata, Scans, Wanted};
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Pixels};

mod decode;
mod encode;
mod frame;
mod huffman;
mod library;
pub(crate) mod markers;
mod scan;

/// How a JPEG is written; the fields of `Encoding::Jpeg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// 1..=100, the IJG scale (`U078`).
    pub quality: u8,
    /// Subsampling; ignored for gray and CMYK.
    pub chroma: Chroma,
    /// Progressive with this script (`U076`), else baseline.
    pub progressive: Option<Scans>,
    /// Whole body at most this long: the highest quality up to `quality` that fits (`U072`).
    pub limit_bytes: Option<u64>,
}

/// Reads everything before the first scan.
///
/// `Unsupported` for 12 bits, lossless, hierarchical and two-component files, `Unreadable` for a broken header,
/// `TooLarge` past `limits.source_pixels`. Broken EXIF, ICC and Photoshop segments count as absent.
pub(crate) fn probe(input: &mut Input<'_>, limits: &Limits) -> Result<Header, Error> {
    let found = markers::read(input)?;
    limits.check_source(found.size)?;
    let model = found.model()?;
    if found.fewest_bytes() > input.source_bytes() {
        let bytes = input.source_bytes();
        return Err(Error::new(
            Kind::Unreadable,
            format!("JPEG truncated: {} pixels in {bytes} bytes", found.size),
        ));
    }
    let has_planes = found.has_planes();
    let decoder_bytes = input.source_bytes().saturating_add(found.coefficient_bytes());
    let levels = (0..4u32).map(|shift| level(found.size, shift)).collect();
    Ok(Header {
        format: Some(Format::Jpeg),
        size: found.size,
        model,
        alpha: Alpha::Opaque,
        bits: 8,
        orientation: found.orientation,
        density_ppi: found.density_ppi,
        icc: found.icc,
        has_xmp: found.xmp.is_some(),
        path_names: found.path_names,
        frames: 1,
        has_planes,
        decoder_bytes,
        levels,
    })
}

/// The main XMP packet.
pub(crate) fn xmp(input: &mut Input<'_>) -> Result<Option<Vec<u8>>, Error> {
    markers::read(&mut input.reopened()).map(|found| found.xmp)
}

/// The level at 1/2^`shift`; libjpeg rounds its scaled sizes up.
fn level(size: Size, shift: u32) -> Level {
    let scale = 1.0 / f64::from(1u32 << shift);
    let scaled = Size::new(size.width.div_ceil(1 << shift), size.height.div_ceil(1 << shift));
    Level { size: scaled, scale_x: scale, scale_y: scale }
}

/// Decodes a region of one of the levels full, 1/2, 1/4 and 1/8; its pixels equal those of the whole level.
///
/// `Unreadable` where the data end or break before the region is complete, naming the row; `Unsupported` past 100
/// scans; `TooLarge` when file, pixels and coefficients together exceed `limits.memory_bytes`.
pub(crate) fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    decode::decode(input, header, wanted, limits)
}

/// Encodes gray, RGB or CMYK pixels or YCbCr planes, opaque, into `output`.
///
/// CMYK gets an Adobe marker, inverted values and transform 0 (`U090`). Planes are taken as they are: full size with
/// `Chroma::Full`, rounded-up halves with `Chroma::Halved`. `Internal` for other pixels, `TooLarge` past 65500 a side
/// or when `limit_bytes` cannot be met, `Unwritable` when `output` fails.
pub(crate) fn encode(
    pixels: &Pixels,
    settings: &Settings,
    metadata: &Metadata<'_>,
    output: &mut dyn Write,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    encode::encode(pixels, settings, metadata, output, limits, deadline)
}

/// The longest side libjpeg takes.
const SIDE_LIMIT: u32 = 65_500;

fn internal(detail: impl Into<String>) -> Error {
    Error::new(Kind::Internal, detail)
}
