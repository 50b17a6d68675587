//! BMP in, by way of the `image` crate; the rectangle is cut from the whole picture. It writes none.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Cursor, Seek};

use image::codecs::bmp::BmpDecoder;
use image::error::ImageError;
use image::{ColorType, ImageDecoder, Limits as ImageLimits};

use super::exif::plausible_ppi;
use super::{Format, Header, Input, Level, Orientation, Wanted, read_failure};
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::Limits;
use crate::raster::{Alpha, Canvas, Model, Pixels};

/// Bytes of the file and information headers.
const HEAD_BYTES: usize = 54;

/// Reads the header of a bitmap.
pub(crate) fn probe(input: &mut Input<'_>, limits: &Limits) -> Result<Header, Error> {
    let head = input.head(HEAD_BYTES)?;
    if is_os2(&head) {
        let bytes = windows_form(input.read_all(limits)?);
        return described(BmpDecoder::new(Cursor::new(bytes)).map_err(failure)?, &head, limits);
    }
    described(BmpDecoder::new(BufReader::new(input.reopened())).map_err(failure)?, &head, limits)
}

fn described<R: BufRead + Seek>(
    decoder: BmpDecoder<R>,
    head: &[u8],
    limits: &Limits,
) -> Result<Header, Error> {
    let (width, height) = decoder.dimensions();
    let size = Size::new(width, height);
    limits.check_source(size)?;
    Ok(Header {
        format: Some(Format::Bmp),
        size,
        model: Model::Rgb,
        alpha: match decoder.color_type() {
            ColorType::Rgba8 => Alpha::Straight,
            _ => Alpha::Opaque,
        },
        bits: 8,
        orientation: Orientation::Upright,
        density_ppi: density_ppi(head),
        icc: None,
        has_xmp: false,
        path_names: Vec::new(),
        frames: 1,
        has_planes: false,
        decoder_bytes: size.pixels().saturating_mul(8),
        levels: vec![Level { size, scale_x: 1.0, scale_y: 1.0 }],
        // The whole picture, and the file with up to four bytes a pixel.
    })
}

/// Decodes the whole bitmap, which lies bottom up, and cuts the region out of it.
pub(crate) fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    // The whole file in memory, because the decoder seeks between rows of run-length data.
    let mut bytes = input.read_all(limits)?;
    if is_os2(&bytes) {
        bytes = windows_form(bytes);
    }
    let mut decoder = BmpDecoder::new(Cursor::new(bytes.as_slice())).map_err(failure)?;
    let mut bounds = ImageLimits::default();
    bounds.max_alloc = Some(limits.memory_bytes);
    decoder.set_limits(bounds).map_err(failure)?;
    if Size::from(decoder.dimensions()) != header.size {
        return Err(Error::new(Kind::Unreadable, "the BMP header changed"));
    }
    let mut whole = Canvas::zeroed(header.size, Model::Rgb, header.alpha, limits)?;
    if decoder.total_bytes() != whole.data.len() as u64 {
        return Err(Error::new(Kind::Unreadable, "the BMP header changed"));
    }
    decoder.read_image(&mut whole.data).map_err(failure)?;
    input.deadline().tick()?;
    cut(whole, wanted.region, limits).map(Pixels::Canvas)
}

/// The region of a whole picture, which `decode` has checked to lie inside it.
fn cut(whole: Canvas, region: Rect, limits: &Limits) -> Result<Canvas, Error> {
    if region == Rect::of(whole.size) {
        return Ok(whole);
    }
    let mut part = Canvas::zeroed(region.size(), whole.model, whole.alpha, limits)?;
    let (from, row_bytes) = (region.left as usize * whole.channels(), part.row_bytes());
    let rows = whole.data.chunks_exact(whole.row_bytes()).skip(region.top as usize);
    for (target, row) in part.data.chunks_exact_mut(row_bytes).zip(rows) {
        target.copy_from_slice(&row[from..from + row_bytes]);
    }
    Ok(part)
}

/// Whether the header is one of OS/2 2.x, which the decoder does not know: 16 to 64 bytes of the Windows fields and
/// more. Sizes that Windows has itself are none.
fn is_os2(head: &[u8]) -> bool {
    number(head, 14)
        .is_some_and(|length| (16..=64).contains(&length) && ![40, 52, 56].contains(&length))
}

/// An OS/2 file with its header cut or filled up to the 40 bytes of Windows; the first 40 bytes mean the same.
fn windows_form(bytes: Vec<u8>) -> Vec<u8> {
    let length = number(&bytes, 14).unwrap_or(40);
    let pixels = number(&bytes, 10).unwrap_or(0);
    let end = (14 + length as usize).min(bytes.len());
    let mut head = bytes.get(..end.min(54)).unwrap_or(&[]).to_vec();
    head.resize(54, 0);
    head[10..14].copy_from_slice(&pixels.saturating_sub(length).saturating_add(40).to_le_bytes());
    head[14..18].copy_from_slice(&40u32.to_le_bytes());
    head.extend(bytes.get(end..).unwrap_or(&[]));
    head
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Pixels an inch from the two numbers of pixels a meter, which an OS/2 header lacks.
fn density_ppi(head: &[u8]) -> Option<f64> {
    if number(head, 14)? < 40 {
        return None;
    }
    Some(f64::from(number(head, 38)?) * 0.0254).filter(|ppi| plausible_ppi(*ppi))
}

fn failure(error: ImageError) -> Error {
    match error {
        ImageError::IoError(error) => read_failure("BMP", error),
        ImageError::Limits(error) => {
            Error::new(Kind::TooLarge, "BMP beyond the memory of a request").with_cause(error)
        }
        ImageError::Unsupported(error) => {
            Error::new(Kind::Unsupported, "unsupported kind of BMP").with_cause(error)
        }
        error => Error::new(Kind::Unreadable, "broken BMP data").with_cause(error),
    }
}
