//! The types at the codec's door: formats, headers, what is wanted of a source, what a reply is encoded as. No bytes.

use crate::geometry::{Rect, Size};
use crate::raster::{Alpha, Model};

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG, 8 bit, baseline, extended or progressive.
    Jpeg,
    /// PNG; of an animated one the default image.
    Png,
    /// GIF; of an animation the first frame on its screen.
    Gif,
    /// WebP; of an animation the first frame on its canvas.
    Webp,
    /// TIFF and BigTIFF; reduced-resolution pages of a pyramid are levels.
    Tiff,
    /// Windows bitmap.
    Bmp,
}

/// How the stored picture has to be turned to stand upright (EXIF orientation 1 to 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Orientation {
    /// 1: as stored.
    #[default]
    Upright,
    /// 2: mirrored left to right.
    FlipHorizontal,
    /// 3: turned by 180 degrees.
    Rotate180,
    /// 4: mirrored top to bottom.
    FlipVertical,
    /// 5: mirrored along the diagonal from the top left.
    Transpose,
    /// 6: to be turned by 90 degrees clockwise.
    Rotate90,
    /// 7: mirrored along the diagonal from the top right.
    Transverse,
    /// 8: to be turned by 270 degrees clockwise.
    Rotate270,
}

impl Orientation {
    /// From the EXIF value; anything but 1 to 8 is upright.
    pub fn from_exif(value: u32) -> Orientation {
        match value {
            2 => Orientation::FlipHorizontal,
            3 => Orientation::Rotate180,
            4 => Orientation::FlipVertical,
            5 => Orientation::Transpose,
            6 => Orientation::Rotate90,
            7 => Orientation::Transverse,
            8 => Orientation::Rotate270,
            _ => Orientation::Upright,
        }
    }

    /// Whether width and height change places.
    pub fn transposes(self) -> bool {
        matches!(
            self,
            Orientation::Transpose
                | Orientation::Rotate90
                | Orientation::Transverse
                | Orientation::Rotate270
        )
    }
}

/// A resolution at which a source can be decoded. Level 0 is the full one, later ones are smaller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Size of the decoded picture.
    pub size: Size,
    /// Level pixels for one full-resolution pixel, horizontally; exact powers of 1/2 for a JPEG, whose last
    /// column may hold padding (`size` is rounded up).
    pub scale_x: f64,
    /// The same vertically.
    pub scale_y: f64,
}

/// What a header tells about a source, without decoding pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The format, by content; `None` for the result of a nested request, which no codec reads.
    pub format: Option<Format>,
    /// Size as stored, before `orientation`.
    pub size: Size,
    /// Color components after decoding (palettes are RGB, YCbCr is RGB, YCCK is CMYK).
    pub model: Model,
    /// Alpha as stored: associated (TIFF ExtraSamples 1) or not.
    pub alpha: Alpha,
    /// Bits of a stored component, 1 to 16.
    pub bits: u8,
    /// How to turn it upright.
    pub orientation: Orientation,
    /// Embedded resolution in pixels an inch, if the file states one.
    pub density_ppi: Option<f64>,
    /// Embedded ICC profile, as stored; `None` if there is none or it is over 8 MiB.
    pub icc: Option<Vec<u8>>,
    /// Whether an XMP packet is embedded.
    pub has_xmp: bool,
    /// Names of embedded Photoshop paths.
    pub path_names: Vec<String>,
    /// Number of frames or pages, at least 1.
    pub frames: u32,
    /// Whether decoding can yield YCbCr planes.
    pub has_planes: bool,
    /// Bytes that decoding holds beside the pixels that are wanted, by estimate from above: the file and coefficients
    /// of a decoder that needs them whole. 0 for one that goes from row to row.
    pub decoder_bytes: u64,
    /// Resolutions that can be decoded, the full one first; never empty.
    pub levels: Vec<Level>,
}

