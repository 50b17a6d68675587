//! WebP in and out: lossy and lossless, of an animation the first frame on its canvas. It embeds no metadata.
//!
//! The container is read in safe Rust; libwebp decodes and encodes lossy pictures, `image-webp` encodes lossless ones.

use std::ffi::{c_int, c_void};
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use libwebp_sys as lw;

use crate::codec::jpeg::markers::{exif_values, read_error};
use crate::codec::{Form, Format, Header, Input, Level, Orientation, Wanted, XMP_LIMIT_BYTES};
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Pixels};

/// Longest side of the format.
const SIDE_LIMIT: u32 = 16_383;
/// Largest ICC profile that is kept; larger ones count as absent.
const ICC_LIMIT: u64 = 8 << 20;
/// EXIF chunks are looked at up to this length.
const EXIF_LIMIT: u64 = 1 << 20;
/// Bytes handed to the decoder at first; later pieces grow, since lossless headers are parsed anew for each.
const PIECE_BYTES: usize = 256 << 10;
/// The middle of libwebp's speeds: half the time of its default for 3 % more bytes.
const METHOD: c_int = 2;

/// What the container says.
#[derive(Default)]
struct Container {
    canvas: Size,
    has_alpha: bool,
    icc: Option<Vec<u8>>,
    orientation: Orientation,
    density_ppi: Option<f64>,
    /// Where the XMP chunk lies, and its length.
    xmp: Option<(u64, u64)>,
    is_animated: bool,
    frames: u32,
    first: Option<Frame>,
}

/// The first frame of an animation: where it lies on the canvas, and its bytes in the file.
#[derive(Clone, Copy)]
struct Frame {
    left: u32,
    top: u32,
    size: Size,
    from: u64,
    length: u64,
}

/// Reads the chunks up to the picture, and all of an extended file.
///
/// `Unreadable` for broken chunks, `TooLarge` past `limits.source_pixels`. Alpha is straight if the file announces it,
/// or if the first frame of an animation leaves canvas uncovered. The one level is the full size.
pub(crate) fn probe(input: &mut Input<'_>, limits: &Limits) -> Result<Header, Error> {
    let container = read_container(input)?;
    limits.check_source(container.canvas)?;
    let size = container.canvas;
    Ok(Header {
        format: Some(Format::Webp),
        size,
        model: Model::Rgb,
        alpha: if container.has_alpha { Alpha::Straight } else { Alpha::Opaque },
        bits: 8,
        orientation: container.orientation,
        density_ppi: container.density_ppi,
        icc: container.icc,
        has_xmp: container.xmp.is_some(),
        path_names: Vec::new(),
        frames: container.frames.max(1),
        has_planes: false,
        // The whole picture, and libwebp's own copy of a lossless one.
        decoder_bytes: size.pixels().saturating_mul(8).saturating_add(input.source_bytes()),
        levels: vec![Level { size, scale_x: 1.0, scale_y: 1.0 }],
        // The whole picture and libwebp's own copy of a lossless one.
    })
}

/// The XMP packet.
pub(crate) fn xmp(input: &mut Input<'_>) -> Result<Option<Vec<u8>>, Error> {
    let place = read_container(input)?.xmp;
    let Some((from, length)) = place.filter(|(_, length)| *length <= XMP_LIMIT_BYTES as u64) else {
        return Ok(None);
    };
    input.seek(SeekFrom::Start(from)).map_err(read_error)?;
    bytes(input, length)
}

