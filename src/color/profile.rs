//! What an ICC profile says about itself. It converts no colors.

use crate::raster::Model;

/// Longest description that is read, in bytes of the profile.
const DESCRIPTION_BYTES: usize = 512;

/// The profile's description (`desc` tag): ASCII in version 2, the first UTF-16 text in version 4.
pub fn description(icc: &[u8]) -> Option<String> {
    let tag = tag(icc, b"desc")?;
    let body = tag.get(8..)?;
    let text = match tag.get(..4)? {
        b"desc" => {
            let length = number(tag, 8)? as usize;
            let bytes = body.get(4..)?.get(..length.min(DESCRIPTION_BYTES))?;
            String::from_utf8_lossy(bytes).into_owned()
        }
        b"mluc" => {
            let length = number(tag, 20)? as usize;
            let offset = number(tag, 24)? as usize;
            let bytes = tag.get(offset..)?.get(..length.min(DESCRIPTION_BYTES))?;
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => return None,
    };
    Some(text.trim_end_matches('\0').to_owned())
}

/// Whether the profile describes itself as sRGB.
pub fn is_srgb(icc: &[u8]) -> bool {
    description(icc).is_some_and(|text| {
        text.starts_with("sRGB IEC61966-2") || text.starts_with("sRGB built-in") || text == "sRGB"
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

fn tag<'a>(icc: &'a [u8], signature: &[u8; 4]) -> Option<&'a [u8]> {
    let count = number(icc, 128)?.min(100) as usize;
    let entry = (0..count)
        .map(|index| 132 + index * 12)
        .find(|&at| icc.get(at..at + 4).is_some_and(|found| found == signature))?;
    let (offset, length) = (number(icc, entry + 4)? as usize, number(icc, entry + 8)? as usize);
    icc.get(offset..offset.checked_add(length)?)
}

/// What is wrong with a profile that belongs to pixels of `model`: its length, signature, color space or tag table.
/// `None` for a sound one. The curves and tables of tags are not looked into.
pub fn fault(icc: &[u8], model: Model) -> Option<String> {
    let stated = number(icc, 0).unwrap_or(0) as usize;
    if stated < 132 || stated > icc.len() {
        return Some(format!("it states {stated} bytes and has {}", icc.len()));
    }
    if icc.get(36..40) != Some(b"acsp") {
        return Some("its signature is missing".to_owned());
    }
    let expected: &[u8] = match model {
        Model::Gray => b"GRAY",
        Model::Rgb => b"RGB ",
        Model::Cmyk => b"CMYK",
    };
    let space = icc.get(16..20).unwrap_or_default();
    if space != expected {
        let found = space.escape_ascii();
        return Some(format!("its color space is {found}, expected {}", expected.escape_ascii()));
    }
    let count = number(icc, 128).unwrap_or(0) as usize;
    let is_whole = |index: usize| {
        let at = 132 + index * 12;
        let (offset, length) = (number(icc, at + 4)? as usize, number(icc, at + 8)? as usize);
        (offset.checked_add(length)? <= stated).then_some(())
    };
    let most = stated / 12;
    let broken = (0..count.min(most)).find(|&index| is_whole(index).is_none());
    match (broken, count) {
        (_, 0) => Some("it has no tags".to_owned()),
        (Some(index), _) => Some(format!("tag {index} lies beyond its end")),
        (None, count) if count > most => Some(format!("it states {count} tags")),
        (None, _) => None,
    }
}
