//! JPEG streams in strips and tiles: made whole for the JPEG codec, which knows no TIFF. It reads no tags.

use std::io::Cursor;

use super::super::jpeg::{self as stream, Settings};
use super::super::{Chroma, Form, Input, Metadata, Wanted};
use super::chunk::Chunk;
use super::page::{Meaning, Page};
use crate::error::{Error, Kind};
use crate::geometry::Rect;
use crate::limits::{Deadline, Limits};
use crate::raster::{Canvas, Model, Pixels};

const START: [u8; 2] = [0xff, 0xd8];
const END: [u8; 2] = [0xff, 0xd9];

/// Decodes the first `rows` rows of a strip or tile.
pub(super) fn decoded(
    bytes: &[u8],
    page: &Page,
    rows: usize,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Chunk, Error> {
    let whole = joined(&limited(bytes, page.chunk.height), page);
    let mut input = Input::new(&whole, deadline);
    let header = stream::probe(&mut input, limits)?;
    let width = page.chunk.width.min(header.size.width);
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    if width < page.chunk.width || header.size.height < rows {
        return Err(Error::new(
            Kind::Unreadable,
            format!("a JPEG of {} in a TIFF chunk of {}", header.size, page.chunk),
        ));
    }
    let expected = if page.is_planar { 1 } else { page.samples };
    if header.model.components() != expected {
        return Err(Error::new(
            Kind::Unreadable,
            format!("a JPEG of {:?} in a TIFF of {expected} samples", header.model),
        ));
    }
    let mut region = Rect::of(header.size);
    (region.right, region.bottom) = (i64::from(width), i64::from(rows));
    let wanted = Wanted { level: 0, region, form: Form::Canvas };
    let Pixels::Canvas(mut canvas) = stream::decode(&mut input, &header, &wanted, limits)? else {
        return Err(Error::new(Kind::Internal, "planes where a canvas was wanted"));
    };
    if canvas.model == Model::Cmyk {
        invert(&mut canvas.data);
    }
    Ok(Chunk {
        first: 0,
        row_bytes: canvas.row_bytes(),
        data: canvas.data,
        is_rgb: page.meaning == Meaning::YCbCr,
    })
}

/// The stream with the tables of the directory and with a mark of its colors: without one, a decoder would guess
/// whether three components are YCbCr, and whether four are inverted.
fn joined(bytes: &[u8], page: &Page) -> Vec<u8> {
    let transform = u8::from(page.meaning == Meaning::YCbCr && !page.is_planar);
    let adobe = [0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, transform];
    let tables = page.jpeg_tables.strip_prefix(&START).unwrap_or(&page.jpeg_tables);
    let tables = tables.strip_suffix(&END).unwrap_or(tables);
    let rest = bytes.strip_prefix(&START).unwrap_or(bytes);
    [&START[..], tables, &adobe, rest].concat()
}

/// The stream with a frame no higher than the chunk: libtiff too lets the directory decide where a frame claims more.
fn limited(bytes: &[u8], height: u32) -> Vec<u8> {
    let mut stream = bytes.to_vec();
    let mut at = 2;
    while let Some([0xff, marker, high, low]) =
        stream.get(at..at + 4).map(|s| [s[0], s[1], s[2], s[3]])
    {
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame && let Some([high, low]) = stream.get_mut(at + 5..at + 7) {
            let claimed = u16::from_be_bytes([*high, *low]);
            let kept = claimed.min(u16::try_from(height).unwrap_or(u16::MAX));
            [*high, *low] = kept.to_be_bytes();
        }
        if is_frame || marker == 0xda {
            break;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    stream
}

/// Encodes a whole picture as the one strip of a TIFF. Inks are stored as they are, as readers of TIFF expect.
pub(super) fn encoded(
    canvas: &Canvas,
    quality: u8,
    chroma: Chroma,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Vec<u8>, Error> {
    limits.check_memory(canvas.data.len() as u64)?;
    let mut canvas = canvas.clone();
    if canvas.model == Model::Cmyk {
        invert(&mut canvas.data);
    }
    let settings = Settings { quality, chroma, progressive: None, limit_bytes: None };
    let mut output = Cursor::new(Vec::new());
    stream::encode(
        &Pixels::Canvas(canvas),
        &settings,
        &Metadata::default(),
        &mut output,
        limits,
        deadline,
    )?;
    Ok(output.into_inner())
}

fn invert(inks: &mut [u8]) {
    for ink in inks {
        *ink = 255 - *ink;
    }
}
