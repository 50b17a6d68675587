//! JPEG bytes to pixels or planes: by DC values alone where they are enough, else through mozjpeg, levels by DCT
//! scaling, regions by skipping. It reads no metadata.
//!
//! Block smoothing is off, so that a region's pixels never depend on what was skipped.

use mozjpeg_sys as mj;

use crate::codec::{Form, Header, Input, Wanted};
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Pixels, Plane, Planes};

use super::library::{Decompressor, guarded};
use super::{internal, markers, scan};

/// Rows asked for at once; the library gives one block row at most.
const STRIP_ROWS: usize = 16;

/// A non-empty rectangle of a level in its pixels, checked to lie inside.
#[derive(Clone, Copy)]
struct Region {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

pub(super) fn decode(
    input: &mut Input<'_>,
    header: &Header,
    wanted: &Wanted,
    limits: &Limits,
) -> Result<Pixels, Error> {
    let region = region(header, wanted)?;
    if wanted.form != Form::Canvas && !header.has_planes {
        return Err(internal("planes of a JPEG that has none"));
    }
    limits.check_source(header.size)?;
    let found = markers::read(&mut input.reopened())?;
    let bytes = input.read_all(limits)?;
    let size = Size::new(region.width, region.height);
    let held = size.pixels().saturating_mul(4).saturating_add(bytes.len() as u64);
    limits.check_memory(held)?;
    if let Some(pixels) = reduced(&bytes, header, wanted, region, limits, input.deadline())? {
        return Ok(pixels);
    }
    by_library(&bytes, held, &found, header, wanted, region, limits, input.deadline())
}

/// A region of the level 1/8 from DC values alone, if the file and the form allow it.
fn reduced(
    bytes: &[u8],
    header: &Header,
    wanted: &Wanted,
    region: Region,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Option<Pixels>, Error> {
    let is_gray = wanted.form == Form::Canvas && header.model == Model::Gray;
    if wanted.level != 3 || (wanted.form == Form::Canvas && !is_gray) {
        return Ok(None);
    }
    let bottom = region.top + region.height;
    let Some(parts) = scan::reduced(bytes, header.size, bottom, limits, deadline)? else {
        return Ok(None);
    };
    let mut planes = Vec::with_capacity(3);
    for part in &parts {
        let is_halved = part.divisor_x == 2 && part.divisor_y == 2;
        let is_aligned =
            region.left.is_multiple_of(part.divisor_x) && region.top.is_multiple_of(part.divisor_y);
        // Where chroma is halved both ways, the library has more of it than DC values.
        if !is_aligned || (is_halved && wanted.form != Form::HalvedPlanes) {
            return Ok(None);
        }
        let (left, top) = (region.left / part.divisor_x, region.top / part.divisor_y);
        let right = (region.left + region.width).div_ceil(part.divisor_x);
        let bottom = bottom.div_ceil(part.divisor_y);
        if right > part.size.width || bottom > part.size.height {
            return Ok(None);
        }
        let size = Size::new(right - left, bottom - top);
        let mut data = limits.zeroed(size.pixels())?;
        let rows = part.data.chunks_exact(part.stride).skip(top as usize);
        let columns = left as usize..right as usize;
        for (target, row) in data.chunks_exact_mut(size.width as usize).zip(rows) {
            let Some(row) = row.get(columns.clone()) else { return Ok(None) };
            target.copy_from_slice(row);
        }
        planes.push(Plane { size, data });
    }
    let mut planes = planes.into_iter();
    Ok(match (planes.next(), planes.next(), planes.next()) {
        (Some(luma), None, None) if is_gray => {
            let (size, data) = (luma.size, luma.data);
            let canvas = Canvas { size, model: Model::Gray, alpha: Alpha::Opaque, data };
            Some(Pixels::Canvas(canvas))
        }
        (Some(luma), Some(cb), Some(cr)) if !is_gray => {
            Some(Pixels::Planes(Planes { luma, cb, cr }))
        }
        _ => None,
    })
}

/// Any level, form and region; `held` bytes are in use already.
fn by_library(
    bytes: &[u8],
    held: u64,
    found: &markers::Markers,
    header: &Header,
    wanted: &Wanted,
    region: Region,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Pixels, Error> {
    guarded(|| {
        let memory = limits.memory_bytes.saturating_sub(held);
        let mut library = Decompressor::new(bytes, memory, deadline);
        if found.is_arithmetic {
            library.expect_silent_end();
        }
        let info = library.info();
        // SAFETY: `info` is a decompressor in its first state with a source.
        unsafe { mj::jpeg_read_header(info, 1) };
        if Size::new(info.image_width, info.image_height) != header.size {
            return Err(Error::new(Kind::Unreadable, "JPEG frame differs from its header"));
        }
        info.scale_num = 8 >> wanted.level;
        info.scale_denom = 8;
        info.dct_method = mj::J_DCT_METHOD::JDCT_ISLOW;
        info.do_fancy_upsampling = 1;
        info.do_block_smoothing = 0;
        match wanted.form {
            Form::Canvas => {
                let mut canvas = canvas(&mut library, header.model, region, limits)?;
                if found.is_inverted() {
                    canvas.data.iter_mut().for_each(|ink| *ink = 255 - *ink);
                }
                Ok(Pixels::Canvas(canvas))
            }
            Form::Planes | Form::HalvedPlanes => {
                planes(&mut library, region, limits).map(Pixels::Planes)
            }
        }
    })
}

fn region(header: &Header, wanted: &Wanted) -> Result<Region, Error> {
    let level = header.levels.get(wanted.level).filter(|_| wanted.level < 4);
    let level = level.ok_or_else(|| internal(format!("JPEG level {}", wanted.level)))?;
    let whole = Rect::of(level.size);
    let rect = wanted.region.intersection(whole);
    if rect.is_empty() || (rect != wanted.region && wanted.region.intersection(whole) != whole) {
        return Err(internal(format!("region {:?} of a level of {}", wanted.region, level.size)));
    }
    let side = |value: i64| u32::try_from(value).map_err(|_| internal("region out of range"));
    Ok(Region {
        left: side(rect.left)?,
        top: side(rect.top)?,
        width: rect.width(),
        height: rect.height(),
    })
}

fn canvas(
    library: &mut Decompressor<'_>,
    model: Model,
    region: Region,
    limits: &Limits,
) -> Result<Canvas, Error> {
    let info = library.info();
    info.out_color_space = match model {
        Model::Gray => mj::J_COLOR_SPACE::JCS_GRAYSCALE,
        Model::Rgb => mj::J_COLOR_SPACE::JCS_RGB,
        Model::Cmyk => mj::J_COLOR_SPACE::JCS_CMYK,
    };
    let size = Size::new(region.width, region.height);
    let mut canvas = Canvas::zeroed(size, model, Alpha::Opaque, limits)?;
    scanlines(library, model.components(), region, &mut canvas.data)?;
    Ok(canvas)
}

/// Reads the region's rows of interleaved samples into `out`.
fn scanlines(
    library: &mut Decompressor<'_>,
    components: usize,
    region: Region,
    out: &mut [u8],
) -> Result<(), Error> {
    let info = library.info();
    // SAFETY: the header has been read; the source never suspends.
    unsafe { mj::jpeg_start_decompress(info) };
    if usize::try_from(info.output_components) != Ok(components)
        || region.left + region.width > info.output_width
        || region.top + region.height > info.output_height
    {
        return Err(internal("JPEG output differs from its level"));
    }
    let (left, width) = crop(info, region);
    let row_bytes = width as usize * components;
    let kept_bytes = region.width as usize * components;
    let kept_from = (region.left - left) as usize * components;
    let mut strip = vec![0; row_bytes * STRIP_ROWS];
    skip(library, region.top);
    library.check_cut()?;
    let bottom = region.top + region.height;
    let mut rows_out = out.chunks_exact_mut(kept_bytes);
    while library.info().output_scanline < bottom {
        let first = library.info().output_scanline;
        let rows: Vec<*mut u8> =
            strip.chunks_exact_mut(row_bytes).map(<[u8]>::as_mut_ptr).collect();
        let asked = u32::try_from(rows.len()).unwrap_or(0).min(bottom - first);
        // SAFETY: `rows` holds at least `asked` pointers to `row_bytes` bytes each: the output width after cropping
        // times the output components, as checked above.
        let given =
            unsafe { mj::jpeg_read_scanlines(library.info(), rows.as_ptr().cast_mut(), asked) };
        library.check_cut()?;
        if given == 0 {
            return Err(Error::new(Kind::Unreadable, format!("JPEG ends at row {first}")));
        }
        for (row, source) in (first..).zip(strip.chunks_exact(row_bytes)).take(given as usize) {
            if row >= region.top
                && let Some(target) = rows_out.next()
            {
                target.copy_from_slice(&source[kept_from..kept_from + kept_bytes]);
            }
        }
    }
    Ok(())
}

/// Restricts the columns to the region and the neighbors that its upsampling looks at; gives left and width.
fn crop(info: &mut mj::jpeg_decompress_struct, region: Region) -> (u32, u32) {
    let margin = column_margin(info);
    let mut left = region.left.saturating_sub(margin);
    let right = (region.left + region.width + margin).min(info.output_width);
    let mut width = right - left;
    if left == 0 && width == info.output_width {
        return (left, width);
    }
    // SAFETY: decompression has been started and no row read; `left` and `width` lie within the output.
    unsafe { mj::jpeg_crop_scanline(info, &mut left, &mut width) };
    (left, width)
}

/// Columns, and rows, that upsampling at the border of a region may look at: two block columns are plenty.
fn column_margin(info: &mj::jpeg_decompress_struct) -> u32 {
    let block = info.scale_num.max(1);
    2 * block * u32::try_from(info.max_h_samp_factor).unwrap_or(4)
}

/// Passes over the rows above the region, but leaves some to be read so that upsampling finds its context.
fn skip(library: &mut Decompressor<'_>, top: u32) {
    let info = library.info();
    let block_row = info.scale_num * u32::try_from(info.max_v_samp_factor).unwrap_or(4);
    let rows = top.saturating_sub(2 * block_row) / block_row.max(1) * block_row;
    if rows > 0 {
        // SAFETY: decompression has been started; no color quantization; the source never suspends.
        unsafe { mj::jpeg_skip_scanlines(info, rows) };
    }
}

/// How one component lies in raw output.
#[derive(Clone, Copy)]
struct Layout {
    /// Samples for one output pixel are 1 over this, horizontally and vertically.
    divisor_x: u32,
    divisor_y: u32,
    /// Rows that one raw read gives.
    rows: usize,
    /// Samples of a row, padding to whole blocks included.
    row_samples: usize,
}

/// The layouts of the three components at 8/`block`; libjpeg enlarges chroma in the DCT where it can, so a scaled
/// 4:2:0 picture has chroma at the size of luma.
fn layouts(info: &mj::jpeg_decompress_struct, block: u32) -> Result<[Layout; 3], Error> {
    let factor = |value: i32| u32::try_from(value).ok().filter(|v| (1..=4).contains(v));
    let (max_h, max_v) = factor(info.max_h_samp_factor)
        .zip(factor(info.max_v_samp_factor))
        .ok_or_else(|| internal("JPEG sampling factors"))?;
    if info.num_components != 3 || info.comp_info.is_null() {
        return Err(internal("JPEG planes of other than three components"));
    }
    // SAFETY: after the header has been read `comp_info` points to `num_components` structures.
    let components = unsafe { std::slice::from_raw_parts(info.comp_info, 3) };
    let mut found = [Layout { divisor_x: 1, divisor_y: 1, rows: 0, row_samples: 0 }; 3];
    for (layout, component) in found.iter_mut().zip(components) {
        let (h, v) = factor(component.h_samp_factor)
            .zip(factor(component.v_samp_factor))
            .ok_or_else(|| internal("JPEG sampling factors"))?;
        let mut size = block;
        while size < 8
            && (max_h * block).is_multiple_of(h * size * 2)
            && (max_v * block).is_multiple_of(v * size * 2)
        {
            size *= 2;
        }
        let units = info.image_width.div_ceil(8 * max_h);
        *layout = Layout {
            divisor_x: max_h * block / (h * size),
            divisor_y: max_v * block / (v * size),
            rows: (v * size) as usize,
            row_samples: (units * h * size) as usize,
        };
    }
    Ok(found)
}

fn planes(
    library: &mut Decompressor<'_>,
    region: Region,
    limits: &Limits,
) -> Result<Planes, Error> {
    let info = library.info();
    if info.jpeg_color_space != mj::J_COLOR_SPACE::JCS_YCbCr {
        return Err(internal("planes of a JPEG that is not YCbCr"));
    }
    let layouts = layouts(info, info.scale_num)?;
    let is_aligned = layouts.iter().all(|layout| {
        region.left.is_multiple_of(layout.divisor_x) && region.top.is_multiple_of(layout.divisor_y)
    });
    match is_aligned {
        true => raw_planes(library, &layouts, region, limits),
        false => upsampled_planes(library, region, limits),
    }
}

/// Planes as stored, chroma where the region's first sample begins a chroma sample.
fn raw_planes(
    library: &mut Decompressor<'_>,
    layouts: &[Layout; 3],
    region: Region,
    limits: &Limits,
) -> Result<Planes, Error> {
    let info = library.info();
    info.raw_data_out = 1;
    info.out_color_space = mj::J_COLOR_SPACE::JCS_YCbCr;
    // SAFETY: the header has been read; the source never suspends.
    unsafe { mj::jpeg_start_decompress(info) };
    let mut parts = Vec::with_capacity(3);
    let mut strips = Vec::with_capacity(3);
    for layout in layouts {
        let left = region.left / layout.divisor_x;
        let top = region.top / layout.divisor_y;
        let size = Size::new(
            (region.left + region.width).div_ceil(layout.divisor_x) - left,
            (region.top + region.height).div_ceil(layout.divisor_y) - top,
        );
        if (left + size.width) as usize > layout.row_samples {
            return Err(internal("JPEG planes differ from their level"));
        }
        parts.push((left as usize, top as usize, size, limits.zeroed(size.pixels())?));
        strips.push(limits.zeroed((layout.rows * layout.row_samples) as u64)?);
    }
    let bottom = region.top + region.height;
    // A read gives one row of MCUs: the luma rows of this many output rows.
    let step = (layouts[0].rows as u32).saturating_mul(layouts[0].divisor_y).max(1);
    let mut unit_row = 0usize;
    while library.info().output_scanline < bottom {
        let rows: Vec<Vec<*mut u8>> = strips
            .iter_mut()
            .zip(layouts)
            .map(|(strip, layout)| {
                strip.chunks_exact_mut(layout.row_samples).map(<[u8]>::as_mut_ptr).collect()
            })
            .collect();
        let images: Vec<*mut *mut u8> = rows.iter().map(|r| r.as_ptr().cast_mut()).collect();
        // SAFETY: for each of the three components there are as many row pointers as one read fills (its vertical
        // factor times its DCT size, by the library's own rule in `layouts`), each to a row of whole MCUs.
        let given = unsafe {
            mj::jpeg_read_raw_data(library.info(), images.as_ptr().cast_mut().cast(), step)
        };
        library.check_cut()?;
        if given == 0 {
            let row = library.info().output_scanline;
            return Err(Error::new(Kind::Unreadable, format!("JPEG ends at row {row}")));
        }
        for ((strip, layout), (left, top, size, data)) in strips.iter().zip(layouts).zip(&mut parts)
        {
            let width = size.width as usize;
            for (index, source) in strip.chunks_exact(layout.row_samples).enumerate() {
                let Some(row) = (unit_row * layout.rows + index).checked_sub(*top) else {
                    continue;
                };
                if let Some(target) = data.get_mut(row * width..(row + 1) * width) {
                    target.copy_from_slice(&source[*left..*left + width]);
                }
            }
        }
        unit_row += 1;
    }
    let mut parts = parts.into_iter().map(|(_, _, size, data)| Plane { size, data });
    match (parts.next(), parts.next(), parts.next()) {
        (Some(luma), Some(cb), Some(cr)) => Ok(Planes { luma, cb, cr }),
        _ => Err(internal("JPEG planes of other than three components")),
    }
}

/// Planes of a region whose first sample lies inside a chroma sample: chroma upsampled to the size of luma, with
/// the values that a canvas of the region is computed from.
fn upsampled_planes(
    library: &mut Decompressor<'_>,
    region: Region,
    limits: &Limits,
) -> Result<Planes, Error> {
    library.info().out_color_space = mj::J_COLOR_SPACE::JCS_YCbCr;
    let size = Size::new(region.width, region.height);
    let mut interleaved = limits.zeroed(size.pixels().saturating_mul(3))?;
    scanlines(library, 3, region, &mut interleaved)?;
    let plane = |component: usize| -> Result<Plane, Error> {
        let mut data = limits.zeroed(size.pixels())?;
        for (sample, pixel) in data.iter_mut().zip(interleaved.chunks_exact(3)) {
            *sample = pixel[component];
        }
        Ok(Plane { size, data })
    };
    Ok(Planes { luma: plane(0)?, cb: plane(1)?, cr: plane(2)? })
}
