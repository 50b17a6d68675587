//! PNG in and out, row by row. It keeps no text of a source and draws no animation.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::io::BufReader;

use png::{
    BitDepth, ColorType, Compression, Decoder, DecodingError, Encoder, EncodingError, Info,
    PixelDimensions, Reader, Transformations, Unit,
};

use super::exif::{Placement, placement, plausible_ppi};
use super::palette::{self, Paletted};
use super::{
    Format, Header, ICC_LIMIT_BYTES, Input, Level, Metadata, Output, Quantization, Wanted,
    XMP_LIMIT_BYTES, read_failure, write_failure,
};
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Pixels};

/// Memory of the library while it reads chunks before the pixels; it bounds what a profile inflates to.
const HEADER_BYTES: usize = 2 * ICC_LIMIT_BYTES;

/// Keyword of the text chunk that holds an XMP packet.
const XMP_KEYWORD: &str = "XML:com.adobe.xmp";

/// Reads all chunks before the pixels.
pub(crate) fn probe(input: &mut Input<'_>, limits: &Limits) -> Result<Header, Error> {
    let mut decoder = Decoder::new_with_limits(
        BufReader::new(input.reopened()),
        png::Limits { bytes: HEADER_BYTES.min(memory(limits)) },
    );
    let (width, height) = decoder.read_header_info().map_err(failure)?.size();
    let size = Size::new(width, height);
    limits.check_source(size)?;
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(failure)?;
    let (color, _) = reader.output_color_type();
    let (model, alpha) = form(color)?;
    let info = reader.info();
    let Placement { orientation, density_ppi } =
        info.exif_metadata.as_deref().map(placement).unwrap_or_default();
    let stated_ppi = info
        .pixel_dims
        .filter(|dims| dims.unit == Unit::Meter)
        .map(|dims| f64::from(dims.xppu) * 0.0254)
        .filter(|ppi| plausible_ppi(*ppi));
    Ok(Header {
        format: Some(Format::Png),
        size,
        model,
        alpha,
        bits: info.bit_depth as u8,
        orientation,
        density_ppi: stated_ppi.or(density_ppi),
        icc: info
            .icc_profile
            .as_deref()
            .filter(|icc| icc.len() <= ICC_LIMIT_BYTES)
            .map(<[u8]>::to_vec),
        has_xmp: info.utf8_text.iter().any(|text| text.keyword == XMP_KEYWORD),
        path_names: Vec::new(),
        frames: info.animation_control.map_or(1, |control| control.num_frames.max(1)),
        has_planes: false,
        decoder_bytes: 0,
        levels: vec![Level { size, scale_x: 1.0, scale_y: 1.0 }],
    })
}

/// The text chunk of the XMP packet before the pixels; one that inflates beyond the limit counts as absent.
pub(crate) fn xmp(input: &mut Input<'_>) -> Result<Option<Vec<u8>>, Error> {
    let mut decoder = Decoder::new_with_limits(
        BufReader::new(input.reopened()),
        png::Limits { bytes: HEADER_BYTES + XMP_LIMIT_BYTES },
    );
    decoder.set_ignore_iccp_chunk(true);
    let reader = decoder.read_info().map_err(failure)?;
    let chunk = reader.info().utf8_text.iter().find(|text| text.keyword == XMP_KEYWORD);
    let Some(mut chunk) = chunk.cloned() else { return Ok(None) };
    if let Err(error) = chunk.decompress_text_with_limit(XMP_LIMIT_BYTES) {
        log::debug!("the XMP packet of a PNG is ignored: {error}");
        return Ok(None);
    }
    Ok(chunk.get_text().ok().map(String::into_bytes))
}

/// Decodes the rows down to the last of the region and keeps what lies in it.
pub(crate) fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    let deadline = input.deadline();
    let mut decoder = Decoder::new_with_limits(
        BufReader::with_capacity(64 << 10, input.reopened()),
        png::Limits { bytes: memory(limits) },
    );
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(failure)?;
    let (color, depth) = reader.output_color_type();
    if reader.info().size() != (header.size.width, header.size.height)
        || form(color)? != (header.model, header.alpha)
    {
        return Err(Error::new(Kind::Unreadable, "the PNG header changed"));
    }
    let mut canvas = Canvas::zeroed(wanted.region.size(), header.model, header.alpha, limits)?;
    let mut rows = Rows {
        is_deep: depth == BitDepth::Sixteen,
        channels: canvas.channels(),
        row_bytes: canvas.row_bytes(),
        region: wanted.region,
        canvas: &mut canvas.data,
    };
    if reader.info().interlaced {
        for pass in &ADAM7 {
            let (columns, lines) = pass.size(header.size);
            if columns == 0 {
                continue;
            }
            for line in 0..lines {
                let y = pass.top + line * pass.step_y;
                let row = next_row(&mut reader)?;
                rows.put(row, y, pass.left, pass.step_x)?;
                if line % 64 == 0 {
                    deadline.tick()?;
                }
            }
        }
    } else {
        for y in 0..u32::try_from(wanted.region.bottom).unwrap_or(u32::MAX) {
            let row = next_row(&mut reader)?;
            rows.put(row, y, 0, 1)?;
            if y % 64 == 0 {
                deadline.tick()?;
            }
        }
    }
    Ok(Pixels::Canvas(canvas))
}

