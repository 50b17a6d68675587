//! Orientation and resolution from an EXIF block. It reads no other value and keeps nothing of the block.

#![forbid(unsafe_code)]

use exif::{Exif, In, Reader, Tag, Value};

use super::Orientation;

/// Longer blocks are not looked at: an EXIF block of a JPEG has at most 64 KiB, thumbnails included.
const LIMIT_BYTES: usize = 1 << 20;

/// What an EXIF block says about the picture that holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Placement {
    /// How to turn the picture upright; upright when the block is silent or broken.
    pub orientation: Orientation,
    /// Resolution in pixels an inch.
    pub density_ppi: Option<f64>,
}

/// Reads a block that begins with a TIFF header (`II*` or `MM*`), optionally after `Exif\0\0`.
///
/// A broken block is as good as none: what can be read of it counts (D-8).
pub(crate) fn placement(block: &[u8]) -> Placement {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    if block.len() > LIMIT_BYTES {
        return Placement::default();
    }
    let parsed = Reader::new().continue_on_error(true).read_raw(block.to_vec());
    let Ok(exif) = parsed.or_else(|error| error.distill_partial_result(|_| ())) else {
        return Placement::default();
    };
    let orientation = uint(&exif, Tag::Orientation).map(Orientation::from_exif).unwrap_or_default();
    let per_inch = match uint(&exif, Tag::ResolutionUnit).unwrap_or(2) {
        2 => Some(1.0),
        3 => Some(2.54),
        _ => None,
    };
    let density_ppi = per_inch
        .and_then(|factor| rational(&exif, Tag::XResolution).map(|value| value * factor))
        .filter(|ppi| plausible_ppi(*ppi));
    Placement { orientation, density_ppi }
}

/// Whether a resolution can be meant: some writers store 0 or the bits of another field.
pub(crate) fn plausible_ppi(ppi: f64) -> bool {
    ppi.is_finite() && (0.1..=100_000.0).contains(&ppi)
}

fn uint(exif: &Exif, tag: Tag) -> Option<u32> {
    exif.get_field(tag, In::PRIMARY)?.value.get_uint(0)
}

fn rational(exif: &Exif, tag: Tag) -> Option<f64> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Rational(values) => {
            values.first().filter(|value| value.denom != 0).map(|value| value.to_f64())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little-endian block with orientation 6 and 300 pixels an inch.
    fn block(orientation: u16, numerator: u32, unit: u16) -> Vec<u8> {
        let mut block = b"II*\0\x08\0\0\0\x03\0".to_vec();
        for (tag, kind, value) in [(0x0112u16, 3u16, u32::from(orientation)), (0x011a, 5, 50)] {
            block.extend(tag.to_le_bytes());
            block.extend(kind.to_le_bytes());
            block.extend(1u32.to_le_bytes());
            block.extend(value.to_le_bytes());
        }
        block.extend(0x0128u16.to_le_bytes());
        block.extend(3u16.to_le_bytes());
        block.extend(1u32.to_le_bytes());
        block.extend(u32::from(unit).to_le_bytes());
        block.extend([0; 4]);
        block.extend(numerator.to_le_bytes());
        block.extend(1u32.to_le_bytes());
        block
    }

    #[test]
    fn orientation_and_density_are_read_and_broken_blocks_are_nothing() {
        let upright = Placement::default();
        let turned = Orientation::Rotate90;
        for (name, bytes, expected) in [
            ("inches", block(6, 300, 2), (turned, Some(300.0))),
            ("centimeters", block(6, 100, 3), (turned, Some(254.0))),
            ("no unit", block(6, 300, 1), (turned, None)),
            ("orientation out of range", block(99, 300, 2), (Orientation::Upright, Some(300.0))),
            ("zero density", block(1, 0, 2), (Orientation::Upright, None)),
            (
                "with its JPEG prefix",
                [b"Exif\0\0", &block(3, 72, 2)[..]].concat(),
                (Orientation::Rotate180, Some(72.0)),
            ),
        ] {
            let found = placement(&bytes);
            assert_eq!((found.orientation, found.density_ppi), expected, "{name}");
        }
        assert_eq!(placement(b""), upright, "empty");
        assert_eq!(placement(b"II*\0\xff\xff\xff\xff"), upright, "offset of 4 GiB");
        let whole = block(6, 300, 2);
        for length in 0..whole.len() {
            placement(&whole[..length]);
        }
    }
}
