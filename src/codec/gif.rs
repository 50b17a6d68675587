//! GIF in and out: the first frame on its screen, and one frame of a palette. It draws no animation.

#![forbid(unsafe_code)]

use std::io::{self, BufWriter, Write};

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, Encoder, EncodingError, Frame};

use super::palette::{self, Paletted};
use super::{
    Format, Header, Input, Level, Orientation, Output, Quantization, Wanted, read_failure,
    write_failure,
};
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Pixels};

/// Reads screen and first frame, and walks the blocks of all frames to count them.
pub(crate) fn probe(input: &mut Input<'_>, limits: &Limits) -> Result<Header, Error> {
    let mut decoder = opened(input, true)?;
    limits.check_source(Size::new(u32::from(decoder.width()), u32::from(decoder.height())))?;
    let frame = first_frame(&mut decoder)?;
    let size = screen(&decoder, &frame);
    limits.check_source(size)?;
    let alpha = if frame.transparent.is_some() || !frame.covers(size) {
        Alpha::Straight
    } else {
        Alpha::Opaque
    };
    Ok(Header {
        format: Some(Format::Gif),
        size,
        model: Model::Rgb,
        alpha,
        bits: 8,
        orientation: Orientation::Upright,
        density_ppi: None,
        icc: None,
        has_xmp: decoder.xmp_metadata().is_some(),
        path_names: Vec::new(),
        frames: counted(decoder, limits, input.deadline())?,
        has_planes: false,
        decoder_bytes: size.pixels(),
        levels: vec![Level { size, scale_x: 1.0, scale_y: 1.0 }],
    })
}

/// The XMP packet before the first frame.
pub(crate) fn xmp(input: &mut Input<'_>) -> Result<Option<Vec<u8>>, Error> {
    let mut decoder = opened(input, true)?;
    first_frame(&mut decoder)?;
    Ok(decoder.xmp_metadata().map(<[u8]>::to_vec))
}

/// Draws the part of the first frame that lies in the region.
///
/// The indices of the whole frame are decoded at once: asked for row by row, the library loses what its LZW decoder
/// still holds when the last block of data was read.
pub(crate) fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    let deadline = input.deadline();
    let mut decoder = opened(input, false)?;
    let frame = first_frame(&mut decoder)?;
    if screen(&decoder, &frame) != header.size {
        return Err(Error::new(Kind::Unreadable, "the GIF header changed"));
    }
    let colors = colors(decoder.palette().ok(), frame.transparent);
    let mut canvas = Canvas::zeroed(wanted.region.size(), Model::Rgb, header.alpha, limits)?;
    let visible = frame.area.intersection(wanted.region);
    let (channels, row_bytes) = (canvas.channels(), canvas.row_bytes());
    let mut indices = limits.zeroed(frame.area.size().pixels())?;
    let width = frame.area.width() as usize;
    if indices.is_empty() || !decoder.fill_buffer(&mut indices).map_err(failure)? {
        return Err(Error::new(Kind::Unreadable, "GIF data end within the first frame"));
    }
    for (count, (line, row)) in frame.lines().zip(indices.chunks_exact(width)).enumerate() {
        if count % 64 == 0 {
            deadline.tick()?;
        }
        let y = frame.area.top + i64::from(line);
        if visible.is_empty() || y < visible.top || y >= visible.bottom {
            continue;
        }
        let skipped = (visible.left - frame.area.left) as usize;
        let at = (y - wanted.region.top) as usize * row_bytes
            + (visible.left - wanted.region.left) as usize * channels;
        let indices = row.iter().skip(skipped).take(visible.width() as usize);
        for (pixel, index) in canvas.data[at..].chunks_exact_mut(channels).zip(indices) {
            pixel.copy_from_slice(&colors[usize::from(*index)][..channels]);
        }
    }
    Ok(Pixels::Canvas(canvas))
}

/// Encodes one frame; pixels of alpha below 128 get the key color (`U080`). Holds no metadata.
pub(crate) fn encode(
    canvas: &Canvas,
    quantization: &Quantization,
    output: &mut dyn Output,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let side = |length: u32| {
        u16::try_from(length).map_err(|_| {
            Error::new(Kind::TooLarge, format!("a GIF of {length} pixels, at most 65535"))
        })
    };
    let (width, height) = (side(canvas.size.width)?, side(canvas.size.height)?);
    let Paletted { palette, indices } = palette::with_key(canvas, quantization, limits, deadline)?;
    let colors: Vec<u8> = palette.iter().flat_map(|c| [c[0], c[1], c[2]]).collect();
    let transparent =
        palette.iter().position(|c| c[3] == 0).and_then(|index| u8::try_from(index).ok());
    let frame = Frame { width, height, transparent, buffer: indices.into(), ..Frame::default() };
    let mut buffered = BufWriter::new(&mut *output);
    let mut encoder = Encoder::new(&mut buffered, width, height, &colors).map_err(not_encoded)?;
    encoder.write_frame(&frame).map_err(not_encoded)?;
    encoder.into_inner().map_err(not_encoded)?;
    buffered.flush().map_err(write_failure)?;
    drop(buffered);
    deadline.tick()
}

