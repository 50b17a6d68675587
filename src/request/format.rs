//! How a reply image is encoded: `fmt=`, `qlt=`, `icc=` and their kin. Encodes nothing.

use super::object::Object;
use super::value::{
    argument, argument_or, arguments, count, flag, int, int_clamped, int_within, keyword,
    positive_real, unexpected,
};
use crate::color::Color;
use crate::error::{Error, Kind, shown};

/// Format of a reply image (commands.md 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs, reason = "each is the protocol's own word")]
pub enum ReplyFormat {
    /// `jpeg`, `jpg`: baseline, the default.
    #[default]
    Jpeg,
    /// `pjpeg`: progressive.
    Pjpeg,
    Png,
    PngAlpha,
    Png8,
    Png8Alpha,
    Gif,
    GifAlpha,
    Tif,
    TifAlpha,
    Webp,
    WebpAlpha,
    Avif,
    AvifAlpha,
    Jpeg2000,
    Jpeg2000Alpha,
    JpegXr,
    JpegXrAlpha,
    Heic,
    Eps,
    Pdf,
    Swf,
    SwfAlpha,
    Swf3,
    Swf3Alpha,
    /// Streaming manifest, for `req=mbrSet`.
    F4m,
    /// Streaming manifest, for `req=mbrSet`.
    M3u8,
}

/// Color components of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelType {
    /// `rgb`.
    Rgb,
    /// `gray`.
    Gray,
    /// `cmyk`.
    Cmyk,
}

/// Compression within a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// `none`.
    None,
    /// `lzw`.
    Lzw,
    /// `zip`.
    Zip,
    /// `jpeg`.
    Jpeg,
    /// `lossy`.
    Lossy,
    /// `lossless`.
    Lossless,
}

/// What a format offers: a row of the table in commands.md 7.
struct FormatRow {
    names: &'static [&'static str],
    format: ReplyFormat,
    has_alpha: bool,
    pixel_types: &'static [PixelType],
    compressions: &'static [Compression],
}

const fn row(
    names: &'static [&'static str],
    format: ReplyFormat,
    has_alpha: bool,
    pixel_types: &'static [PixelType],
    compressions: &'static [Compression],
) -> FormatRow {
    FormatRow { names, format, has_alpha, pixel_types, compressions }
}

const RGB: &[PixelType] = &[PixelType::Rgb];
const RGB_GRAY: &[PixelType] = &[PixelType::Rgb, PixelType::Gray];
const ALL: &[PixelType] = &[PixelType::Rgb, PixelType::Gray, PixelType::Cmyk];
const LOSSY: &[Compression] = &[Compression::Lossy, Compression::Lossless];

