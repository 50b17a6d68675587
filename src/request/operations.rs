//! Values of `op_*`, `opac=`, `blendMode=` and `maskUse=`. Numbers out of range are clamped (U004); no pixels here.

use super::value::{
    argument, argument_or, arguments, flag, int_clamped, keyword, numbers, real_clamped, unexpected,
};
use crate::color::{Color, ColorValue};
use crate::error::Error;

/// What the alpha of a layer is used for (`maskUse=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MaskUse {
    /// As it is.
    #[default]
    Norm,
    /// Inverted.
    Invert,
    /// Not at all.
    Off,
}

impl MaskUse {
    /// Parses the word.
    pub fn parse(text: &str) -> Result<MaskUse, Error> {
        let words = [("norm", MaskUse::Norm), ("invert", MaskUse::Invert), ("off", MaskUse::Off)];
        keyword(text, &words)
    }
}

/// How a layer mixes with what lies below it (`blendMode=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs, reason = "each is the protocol's own word")]
pub enum BlendMode {
    #[default]
    Norm,
    Dissolve,
    Lighten,
    Darken,
    Mult,
    Screen,
}

impl BlendMode {
    /// Parses the word.
    pub fn parse(text: &str) -> Result<BlendMode, Error> {
        let words = [
            ("norm", BlendMode::Norm),
            ("dissolve", BlendMode::Dissolve),
            ("lighten", BlendMode::Lighten),
            ("darken", BlendMode::Darken),
            ("mult", BlendMode::Mult),
            ("screen", BlendMode::Screen),
        ];
        keyword(text, &words)
    }
}

/// Value of `opac=`, percentages of 0..=100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opac {
    /// Of the content and its effects.
    pub opacity_pct: u8,
    /// Of the content only; 100 when left out.
    pub fill_pct: u8,
}

impl Opac {
    /// Parses `opacity[,fillOpacity]`.
    pub fn parse(text: &str) -> Result<Opac, Error> {
        let parts = arguments(text, 1, 2)?;
        let pct = |word: &str| int_clamped(word, 0, 100).map(|v| u8::try_from(v).unwrap_or(0));
        Ok(Opac {
            opacity_pct: argument_or(&parts, 0, 100, pct)?,
            fill_pct: argument_or(&parts, 1, 100, pct)?,
        })
    }
}

/// How `op_colorize=` treats lightness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colorize {
    /// `off`: it is kept.
    Plain,
    /// `norm`: the median moves to 50 %; the target range in percent, 0.0 keeps the contrast.
    Normalized {
        /// 0.0..=100.0.
        contrast_pct: f64,
    },
}

/// Value of `op_colorize=`; the color is RGB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpColorize {
    /// The color.
    pub color: Color,
    /// The treatment of lightness; `norm,0` when left out.
    pub mode: Colorize,
}

impl OpColorize {
    /// Parses `color[,off|norm[,contrast]]`. The color may itself hold commas, so the word is looked for.
    pub fn parse(text: &str) -> Result<OpColorize, Error> {
        let parts = arguments(text, 1, 6)?;
        let word_at = parts
            .iter()
            .position(|part| part.eq_ignore_ascii_case("off") || part.eq_ignore_ascii_case("norm"));
        // An empty word in the middle takes its default, `norm`.
        let split = word_at.or_else(|| parts.iter().position(|part| part.is_empty()));
        let (color, rest) = parts.split_at(split.unwrap_or(parts.len()));
        let color = Color::parse(&color.join(","))?;
        let ColorValue::Rgb { .. } = color.value else {
            return Err(unexpected(text, "an RGB color"));
        };
        if rest.len() > 2 {
            return Err(unexpected(text, "color[,off|norm[,contrast]]"));
        }
        let contrast_pct = argument_or(rest, 1, 0.0, |word| real_clamped(word, 0.0, 100.0))?;
        let is_plain = argument(rest, 0).is_some_and(|word| word.eq_ignore_ascii_case("off"));
        let mode = if is_plain { Colorize::Plain } else { Colorize::Normalized { contrast_pct } };
        Ok(OpColorize { color, mode })
    }
}

