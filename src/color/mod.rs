//! Color values as the protocol writes them. The conversions between pixel types are in `convert`; no profiles here.
//!
//! A reader meets [`Color`] first.

#![forbid(unsafe_code)]

pub mod convert;
pub mod profile;

use crate::error::{Error, Kind, shown};

/// The components of a color; they are never premultiplied by alpha.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColorValue {
    /// Gray, 0.0 black to 100.0 white percent.
    Gray {
        /// Lightness in percent, 0.0..=100.0.
        gray_pct: f64,
        /// Opacity in percent, 0.0..=100.0.
        alpha_pct: f64,
    },
    /// Red, green, blue, 0 to 255.
    Rgb {
        /// Red.
        red: u8,
        /// Green.
        green: u8,
        /// Blue.
        blue: u8,
        /// Opacity, 255 is opaque.
        alpha: u8,
    },
    /// Ink coverage in percent.
    Cmyk {
        /// Cyan, 0.0..=100.0.
        cyan_pct: f64,
        /// Magenta, 0.0..=100.0.
        magenta_pct: f64,
        /// Yellow, 0.0..=100.0.
        yellow_pct: f64,
        /// Black, 0.0..=100.0.
        black_pct: f64,
        /// Opacity in percent, 0.0..=100.0.
        alpha_pct: f64,
    },
}

/// Which color space of its pixel type a color value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColorSpace {
    /// The output space (`icc=` if of the same pixel type, else `attribute::IccProfile*`); no suffix.
    Output,
    /// The input space (`attribute::IccProfileSrc*`); suffix `s`.
    Source,
}

/// A value of the `color` grammar (requests.md 12).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Color {
    /// The components.
    pub value: ColorValue,
    /// The space they belong to.
    pub space: ColorSpace,
}

const EXPECTED: &str = "gray[,alpha][g], r,g,b[,alpha][r], c,m,y,k[,alpha]k or hexadecimal digits";

impl Color {
    /// An opaque RGB color of the output space.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Color {
        let value = ColorValue::Rgb { red, green, blue, alpha: 255 };
        Color { value, space: ColorSpace::Output }
    }

    /// Parses decoded text; case does not matter.
    ///
    /// Hexadecimal CMYK digits are percent values, clamped to 100 (`U-color-hex-cmyk`); hexadecimal gray spans 0 to
    /// 255. `Syntax` for anything outside the grammar and for decimal components out of range (U015).
    pub fn parse(text: &str) -> Result<Color, Error> {
        let bad =
            || Error::new(Kind::Syntax, format!("color is {}, expected {EXPECTED}", shown(text)));
        let lower = text.to_ascii_lowercase();
        let mut rest = lower.as_str();
        let mut space = ColorSpace::Output;
        if let Some(cut) = rest.strip_suffix('s') {
            (rest, space) = (cut, ColorSpace::Source);
        }
        // A hexadecimal number never ends in one of these letters, so the suffix is unambiguous.
        let suffix = rest.chars().last().filter(|c| matches!(c, 'g' | 'r' | 'k'));
        if suffix.is_some() {
            rest = rest.get(..rest.len() - 1).unwrap_or_default();
        }
        let value = if let Some(digits) = rest.strip_prefix("0x") {
            from_hex(digits, suffix, true)
        } else if !rest.contains(',') && is_bare_hex(rest, suffix) {
            from_hex(rest, suffix, false)
        } else {
            from_decimal(rest, suffix)
        };
        Ok(Color { value: value.ok_or_else(bad)?, space })
    }

    /// Parses the color of a catalog attribute, `[0x]RRGGBB` (`BkgColor`, `ThumbBkgColor`).
    pub fn parse_catalog(text: &str) -> Result<[u8; 3], Error> {
        let lower = text.to_ascii_lowercase();
        let digits = lower.strip_prefix("0x").unwrap_or(&lower);
        Color::parse_hex_rgb(digits).map_err(|_| {
            Error::new(Kind::Syntax, format!("color is {}, expected [0x]RRGGBB", shown(text)))
        })
    }

    /// Parses exactly six hexadecimal digits (the color list of `quantize=`).
    pub fn parse_hex_rgb(text: &str) -> Result<[u8; 3], Error> {
        match hex_bytes(text).as_deref() {
            Some(&[r, g, b]) => Ok([r, g, b]),
            _ => {
                let found = shown(text);
                Err(Error::new(Kind::Syntax, format!("color is {found}, expected RRGGBB")))
            }
        }
    }
}

