//! One picture of a TIFF file: how its samples lie in strips or tiles, and what they mean. It reads no pixels.

use super::super::{Orientation, exif::plausible_ppi};
use super::directory::{Directory, File};
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::Limits;
use crate::raster::{Alpha, Model};

/// Tag numbers.
pub(super) mod tag {
    pub const SUBFILE_TYPE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const X_RESOLUTION: u16 = 282;
    pub const Y_RESOLUTION: u16 = 283;
    pub const PLANAR: u16 = 284;
    pub const FAX_OPTIONS: u16 = 292;
    pub const RESOLUTION_UNIT: u16 = 296;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const SUB_DIRECTORIES: u16 = 330;
    pub const INK_SET: u16 = 332;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const SUBSAMPLING: u16 = 530;
    pub const XMP: u16 = 700;
    pub const PHOTOSHOP: u16 = 34377;
    pub const ICC: u16 = 34675;
}

/// What a stored number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// 0 to the largest number of the bits.
    Unsigned,
    /// Two's complement; the smallest number is drawn as 0.
    Signed,
    /// IEEE, 0.0 to 1.0.
    Float,
}

/// What the color samples of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Gray, 0 is white.
    WhiteIsZero,
    /// Gray, 0 is black.
    BlackIsZero,
    /// Red, green, blue.
    Rgb,
    /// An index into the color map.
    Palette,
    /// Four inks.
    Cmyk,
    /// Luma and color differences, 8 bits.
    YCbCr,
    /// CIE L*a*b*, a and b signed.
    Lab,
    /// CIE L*a*b*, a and b with an offset.
    IccLab,
}

impl Meaning {
    fn of(photometric: u64) -> Option<Meaning> {
        match photometric {
            0 => Some(Meaning::WhiteIsZero),
            1 | 4 => Some(Meaning::BlackIsZero),
            2 => Some(Meaning::Rgb),
            3 => Some(Meaning::Palette),
            5 => Some(Meaning::Cmyk),
            6 => Some(Meaning::YCbCr),
            8 => Some(Meaning::Lab),
            9 => Some(Meaning::IccLab),
            _ => None,
        }
    }

    /// Stored color samples of a pixel.
    pub fn samples(self) -> usize {
        match self {
            Meaning::WhiteIsZero | Meaning::BlackIsZero | Meaning::Palette => 1,
            Meaning::Cmyk => 4,
            Meaning::Rgb | Meaning::YCbCr | Meaning::Lab | Meaning::IccLab => 3,
        }
    }

    /// The model after decoding.
    pub fn model(self) -> Model {
        match self {
            Meaning::WhiteIsZero | Meaning::BlackIsZero => Model::Gray,
            Meaning::Cmyk => Model::Cmyk,
            _ => Model::Rgb,
        }
    }
}

/// How strips or tiles are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    None,
    /// CCITT lines without end marks.
    FaxLines,
    /// CCITT group 3.
    FaxGroup3,
    /// CCITT group 4.
    FaxGroup4,
    /// LZW.
    Lzw,
    /// JPEG streams.
    Jpeg,
    /// zlib.
    Deflate,
    /// Runs of bytes.
    PackBits,
}

impl Compression {
    fn of(number: u64) -> Option<Compression> {
        match number {
            1 => Some(Compression::None),
            2 => Some(Compression::FaxLines),
            3 => Some(Compression::FaxGroup3),
            4 => Some(Compression::FaxGroup4),
            5 => Some(Compression::Lzw),
            7 => Some(Compression::Jpeg),
            8 | 32946 => Some(Compression::Deflate),
            32773 => Some(Compression::PackBits),
            _ => None,
        }
    }

    fn is_fax(self) -> bool {
        matches!(self, Compression::FaxLines | Compression::FaxGroup3 | Compression::FaxGroup4)
    }
}

