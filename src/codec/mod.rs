//! Bytes to pixels and back, one file for one format. Opens no files: it gets bytes and limits.
//!
//! A reader meets [`probe`] (what a file is, from its header alone), [`decode`] and [`encode`] first. The type of a
//! file is decided by its content against a closed list, never by its name (security D-1).

use std::any::Any;
use std::io::{self, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Kind};
use crate::geometry::Rect;
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Pixels};

mod bmp;
pub(crate) mod exif;
mod gif;
pub mod input;
pub(crate) mod jpeg;
mod palette;
mod photoshop;
mod png;
mod tiff;
mod types;
pub(crate) mod webp;
pub mod xmp;

pub use input::{Input, ReadAt};
pub use types::*;

/// Where encoded bytes go: a buffer or a file.
pub trait Output: Write + Seek + Send {}

impl<T: Write + Seek + Send> Output for T {}

/// Bytes of a source that are read to tell its format.
const SNIFF_BYTES: usize = 64;

/// Largest ICC profile that is taken over or written, in bytes.
pub(crate) const ICC_LIMIT_BYTES: usize = 8 << 20;

/// Largest XMP packet that is read, in bytes.
pub(crate) const XMP_LIMIT_BYTES: usize = 16 << 20;

/// Reads the header of a source: format, size, color, metadata, levels. Decodes no pixels.
///
/// Fails with `Unsupported` for content of another format, `Unreadable` for a broken header, `TooLarge` past `limits`.
pub fn probe(input: &mut Input<'_>, limits: &Limits) -> Result<Header, Error> {
    input.deadline().tick()?;
    if input.source_bytes() > limits.source_bytes {
        return Err(Error::new(
            Kind::TooLarge,
            format!("source of {} bytes exceeds {}", input.source_bytes(), limits.source_bytes),
        ));
    }
    let format = sniff(&input.head(SNIFF_BYTES)?).ok_or_else(unsupported)?;
    let header = caught("header", || match format {
        Format::Jpeg => jpeg::probe(input, limits),
        Format::Png => png::probe(input, limits),
        Format::Gif => gif::probe(input, limits),
        Format::Webp => webp::probe(input, limits),
        Format::Tiff => tiff::probe(input, limits),
        Format::Bmp => bmp::probe(input, limits),
    })?;
    limits.check_source(header.size)?;
    Ok(header)
}

/// The XMP packet as stored, of a source whose header `probe` returned with `has_xmp`; `None` where there is none of at
/// most 16 MiB that can be read. It may be anything: see [`xmp::document`].
///
/// Of a JPEG the main packet, which is complete in itself, without what an extended one adds.
pub fn xmp_packet(
    input: &mut Input<'_>,
    format: Format,
    limits: &Limits,
) -> Result<Option<Vec<u8>>, Error> {
    input.deadline().tick()?;
    // Packet, decompressed packet and text.
    limits.check_memory(3 * XMP_LIMIT_BYTES as u64)?;
    let packet = caught("XMP", || match format {
        Format::Jpeg => jpeg::xmp(input),
        Format::Png => png::xmp(input),
        Format::Gif => gif::xmp(input),
        Format::Webp => webp::xmp(input),
        Format::Tiff => tiff::xmp(input),
        Format::Bmp => Ok(None),
    })?;
    Ok(packet.filter(|packet| packet.len() <= XMP_LIMIT_BYTES))
}

/// Decodes the wanted part of the source whose header `probe` returned.
///
/// The pixels have exactly the size of `wanted.region`. Components of more than 8 bits are rounded to 8.
/// Fails with `Unreadable` where the data end or break, `TooLarge` past `limits`, `TimedOut`.
pub fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    input.deadline().tick()?;
    limits.check_source(header.size)?;
    let level = header.levels.get(wanted.level).ok_or_else(|| {
        Error::new(Kind::Internal, format!("level {} of {}", wanted.level, header.levels.len()))
    })?;
    let region = wanted.region;
    if region.is_empty() || region.intersection(Rect::of(level.size)) != region {
        return Err(Error::new(
            Kind::Internal,
            format!("region {region:?} lies not within a level of {}", level.size),
        ));
    }
    if wanted.form != Form::Canvas && !header.has_planes {
        return Err(Error::new(Kind::Internal, "planes asked of a source without planes"));
    }
    let Some(format) = header.format else {
        return Err(Error::new(Kind::Internal, "bytes asked of the result of a nested request"));
    };
    let pixels = caught("pixels", || match format {
        Format::Jpeg => jpeg::decode(input, header, wanted, limits),
        Format::Png => png::decode(input, header, wanted, limits),
        Format::Gif => gif::decode(input, header, wanted, limits),
        Format::Webp => webp::decode(input, header, wanted, limits),
        Format::Tiff => tiff::decode(input, header, wanted, limits),
        Format::Bmp => bmp::decode(input, header, wanted, limits),
    })?;
    if pixels.size() != region.size() {
        return Err(Error::new(
            Kind::Internal,
            format!("decoded {} where {} was wanted", pixels.size(), region.size()),
        ));
    }
    Ok(pixels)
}

