//! Where things go and how large they are: values of view, crop, size, anchor and text commands. Computes nothing.

use super::value::{
    LARGEST_COUNT, argument, argument_or, arguments, flag, int_within, keyword, length, numbers,
    position, positive_real, real, real_clamped, real_position, unexpected,
};
use crate::error::Error;
use crate::geometry::{Rect, Size};

/// Position of the image in the view, -1.0 left or top to 1.0 right or bottom (`align=`); clamped (U004).
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Align {
    /// -1.0..=1.0.
    pub horiz: f64,
    /// -1.0..=1.0.
    pub vert: f64,
}

impl Align {
    /// Parses `horiz,vert`.
    pub fn parse(text: &str) -> Result<Align, Error> {
        let [horiz, vert] = numbers(text, |word| real_clamped(word, -1.0, 1.0))?;
        Ok(Align { horiz, vert })
    }
}

/// How the image fits the view (`fit=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FitMode {
    /// Inside, the rest is filled.
    #[default]
    Fit,
    /// Inside, the view shrinks.
    Constrain,
    /// Covers, the excess is cut.
    Crop,
    /// Covers, the view grows.
    Wrap,
    /// Each side on its own.
    Stretch,
    /// The width decides.
    Hfit,
    /// The height decides.
    Vfit,
}

/// Value of `fit=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Fit {
    /// The mode.
    pub mode: FitMode,
    /// Whether the image may grow beyond 1:1; `false` when left out.
    pub may_enlarge: bool,
}

impl Fit {
    /// Parses `mode[,upscale]`.
    pub fn parse(text: &str) -> Result<Fit, Error> {
        let parts = arguments(text, 1, 2)?;
        let mode = argument_or(&parts, 0, FitMode::Fit, |word| {
            let words = [
                ("fit", FitMode::Fit),
                ("constrain", FitMode::Constrain),
                ("crop", FitMode::Crop),
                ("wrap", FitMode::Wrap),
                ("stretch", FitMode::Stretch),
                ("hfit", FitMode::Hfit),
                ("vfit", FitMode::Vfit),
            ];
            keyword(word, &words)
        })?;
        Ok(Fit { mode, may_enlarge: argument_or(&parts, 1, false, flag)? })
    }
}

fn rect_of(parts: &[&str]) -> Result<Rect, Error> {
    let part = |index: usize| parts.get(index).copied().unwrap_or_default();
    let (left, top) = (position(part(0))?, position(part(1))?);
    let size = Size::new(length(part(2), 1)?, length(part(3), 1)?);
    Ok(Rect::at(left, top, size))
}

/// `rgn=x,y,w,h`: the region of the composite to show, w and h above 0.
pub(super) fn rgn(text: &str) -> Result<Rect, Error> {
    rect_of(&arguments(text, 4, 4)?)
}

/// Value of `rect=`: a window of the view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewRect {
    /// The window in pixels of the scaled reply.
    pub rect: Rect,
    /// Resolution factor, above 0; 1.0 when left out.
    pub scale: f64,
}

impl ViewRect {
    /// Parses `x,y,w,h[,scale]`.
    pub fn parse(text: &str) -> Result<ViewRect, Error> {
        let parts = arguments(text, 4, 5)?;
        Ok(ViewRect { rect: rect_of(&parts)?, scale: argument_or(&parts, 4, 1.0, positive_real)? })
    }
}

/// Value of `crop=` and `cropN=`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crop {
    /// Pixels of the full-resolution source; may reach beyond it.
    Pixels(Rect),
    /// In units of the source's size, from its top left; width and height above 0.
    Normalized {
        /// Left.
        x: f64,
        /// Top.
        y: f64,
        /// Width.
        width: f64,
        /// Height.
        height: f64,
    },
}

impl Crop {
    /// Parses `crop=x,y,w,h`.
    pub fn parse(text: &str) -> Result<Crop, Error> {
        rgn(text).map(Crop::Pixels)
    }

    /// Parses `cropN=x,y,w,h`.
    pub fn parse_normalized(text: &str) -> Result<Crop, Error> {
        let [x, y, width, height] = numbers(text, real_position)?;
        match width > 0.0 && height > 0.0 {
            true => Ok(Crop::Normalized { x, y, width, height }),
            false => Err(unexpected(text, "width and height above 0")),
        }
    }
}

/// A point in pixels or in units of a size (`anchor`, `origin`, `pos` and their `N` forms).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Pixels; magnitudes up to 2147483648.
    Pixels {
        /// To the right.
        x: i64,
        /// Down.
        y: i64,
    },
    /// In units of the reference size, from its center.
    Normalized {
        /// To the right.
        x: f64,
        /// Down.
        y: f64,
    },
}

impl Place {
    /// Parses `x,y` in pixels; fractions are truncated (U005).
    pub fn parse(text: &str) -> Result<Place, Error> {
        let [x, y] = numbers(text, position)?;
        Ok(Place::Pixels { x, y })
    }