/// The first compression of a row is its default (U085); misprints of the original are aliases (U081, U084).
static FORMATS: &[FormatRow] = &[
    row(&["jpeg", "jpg"], ReplyFormat::Jpeg, false, ALL, &[]),
    row(&["pjpeg"], ReplyFormat::Pjpeg, false, ALL, &[]),
    row(&["png"], ReplyFormat::Png, false, RGB_GRAY, &[]),
    row(&["png-alpha"], ReplyFormat::PngAlpha, true, RGB_GRAY, &[]),
    row(&["png8"], ReplyFormat::Png8, false, RGB, &[]),
    row(&["png8-alpha"], ReplyFormat::Png8Alpha, true, RGB, &[]),
    row(&["gif"], ReplyFormat::Gif, false, RGB_GRAY, &[]),
    row(&["gif-alpha"], ReplyFormat::GifAlpha, true, RGB_GRAY, &[]),
    row(
        &["tif", "tiff"],
        ReplyFormat::Tif,
        false,
        ALL,
        &[Compression::None, Compression::Lzw, Compression::Zip, Compression::Jpeg],
    ),
    row(
        &["tif-alpha", "tiff-alpha"],
        ReplyFormat::TifAlpha,
        true,
        ALL,
        &[Compression::None, Compression::Lzw, Compression::Zip],
    ),
    row(&["webp"], ReplyFormat::Webp, false, RGB, LOSSY),
    row(&["webp-alpha", "web-alpha"], ReplyFormat::WebpAlpha, true, RGB, LOSSY),
    row(&["avif"], ReplyFormat::Avif, false, RGB, LOSSY),
    row(&["avif-alpha"], ReplyFormat::AvifAlpha, true, RGB, LOSSY),
    row(&["jpeg2000"], ReplyFormat::Jpeg2000, false, RGB_GRAY, LOSSY),
    row(&["jpeg2000-alpha"], ReplyFormat::Jpeg2000Alpha, true, RGB_GRAY, LOSSY),
    row(&["jpegxr"], ReplyFormat::JpegXr, false, RGB, LOSSY),
    row(&["jpegxr-alpha"], ReplyFormat::JpegXrAlpha, true, RGB, LOSSY),
    row(&["heic"], ReplyFormat::Heic, false, RGB, &[Compression::Lossless]),
    row(&["eps"], ReplyFormat::Eps, false, ALL, &[]),
    row(
        &["pdf"],
        ReplyFormat::Pdf,
        false,
        ALL,
        &[Compression::None, Compression::Zip, Compression::Jpeg],
    ),
    row(&["swf"], ReplyFormat::Swf, false, RGB_GRAY, &[]),
    row(&["swf-alpha"], ReplyFormat::SwfAlpha, true, RGB_GRAY, &[]),
    row(&["swf3"], ReplyFormat::Swf3, false, RGB_GRAY, &[]),
    row(&["swf3-alpha", "swf-alpha3"], ReplyFormat::Swf3Alpha, true, RGB_GRAY, &[]),
    row(&["f4m"], ReplyFormat::F4m, false, &[], &[]),
    row(&["m3u8"], ReplyFormat::M3u8, false, &[], &[]),
];

impl ReplyFormat {
    fn row(self) -> Option<&'static FormatRow> {
        FORMATS.iter().find(|row| row.format == self)
    }

    /// The protocol's word, for example `png-alpha`.
    pub fn word(self) -> &'static str {
        self.row().and_then(|row| row.names.first()).copied().unwrap_or_default()
    }

    /// Whether it is an alpha format: `bgc=` does not apply, transparency is kept.
    pub fn has_alpha(self) -> bool {
        self.row().is_some_and(|row| row.has_alpha)
    }

    /// Whether it can hold this pixel type.
    pub fn allows(self, pixel_type: PixelType) -> bool {
        self.row().is_some_and(|row| row.pixel_types.contains(&pixel_type))
    }

    /// The compression that an absent argument means; `None` where the format has no choice.
    pub fn default_compression(self) -> Option<Compression> {
        self.row().and_then(|row| row.compressions.first()).copied()
    }
}

/// Value of `fmt=`; a legal combination of the table in commands.md 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Fmt {
    /// The format.
    pub format: ReplyFormat,
    /// The pixel type; `None`: that of `icc=`, else gray for `req=mask`, else RGB.
    pub pixel_type: Option<PixelType>,
    /// The compression; `None`: [`ReplyFormat::default_compression`].
    pub compression: Option<Compression>,
}