fn read_container(input: &mut Input<'_>) -> Result<Container, Error> {
    input.seek(SeekFrom::Start(0)).map_err(read_error)?;
    let riff: [u8; 12] = array(input)?;
    if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WEBP") {
        return Err(unreadable("no WebP file"));
    }
    let announced = u64::from(u32_at(&riff, 4)) + 8;
    // Like other readers of whole files; a missing byte of padding counts as cut, too.
    check_whole(input, 0, announced)?;
    let end = announced;
    let mut found = Container::default();
    let (mut tag, mut length) = chunk(input)?;
    let mut from = 20;
    match &tag {
        b"VP8 " | b"VP8L" => {
            (found.canvas, found.has_alpha) = picture_header(input, tag)?;
            check_whole(input, from, length)?;
            return Ok(found);
        }
        b"VP8X" => {
            let head: [u8; 10] = array(input)?;
            found.canvas = Size::new(u24_at(&head, 4) + 1, u24_at(&head, 7) + 1);
            found.has_alpha = head[0] & 0x10 != 0;
            found.is_animated = head[0] & 0x02 != 0;
        }
        _ => return Err(unreadable("WebP without a picture")),
    }
    let mut has_picture = false;
    loop {
        from += length.next_multiple_of(2);
        if from.saturating_add(8) > end {
            break;
        }
        input.seek(SeekFrom::Start(from)).map_err(read_error)?;
        (tag, length) = chunk(input)?;
        from += 8;
        match &tag {
            b"VP8 " | b"VP8L" if !found.is_animated && !has_picture => {
                let (size, _) = picture_header(input, tag)?;
                if size != found.canvas {
                    return Err(unreadable(format!(
                        "WebP picture of {size} on a canvas of {}",
                        found.canvas
                    )));
                }
                check_whole(input, from, length)?;
                has_picture = true;
            }
            b"ALPH" if !has_picture => found.has_alpha = true,
            b"ANMF" if found.is_animated => take_frame(input, from, length, &mut found)?,
            b"ICCP" if length <= ICC_LIMIT && found.icc.is_none() => {
                found.icc = bytes(input, length)?.filter(|icc| !icc.is_empty());
            }
            b"EXIF" if length <= EXIF_LIMIT => {
                if let Some(exif) = bytes(input, length)? {
                    let exif = exif.strip_prefix(b"Exif\0\0".as_slice()).unwrap_or(&exif).to_vec();
                    (found.orientation, found.density_ppi) = exif_values(exif);
                }
            }
            b"XMP " if length > 0 => found.xmp = found.xmp.or(Some((from, length))),
            _ => {}
        }
    }
    if !has_picture && found.first.is_none() {
        return Err(unreadable("WebP without a picture"));
    }
    Ok(found)
}

fn take_frame(
    input: &mut Input<'_>,
    from: u64,
    length: u64,
    found: &mut Container,
) -> Result<(), Error> {
    found.frames = found.frames.saturating_add(1);
    if found.first.is_some() {
        return Ok(());
    }
    let head: [u8; 16] = array(input)?;
    check_whole(input, from, length)?;
    let length = length.checked_sub(16).ok_or_else(|| unreadable("WebP frame is cut short"))?;
    let frame = Frame {
        left: u24_at(&head, 0) * 2,
        top: u24_at(&head, 3) * 2,
        size: Size::new(u24_at(&head, 6) + 1, u24_at(&head, 9) + 1),
        from: from + 16,
        length,
    };
    let area = Rect::at(frame.left.into(), frame.top.into(), frame.size);
    if area.intersection(Rect::of(found.canvas)) != area {
        return Err(unreadable("WebP frame outside its canvas"));
    }
    found.has_alpha |= area != Rect::of(found.canvas);
    found.first = Some(frame);
    Ok(())
}

/// Refuses a picture that goes on behind the end of the file: lossless data may seem complete before their end.
fn check_whole(input: &Input<'_>, from: u64, length: u64) -> Result<(), Error> {
    let (end, file) = (from.saturating_add(length), input.source_bytes());
    match end <= file {
        true => Ok(()),
        false => Err(unreadable(format!("WebP truncated: {file} bytes of {end}"))),
    }
}