    /// Parses `nx,ny`.
    pub fn parse_normalized(text: &str) -> Result<Place, Error> {
        let [x, y] = numbers(text, real_position)?;
        Ok(Place::Normalized { x, y })
    }
}

/// Value of `size=` and `sizeN=`; 0 stands for a side that follows from the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SizeArg {
    /// Pixels.
    Pixels {
        /// Width, 0 open.
        width: u32,
        /// Height, 0 open.
        height: u32,
    },
    /// In units of layer 0 (or of the target, in a watermark record).
    Normalized {
        /// Width, 0.0 open.
        width: f64,
        /// Height, 0.0 open.
        height: f64,
    },
}

impl SizeArg {
    /// Parses `width,height` in pixels.
    pub fn parse(text: &str) -> Result<SizeArg, Error> {
        let [width, height] = numbers(text, |word| length(word, 0))?;
        Ok(SizeArg::Pixels { width, height })
    }

    /// Parses `widthN,heightN`; above 1 is accepted (U069).
    pub fn parse_normalized(text: &str) -> Result<SizeArg, Error> {
        let [width, height] = numbers(text, |word| {
            let number = real(word)?;
            match (0.0..=LARGEST_COUNT as f64).contains(&number) {
                true => Ok(number),
                false => Err(unexpected(word, "0 to 2147483647")),
            }
        })?;
        Ok(SizeArg::Normalized { width, height })
    }
}

/// Value of `extend=` and `extendN=`: margins, negative ones remove (order by U061).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extend {
    /// Pixels.
    Pixels {
        /// Left margin.
        left: i64,
        /// Top margin.
        top: i64,
        /// Right margin.
        right: i64,
        /// Bottom margin.
        bottom: i64,
    },
    /// In units of the rectangle after `rotate=`.
    Normalized {
        /// Left margin.
        left: f64,
        /// Top margin.
        top: f64,
        /// Right margin.
        right: f64,
        /// Bottom margin.
        bottom: f64,
    },
}

impl Extend {
    /// Parses four pixel margins.
    pub fn parse(text: &str) -> Result<Extend, Error> {
        let [left, top, right, bottom] = numbers(text, position)?;
        Ok(Extend::Pixels { left, top, right, bottom })
    }

    /// Parses four normalized margins.
    pub fn parse_normalized(text: &str) -> Result<Extend, Error> {
        let [left, top, right, bottom] = numbers(text, real_position)?;
        Ok(Extend::Normalized { left, top, right, bottom })
    }
}

/// Mirroring (`flip=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flip {
    /// `lr`.
    LeftRight,
    /// `ud`.
    UpDown,
    /// `lrud`.
    Both,
}

impl Flip {
    /// Parses the word.
    pub fn parse(text: &str) -> Result<Flip, Error> {
        keyword(text, &[("lr", Flip::LeftRight), ("ud", Flip::UpDown), ("lrud", Flip::Both)])
    }
}

/// Unit of the corners of a perspective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Pixels of layer 0.
    Pixels,
    /// Sizes of layer 0.
    Normalized,
}

/// Sampling of a perspective; its words are case-sensitive (U001).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PerspectiveSampling {
    /// `R1`.
    Nearest,
    /// `R2`.
    Bilinear,
    /// `R3`.
    #[default]
    Super,
    /// `R3Tn`: super-sampling with a jitter of 0..=200.
    SuperJittered(u8),
}

/// Value of `perspective=` and `perspectiveN=`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perspective {
    /// Where the corners top left, top right, bottom right, bottom left go; from the top left of layer 0.
    pub corners: [[f64; 2]; 4],
    /// Their unit.
    pub unit: Unit,
    /// How the result is sampled.
    pub sampling: PerspectiveSampling,
}

impl Perspective {
    /// Parses eight numbers and an optional sampling word; degenerate, concave and self-intersecting quads are refused
    /// (U067).
    pub fn parse(text: &str, unit: Unit) -> Result<Perspective, Error> {
        let parts = arguments(text, 8, 9)?;
        let mut corners = [[0.0; 2]; 4];
        for (number, part) in corners.iter_mut().flatten().zip(&parts) {
            *number = real_position(part)?;
        }
        if !is_convex(&corners) {
            return Err(unexpected(text, "the corners of a convex quadrilateral"));
        }
        let sampling = argument_or(&parts, 8, PerspectiveSampling::Super, |word| match word {
            "R1" => Ok(PerspectiveSampling::Nearest),
            "R2" => Ok(PerspectiveSampling::Bilinear),
            "R3" => Ok(PerspectiveSampling::Super),
            _ => {
                let jitter =
                    word.strip_prefix("R3T").ok_or_else(|| unexpected(word, "R1 R2 R3 R3Tn"))?;
                let jitter = int_within(jitter, 0, 200)?;
                Ok(PerspectiveSampling::SuperJittered(u8::try_from(jitter).unwrap_or(200)))
            }
        })?;
        Ok(Perspective { corners, unit, sampling })
    }
}

