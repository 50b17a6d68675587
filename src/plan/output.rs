//! How a reply is encoded: format, color model, background, resolution, profile (`commands.md` 6.5, 7, 12.2).

use super::{Inputs, Purpose};
use crate::codec::{Chroma, Encoding, PaletteKind, Quantization, Scans, TiffCompression};
use crate::color::{Color, ColorValue, convert};
use crate::error::{Error, Kind};
use crate::raster::Model;
use crate::request::{Compression, Fmt, Palette, PixelType, Pscan, Quantize, ReplyFormat, ReqType};

/// The encoded form of a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The MIME type.
    pub mime: &'static str,
    /// The format and its options.
    pub encoding: Encoding,
    /// Color components of the reply.
    pub model: Model,
    /// Whether the reply carries alpha; otherwise it is laid over `bgc`.
    pub keeps_alpha: bool,
    /// Whether the reply shows the alpha of the view as gray (`req=mask`).
    pub shows_mask: bool,
    /// The background, in the components of `model`.
    pub bgc: [u8; 4],
    /// The background as RGB, for `image.bgc`.
    pub bgc_rgb: [u8; 3],
    /// Print resolution in pixels an inch (`U074`: none known, none written).
    pub density_ppi: Option<f64>,
    /// Whether the source's profile is embedded.
    pub embeds_icc: bool,
    /// Effective quality, 1..=100, also for formats without one (`U-props-quality`).
    pub quality: u8,
    /// Chroma of a reply that can be made of YCbCr planes; `None` where it cannot.
    pub planes: Option<Chroma>,
}

/// Decides the output. Fails with `Unsupported` for formats without an encoder in this build (`U088`).
pub(super) fn output(inputs: &Inputs<'_>) -> Result<Output, Error> {
    let commands = &inputs.request.attributes;
    let attributes = inputs.attributes;
    let fmt = commands.fmt.unwrap_or_default();
    let (quality, chroma) = match commands.qlt {
        Some(qlt) => (
            qlt.quality.get(),
            match qlt.chroma {
                crate::request::Chroma::Subsampled => Chroma::Halved,
                crate::request::Chroma::Full => Chroma::Full,
            },
        ),
        None => (attributes.jpeg_quality, attributes.jpeg_chroma),
    };
    let shows_mask = inputs.req() == ReqType::Mask;
    let model = match (inputs.purpose, fmt.pixel_type) {
        (Purpose::Nested(model) | Purpose::Watermark(_, model), _) => model,
        // The palette formats and those of color alone hold no gray.
        (_, None) if shows_mask && holds_gray(fmt.format) => Model::Gray,
        (_, Some(PixelType::Gray)) => Model::Gray,
        (_, Some(PixelType::Cmyk)) => Model::Cmyk,
        (_, Some(PixelType::Rgb) | None) => Model::Rgb,
    };
    let limit_bytes = commands
        .jpeg_size_kb
        .filter(|&kilobytes| kilobytes > 0)
        .map(|kilobytes| u64::from(kilobytes) * 1024);
    let quantize = commands.quantize.clone().unwrap_or_default();
    let (encoding, keeps_alpha, mime) =
        encoding(fmt, quality, chroma, commands.pscan, &quantize, limit_bytes)?;
    let of_catalog = match inputs.req() {
        ReqType::Tmb => attributes.thumb_bkg_color,
        _ => attributes.bkg_color,
    };
    let bgc = match &inputs.request.view.bgc {
        Some(color) => *color,
        None => {
            let [red, green, blue] = of_catalog;
            Color::rgb(red, green, blue)
        }
    };
    // What is laid over something else keeps its alpha; its encoding does not count.
    let is_inner = matches!(inputs.purpose, Purpose::Nested(_) | Purpose::Watermark(..));
    let mut components = [0; 4];
    let own = fill(&bgc, model);
    components[..model.components()].copy_from_slice(&own[..model.components()]);
    let rgb = fill(&bgc, Model::Rgb);
    let planes = match encoding {
        Encoding::Jpeg { chroma, .. } if model == Model::Rgb && !is_inner && !shows_mask => {
            Some(chroma)
        }
        _ => None,
    };
    let holds_icc = matches!(
        encoding,
        Encoding::Jpeg { .. } | Encoding::Png | Encoding::Png8(_) | Encoding::Tiff { .. }
    );
    let source = inputs.facts(0).source;
    let source_icc = source.is_some_and(|header| header.icc.is_some() && header.model == model);
    Ok(Output {
        mime,
        encoding,
        model,
        keeps_alpha: keeps_alpha || is_inner,
        shows_mask,
        bgc: components,
        bgc_rgb: [rgb[0], rgb[1], rgb[2]],
        density_ppi: density(inputs),
        embeds_icc: commands.icc_embed == Some(true) && holds_icc && source_icc && !shows_mask,
        quality,
        planes,
    })
}

/// Whether a format can hold gray.
fn holds_gray(format: ReplyFormat) -> bool {
    matches!(
        format,
        ReplyFormat::Jpeg
            | ReplyFormat::Pjpeg
            | ReplyFormat::Png
            | ReplyFormat::PngAlpha
            | ReplyFormat::Gif
            | ReplyFormat::GifAlpha
            | ReplyFormat::Tif
            | ReplyFormat::TifAlpha
    )
}