/// In which form pixels are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Interleaved components in the header's model, straight or associated alpha as stored.
    Canvas,
    /// YCbCr planes; only where `Header::has_planes`.
    Planes,
    /// The same for a picture whose chroma is halved afterwards: at 1/8 chroma may have half the size of luma, which
    /// costs much less to decode.
    HalvedPlanes,
}

/// What to decode of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Index into `Header::levels`.
    pub level: usize,
    /// The part of that level, in its pixels and as stored (before orientation); the whole level when it covers it.
    /// The decoder returns exactly this rectangle.
    pub region: Rect,
    /// Canvas, or a kind of planes.
    pub form: Form,
}

/// Chroma subsampling of a lossy RGB picture (`qlt=`, second value).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// 4:2:0 (flag 0).
    Halved,
    /// 4:4:4 (flag 1).
    Full,
}

/// Scan script of a progressive JPEG (`pscan=`, `U076`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scans {
    /// The library's default script.
    Auto,
    /// DC; AC 1–5; AC 6–63.
    Three,
    /// DC; AC 1–5; AC 6–20; AC 21–63.
    Four,
    /// DC; AC 1–5; AC 6–14; AC 15–27; AC 28–63.
    Five,
}

/// Compression of a TIFF reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TiffCompression {
    /// Uncompressed.
    None,
    /// LZW with horizontal prediction.
    Lzw,
    /// Deflate with horizontal prediction.
    Zip,
    /// JPEG strips (gray, RGB as YCbCr, CMYK).
    Jpeg,
}

/// Which palette a palette format gets (`quantize=`, `U079`, `U080`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantization {
    /// How the palette is made.
    pub palette: PaletteKind,
    /// Whether errors are diffused (Floyd–Steinberg).
    pub is_dithered: bool,
    /// Largest number of colors, 2..=256; ignored for fixed palettes.
    pub colors: u16,
    /// Colors that the palette must hold.
    pub forced: Vec<[u8; 3]>,
}

/// How a palette is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaletteKind {
    /// From the picture.
    Adaptive,
    /// The 216 web-safe colors.
    Web,
    /// The classic Mac OS 8-bit system palette.
    Mac,
}

/// The format of a reply with all its options; the pixels' model and alpha must be ones the format can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JPEG of gray, RGB or CMYK (Adobe marker, inverted, `U090`), opaque.
    Jpeg {
        /// 1..=100, the IJG scale (`U078`).
        quality: u8,
        /// Subsampling; ignored for gray and CMYK.
        chroma: Chroma,
        /// Progressive with this script, else baseline.
        progressive: Option<Scans>,
        /// Whole body at most this long (`jpegSize=`, `U072`): the highest quality that fits.
        limit_bytes: Option<u64>,
    },
    /// PNG of gray or RGB, with or without straight alpha.
    Png,
    /// Palette PNG of RGB, with or without straight alpha.
    Png8(Quantization),
    /// GIF of gray or RGB; alpha becomes one key color, opaque from 128 (`U080`).
    Gif(Quantization),
    /// TIFF of gray, RGB or CMYK, with or without straight alpha (not with JPEG compression).
    Tiff {
        /// Compression.
        compression: TiffCompression,
        /// JPEG quality, 1..=100.
        quality: u8,
        /// JPEG subsampling.
        chroma: Chroma,
    },
    /// Lossy WebP of RGB, with or without straight alpha.
    WebpLossy {
        /// 1..=100, libwebp's scale.
        quality: u8,
    },
    /// Lossless WebP of RGB, with or without straight alpha; pixel-exact, hidden colors too.
    WebpLossless,
}

/// What is written beside the pixels, where the format can hold it; nothing else of a source reaches a reply (W-8).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metadata<'a> {
    /// ICC profile (`iccEmbed=`).
    pub icc: Option<&'a [u8]>,
    /// Print resolution in pixels an inch (`printRes=`); rounded to what the format can hold (`U075`).
    pub density_ppi: Option<f64>,
    /// XMP packet (`xmpEmbed=`).
    pub xmp: Option<&'a [u8]>,
}