impl Fmt {
    /// Parses `format[,[pixelType][,compression]]`; `Syntax` names an illegal combination.
    pub fn parse(text: &str) -> Result<Fmt, Error> {
        let parts = arguments(text, 1, 3)?;
        let word = parts.first().copied().unwrap_or_default();
        let row = FORMATS
            .iter()
            .find(|row| row.names.iter().any(|name| name.eq_ignore_ascii_case(word)))
            .ok_or_else(|| unexpected(word, "a format such as jpeg, png, png-alpha, tif, webp"))?;
        let illegal = |what: &str| {
            let name = row.names.first().copied().unwrap_or_default();
            Error::new(Kind::Syntax, format!("format {name} does not offer {}", shown(what)))
        };
        let pixel_type = argument(&parts, 1)
            .map(|word| {
                let types =
                    [("rgb", PixelType::Rgb), ("gray", PixelType::Gray), ("cmyk", PixelType::Cmyk)];
                let found = keyword(word, &types)?;
                row.pixel_types.contains(&found).then_some(found).ok_or_else(|| illegal(word))
            })
            .transpose()?;
        let compression = argument(&parts, 2)
            .map(|word| {
                let words = [
                    ("none", Compression::None),
                    ("lzw", Compression::Lzw),
                    ("zip", Compression::Zip),
                    ("jpeg", Compression::Jpeg),
                    ("lossy", Compression::Lossy),
                    ("lossless", Compression::Lossless),
                ];
                let found = keyword(word, &words)?;
                row.compressions.contains(&found).then_some(found).ok_or_else(|| illegal(word))
            })
            .transpose()?;
        Ok(Fmt { format: row.format, pixel_type, compression })
    }
}

/// Encoder quality of lossy formats, 1..=100 (`qlt=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quality(u8);

impl Quality {
    /// `None` outside 1..=100.
    pub fn new(value: u32) -> Option<Quality> {
        u8::try_from(value).ok().filter(|v| (1..=100).contains(v)).map(Quality)
    }

    /// 1..=100.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// Chroma resolution of JPEG-coded RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chroma {
    /// 0: half in both directions (4:2:0).
    Subsampled,
    /// 1: full (4:4:4).
    Full,
}

/// Value of `qlt=`; both numbers are clamped (U004).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Qlt {
    /// The quality.
    pub quality: Quality,
    /// Chroma resolution; subsampled when left out (U077).
    pub chroma: Chroma,
}

impl Qlt {
    /// Parses `quality[,chroma]`.
    pub fn parse(text: &str) -> Result<Qlt, Error> {
        let parts = arguments(text, 1, 2)?;
        let quality = int_clamped(parts.first().copied().unwrap_or_default(), 1, 100)?;
        let quality = u32::try_from(quality).ok().and_then(Quality::new);
        let chroma = argument_or(&parts, 1, 0, |word| match flag(word) {
            Ok(is_full) => Ok(i32::from(is_full)),
            Err(_) => int_clamped(word, 0, 1),
        })?;
        Ok(Qlt {
            quality: quality.ok_or_else(|| unexpected(text, "1 to 100"))?,
            chroma: if chroma == 1 { Chroma::Full } else { Chroma::Subsampled },
        })
    }
}

/// Scan script of progressive JPEG (`pscan=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Pscan {
    /// That of the library.
    #[default]
    Auto,
    /// 3 passes.
    Three,
    /// 4 passes.
    Four,
    /// 5 passes.
    Five,
}

impl Pscan {
    /// Parses `auto|3|4|5`.
    pub fn parse(text: &str) -> Result<Pscan, Error> {
        let words =
            [("auto", Pscan::Auto), ("3", Pscan::Three), ("4", Pscan::Four), ("5", Pscan::Five)];
        keyword(text, &words)
    }
}

/// Palette of `quantize=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Palette {
    /// Computed from the image.
    #[default]
    Adaptive,
    /// The 216 web colors.
    Web,
    /// The Mac OS system palette; not for alpha formats.
    Mac,
}

/// Value of `quantize=`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantize {
    /// The palette.
    pub palette: Palette,
    /// Whether errors are diffused (Floyd–Steinberg).
    pub is_dithered: bool,
    /// Size of an adaptive palette, 2..=256.
    pub colors: u16,
    /// Colors that an adaptive palette must hold; at most the first `colors` count (U079).
    pub listed: Vec<[u8; 3]>,
}

impl Default for Quantize {
    /// `adaptive,diffuse,256`.
    fn default() -> Quantize {
        Quantize { palette: Palette::Adaptive, is_dithered: true, colors: 256, listed: Vec::new() }
    }
}

