//! Pixels or planes to JPEG bytes through mozjpeg in its plain libjpeg profile. It resamples nothing.

use std::ffi::c_int;
use std::io::Write;

use mozjpeg_sys as mj;

use crate::codec::{Chroma, Metadata, Scans};
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Pixels, Plane, Planes};

use super::library::{Compressor, Sink, guarded};
use super::{SIDE_LIMIT, Settings, internal};

/// Rows handed over at once; the deadline is looked at between them.
const STRIP_ROWS: usize = 16;
/// Payload of one segment after its length and the profile's tag and numbers.
const ICC_PART_BYTES: usize = 65_535 - 2 - 14;
const XMP_TAG: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

pub(super) fn encode(
    pixels: &Pixels,
    settings: &Settings,
    metadata: &Metadata<'_>,
    output: &mut dyn Write,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    check(pixels, settings.chroma)?;
    let mut write = |bytes: &[u8]| {
        output.write_all(bytes).map_err(|error| {
            Error::new(Kind::Unwritable, "the reply cannot be written").with_cause(error)
        })
    };
    match settings.limit_bytes {
        None => compress(pixels, settings, metadata, &mut write, limits, deadline),
        Some(limit) => {
            let body = fitting(pixels, settings, metadata, limit, limits, deadline)?;
            write(&body)
        }
    }
}

/// The encoding of the highest quality that takes at most `limit` bytes, by bisection; an attempt ends where it
/// passes the limit.
fn fitting(
    pixels: &Pixels,
    settings: &Settings,
    metadata: &Metadata<'_>,
    limit: u64,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Vec<u8>, Error> {
    let attempt = |quality: u8| -> Result<Option<Vec<u8>>, Error> {
        let mut body = Vec::new();
        let mut is_over = false;
        let mut collect = |bytes: &[u8]| {
            let length = (body.len() + bytes.len()) as u64;
            is_over = length > limit;
            if is_over {
                return Err(Error::new(Kind::TooLarge, format!("JPEG exceeds {limit} bytes")));
            }
            limits.check_memory(length)?;
            body.extend_from_slice(bytes);
            Ok(())
        };
        let settings = Settings { quality, ..*settings };
        match compress(pixels, &settings, metadata, &mut collect, limits, deadline) {
            Ok(()) => Ok(Some(body)),
            Err(_) if is_over => Ok(None),
            Err(error) => Err(error),
        }
    };
    let mut too_high = settings.quality.clamp(1, 100);
    if let Some(body) = attempt(too_high)? {
        return Ok(body);
    }
    let mut best = None;
    let mut fits = 0;
    while too_high - fits > 1 {
        let quality = fits + (too_high - fits) / 2;
        match attempt(quality)? {
            Some(body) => (fits, best) = (quality, Some(body)),
            None => too_high = quality,
        }
    }
    best.ok_or_else(|| {
        Error::new(Kind::TooLarge, format!("JPEG exceeds {limit} bytes even at quality 1"))
    })
}

/// Refuses pixels that the file, or the library's reading of the buffers, cannot take.
fn check(pixels: &Pixels, chroma: Chroma) -> Result<(), Error> {
    let size = pixels.size();
    if size.width == 0 || size.height == 0 {
        return Err(internal(format!("JPEG of size {size}")));
    }
    if size.width > SIDE_LIMIT || size.height > SIDE_LIMIT {
        return Err(Error::new(
            Kind::TooLarge,
            format!("JPEG of {size} exceeds {SIDE_LIMIT} a side"),
        ));
    }
    match pixels {
        Pixels::Canvas(canvas) => {
            if canvas.alpha != Alpha::Opaque {
                return Err(internal("JPEG of pixels with alpha"));
            }
            if canvas.data.len() as u64 != size.pixels() * canvas.channels() as u64 {
                return Err(internal("canvas of another length than its size"));
            }
        }
        Pixels::Planes(planes) => {
            let chroma_size = match chroma {
                Chroma::Full => size,
                Chroma::Halved => Size::new(size.width.div_ceil(2), size.height.div_ceil(2)),
            };
            for (plane, expected) in
                [(&planes.luma, size), (&planes.cb, chroma_size), (&planes.cr, chroma_size)]
            {
                if plane.size != expected || plane.data.len() as u64 != expected.pixels() {
                    return Err(internal(format!(
                        "JPEG plane of {}, expected {expected}",
                        plane.size
                    )));
                }
            }
        }
    }
    Ok(())
}

fn compress(
    pixels: &Pixels,
    settings: &Settings,
    metadata: &Metadata<'_>,
    sink: Sink<'_>,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    guarded(|| {
        let mut library = Compressor::new(sink, limits.memory_bytes, deadline);
        let info = library.info();
        let size = pixels.size();
        let (model, colors) = match pixels {
            Pixels::Canvas(canvas) => (canvas.model, color_space(canvas.model)),
            Pixels::Planes(_) => (Model::Rgb, mj::J_COLOR_SPACE::JCS_YCbCr),
        };
        info.image_width = size.width;
        info.image_height = size.height;
        info.input_components = model.components() as c_int;
        info.in_color_space = colors;
        // SAFETY: `info` is a compressor in its first state; the profile is set before the defaults that obey it.
        unsafe {
            mj::jpeg_c_set_int_param(
                info,
                mj::J_INT_PARAM::JINT_COMPRESS_PROFILE,
                mj::JINT_COMPRESS_PROFILE_VALUE::JCP_FASTEST as c_int,
            );
            mj::jpeg_set_defaults(info);
            mj::jpeg_set_colorspace(
                info,
                match model {
                    Model::Gray => mj::J_COLOR_SPACE::JCS_GRAYSCALE,
                    Model::Rgb => mj::J_COLOR_SPACE::JCS_YCbCr,
                    Model::Cmyk => mj::J_COLOR_SPACE::JCS_CMYK,
                },
            );
            mj::jpeg_set_quality(info, c_int::from(settings.quality.clamp(1, 100)), 1);
        }
        info.dct_method = mj::J_DCT_METHOD::JDCT_ISLOW;
        info.optimize_coding = 0;
        if model == Model::Rgb {
            let factor = if settings.chroma == Chroma::Halved { 2 } else { 1 };
            // SAFETY: `jpeg_set_colorspace` made `comp_info` point to three components, luma first.
            unsafe {
                (*info.comp_info).h_samp_factor = factor;
                (*info.comp_info).v_samp_factor = factor;
            }
        }
        let script;
        match settings.progressive {
            None => {
                info.scan_info = std::ptr::null();
                info.num_scans = 0;
            }
            // SAFETY: the color space is set, which the library's script depends on.
            Some(Scans::Auto) => unsafe { mj::jpeg_simple_progression(info) },
            Some(scans) => {
                script = scan_script(scans, model.components());
                info.scan_info = script.as_ptr();
                info.num_scans = script.len() as c_int;
            }
        }
        set_density(info, metadata.density_ppi);
        info.raw_data_in = c_int::from(matches!(pixels, Pixels::Planes(_)));
        // SAFETY: all parameters are set; `script` lives until the end of this closure, as `library` does.
        unsafe { mj::jpeg_start_compress(info, 1) };
        write_metadata(info, metadata)?;
        match pixels {
            Pixels::Canvas(canvas) => write_canvas(info, canvas)?,
            Pixels::Planes(planes) => write_planes(info, planes, settings.chroma)?,
        }
        // SAFETY: all rows have been written.
        unsafe { mj::jpeg_finish_compress(info) };
        Ok(())
    })
}

