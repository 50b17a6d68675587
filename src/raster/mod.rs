//! Pixels in memory and the operations on them, one file for one operation. No files, no formats, no text.
//!
//! A reader meets [`Canvas`] (interleaved 8-bit pixels) and [`Planes`] (YCbCr as a JPEG holds it) first.

#![deny(unsafe_code)]

pub mod alpha;
pub mod blend;
pub mod mask;
pub mod resample;
pub mod rotate;
pub mod turn;

use crate::error::Error;
use crate::geometry::Size;
use crate::limits::Limits;

/// The color components of a pixel, without alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// One component, 0 black to 255 white.
    Gray,
    /// Red, green, blue, 0 to 255.
    Rgb,
    /// Cyan, magenta, yellow, black; 0 no ink to 255 full ink.
    Cmyk,
}

impl Model {
    /// Number of color components.
    pub fn components(self) -> usize {
        match self {
            Model::Gray => 1,
            Model::Rgb => 3,
            Model::Cmyk => 4,
        }
    }
}

/// Whether pixels carry alpha, and how color relates to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpha {
    /// No alpha component; every pixel is opaque.
    Opaque,
    /// Alpha is the last component; color is independent of it (unassociated).
    Straight,
    /// Alpha is the last component; color is multiplied by it (associated).
    Premultiplied,
}

/// A picture of interleaved 8-bit components, rows from the top without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Width and height.
    pub size: Size,
    /// The color components.
    pub model: Model,
    /// Whether an alpha component follows them.
    pub alpha: Alpha,
    /// `size.pixels() * channels()` bytes.
    pub data: Vec<u8>,
}

impl Canvas {
    /// A canvas of zero bytes: black (no ink for CMYK), transparent where it has alpha. Asks `limits` first.
    pub fn zeroed(
        size: Size,
        model: Model,
        alpha: Alpha,
        limits: &Limits,
    ) -> Result<Canvas, Error> {
        let channels = model.components() + usize::from(alpha != Alpha::Opaque);
        let data = limits.zeroed(size.pixels().saturating_mul(channels as u64))?;
        Ok(Canvas { size, model, alpha, data })
    }

    /// Bytes of one pixel.
    pub fn channels(&self) -> usize {
        self.model.components() + usize::from(self.alpha != Alpha::Opaque)
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.size.width as usize * self.channels()
    }
}

/// One component of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    /// Width and height of this component.
    pub size: Size,
    /// `size.pixels()` samples, rows from the top without padding.
    pub data: Vec<u8>,
}

/// A picture as luma and chroma planes: full-range YCbCr of BT.601, as JPEG files hold it.
///
/// A chroma plane covers the whole picture with fewer, or as many, samples as the luma plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Luma; its size is the size of the picture.
    pub luma: Plane,
    /// Blue difference.
    pub cb: Plane,
    /// Red difference.
    pub cr: Plane,
}

/// A picture in the form its decoder or the plan chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// Interleaved components.
    Canvas(Canvas),
    /// YCbCr planes, opaque.
    Planes(Planes),
}

impl Pixels {
    /// Width and height of the picture.
    pub fn size(&self) -> Size {
        match self {
            Pixels::Canvas(canvas) => canvas.size,
            Pixels::Planes(planes) => planes.luma.size,
        }
    }
}