/// The screen, grown where the first frame sticks out of it, as the common readers do.
fn screen<R: io::Read>(decoder: &Decoder<R>, frame: &First) -> Size {
    let side = |screen: u16, end: i64| u32::from(screen).max(u32::try_from(end).unwrap_or(0));
    Size::new(side(decoder.width(), frame.area.right), side(decoder.height(), frame.area.bottom))
}

/// What of the first frame counts.
struct First {
    area: Rect,
    transparent: Option<u8>,
    is_interlaced: bool,
}

impl First {
    fn covers(&self, screen: Size) -> bool {
        self.area.intersection(Rect::of(screen)) == Rect::of(screen)
    }

    /// The rows in the order in which they are stored.
    fn lines(&self) -> impl Iterator<Item = u32> {
        let height = self.area.height();
        let passes: &[(u32, usize)] =
            if self.is_interlaced { &[(0, 8), (4, 8), (2, 4), (1, 2)] } else { &[(0, 1)] };
        passes.iter().flat_map(move |(first, step)| (*first..height).step_by(*step))
    }
}

fn opened<'a>(input: &Input<'a>, is_skimmed: bool) -> Result<Decoder<Input<'a>>, Error> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    options.skip_frame_decoding(is_skimmed);
    options.read_info(input.reopened()).map_err(failure)
}

fn first_frame<R: io::Read>(decoder: &mut Decoder<R>) -> Result<First, Error> {
    let failed = match decoder.next_frame_info() {
        Ok(Some(_)) => None,
        Ok(None) => return Err(Error::new(Kind::Unreadable, "a GIF without a frame")),
        Err(error) => Some(error),
    };
    // A frame without any color table is an error to the library, which has read it all the same.
    let frame = match (failed, decoder.current_frame_info()) {
        (Some(DecodingError::Io(error)), _) => return Err(read_failure("GIF", error)),
        (None, Some(frame)) => frame,
        (Some(_), Some(frame)) if frame.width > 0 && frame.height > 0 => frame,
        (Some(error), _) => return Err(failure(error)),
        (None, None) => return Err(Error::new(Kind::Unreadable, "a GIF without a frame")),
    };
    let size = Size::new(u32::from(frame.width), u32::from(frame.height));
    Ok(First {
        area: Rect::at(i64::from(frame.left), i64::from(frame.top), size),
        transparent: frame.transparent,
        is_interlaced: frame.interlaced,
    })
}

/// The number of frames, at most `limits.frames`; one that cannot be read ends the count.
fn counted<R: io::Read>(
    mut decoder: Decoder<R>,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<u32, Error> {
    let mut frames = 1;
    while frames < limits.frames.max(1) {
        deadline.tick()?;
        match decoder.next_frame_info() {
            Ok(Some(_)) => frames += 1,
            Ok(None) | Err(_) => break,
        }
    }
    Ok(frames)
}

/// The color of each index; a missing table is a gray ramp, an index past the table is black.
fn colors(table: Option<&[u8]>, transparent: Option<u8>) -> Vec<[u8; 4]> {
    let color = |index: u8| {
        let (rgb, at) = (table, usize::from(index) * 3);
        let [r, g, b] = match rgb {
            None => [index; 3],
            Some(table) => match table.get(at..at + 3) {
                Some(rgb) => [rgb[0], rgb[1], rgb[2]],
                None => [0; 3],
            },
        };
        if transparent == Some(index) { [0; 4] } else { [r, g, b, 255] }
    };
    (0..=255).map(color).collect()
}

fn failure(error: DecodingError) -> Error {
    match error {
        DecodingError::Io(error) => read_failure("GIF", error),
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => {
            Error::new(Kind::TooLarge, "GIF beyond the memory of a request")
        }
        error => Error::new(Kind::Unreadable, "broken GIF data").with_cause(error),
    }
}

fn not_encoded(error: EncodingError) -> Error {
    match error {
        EncodingError::Io(error) => write_failure(error),
        error => Error::new(Kind::Internal, "the GIF encoder refused").with_cause(error),
    }
}