/// A picture as its directory describes it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub size: Size,
    pub meaning: Meaning,
    pub alpha: Alpha,
    /// Which sample is alpha.
    pub alpha_sample: Option<usize>,
    /// Samples of a pixel, all of them.
    pub samples: usize,
    pub kind: Samples,
    pub bits: u32,
    pub compression: Compression,
    pub predictor: u64,
    pub is_planar: bool,
    /// Whether the first pixel is the lowest bit of a byte.
    pub is_reversed: bool,
    pub is_big_endian: bool,
    pub fax_options: u64,
    pub subsampling: (u32, u32),
    pub palette: Vec<[u8; 3]>,
    pub jpeg_tables: Vec<u8>,
    /// Size of a strip or tile.
    pub chunk: Size,
    pub is_tiled: bool,
    pub offsets: Vec<u64>,
    pub lengths: Vec<u64>,
    pub is_reduced: bool,
}

/// Palettes, tables and small lists are at most this long.
const TABLE_VALUES: u64 = 3 << 16;

impl Page {
    /// Reads and checks the tags that decoding needs.
    pub fn of(file: &mut File<'_>, directory: &Directory, limits: &Limits) -> Result<Page, Error> {
        let mut number = |tag, default| -> Result<u64, Error> {
            Ok(file.uint_of(directory, tag)?.unwrap_or(default))
        };
        let (width, height) = (number(tag::WIDTH, 0)?, number(tag::HEIGHT, 0)?);
        let size = Size::new(
            u32::try_from(width).unwrap_or(u32::MAX),
            u32::try_from(height).unwrap_or(u32::MAX),
        );
        limits.check_source(size)?;
        let is_reduced = number(tag::SUBFILE_TYPE, 0)? & 1 == 1;
        let method = number(tag::COMPRESSION, 1)?;
        let compression = Compression::of(method).ok_or_else(|| {
            Error::new(Kind::Unsupported, format!("unsupported TIFF compression {method}"))
        })?;
        let photometric = number(tag::PHOTOMETRIC, u64::MAX)?;
        let meaning = Meaning::of(photometric).ok_or_else(|| {
            Error::new(Kind::Unsupported, format!("unsupported TIFF photometric {photometric}"))
        })?;
        let samples = number(tag::SAMPLES, 1)? as usize;
        if samples < meaning.samples() || samples > 64 {
            return Err(broken(format!("{samples} samples a pixel for {meaning:?}")));
        }
        let predictor = number(tag::PREDICTOR, 1)?;
        let is_planar = number(tag::PLANAR, 1)? == 2 && samples > 1;
        let is_reversed = number(tag::FILL_ORDER, 1)? == 2;
        let fax_options = number(tag::FAX_OPTIONS, 0)?;
        let bits = uniform(file, directory, tag::BITS, samples, limits)?;
        // Fax data are two-tone whatever the tag says.
        let bits = if compression.is_fax() { 1 } else { bits as u32 };
        let kind = match uniform(file, directory, tag::SAMPLE_FORMAT, samples, limits)? {
            1 | 4 => Samples::Unsigned,
            2 => Samples::Signed,
            3 => Samples::Float,
            other => return Err(broken(format!("sample format {other}"))),
        };
        let is_known = match kind {
            Samples::Float => matches!(bits, 16 | 24 | 32),
            _ => (1..=32).contains(&bits),
        };
        let needs_bytes = match meaning {
            Meaning::Palette => bits > 16 || kind == Samples::Float,
            Meaning::YCbCr => bits != 8,
            Meaning::Lab | Meaning::IccLab => bits != 8 && bits != 16,
            _ => false,
        };
        if !is_known || needs_bytes || (compression == Compression::Jpeg && bits != 8) {
            return Err(Error::new(
                Kind::Unsupported,
                format!("unsupported TIFF samples: {kind:?} of {bits} bits for {meaning:?}"),
            ));
        }
        if compression.is_fax() && (samples != 1 || meaning.samples() != 1) {
            return Err(broken("fax data of many samples".to_owned()));
        }
        let extra = file.uints(directory, tag::EXTRA_SAMPLES, 64, limits)?.unwrap_or_default();
        let first_extra = meaning.samples();
        let mut found = None;
        for (index, meaning) in extra.iter().enumerate().take(samples - first_extra) {
            if found.is_none() && (*meaning == 1 || *meaning == 2) {
                found = Some((first_extra + index, *meaning));
            }
        }
        let alpha = match found {
            Some((_, 1)) => Alpha::Premultiplied,
            Some(_) => Alpha::Straight,
            None => Alpha::Opaque,
        };
        let palette = match meaning {
            Meaning::Palette => palette(file, directory, bits, limits)?,
            _ => Vec::new(),
        };
        let subsampling = match (meaning, compression) {
            (Meaning::YCbCr, Compression::Jpeg) => (1, 1),
            (Meaning::YCbCr, _) => {
                let pair = file.uints(directory, tag::SUBSAMPLING, 2, limits)?;
                match pair.as_deref() {
                    None => (2, 2),
                    Some([h @ (1 | 2 | 4), v @ (1 | 2 | 4)]) => (*h as u32, *v as u32),
                    Some(other) => return Err(broken(format!("subsampling {other:?}"))),
                }
            }
            _ => (1, 1),
        };
        let jpeg_tables = match compression {
            Compression::Jpeg => {
                file.block(directory, tag::JPEG_TABLES, 1 << 20)?.unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let mut page = Page {
            size,
            meaning,
            alpha,
            alpha_sample: found.map(|(sample, _)| sample),
            samples,
            kind,
            bits,
            compression,
            predictor,
            is_planar,
            is_reversed,
            is_big_endian: file.is_big_endian,
            fax_options,
            subsampling,
            palette,
            jpeg_tables,
            chunk: size,
            is_tiled: File::has(directory, tag::TILE_WIDTH),
            offsets: Vec::new(),
            lengths: Vec::new(),
            is_reduced,
        };
        page.place(file, directory, limits)?;
        Ok(page)
    }

    /// Finds the strips or tiles.
    fn place(
        &mut self,
        file: &mut File<'_>,
        directory: &Directory,
        limits: &Limits,
    ) -> Result<(), Error> {
        let (offsets, lengths) = if self.is_tiled {
            let width = file.uint_of(directory, tag::TILE_WIDTH)?.unwrap_or(0);
            let height = file.uint_of(directory, tag::TILE_HEIGHT)?.unwrap_or(0);
            let side =
                |length: u64| u32::try_from(length).ok().filter(|l| (1..=1 << 20).contains(l));
            let (Some(width), Some(height)) = (side(width), side(height)) else {
                return Err(broken(format!("tiles of {width}x{height}")));
            };
            self.chunk = Size::new(width, height);
            (tag::TILE_OFFSETS, tag::TILE_BYTES)
        } else {
            let rows = file.uint_of(directory, tag::ROWS_PER_STRIP)?.unwrap_or(u64::MAX);
            let rows = u32::try_from(rows).unwrap_or(u32::MAX).min(self.size.height);
            if rows == 0 {
                return Err(broken("strips without rows".to_owned()));
            }
            self.chunk = Size::new(self.size.width, rows);
            (tag::STRIP_OFFSETS, tag::STRIP_BYTES)
        };
        let count = self.across() as u64
            * u64::from(self.size.height.div_ceil(self.chunk.height))
            * if self.is_planar { self.samples as u64 } else { 1 };
        let most = count.saturating_add(1 << 16);
        self.offsets = file.uints(directory, offsets, most, limits)?.unwrap_or_default();
        if (self.offsets.len() as u64) < count {
            return Err(broken(format!("{} offsets for {count} chunks", self.offsets.len())));
        }
        let stated = file.uints(directory, lengths, most, limits)?.unwrap_or_default();
        // A file without lengths, or with one of 0, means what is left of it.
        let left = |offset: &u64| file.length().saturating_sub(*offset);
        self.lengths = self
            .offsets
            .iter()
            .enumerate()
            .map(|(index, offset)| match stated.get(index) {
                None | Some(0) => left(offset),
                Some(length) => (*length).min(left(offset)),
            })
            .collect();
        Ok(())
    }

    /// Chunks side by side.
    pub fn across(&self) -> usize {
        self.size.width.div_ceil(self.chunk.width) as usize
    }

    /// The samples of a pixel that lie in one chunk.
    pub fn chunk_samples(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// The area of the picture that a chunk covers; a tile at the edge reaches beyond it.
    pub fn chunk_area(&self, column: usize, line: usize) -> Rect {
        let left = column as i64 * i64::from(self.chunk.width);
        let top = line as i64 * i64::from(self.chunk.height);
        let mut area = Rect::at(left, top, self.chunk);
        if !self.is_tiled {
            area.bottom = area.bottom.min(i64::from(self.size.height));
        }
        area
    }

    /// Bytes of one stored row of a chunk. Subsampled chroma has no rows of its own: see `chunk.rs`.
    pub fn row_bytes(&self) -> u64 {
        let bits = u64::from(self.chunk.width) * self.chunk_samples() as u64 * u64::from(self.bits);
        bits.div_ceil(8)
    }
}

/// Orientation and resolution of a directory.
pub(super) fn placement(file: &mut File<'_>, directory: &Directory) -> (Orientation, Option<f64>) {
    let number = |file: &mut File<'_>, tag| file.uint_of(directory, tag).ok().flatten();
    let orientation = number(file, tag::ORIENTATION).unwrap_or(1);
    let per_inch = match number(file, tag::RESOLUTION_UNIT).unwrap_or(2) {
        2 => Some(1.0),
        3 => Some(2.54),
        _ => None,
    };
    let density = per_inch
        .and_then(|factor| file.rational(directory, tag::X_RESOLUTION).map(|value| value * factor))
        .filter(|ppi| plausible_ppi(*ppi));
    (Orientation::from_exif(u32::try_from(orientation).unwrap_or(1)), density)
}

/// A tag with one value for each sample, all the same; 1 where it is missing. Values for further samples do not count.
fn uniform(
    file: &mut File<'_>,
    directory: &Directory,
    tag: u16,
    samples: usize,
    limits: &Limits,
) -> Result<u64, Error> {
    let mut values = file.uints(directory, tag, 1 << 16, limits)?.unwrap_or_default();
    values.truncate(samples);
    let first = values.first().copied().unwrap_or(1);
    if values.iter().any(|value| *value != first) {
        return Err(Error::new(
            Kind::Unsupported,
            format!("TIFF tag {tag} differs between samples: {:?}", &values[..values.len().min(8)]),
        ));
    }
    Ok(first)
}

fn palette(
    file: &mut File<'_>,
    directory: &Directory,
    bits: u32,
    limits: &Limits,
) -> Result<Vec<[u8; 3]>, Error> {
    let map = file.uints(directory, tag::COLOR_MAP, TABLE_VALUES, limits)?.unwrap_or_default();
    let entries = map.len() / 3;
    if entries == 0 || entries < 1 << bits.min(16) {
        return Err(broken(format!("a color map of {} values for {bits} bits", map.len())));
    }
    // Some writers store 8-bit values in the 16-bit fields.
    let is_small = map.iter().all(|value| *value < 256);
    let part = |value: u64| {
        if is_small { value as u8 } else { ((value.min(65_535) * 255 + 32_767) / 65_535) as u8 }
    };
    let (red, rest) = map.split_at(entries);
    let (green, blue) = rest.split_at(entries);
    Ok(red.iter().zip(green).zip(blue).map(|((r, g), b)| [part(*r), part(*g), part(*b)]).collect())
}

fn broken(what: String) -> Error {
    Error::new(Kind::Unreadable, format!("a TIFF with {what}"))
}