fn color_space(model: Model) -> mj::J_COLOR_SPACE {
    match model {
        Model::Gray => mj::J_COLOR_SPACE::JCS_GRAYSCALE,
        Model::Rgb => mj::J_COLOR_SPACE::JCS_RGB,
        Model::Cmyk => mj::J_COLOR_SPACE::JCS_CMYK,
    }
}

/// The scans of `U076`: DC of all components together, then each AC band once per component.
fn scan_script(scans: Scans, components: usize) -> Vec<mj::jpeg_scan_info> {
    let bands: &[(c_int, c_int)] = match scans {
        Scans::Auto => &[],
        Scans::Three => &[(1, 5), (6, 63)],
        Scans::Four => &[(1, 5), (6, 20), (21, 63)],
        Scans::Five => &[(1, 5), (6, 14), (15, 27), (28, 63)],
    };
    let count = components as c_int;
    let scan = |comps_in_scan, component_index, first, last| mj::jpeg_scan_info {
        comps_in_scan,
        component_index,
        Ss: first,
        Se: last,
        Ah: 0,
        Al: 0,
    };
    let mut script = vec![scan(count, [0, 1, 2, 3], 0, 0)];
    for (first, last) in bands {
        script.extend((0..count).map(|component| scan(1, [component, 0, 0, 0], *first, *last)));
    }
    script
}

/// JFIF density in dots an inch, rounded (`U075`); without one units 0 and 1:1 (`U074`).
fn set_density(info: &mut mj::jpeg_compress_struct, density_ppi: Option<f64>) {
    let dots = density_ppi.filter(|ppi| ppi.is_finite()).map(|ppi| ppi.round().clamp(1.0, 65535.0));
    if let Some(dots) = dots {
        // CMYK files have no JFIF header by the library's default; readers take its density all the same.
        info.write_JFIF_header = 1;
        info.density_unit = 1;
        info.X_density = dots as u16;
        info.Y_density = dots as u16;
    }
}