/// Encodes gray or RGB, with or without straight alpha, with a profile and a resolution and no other chunk (D-2, W-8).
pub(crate) fn encode(
    canvas: &Canvas,
    metadata: &Metadata<'_>,
    output: &mut dyn Output,
    deadline: &Deadline,
) -> Result<(), Error> {
    let color = match (canvas.model, canvas.alpha) {
        (Model::Gray, Alpha::Opaque) => ColorType::Grayscale,
        (Model::Gray, _) => ColorType::GrayscaleAlpha,
        (_, Alpha::Opaque) => ColorType::Rgb,
        (_, _) => ColorType::Rgba,
    };
    write(described(canvas.size, color, metadata), &canvas.data, output)?;
    deadline.tick()
}

/// Encodes RGB, with or without straight alpha, as palette and indices of 1, 2, 4 or 8 bits (`png8`, `png8-alpha`).
pub(crate) fn encode_palette(
    canvas: &Canvas,
    quantization: &Quantization,
    metadata: &Metadata<'_>,
    output: &mut dyn Output,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let Paletted { palette, indices } =
        palette::with_translucency(canvas, quantization, limits, deadline)?;
    let mut info = described(canvas.size, ColorType::Indexed, metadata);
    info.bit_depth = match palette.len() {
        0..=2 => BitDepth::One,
        3..=4 => BitDepth::Two,
        5..=16 => BitDepth::Four,
        _ => BitDepth::Eight,
    };
    info.palette = Some(Cow::Owned(palette.iter().flat_map(|c| [c[0], c[1], c[2]]).collect()));
    let translucent = palette.iter().rposition(|c| c[3] != 255).map_or(0, |last| last + 1);
    if translucent > 0 {
        info.trns = Some(Cow::Owned(palette[..translucent].iter().map(|c| c[3]).collect()));
    }
    let packed = packed(&indices, canvas.size, info.bit_depth as usize, limits)?;
    write(info, &packed, output)?;
    deadline.tick()
}

fn described(size: Size, color: ColorType, metadata: &Metadata<'_>) -> Info<'static> {
    let mut info = Info::with_size(size.width, size.height);
    info.color_type = color;
    info.bit_depth = BitDepth::Eight;
    info.icc_profile = metadata
        .icc
        .filter(|icc| !icc.is_empty() && icc.len() <= ICC_LIMIT_BYTES)
        .map(|icc| Cow::Owned(icc.to_vec()));
    info.pixel_dims = metadata.density_ppi.filter(|ppi| plausible_ppi(*ppi)).map(|ppi| {
        let per_meter = (ppi / 0.0254).round() as u32;
        PixelDimensions { xppu: per_meter, yppu: per_meter, unit: Unit::Meter }
    });
    info
}

fn write(info: Info<'_>, data: &[u8], output: &mut dyn Output) -> Result<(), Error> {
    let mut encoder = Encoder::with_info(&mut *output, info).map_err(not_encoded)?;
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(not_encoded)?;
    writer.write_image_data(data).map_err(not_encoded)?;
    writer.finish().map_err(not_encoded)?;
    output.flush().map_err(write_failure)
}

/// Indices of 8 bits as rows of fewer bits, the first pixel in the highest ones.
fn packed(indices: &[u8], size: Size, bits: usize, limits: &Limits) -> Result<Vec<u8>, Error> {
    let (width, per_byte) = (size.width as usize, 8 / bits);
    let row_bytes = width.div_ceil(per_byte);
    let mut packed = limits.zeroed(row_bytes as u64 * u64::from(size.height))?;
    for (target, row) in packed.chunks_exact_mut(row_bytes).zip(indices.chunks_exact(width)) {
        for (byte, group) in target.iter_mut().zip(row.chunks(per_byte)) {
            for (place, index) in group.iter().enumerate() {
                *byte |= index << (8 - bits * (place + 1));
            }
        }
    }
    Ok(packed)
}

/// One of the seven pictures that an interlaced PNG consists of.
struct Pass {
    left: u32,
    top: u32,
    step_x: u32,
    step_y: u32,
}

impl Pass {
    fn size(&self, whole: Size) -> (u32, u32) {
        (
            whole.width.saturating_sub(self.left).div_ceil(self.step_x),
            whole.height.saturating_sub(self.top).div_ceil(self.step_y),
        )
    }
}

const ADAM7: [Pass; 7] = [
    Pass { left: 0, top: 0, step_x: 8, step_y: 8 },
    Pass { left: 4, top: 0, step_x: 8, step_y: 8 },
    Pass { left: 0, top: 4, step_x: 4, step_y: 8 },
    Pass { left: 2, top: 0, step_x: 4, step_y: 4 },
    Pass { left: 0, top: 2, step_x: 2, step_y: 4 },
    Pass { left: 1, top: 0, step_x: 2, step_y: 2 },
    Pass { left: 0, top: 1, step_x: 1, step_y: 2 },
];

/// Where decoded rows go: the part of them that lies in the region, in 8 bits.
struct Rows<'a> {
    is_deep: bool,
    channels: usize,
    row_bytes: usize,
    region: Rect,
    canvas: &'a mut [u8],
}