/// Whether the corners turn the same way at each of the four (mirrored ones too).
fn is_convex(corners: &[[f64; 2]; 4]) -> bool {
    let [a, b, c, d] = *corners;
    let turn = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        let [px, py] = p;
        let [qx, qy] = q;
        let [rx, ry] = r;
        (qx - px) * (ry - qy) - (qy - py) * (rx - qx)
    };
    let turns = [turn(a, b, c), turn(b, c, d), turn(c, d, a), turn(d, a, b)];
    turns.iter().all(|&t| t > 0.0) || turns.iter().all(|&t| t < 0.0)
}

/// Edges of glyphs (`textAttr=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the protocol's own word")]
pub enum AntiAliasing {
    Off,
    Norm,
    Crisp,
    Sharp,
    Strong,
    Smooth,
}

/// How the resolution of `textAttr=` is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextResMode {
    /// As given.
    FixedRes,
    /// So that the text fills its box.
    AutoRes,
    /// Lowered until the text fits.
    MaxRes,
}

/// Where lines may break (`textAttr=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WordWrap {
    /// At words, and inside a word that is too long.
    Wrap,
    /// Only where the text says so.
    NoWrap,
    /// At words only.
    NbWrap,
}

/// Value of `textAttr=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextAttr {
    /// Dots per inch, above 0; default 72.
    pub res_ppi: u32,
    /// Edges; default `norm`.
    pub anti_aliasing: AntiAliasing,
    /// Use of the resolution; default `fixedRes`.
    pub res_mode: TextResMode,
    /// Line breaks; default `wrap`.
    pub word_wrap: WordWrap,
}

impl Default for TextAttr {
    /// `72,norm,fixedRes,wrap`.
    fn default() -> TextAttr {
        TextAttr {
            res_ppi: 72,
            anti_aliasing: AntiAliasing::Norm,
            res_mode: TextResMode::FixedRes,
            word_wrap: WordWrap::Wrap,
        }
    }
}

impl TextAttr {
    /// Parses `res[,antiAliasing[,resMode[,wordWrap]]]`; an empty part takes its default.
    pub fn parse(text: &str) -> Result<TextAttr, Error> {
        let parts = arguments(text, 1, 4)?;
        let default = TextAttr::default();
        let res = argument_or(&parts, 0, 72, |word| int_within(word, 1, LARGEST_COUNT))?;
        Ok(TextAttr {
            res_ppi: u32::try_from(res).unwrap_or(default.res_ppi),
            anti_aliasing: argument_or(&parts, 1, default.anti_aliasing, |word| {
                let words = [
                    ("off", AntiAliasing::Off),
                    ("norm", AntiAliasing::Norm),
                    ("crisp", AntiAliasing::Crisp),
                    ("sharp", AntiAliasing::Sharp),
                    ("strong", AntiAliasing::Strong),
                    ("smooth", AntiAliasing::Smooth),
                ];
                keyword(word, &words)
            })?,
            res_mode: argument_or(&parts, 2, default.res_mode, |word| {
                let words = [
                    ("fixedRes", TextResMode::FixedRes),
                    ("autoRes", TextResMode::AutoRes),
                    ("maxRes", TextResMode::MaxRes),
                ];
                keyword(word, &words)
            })?,
            word_wrap: argument_or(&parts, 3, default.word_wrap, |word| {
                let words = [
                    ("wrap", WordWrap::Wrap),
                    ("noWrap", WordWrap::NoWrap),
                    ("nbWrap", WordWrap::NbWrap),
                ];
                keyword(word, &words)
            })?,
        })
    }
}

/// Which way text runs along its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathDirection {
    /// `norm`: from the first vertex.
    Norm,
    /// `reverse`: from the last.
    Reverse,
}

/// Value of `pathAttr=`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathAttr {
    /// The direction; default `norm`.
    pub direction: PathDirection,
    /// Start as a share of the path, 0.0..1.0; default 0.0.
    pub start_ratio: f64,
    /// End, above the start; at most 1.0 on an open path, start + 1.0 on a closed one; default 1.0.
    pub end_ratio: f64,
}

impl PathAttr {
    /// Parses `direction[,startPos[,endPos]]`; whether the path is closed is not known here, so the end may be as large
    /// as start + 1.
    pub fn parse(text: &str) -> Result<PathAttr, Error> {
        let parts = arguments(text, 1, 3)?;
        let direction = argument_or(&parts, 0, PathDirection::Norm, |word| {
            keyword(word, &[("norm", PathDirection::Norm), ("reverse", PathDirection::Reverse)])
        })?;
        let start_ratio = argument_or(&parts, 1, 0.0, real)?;
        let end_ratio = argument(&parts, 2).map_or(Ok(1.0), real)?;
        let is_ordered = (0.0..1.0).contains(&start_ratio)
            && end_ratio > start_ratio
            && end_ratio <= start_ratio + 1.0;
        match is_ordered {
            true => Ok(PathAttr { direction, start_ratio, end_ratio }),
            false => Err(unexpected(text, "0 <= start < 1 and start < end <= start + 1")),
        }
    }
}