/// Size and alpha of a `VP8 ` or `VP8L` chunk.
fn picture_header(input: &mut Input<'_>, tag: [u8; 4]) -> Result<(Size, bool), Error> {
    if tag == *b"VP8L" {
        let head: [u8; 5] = array(input)?;
        let bits = u32_at(&head, 1);
        if head[0] != 0x2f || bits >> 29 != 0 {
            return Err(unreadable("WebP lossless header is malformed"));
        }
        let size = Size::new((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1);
        return Ok((size, bits & (1 << 28) != 0));
    }
    let head: [u8; 10] = array(input)?;
    if head[0] & 1 != 0 || head[3..6] != [0x9d, 0x01, 0x2a] {
        return Err(unreadable("WebP lossy header is malformed"));
    }
    let side = |at: usize| u32::from(u16::from_le_bytes([head[at], head[at + 1]])) & 0x3fff;
    Ok((Size::new(side(6), side(8)), false))
}

/// Tag and length of the chunk at the position.
fn chunk(input: &mut Input<'_>) -> Result<([u8; 4], u64), Error> {
    let head: [u8; 8] = array(input)?;
    Ok(([head[0], head[1], head[2], head[3]], u32_at(&head, 4).into()))
}

fn array<const N: usize>(input: &mut Input<'_>) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(read_error)?;
    Ok(bytes)
}

/// A chunk of metadata of at most a few MiB; `None` where the file ends first.
fn bytes(input: &mut Input<'_>, length: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes).map_err(read_error)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 == length))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u24_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0])
}

/// Decodes a region as RGB, with straight alpha where the header says so; what an animation's first frame does not
/// cover is transparent.
///
/// `Unreadable` where the data end or break, `TooLarge` when file and pixels exceed `limits.memory_bytes`.
pub(crate) fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    if wanted.form != Form::Canvas || wanted.level != 0 {
        return Err(internal("WebP has no planes and one level"));
    }
    let region = wanted.region.intersection(Rect::of(header.size));
    if region.is_empty() {
        return Err(internal(format!("region {:?} of a WebP of {}", wanted.region, header.size)));
    }
    limits.check_source(header.size)?;
    let container = read_container(input)?;
    if container.canvas != header.size {
        return Err(unreadable("WebP differs from its header"));
    }
    let file = input.read_all(limits)?;
    let channels = if header.alpha == Alpha::Opaque { 3 } else { 4 };
    // Pixels, libwebp's own copy of a lossless picture, and the region.
    let held = header.size.pixels().saturating_mul(12).saturating_add(file.len() as u64);
    limits.check_memory(held)?;
    let deadline = input.deadline();
    let (area, data) = match container.first {
        None => {
            let data = decode_picture(&file, header.size, channels, limits, deadline)?;
            (Rect::of(header.size), data)
        }
        Some(frame) => {
            let from = usize::try_from(frame.from).unwrap_or(usize::MAX);
            let rest = file.get(from..).unwrap_or(&[]);
            let length = usize::try_from(frame.length).unwrap_or(usize::MAX);
            let payload = rest.get(..length).unwrap_or(rest);
            let data = decode_picture(payload, frame.size, channels, limits, deadline)?;
            (Rect::at(frame.left.into(), frame.top.into(), frame.size), data)
        }
    };
    if area == region {
        let (size, alpha) = (region.size(), header.alpha);
        return Ok(Pixels::Canvas(Canvas { size, model: Model::Rgb, alpha, data }));
    }
    let mut canvas = Canvas::zeroed(region.size(), Model::Rgb, header.alpha, limits)?;
    copy_overlap(&data, area, &mut canvas.data, region, channels);
    Ok(Pixels::Canvas(canvas))
}

