//! One picture as a little-endian TIFF of strips. It writes no pyramid, and no tag but those its options ask for.

use std::io::{BufWriter, Seek, SeekFrom, Write};

use flate2::write::ZlibEncoder;
use weezl::BitOrder;

use super::super::exif::plausible_ppi;
use super::super::{Chroma, ICC_LIMIT_BYTES, Metadata, Output, TiffCompression, write_failure};
use super::jpeg;
use super::page::tag;
use crate::error::{Error, Kind};
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model};

/// How strips are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compressed {
    /// The method.
    pub compression: TiffCompression,
    /// JPEG quality, 1..=100.
    pub quality: u8,
    /// JPEG subsampling.
    pub chroma: Chroma,
}

/// Bytes of a strip before compression, about.
const STRIP_BYTES: usize = 256 << 10;

/// Level of deflate: the middle, which is where size stops falling.
const DEFLATE_LEVEL: u32 = 6;

/// Encodes gray, RGB or CMYK with or without straight alpha, without alpha for JPEG; with profile, resolution, XMP.
///
/// Fails with `TooLarge` where the file would pass 4 GiB.
pub(crate) fn encode(
    canvas: &Canvas,
    how: Compressed,
    metadata: &Metadata<'_>,
    output: &mut dyn Output,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let is_jpeg = how.compression == TiffCompression::Jpeg;
    if is_jpeg && canvas.alpha != Alpha::Opaque {
        return Err(Error::new(Kind::Internal, "a TIFF of JPEG strips holds no alpha"));
    }
    let start = output.stream_position().map_err(write_failure)?;
    let mut file = Strips { output: BufWriter::new(output), start, at: 0 };
    file.put(b"II*\0\0\0\0\0")?;
    let height = canvas.size.height;
    let rows = if is_jpeg {
        height
    } else {
        u32::try_from(STRIP_BYTES / canvas.row_bytes()).unwrap_or(1).clamp(1, height)
    };
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    for strip in canvas.data.chunks(rows as usize * canvas.row_bytes()) {
        deadline.tick()?;
        offsets.push(file.offset()?);
        let before = file.at;
        match how.compression {
            TiffCompression::None => file.put(strip)?,
            TiffCompression::Lzw => file.put(&lzw(&predicted(strip, canvas))?)?,
            TiffCompression::Zip => file.put(&deflated(&predicted(strip, canvas))?)?,
            TiffCompression::Jpeg => {
                file.put(&jpeg::encoded(canvas, how.quality, how.chroma, limits, deadline)?)?;
            }
        }
        lengths.push(u32::try_from(file.at - before).map_err(|_| too_long())?);
    }
    let tags = tags(canvas, how, metadata, rows, offsets, lengths);
    let directory = file.directory(tags)?;
    file.finish(directory)?;
    deadline.tick()
}

/// The value of a tag.
enum Value<'a> {
    Shorts(Vec<u16>),
    Longs(Vec<u32>),
    Ratio(u32, u32),
    Bytes(u16, &'a [u8]),
}

/// All tags in rising order, as readers expect them.
fn tags<'a>(
    canvas: &Canvas,
    how: Compressed,
    metadata: &Metadata<'a>,
    rows: u32,
    offsets: Vec<u32>,
    lengths: Vec<u32>,
) -> Vec<(u16, Value<'a>)> {
    let is_jpeg = how.compression == TiffCompression::Jpeg;
    let (compression, is_predicted) = match how.compression {
        TiffCompression::None => (1, false),
        TiffCompression::Lzw => (5, true),
        TiffCompression::Zip => (8, true),
        TiffCompression::Jpeg => (7, false),
    };
    let photometric = match canvas.model {
        Model::Gray => 1,
        Model::Rgb if is_jpeg => 6,
        Model::Rgb => 2,
        Model::Cmyk => 5,
    };
    let short = |value: u16| Value::Shorts(vec![value]);
    let channels = canvas.channels() as u16;
    let mut tags = vec![
        (tag::WIDTH, Value::Longs(vec![canvas.size.width])),
        (tag::HEIGHT, Value::Longs(vec![canvas.size.height])),
        (tag::BITS, Value::Shorts(vec![8; canvas.channels()])),
        (tag::COMPRESSION, short(compression)),
        (tag::PHOTOMETRIC, short(photometric)),
        (tag::STRIP_OFFSETS, Value::Longs(offsets)),
        (tag::SAMPLES, short(channels)),
        (tag::ROWS_PER_STRIP, Value::Longs(vec![rows])),
        (tag::STRIP_BYTES, Value::Longs(lengths)),
    ];
    let density = metadata.density_ppi.filter(|ppi| plausible_ppi(*ppi)).map(ratio);
    if let Some((numerator, denominator)) = density {
        tags.push((tag::X_RESOLUTION, Value::Ratio(numerator, denominator)));
        tags.push((tag::Y_RESOLUTION, Value::Ratio(numerator, denominator)));
    }
    tags.push((tag::PLANAR, short(1)));
    if density.is_some() {
        tags.push((tag::RESOLUTION_UNIT, short(2)));
    }
    if is_predicted {
        tags.push((tag::PREDICTOR, short(2)));
    }
    if canvas.model == Model::Cmyk {
        tags.push((tag::INK_SET, short(1)));
    }
    if canvas.alpha != Alpha::Opaque {
        tags.push((tag::EXTRA_SAMPLES, short(2)));
    }
    if is_jpeg && canvas.model == Model::Rgb {
        let step = if how.chroma == Chroma::Halved { 2 } else { 1 };
        tags.push((tag::SUBSAMPLING, Value::Shorts(vec![step; 2])));
    }
    if let Some(xmp) = metadata.xmp.filter(|xmp| !xmp.is_empty()) {
        tags.push((tag::XMP, Value::Bytes(1, xmp)));
    }
    if let Some(icc) = metadata.icc.filter(|icc| !icc.is_empty() && icc.len() <= ICC_LIMIT_BYTES) {
        tags.push((tag::ICC, Value::Bytes(7, icc)));
    }
    tags
}