/// Encodes `pixels` as `encoding` into `output`, with `metadata` where the format can hold it.
///
/// Fails with `Internal` for pixels that the format cannot hold (the plan never asks for it), `TooLarge` when
/// `jpegSize=` cannot be met, `Unwritable` when `output` fails, `TimedOut`.
pub fn encode(
    pixels: &Pixels,
    encoding: &Encoding,
    metadata: &Metadata<'_>,
    output: &mut dyn Output,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    deadline.tick()?;
    match encoding {
        Encoding::Jpeg { quality, chroma, progressive, limit_bytes } => {
            let settings = jpeg::Settings {
                quality: *quality,
                chroma: *chroma,
                progressive: *progressive,
                limit_bytes: *limit_bytes,
            };
            jpeg::encode(pixels, &settings, metadata, output, limits, deadline)
        }
        Encoding::WebpLossy { quality } => {
            webp::encode_lossy(pixels, *quality, output, limits, deadline)
        }
        Encoding::WebpLossless => webp::encode_lossless(pixels, output, limits, deadline),
        Encoding::Png => {
            let canvas = straight_canvas(pixels, &[Model::Gray, Model::Rgb])?;
            png::encode(canvas, metadata, output, deadline)
        }
        Encoding::Png8(quantization) => {
            let canvas = straight_canvas(pixels, &[Model::Rgb])?;
            png::encode_palette(canvas, quantization, metadata, output, limits, deadline)
        }
        Encoding::Gif(quantization) => {
            let canvas = straight_canvas(pixels, &[Model::Gray, Model::Rgb])?;
            gif::encode(canvas, quantization, output, limits, deadline)
        }
        Encoding::Tiff { compression, quality, chroma } => {
            let canvas = straight_canvas(pixels, &[Model::Gray, Model::Rgb, Model::Cmyk])?;
            let how =
                tiff::Compressed { compression: *compression, quality: *quality, chroma: *chroma };
            tiff::encode(canvas, how, metadata, output, limits, deadline)
        }
    }
}

/// The format by the first bytes of a source; the list is closed (security D-1).
fn sniff(head: &[u8]) -> Option<Format> {
    match head {
        [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::Webp),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Format::Tiff),
        [b'B', b'M', ..] => Some(Format::Bmp),
        _ => None,
    }
}

fn unsupported() -> Error {
    Error::new(Kind::Unsupported, "unsupported format")
}

/// The net below decoders of hostile bytes: a panic in one is an unreadable source, not the end of the request.
fn caught<T>(part: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        log::error!("a decoder panicked on {part}: {}", panic_text(payload.as_ref()));
        Err(Error::new(Kind::Unreadable, "decoder fault"))
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// The canvas of `pixels` if a format of these models without premultiplied alpha can hold it.
fn straight_canvas<'a>(pixels: &'a Pixels, models: &[Model]) -> Result<&'a Canvas, Error> {
    let Pixels::Canvas(canvas) = pixels else {
        return Err(Error::new(Kind::Internal, "the format holds no planes"));
    };
    if canvas.alpha == Alpha::Premultiplied {
        return Err(Error::new(Kind::Internal, "a premultiplied canvas reached an encoder"));
    }
    if !models.contains(&canvas.model) {
        return Err(Error::new(Kind::Internal, format!("the format holds no {:?}", canvas.model)));
    }
    if canvas.size.pixels() == 0
        || canvas.data.len() as u64 != canvas.size.pixels() * canvas.channels() as u64
    {
        return Err(Error::new(
            Kind::Internal,
            format!("a canvas of {} lacks pixels", canvas.size),
        ));
    }
    Ok(canvas)
}

/// A failure of reading `format`, told apart by its cause: time, missing bytes, broken data.
pub(crate) fn read_failure(format: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::new(Kind::TimedOut, "the deadline of the request passed"),
        io::ErrorKind::UnexpectedEof => {
            Error::new(Kind::Unreadable, format!("{format} data end early")).with_cause(error)
        }
        _ => Error::new(Kind::Unreadable, format!("broken {format} data")).with_cause(error),
    }
}

/// A failure of `output`.
pub(crate) fn write_failure(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::new(Kind::TimedOut, "the deadline of the request passed"),
        _ => {
            Error::new(Kind::Unwritable, "the encoded picture cannot be written").with_cause(error)
        }
    }
}