/// Distribution of `op_noise=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Distribution {
    /// `uniform`.
    #[default]
    Uniform,
    /// `gaussian`.
    Gaussian,
}

/// Value of `op_noise=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpNoise {
    /// 0..=100.
    pub amount_pct: u8,
    /// The distribution.
    pub distribution: Distribution,
    /// Whether all components get the same noise.
    pub is_monochrome: bool,
}

impl OpNoise {
    /// Parses `val[,uniform|gaussian[,monochrome]]`.
    pub fn parse(text: &str) -> Result<OpNoise, Error> {
        let parts = arguments(text, 1, 3)?;
        let amount = int_clamped(parts.first().copied().unwrap_or_default(), 0, 100)?;
        let words = [("uniform", Distribution::Uniform), ("gaussian", Distribution::Gaussian)];
        Ok(OpNoise {
            amount_pct: u8::try_from(amount).unwrap_or(0),
            distribution: argument_or(&parts, 1, Distribution::Uniform, |w| keyword(w, &words))?,
            is_monochrome: argument_or(&parts, 2, false, flag)?,
        })
    }
}

/// Value of `op_usm=` and `op_usmR=`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpUsm {
    /// Strength, 0.0..=5.0.
    pub amount: f64,
    /// 0.0..=250.0; of the full-resolution image for `op_usm`, as it is for `op_usmR`.
    pub radius_px: f64,
    /// Smallest difference that is sharpened, 0..=255.
    pub threshold: u8,
    /// Whether only the brightness is sharpened.
    pub is_mono: bool,
}

impl OpUsm {
    /// Parses `amount[,radius[,threshold[,mono]]]`.
    pub fn parse(text: &str) -> Result<OpUsm, Error> {
        let parts = arguments(text, 1, 4)?;
        let first = parts.first().copied().unwrap_or_default();
        let threshold = argument_or(&parts, 2, 0, |word| int_clamped(word, 0, 255))?;
        Ok(OpUsm {
            amount: real_clamped(first, 0.0, 5.0)?,
            radius_px: argument_or(&parts, 1, 0.0, |word| real_clamped(word, 0.0, 250.0))?,
            threshold: u8::try_from(threshold).unwrap_or(0),
            is_mono: argument_or(&parts, 3, false, flag)?,
        })
    }
}

/// The operations on the pixels of a layer or of the composite; `None` changes nothing.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Operations {
    /// `op_blur`: 0.0..=100.0 pixels.
    pub blur_px: Option<f64>,
    /// `op_brightness`: -100..=100.
    pub brightness: Option<i32>,
    /// `op_colorbalance`: red, green, blue, each -100..=100.
    pub colorbalance: Option<[i32; 3]>,
    /// `op_colorize`, also written `colorize` (U009).
    pub colorize: Option<OpColorize>,
    /// `op_contrast`: -100..=100.
    pub contrast: Option<i32>,
    /// `op_grow`: -100..=100 pixels.
    pub grow_px: Option<i32>,
    /// `op_hue`: -180..=180 degrees.
    pub hue_deg: Option<i32>,
    /// `op_invert`.
    pub invert: Option<bool>,
    /// `op_noise`.
    pub noise: Option<OpNoise>,
    /// `op_saturation`: -100..=100.
    pub saturation: Option<i32>,
    /// `op_sharpen`; given for the composite it acts on the final view image.
    pub sharpen: Option<bool>,
    /// `op_usm`; given for the composite it acts on the final view image.
    pub usm: Option<OpUsm>,
    /// `op_usmR`; given for the composite it acts on the final view image.
    pub usm_r: Option<OpUsm>,
}

/// A percentage of -100..=100.
pub(super) fn adjustment(text: &str) -> Result<i32, Error> {
    int_clamped(text, -100, 100)
}

/// Three of them.
pub(super) fn colorbalance(text: &str) -> Result<[i32; 3], Error> {
    numbers(text, adjustment)
}

/// `op_hue`.
pub(super) fn hue(text: &str) -> Result<i32, Error> {
    int_clamped(text, -180, 180)
}

/// `op_blur`.
pub(super) fn blur(text: &str) -> Result<f64, Error> {
    real_clamped(text, 0.0, 100.0)
}