/// A resolution to a hundredth, in lowest terms of ten.
fn ratio(ppi: f64) -> (u32, u32) {
    let hundredths = (ppi * 100.0).round().max(1.0) as u32;
    match hundredths {
        n if n % 100 == 0 => (n / 100, 1),
        n if n % 10 == 0 => (n / 10, 10),
        n => (n, 100),
    }
}

/// Each component less the one to its left.
fn predicted(strip: &[u8], canvas: &Canvas) -> Vec<u8> {
    let (channels, row_bytes) = (canvas.channels(), canvas.row_bytes());
    let mut out = strip.to_vec();
    for (target, row) in out.chunks_exact_mut(row_bytes).zip(strip.chunks_exact(row_bytes)) {
        for (at, left) in row.iter().take(row_bytes - channels).enumerate() {
            target[at + channels] = row[at + channels].wrapping_sub(*left);
        }
    }
    out
}

fn lzw(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8)
        .encode(bytes)
        .map_err(|error| Error::new(Kind::Internal, "the LZW encoder refused").with_cause(error))
}

fn deflated(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::new(DEFLATE_LEVEL));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(write_failure)
}

fn too_long() -> Error {
    Error::new(Kind::TooLarge, "a TIFF of more than 4 GiB")
}

/// The file as it grows. Offsets count from where it starts, which need not be the start of the output.
struct Strips<'a> {
    output: BufWriter<&'a mut dyn Output>,
    start: u64,
    at: u64,
}

impl Strips<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.output.write_all(bytes).map_err(write_failure)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// The position, made even, as an offset.
    fn offset(&mut self) -> Result<u32, Error> {
        if self.at % 2 == 1 {
            self.put(&[0])?;
        }
        u32::try_from(self.at).map_err(|_| too_long())
    }

    /// Writes long values and then the directory; returns where that lies.
    fn directory(&mut self, tags: Vec<(u16, Value<'_>)>) -> Result<u32, Error> {
        let mut entries = Vec::with_capacity(tags.len() * 12 + 6);
        entries.extend((tags.len() as u16).to_le_bytes());
        for (tag, value) in tags {
            let (kind, count, bytes) = match value {
                Value::Shorts(v) => (3, v.len(), v.iter().flat_map(|v| v.to_le_bytes()).collect()),
                Value::Longs(v) => (4, v.len(), v.iter().flat_map(|v| v.to_le_bytes()).collect()),
                Value::Ratio(n, d) => (5, 1, [n.to_le_bytes(), d.to_le_bytes()].concat()),
                Value::Bytes(kind, bytes) => (kind, bytes.len(), bytes.to_vec()),
            };
            entries.extend(tag.to_le_bytes());
            entries.extend(kind.to_le_bytes());
            entries.extend(u32::try_from(count).map_err(|_| too_long())?.to_le_bytes());
            if bytes.len() <= 4 {
                entries.extend(bytes.iter().chain(&[0; 4]).take(4));
            } else {
                entries.extend(self.offset()?.to_le_bytes());
                self.put(&bytes)?;
            }
        }
        entries.extend([0; 4]);
        let at = self.offset()?;
        self.put(&entries)?;
        Ok(at)
    }

    /// Writes the offset of the directory into the header and returns to the end.
    fn finish(mut self, directory: u32) -> Result<(), Error> {
        let end = self.start + self.at;
        self.output.seek(SeekFrom::Start(self.start + 4)).map_err(write_failure)?;
        self.output.write_all(&directory.to_le_bytes()).map_err(write_failure)?;
        self.output.seek(SeekFrom::Start(end)).map_err(write_failure)?;
        self.output.flush().map_err(write_failure)
    }
}