fn write_metadata(
    info: &mut mj::jpeg_compress_struct,
    metadata: &Metadata<'_>,
) -> Result<(), Error> {
    if let Some(xmp) = metadata.xmp {
        let segment = [XMP_TAG, xmp].concat();
        match segment.len() <= 65_533 {
            true => write_marker(info, 0xe1, &segment),
            false => log::debug!("XMP packet of {} bytes does not fit a JPEG segment", xmp.len()),
        }
    }
    let Some(icc) = metadata.icc.filter(|icc| !icc.is_empty()) else { return Ok(()) };
    let parts = icc.chunks(ICC_PART_BYTES);
    let count = u8::try_from(parts.len())
        .map_err(|_| internal(format!("ICC profile of {} bytes in a JPEG", icc.len())))?;
    for (sequence, part) in (1..=count).zip(parts) {
        write_marker(info, 0xe2, &[b"ICC_PROFILE\0", [sequence, count].as_slice(), part].concat());
    }
    Ok(())
}

/// `segment` is at most 65533 bytes long.
fn write_marker(info: &mut mj::jpeg_compress_struct, marker: c_int, segment: &[u8]) {
    // SAFETY: compression has been started and no row written; pointer and length are of one slice.
    unsafe { mj::jpeg_write_marker(info, marker, segment.as_ptr(), segment.len() as u32) };
}

fn write_canvas(info: &mut mj::jpeg_compress_struct, canvas: &Canvas) -> Result<(), Error> {
    let row_bytes = canvas.row_bytes();
    let mut inverted = Vec::new();
    for strip in canvas.data.chunks(row_bytes * STRIP_ROWS) {
        let strip = if canvas.model == Model::Cmyk {
            // Files with an Adobe marker hold 255 for no ink (`U090`).
            inverted.clear();
            inverted.extend(strip.iter().map(|ink| 255 - ink));
            inverted.as_slice()
        } else {
            strip
        };
        let rows: Vec<*const u8> = strip.chunks_exact(row_bytes).map(<[u8]>::as_ptr).collect();
        let mut written = 0;
        while written < rows.len() {
            let rest = &rows[written..];
            // SAFETY: each of the `rest` pointers is to a whole row: `check` compared the canvas with its size.
            let count = unsafe { mj::jpeg_write_scanlines(info, rest.as_ptr(), rest.len() as u32) };
            if count == 0 {
                return Err(internal("the JPEG encoder takes no more rows"));
            }
            written += count as usize;
        }
    }
    Ok(())
}

fn write_planes(
    info: &mut mj::jpeg_compress_struct,
    planes: &Planes,
    chroma: Chroma,
) -> Result<(), Error> {
    let factor = if chroma == Chroma::Halved { 2 } else { 1 };
    let mut strips = [
        Strip::new(&planes.luma, 8 * factor),
        Strip::new(&planes.cb, 8),
        Strip::new(&planes.cr, 8),
    ];
    for top in (0..planes.luma.size.height as usize).step_by(8 * factor) {
        let mut rows = Vec::with_capacity(3);
        for strip in &mut strips {
            strip.fill(top / (8 * factor));
            rows.push(strip.rows());
        }
        let images: Vec<*const *const u8> = rows.iter().map(Vec::as_ptr).collect();
        // SAFETY: each of the three components gets a whole MCU row: its vertical factor times 8 rows, padded to
        // whole MCUs.
        let given = unsafe { mj::jpeg_write_raw_data(info, images.as_ptr(), 8 * factor as u32) };
        if given == 0 {
            return Err(internal("the JPEG encoder takes no more rows"));
        }
    }
    Ok(())
}

/// Rows of one component for one MCU row, whose right and lower edges repeat the plane's last samples.
struct Strip<'a> {
    plane: &'a Plane,
    rows: usize,
    row_samples: usize,
    samples: Vec<u8>,
}

impl<'a> Strip<'a> {
    fn new(plane: &'a Plane, rows: usize) -> Strip<'a> {
        // 16 covers the MCU width of both samplings.
        let row_samples = (plane.size.width as usize).next_multiple_of(16);
        Strip { plane, rows, row_samples, samples: vec![0; row_samples * rows] }
    }

    fn fill(&mut self, unit_row: usize) {
        let width = self.plane.size.width as usize;
        let last = self.plane.size.height as usize - 1;
        for (index, target) in self.samples.chunks_exact_mut(self.row_samples).enumerate() {
            let row = (unit_row * self.rows + index).min(last);
            let source = &self.plane.data[row * width..(row + 1) * width];
            target[..width].copy_from_slice(source);
            target[width..].fill(source[width - 1]);
        }
    }

    fn rows(&self) -> Vec<*const u8> {
        self.samples.chunks_exact(self.row_samples).map(<[u8]>::as_ptr).collect()
    }
}