/// Whether text without `0x` and comma is hexadecimal: 6 or 8 digits, or with `k` 8 or 10.
fn is_bare_hex(text: &str, suffix: Option<char>) -> bool {
    let lengths: &[usize] = match suffix {
        None | Some('r') => &[6, 8],
        Some('k') => &[8, 10],
        Some(_) => &[],
    };
    lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 10 {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let high = char::from(*pair.first()?).to_digit(16)?;
            let low = char::from(*pair.get(1)?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        })
        .collect()
}

fn from_hex(digits: &str, suffix: Option<char>, has_prefix: bool) -> Option<ColorValue> {
    let of_255 = |v: u8| f64::from(v) * 100.0 / 255.0;
    let of_100 = |v: u8| f64::from(v.min(100));
    match (hex_bytes(digits)?.as_slice(), suffix) {
        (&[gray], None | Some('g')) if has_prefix => {
            Some(ColorValue::Gray { gray_pct: of_255(gray), alpha_pct: 100.0 })
        }
        (&[gray, alpha], None | Some('g')) if has_prefix => {
            Some(ColorValue::Gray { gray_pct: of_255(gray), alpha_pct: of_255(alpha) })
        }
        (&[red, green, blue], None | Some('r')) => {
            Some(ColorValue::Rgb { red, green, blue, alpha: 255 })
        }
        (&[red, green, blue, alpha], None | Some('r')) => {
            Some(ColorValue::Rgb { red, green, blue, alpha })
        }
        (&[c, m, y, k], Some('k')) => Some(ColorValue::Cmyk {
            cyan_pct: of_100(c),
            magenta_pct: of_100(m),
            yellow_pct: of_100(y),
            black_pct: of_100(k),
            alpha_pct: 100.0,
        }),
        (&[c, m, y, k, a], Some('k')) => Some(ColorValue::Cmyk {
            cyan_pct: of_100(c),
            magenta_pct: of_100(m),
            yellow_pct: of_100(y),
            black_pct: of_100(k),
            alpha_pct: of_100(a),
        }),
        _ => None,
    }
}

fn from_decimal(text: &str, suffix: Option<char>) -> Option<ColorValue> {
    let mut parts = Vec::new();
    for part in text.split(',') {
        if part.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        parts.push(part.parse::<u16>().ok()?);
        if parts.len() > 5 {
            return None;
        }
    }
    let byte = |v: u16| u8::try_from(v).ok();
    let pct = |v: u16| (v <= 100).then(|| f64::from(v));
    match (parts.as_slice(), suffix) {
        (&[gray], None | Some('g')) => {
            Some(ColorValue::Gray { gray_pct: pct(gray)?, alpha_pct: 100.0 })
        }
        (&[gray, alpha], None | Some('g')) => {
            Some(ColorValue::Gray { gray_pct: pct(gray)?, alpha_pct: pct(alpha)? })
        }
        (&[r, g, b], None | Some('r')) => {
            Some(ColorValue::Rgb { red: byte(r)?, green: byte(g)?, blue: byte(b)?, alpha: 255 })
        }
        (&[r, g, b, a], None | Some('r')) => Some(ColorValue::Rgb {
            red: byte(r)?,
            green: byte(g)?,
            blue: byte(b)?,
            alpha: byte(a)?,
        }),
        (&[c, m, y, k], Some('k')) => Some(ColorValue::Cmyk {
            cyan_pct: pct(c)?,
            magenta_pct: pct(m)?,
            yellow_pct: pct(y)?,
            black_pct: pct(k)?,
            alpha_pct: 100.0,
        }),
        (&[c, m, y, k, a], Some('k')) => Some(ColorValue::Cmyk {
            cyan_pct: pct(c)?,
            magenta_pct: pct(m)?,
            yellow_pct: pct(y)?,
            black_pct: pct(k)?,
            alpha_pct: pct(a)?,
        }),
        _ => None,
    }
}