/// Copies what `src` at `src_area` and `dst` at `dst_area` both cover.
fn copy_overlap(src: &[u8], src_area: Rect, dst: &mut [u8], dst_area: Rect, channels: usize) {
    let common = src_area.intersection(dst_area);
    if common.is_empty() {
        return;
    }
    let bytes = common.width() as usize * channels;
    let start = |area: Rect, row: i64| {
        let pixels = (row - area.top) * i64::from(area.width()) + common.left - area.left;
        usize::try_from(pixels).map_or(usize::MAX, |pixels| pixels.saturating_mul(channels))
    };
    for row in common.top..common.bottom {
        let (from, to) = (start(src_area, row), start(dst_area, row));
        if let (Some(src), Some(dst)) =
            (src.get(from..).and_then(|s| s.get(..bytes)), dst.get_mut(to..))
            && let Some(dst) = dst.get_mut(..bytes)
        {
            dst.copy_from_slice(src);
        }
    }
}

/// An incremental decoder, so that the deadline is looked at between pieces.
struct Decoder(*mut lw::WebPIDecoder);

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `WebPIDecode` and is deleted once; a null pointer is allowed.
        unsafe { lw::WebPIDelete(self.0) };
    }
}

/// Decodes a WebP file or the chunks of a frame into `channels` bytes a pixel, 3 or 4.
fn decode_picture(
    file: &[u8],
    size: Size,
    channels: usize,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Vec<u8>, Error> {
    // The decoder writes rows of its own picture's width: the sizes must agree before it gets our buffer.
    let found = features(file)?;
    if found != size {
        return Err(unreadable(format!("WebP picture of {found}, expected {size}")));
    }
    let stride = size.width as usize * channels;
    let mut data = limits.zeroed(size.pixels() * channels as u64)?;
    let mut config =
        lw::WebPDecoderConfig::new().map_err(|()| internal("libwebp of another version"))?;
    config.output.colorspace =
        if channels == 4 { lw::WEBP_CSP_MODE::MODE_RGBA } else { lw::WEBP_CSP_MODE::MODE_RGB };
    config.output.is_external_memory = 1;
    config.output.u.RGBA = lw::WebPRGBABuffer {
        rgba: data.as_mut_ptr(),
        stride: c_int::try_from(stride).map_err(|_| internal("WebP row too long"))?,
        size: data.len(),
    };
    // SAFETY: no data yet; `config` and `data` outlive the decoder, which is dropped below before they move.
    let decoder = Decoder(unsafe { lw::WebPIDecode(std::ptr::null(), 0, &mut config) });
    if decoder.0.is_null() {
        return Err(Error::new(Kind::TooLarge, "no memory for a WebP decoder"));
    }
    let mut end = 0usize;
    loop {
        deadline.tick()?;
        end = file.len().min(end + PIECE_BYTES.max(end / 2));
        // SAFETY: `file` stays in place while the decoder lives; `end` is at most its length.
        let status = unsafe { lw::WebPIUpdate(decoder.0, file.as_ptr(), end) };
        match status {
            lw::VP8StatusCode::VP8_STATUS_OK => break,
            lw::VP8StatusCode::VP8_STATUS_SUSPENDED if end < file.len() => {}
            status => return Err(failed(&decoder, status)),
        }
    }
    drop(decoder);
    Ok(data)
}

fn features(file: &[u8]) -> Result<Size, Error> {
    let mut found = std::mem::MaybeUninit::<lw::WebPBitstreamFeatures>::zeroed();
    // SAFETY: pointer and length are of one slice; the structure is plain numbers, for which zero is a value.
    let (status, found) = unsafe {
        let status = lw::WebPGetFeatures(file.as_ptr(), file.len(), found.as_mut_ptr());
        (status, found.assume_init())
    };
    match status {
        lw::VP8StatusCode::VP8_STATUS_OK => {
            let side = |value: c_int| u32::try_from(value).unwrap_or(0);
            Ok(Size::new(side(found.width), side(found.height)))
        }
        lw::VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA => {
            Err(unreadable("the data end within the header"))
        }
        _ => Err(unreadable("WebP header is malformed")),
    }
}

fn failed(decoder: &Decoder, status: lw::VP8StatusCode) -> Error {
    let mut row = 0;
    let none = std::ptr::null_mut();
    // SAFETY: the decoder is valid, `row` is a place for a number, null pointers are allowed for the others.
    unsafe { lw::WebPIDecGetRGB(decoder.0, &mut row, none, none, none) };
    match status {
        lw::VP8StatusCode::VP8_STATUS_SUSPENDED | lw::VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA => {
            unreadable(format!("WebP truncated at row {row}"))
        }
        lw::VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY => {
            Error::new(Kind::TooLarge, "no memory to decode a WebP")
        }
        lw::VP8StatusCode::VP8_STATUS_UNSUPPORTED_FEATURE => {
            Error::new(Kind::Unsupported, "WebP of an unknown kind")
        }
        _ => unreadable(format!("WebP data broken at row {row}")),
    }
}

/// An RGB canvas, opaque or with straight alpha, of a size that the format holds.
fn encodable(pixels: &Pixels) -> Result<&Canvas, Error> {
    let Pixels::Canvas(canvas) = pixels else {
        return Err(internal("WebP of planes"));
    };
    if canvas.model != Model::Rgb || canvas.alpha == Alpha::Premultiplied {
        return Err(internal(format!("WebP of {:?} with {:?} alpha", canvas.model, canvas.alpha)));
    }
    let size = canvas.size;
    if canvas.data.len() as u64 != size.pixels() * canvas.channels() as u64 || size.pixels() == 0 {
        return Err(internal("canvas of another length than its size"));
    }
    if size.width > SIDE_LIMIT || size.height > SIDE_LIMIT {
        let detail = format!("WebP of {size} exceeds {SIDE_LIMIT} a side");
        return Err(Error::new(Kind::TooLarge, detail));
    }
    Ok(canvas)
}

fn unwritable(error: std::io::Error) -> Error {
    Error::new(Kind::Unwritable, "the reply cannot be written").with_cause(error)
}

/// Encodes an RGB canvas, opaque or with straight alpha, without loss: colors of transparent pixels too.
///
/// `Internal` for other pixels, `TooLarge` past 16383 a side, `Unwritable` when `output` fails.
pub(crate) fn encode_lossless(
    pixels: &Pixels,
    output: &mut dyn Write,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let canvas = encodable(pixels)?;
    deadline.tick()?;
    // The encoder's copy of the pixels, and a body that may be as long.
    limits.check_memory(canvas.size.pixels().saturating_mul(8))?;
    let color = match canvas.alpha {
        Alpha::Opaque => image_webp::ColorType::Rgb8,
        Alpha::Straight | Alpha::Premultiplied => image_webp::ColorType::Rgba8,
    };
    let mut body = Vec::new();
    let encoded = catch_unwind(AssertUnwindSafe(|| {
        let encoder = image_webp::WebPEncoder::new(&mut body);
        encoder.encode(&canvas.data, canvas.size.width, canvas.size.height, color)
    }));
    match encoded {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(internal("WebP encoding failed").with_cause(error)),
        Err(_) => return Err(internal("the WebP encoder panicked")),
    }
    deadline.tick()?;
    output.write_all(&body).map_err(unwritable)
}

/// What the encoder's callbacks reach.
struct Writer<'a> {
    body: Vec<u8>,
    limits: &'a Limits,
    deadline: &'a Deadline,
}