impl Rows<'_> {
    /// Puts a row whose pixels lie at `left`, `left + step`, … of row `y` of the picture.
    fn put(&mut self, row: &[u8], y: u32, left: u32, step: u32) -> Result<(), Error> {
        let Some(line) = usize::try_from(i64::from(y) - self.region.top).ok() else {
            return Ok(());
        };
        let Some(target) = self.canvas.chunks_exact_mut(self.row_bytes).nth(line) else {
            return Ok(());
        };
        let pixel_bytes = self.channels * if self.is_deep { 2 } else { 1 };
        if step == 1 && left == 0 {
            let from = self.region.left as usize * pixel_bytes;
            let part = row
                .get(from..from + self.region.width() as usize * pixel_bytes)
                .ok_or_else(|| Error::new(Kind::Unreadable, "a PNG row is too short"))?;
            copy(part, target, self.is_deep);
            return Ok(());
        }
        for (column, pixel) in row.chunks_exact(pixel_bytes).enumerate() {
            let x = i64::from(left) + column as i64 * i64::from(step);
            if x >= self.region.left && x < self.region.right {
                let at = (x - self.region.left) as usize * self.channels;
                copy(pixel, &mut target[at..at + self.channels], self.is_deep);
            }
        }
        Ok(())
    }
}

/// Copies components; those of 16 bits are rounded to 8.
fn copy(from: &[u8], to: &mut [u8], is_deep: bool) {
    if !is_deep {
        to.copy_from_slice(from);
        return;
    }
    for (component, pair) in to.iter_mut().zip(from.chunks_exact(2)) {
        let value = u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        *component = ((value * 255 + 32_767) / 65_535) as u8;
    }
}

fn next_row<'r>(reader: &'r mut Reader<BufReader<Input<'_>>>) -> Result<&'r [u8], Error> {
    match reader.next_row() {
        Ok(Some(row)) => Ok(row.data()),
        Ok(None) => Err(Error::new(Kind::Unreadable, "PNG rows are missing")),
        Err(error) => Err(failure(error)),
    }
}

fn form(color: ColorType) -> Result<(Model, Alpha), Error> {
    match color {
        ColorType::Grayscale => Ok((Model::Gray, Alpha::Opaque)),
        ColorType::GrayscaleAlpha => Ok((Model::Gray, Alpha::Straight)),
        ColorType::Rgb => Ok((Model::Rgb, Alpha::Opaque)),
        ColorType::Rgba => Ok((Model::Rgb, Alpha::Straight)),
        ColorType::Indexed => Err(Error::new(Kind::Internal, "a PNG palette was not expanded")),
    }
}

fn memory(limits: &Limits) -> usize {
    usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX)
}

fn failure(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) => read_failure("PNG", error),
        DecodingError::LimitsExceeded => {
            Error::new(Kind::TooLarge, "PNG beyond the memory of a request")
        }
        error => Error::new(Kind::Unreadable, "broken PNG data").with_cause(error),
    }
}

fn not_encoded(error: EncodingError) -> Error {
    match error {
        EncodingError::IoError(error) => write_failure(error),
        error => Error::new(Kind::Internal, "the PNG encoder refused").with_cause(error),
    }
}