fn encoding(
    fmt: Fmt,
    quality: u8,
    chroma: Chroma,
    pscan: Option<Pscan>,
    quantize: &Quantize,
    limit_bytes: Option<u64>,
) -> Result<(Encoding, bool, &'static str), Error> {
    let quantization = || Quantization {
        palette: match quantize.palette {
            Palette::Adaptive => PaletteKind::Adaptive,
            Palette::Web => PaletteKind::Web,
            Palette::Mac => PaletteKind::Mac,
        },
        is_dithered: quantize.is_dithered,
        colors: quantize.colors,
        forced: quantize.listed.clone(),
    };
    let jpeg = |progressive| Encoding::Jpeg { quality, chroma, progressive, limit_bytes };
    let no_mac = |name: &str| match quantize.palette {
        Palette::Mac => {
            Err(Error::new(Kind::Syntax, format!("quantize=mac is not available for {name}")))
        }
        Palette::Adaptive | Palette::Web => Ok(()),
    };
    let tiff = || Encoding::Tiff {
        compression: match fmt.compression {
            Some(Compression::Lzw) => TiffCompression::Lzw,
            Some(Compression::Zip) => TiffCompression::Zip,
            Some(Compression::Jpeg) => TiffCompression::Jpeg,
            Some(Compression::None | Compression::Lossy | Compression::Lossless) | None => {
                TiffCompression::None
            }
        },
        quality,
        chroma,
    };
    let webp = || match fmt.compression {
        Some(Compression::Lossless) => Encoding::WebpLossless,
        _ => Encoding::WebpLossy { quality },
    };
    let scans = || match pscan.unwrap_or_default() {
        Pscan::Auto => Scans::Auto,
        Pscan::Three => Scans::Three,
        Pscan::Four => Scans::Four,
        Pscan::Five => Scans::Five,
    };
    let missing = |name: &str| {
        Err(Error::new(Kind::Unsupported, format!("fmt={name} has no encoder in this build")))
    };
    Ok(match fmt.format {
        ReplyFormat::Jpeg => (jpeg(None), false, "image/jpeg"),
        ReplyFormat::Pjpeg => (jpeg(Some(scans())), false, "image/jpeg"),
        ReplyFormat::Png => (Encoding::Png, false, "image/png"),
        ReplyFormat::PngAlpha => (Encoding::Png, true, "image/png"),
        ReplyFormat::Png8 => (Encoding::Png8(quantization()), false, "image/png"),
        ReplyFormat::Png8Alpha => {
            no_mac("png8-alpha")?;
            (Encoding::Png8(quantization()), true, "image/png")
        }
        ReplyFormat::Gif => (Encoding::Gif(quantization()), false, "image/gif"),
        ReplyFormat::GifAlpha => {
            no_mac("gif-alpha")?;
            (Encoding::Gif(quantization()), true, "image/gif")
        }
        ReplyFormat::Tif => (tiff(), false, "image/tiff"),
        ReplyFormat::TifAlpha => (tiff(), true, "image/tiff"),
        ReplyFormat::Webp => (webp(), false, "image/webp"),
        ReplyFormat::WebpAlpha => (webp(), true, "image/webp"),
        ReplyFormat::Avif | ReplyFormat::AvifAlpha => return missing("avif"),
        ReplyFormat::Jpeg2000 | ReplyFormat::Jpeg2000Alpha => return missing("jpeg2000"),
        ReplyFormat::JpegXr | ReplyFormat::JpegXrAlpha => return missing("jpegxr"),
        ReplyFormat::Heic => return missing("heic"),
        ReplyFormat::Eps => return missing("eps"),
        ReplyFormat::Pdf => return missing("pdf"),
        ReplyFormat::Swf | ReplyFormat::SwfAlpha => return missing("swf"),
        ReplyFormat::Swf3 | ReplyFormat::Swf3Alpha => return missing("swf3"),
        ReplyFormat::F4m => return missing("f4m"),
        ReplyFormat::M3u8 => return missing("m3u8"),
    })
}

/// `printRes=` ▸ `catalog::PrintResolution` ▸ `attribute::PrintResolution` (records only) ▸ the source's own.
fn density(inputs: &Inputs<'_>) -> Option<f64> {
    let facts = inputs.facts(0);
    let record = facts.record;
    let by_record = || {
        let resolution = record.print_resolution.unwrap_or(inputs.attributes.print_resolution);
        record.is_record.then_some(f64::from(resolution))
    };
    let embedded = || facts.source.and_then(|header| header.density_ppi);
    inputs.request.attributes.print_res_ppi.or_else(by_record).or_else(embedded)
}

/// A color in the components of `model`, straight, then its alpha; converted naively where the types differ (12.5).
pub(super) fn fill(color: &Color, model: Model) -> Vec<u8> {
    // Percentages round half up: 50 % of 255 is 128.
    let byte = |pct: f64| crate::geometry::rnd(pct * 255.0 / 100.0).clamp(0.0, 255.0) as u8;
    let (own, own_model, alpha) = match color.value {
        ColorValue::Gray { gray_pct, alpha_pct } => {
            ([byte(gray_pct), 0, 0, 0], Model::Gray, byte(alpha_pct))
        }
        ColorValue::Rgb { red, green, blue, alpha } => ([red, green, blue, 0], Model::Rgb, alpha),
        ColorValue::Cmyk { cyan_pct, magenta_pct, yellow_pct, black_pct, alpha_pct } => (
            [byte(cyan_pct), byte(magenta_pct), byte(yellow_pct), byte(black_pct)],
            Model::Cmyk,
            byte(alpha_pct),
        ),
    };
    let mut fill = convert::components(&own, own_model, model)[..model.components()].to_vec();
    fill.push(alpha);
    fill
}