impl Quantize {
    /// Parses `type[,dither[,numColors[,RRGGBB]…]]`; at most 256 colors may be listed.
    pub fn parse(text: &str) -> Result<Quantize, Error> {
        let parts = arguments(text, 1, 3 + 256)?;
        let palette = argument_or(&parts, 0, Palette::Adaptive, |word| {
            let words =
                [("adaptive", Palette::Adaptive), ("web", Palette::Web), ("mac", Palette::Mac)];
            keyword(word, &words)
        })?;
        let is_dithered = argument_or(&parts, 1, true, |word| {
            keyword(word, &[("diffuse", true), ("off", false)])
        })?;
        let colors = argument_or(&parts, 2, 256, |word| int_within(word, 2, 256))?;
        let listed = parts.get(3..).unwrap_or_default();
        let listed =
            listed.iter().map(|word| Color::parse_hex_rgb(word)).collect::<Result<_, _>>()?;
        Ok(Quantize { palette, is_dithered, colors: u16::try_from(colors).unwrap_or(256), listed })
    }
}

/// Rendering intent of a conversion between profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// `perceptual`.
    Perceptual,
    /// `relative` colorimetric.
    Relative,
    /// `saturation`.
    Saturation,
    /// `absolute` colorimetric.
    Absolute,
}

/// Value of `icc=`; what is `None` comes from the catalog's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Icc {
    /// The output profile.
    pub profile: Object,
    /// Rendering intent.
    pub intent: Option<Intent>,
    /// Black point compensation.
    pub black_point: Option<bool>,
    /// Error diffusion against banding.
    pub dither: Option<bool>,
}

impl Icc {
    /// Parses `object[,renderIntent[,blackpointComp[,dither]]]`.
    pub fn parse(text: &str) -> Result<Icc, Error> {
        let parts = arguments(text, 1, 4)?;
        let intent = argument(&parts, 1).map(|word| {
            let words = [
                ("perceptual", Intent::Perceptual),
                ("relative", Intent::Relative),
                ("saturation", Intent::Saturation),
                ("absolute", Intent::Absolute),
            ];
            keyword(word, &words)
        });
        Ok(Icc {
            profile: Object::parse(parts.first().copied().unwrap_or_default())?,
            intent: intent.transpose()?,
            black_point: argument(&parts, 2).map(flag).transpose()?,
            dither: argument(&parts, 3).map(flag).transpose()?,
        })
    }
}

/// Value of `dpr=`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dpr {
    /// `off`.
    Off,
    /// `on`: the factor, above 0; `None` takes it from the client's headers (U041).
    On(Option<f64>),
}

impl Dpr {
    /// Parses `off` or `on[,value]`.
    pub fn parse(text: &str) -> Result<Dpr, Error> {
        let parts = arguments(text, 1, 2)?;
        let is_on =
            keyword(parts.first().copied().unwrap_or_default(), &[("on", true), ("off", false)])?;
        let factor = argument(&parts, 1).map(positive_real).transpose()?;
        Ok(if is_on { Dpr::On(factor) } else { Dpr::Off })
    }
}

/// Filter of every scaling (`resMode=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResMode {
    /// `bilin`.
    Bilin,
    /// `bicub`.
    Bicub,
    /// `sharp2`, and the deprecated `sharp` (commands.md 10).
    Sharp2,
    /// `bisharp`.
    Bisharp,
}

impl ResMode {
    /// Parses the word.
    pub fn parse(text: &str) -> Result<ResMode, Error> {
        keyword(
            text,
            &[
                ("bilin", ResMode::Bilin),
                ("bicub", ResMode::Bicub),
                ("sharp2", ResMode::Sharp2),
                ("bisharp", ResMode::Bisharp),
                ("sharp", ResMode::Sharp2),
            ],
        )
    }
}

/// `jpegSize=`: kilobytes, 0 is unlimited.
pub(super) fn jpeg_size(text: &str) -> Result<u32, Error> {
    match int(text)? {
        0 => Ok(0),
        _ => count(text),
    }
}