/// A picture that frees its planes.
struct Picture(lw::WebPPicture);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the structure was initialized by `WebPPictureInit`; freeing twice or without planes is allowed.
        unsafe { lw::WebPPictureFree(&mut self.0) };
    }
}

/// Encodes an RGB canvas, opaque or with straight alpha, at `quality` 1..=100 of libwebp's scale (`U078`).
///
/// `Internal` for other pixels, `TooLarge` past 16383 a side, `Unwritable` when `output` fails, `TimedOut`.
pub(crate) fn encode_lossy(
    pixels: &Pixels,
    quality: u8,
    output: &mut dyn Write,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let canvas = encodable(pixels)?;
    limits.check_memory(canvas.size.pixels().saturating_mul(6))?;
    let version = |()| internal("libwebp of another version");
    let mut config = lw::WebPConfig::new().map_err(version)?;
    config.quality = f32::from(quality.clamp(1, 100));
    config.method = METHOD;
    config.thread_level = 0;
    let mut writer = Writer { body: Vec::new(), limits, deadline };
    let mut picture = Picture(lw::WebPPicture::new().map_err(version)?);
    let side = |value: u32| c_int::try_from(value).map_err(|_| internal("WebP side"));
    picture.0.width = side(canvas.size.width)?;
    picture.0.height = side(canvas.size.height)?;
    picture.0.writer = Some(write_body);
    picture.0.progress_hook = Some(look_at_deadline);
    picture.0.custom_ptr = (&raw mut writer).cast::<c_void>();
    picture.0.user_data = (&raw mut writer).cast::<c_void>();
    let stride = c_int::try_from(canvas.row_bytes()).map_err(|_| internal("WebP row too long"))?;
    let pointer = canvas.data.as_ptr();
    // SAFETY: `encodable` compared the canvas with its size, so there are `height` rows of `stride` bytes; `writer`
    // outlives the call, and nothing else touches it meanwhile.
    let is_done = unsafe {
        let imported = match canvas.alpha {
            Alpha::Opaque => lw::WebPPictureImportRGB(&mut picture.0, pointer, stride),
            Alpha::Straight | Alpha::Premultiplied => {
                lw::WebPPictureImportRGBA(&mut picture.0, pointer, stride)
            }
        };
        imported != 0 && lw::WebPEncode(&config, &mut picture.0) != 0
    };
    if !is_done {
        deadline.tick()?;
        let code = picture.0.error_code;
        return Err(match code {
            lw::WebPEncodingError::VP8_ENC_ERROR_OUT_OF_MEMORY
            | lw::WebPEncodingError::VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY
            | lw::WebPEncodingError::VP8_ENC_ERROR_BAD_WRITE
            | lw::WebPEncodingError::VP8_ENC_ERROR_PARTITION0_OVERFLOW
            | lw::WebPEncodingError::VP8_ENC_ERROR_PARTITION_OVERFLOW
            | lw::WebPEncodingError::VP8_ENC_ERROR_FILE_TOO_BIG => {
                Error::new(Kind::TooLarge, format!("WebP of {} too large: {code:?}", canvas.size))
            }
            _ => internal(format!("WebP encoding failed: {code:?}")),
        });
    }
    output.write_all(&writer.body).map_err(unwritable)
}

extern "C" fn write_body(data: *const u8, length: usize, picture: *const lw::WebPPicture) -> c_int {
    // SAFETY: libwebp passes its picture, whose `custom_ptr` is the writer of `encode_lossy`, and `length` bytes.
    let (writer, data) = unsafe {
        let writer = &mut *(*picture).custom_ptr.cast::<Writer<'_>>();
        let data = if length == 0 { &[] } else { std::slice::from_raw_parts(data, length) };
        (writer, data)
    };
    let total = (writer.body.len() as u64).saturating_add(length as u64);
    if writer.limits.check_memory(total).is_err() || writer.body.try_reserve(length).is_err() {
        return 0;
    }
    writer.body.extend_from_slice(data);
    1
}

extern "C" fn look_at_deadline(_percent: c_int, picture: *const lw::WebPPicture) -> c_int {
    // SAFETY: as in `write_body`; `user_data` is the same writer.
    let writer = unsafe { &*(*picture).user_data.cast::<Writer<'_>>() };
    c_int::from(!writer.deadline.is_over())
}

fn unreadable(detail: impl Into<String>) -> Error {
    Error::new(Kind::Unreadable, detail)
}

fn internal(detail: impl Into<String>) -> Error {
    Error::new(Kind::Internal, detail)
}
