//! Records of images, SVG and static content as they are looked up. Fields are texts of the table, read on demand.

use crate::config::Severity;
use crate::error::shown;
use crate::geometry::Size;

use super::attributes::{Expiration, ThumbType};
use super::image_set::has_matching_brackets;
use super::table::{Columns, Row};
use super::value::{self, Parsed};

/// A text field that may hold property data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyText<'a> {
    /// The field's text.
    pub text: &'a str,
    /// Whether the whole field was quoted; if not, `??` stands for a line end (S-92).
    pub is_quoted: bool,
}

impl<'a> PropertyText<'a> {
    /// The value of the property of that name, compared without case; the last one counts. Items stand between line
    /// ends, in a field without quotes also between `??`.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let separator = if self.is_quoted { "\n" } else { "??" };
        let lines = self.text.split(['\r', '\n']);
        let items = lines.flat_map(|line| line.split(separator));
        let pairs = items.filter_map(|item| item.split_once('='));
        let is_named = |(found, _): &(&str, &str)| found.trim().eq_ignore_ascii_case(name.trim());
        pairs.filter(is_named).last().map(|(_, value)| value.trim())
    }
}

/// Which table an image record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// `CatalogFile`.
    Image,
    /// `SvgCatalogFile`.
    Svg,
}

/// A record of the image and SVG table. A field that is empty, malformed or 0 where 0 means "the attribute" is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord<'a> {
    /// `Id`.
    pub id: &'a str,
    /// Image or SVG.
    pub kind: RecordKind,
    /// `Path`, as written; `Catalog::source_path` makes it one that can be opened.
    pub path: Option<&'a str>,
    /// `MaskPath`, as written.
    pub mask_path: Option<&'a str>,
    /// `Modifier`: query fragment, not HTTP-decoded.
    pub modifier: Option<&'a str>,
    /// `PostModifier`: query fragment.
    pub post_modifier: Option<&'a str>,
    /// `Anchor` in full-resolution pixels from the top left.
    pub anchor: Option<(i32, i32)>,
    /// `Resolution`.
    pub resolution: Option<f64>,
    /// `PrintResolution` in dpi.
    pub print_resolution: Option<u32>,
    /// `Size`; trusted for layout only.
    pub size: Option<Size>,
    /// `Expiration`; `None` (-2, empty, absent) means the attribute.
    pub expiration: Option<Expiration>,
    /// `TimeStamp`, ms since 1970-01-01 UTC.
    pub time_stamp_ms: Option<i64>,
    /// `ThumbType`.
    pub thumb_type: Option<ThumbType>,
    /// `ThumbRes`.
    pub thumb_res: Option<f64>,
    /// `DigimarcInfo`.
    pub digimarc_info: Option<[u32; 4]>,
    /// `IccProfile`: name of the source's profile.
    pub icc_profile: Option<&'a str>,
    /// `ImageSet`.
    pub image_set: Option<&'a str>,
    /// `AssetType`.
    pub asset_type: Option<&'a str>,
    /// `Map`.
    pub map: Option<&'a str>,
    /// `Targets`.
    pub targets: Option<PropertyText<'a>>,
    /// `UserData`.
    pub user_data: Option<PropertyText<'a>>,
    /// `UserType`.
    pub user_type: Option<&'a str>,
}

/// A record of the static content table.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticRecord<'a> {
    /// `Id`.
    pub id: &'a str,
    /// `Path`.
    pub path: Option<&'a str>,
    /// `Expiration`; `None` means the attribute.
    pub expiration: Option<Expiration>,
    /// `TimeStamp`, ms since 1970-01-01 UTC.
    pub time_stamp_ms: Option<i64>,
    /// `UserType`.
    pub user_type: Option<&'a str>,
    /// `UserData`.
    pub user_data: Option<PropertyText<'a>>,
    /// `VideoBitRate` in bit/s.
    pub video_bit_rate: Option<u32>,
    /// `AudioBitRate` in bit/s.
    pub audio_bit_rate: Option<u32>,
    /// `TotalStreamBitRate` in bit/s.
    pub total_stream_bit_rate: Option<u32>,
    /// `VideoSize`.
    pub video_size: Option<Size>,
}

/// A record of the font map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FontRecord<'a> {
    /// `Name`, case-sensitive.
    pub name: &'a str,
    /// `Bold`.
    pub bold: bool,
    /// `Italic`.
    pub italic: bool,
    /// `FontPath`.
    pub font_path: &'a str,
    /// `MetricsPath`.
    pub metrics_path: Option<&'a str>,
    /// `PsName`.
    pub ps_name: Option<&'a str>,
}

/// Columns of `CatalogFile` and `SvgCatalogFile`.
pub(super) static IMAGE_COLUMNS: Columns = Columns {
    names: &[
        "Id",
        "Path",
        "MaskPath",
        "Modifier",
        "PostModifier",
        "Anchor",
        "Resolution",
        "PrintResolution",
        "Size",
        "Expiration",
        "TimeStamp",
        "ThumbType",
        "ThumbRes",
        "DigimarcInfo",
        "IccProfile",
        "ImageSet",
        "AssetType",
        "Map",
        "Targets",
        "UserData",
        "UserType",
    ],
    key: 1,
    folds_case: false,
};

/// Columns of `StaticContentCatalogFile`.
pub(super) static STATIC_COLUMNS: Columns = Columns {
    names: &[
        "Id",
        "Path",
        "Expiration",
        "TimeStamp",
        "UserType",
        "UserData",
        "VideoBitRate",
        "AudioBitRate",
        "TotalStreamBitRate",
        "VideoSize",
    ],
    key: 1,
    folds_case: false,
};

/// Columns of `MacroFile`.
pub(super) static MACRO_COLUMNS: Columns =
    Columns { names: &["Name", "Definition"], key: 1, folds_case: true };

/// Columns of `IccProfileMapFile`.
pub(super) static PROFILE_COLUMNS: Columns =
    Columns { names: &["Name", "ProfilePath"], key: 1, folds_case: false };

/// Columns of `FontMapFile`.
pub(super) static FONT_COLUMNS: Columns = Columns {
    names: &["Name", "Bold", "Italic", "FontPath", "MetricsPath", "PsName"],
    key: 3,
    folds_case: false,
};

/// Reads fields and tells which are malformed; those count as empty.
struct Fields<'a, 'f> {
    row: Row<'a>,
    tell: &'f mut dyn FnMut(Severity, String),
}

impl<'a> Fields<'a, '_> {
    fn parsed<T>(
        &mut self,
        columns: &Columns,
        index: usize,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        let text = self.row.text(index)?.trim();
        match parse(text) {
            _ if text.is_empty() => None,
            Ok(value) => Some(value),
            Err(expected) => {
                let name = columns.names.get(index).copied().unwrap_or_default();
                let message = format!("{name} is {}, expected {expected}; ignored", shown(text));
                (self.tell)(Severity::Warning, message);
                None
            }
        }
    }

    fn property(&self, index: usize) -> Option<PropertyText<'a>> {
        let field = self.row.field(index)?;
        Some(PropertyText { text: field.text, is_quoted: field.is_quoted })
    }
}

/// 0 stands for the attribute's value.
fn zero_or<T>(text: &str, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<Option<T>> {
    if value::real(text) == Some(0.0) { Ok(None) } else { parse(text).map(Some) }
}

/// The image or SVG record of a row.
pub(super) fn image_record<'a>(
    row: Row<'a>,
    kind: RecordKind,
    tell: &mut dyn FnMut(Severity, String),
) -> ImageRecord<'a> {
    let columns = &IMAGE_COLUMNS;
    let mut fields = Fields { row, tell };
    ImageRecord {
        id: row.text(0).unwrap_or_default(),
        kind,
        path: row.text(1),
        mask_path: row.text(2),
        modifier: row.text(3),
        post_modifier: row.text(4),
        anchor: fields.parsed(columns, 5, value::point),
        resolution: fields.parsed(columns, 6, |text| zero_or(text, value::positive)).flatten(),
        print_resolution: fields
            .parsed(columns, 7, |text| zero_or(text, |text| value::whole(text, 1, 65_535)))
            .flatten(),
        size: fields.parsed(columns, 8, |text| value::size(text, 1)),
        expiration: fields.parsed(columns, 9, value::record_expiration).flatten(),
        time_stamp_ms: fields.parsed(columns, 10, value::time_stamp),
        thumb_type: fields.parsed(columns, 11, |text| zero_or(text, value::thumb_type)).flatten(),
        thumb_res: fields.parsed(columns, 12, |text| zero_or(text, value::positive)).flatten(),
        digimarc_info: fields.parsed(columns, 13, value::digimarc_info),
        icc_profile: row.text(14),
        image_set: row.text(15),
        asset_type: row.text(16),
        map: row.text(17),
        targets: fields.property(18),
        user_data: fields.property(19),
        user_type: row.text(20),
    }
}

/// The static content record of a row.
pub(super) fn static_record<'a>(
    row: Row<'a>,
    tell: &mut dyn FnMut(Severity, String),
) -> StaticRecord<'a> {
    let columns = &STATIC_COLUMNS;
    let mut fields = Fields { row, tell };
    let rate = |text: &str| value::whole(text, 0, u32::MAX);
    StaticRecord {
        id: row.text(0).unwrap_or_default(),
        path: row.text(1),
        expiration: fields.parsed(columns, 2, value::record_expiration).flatten(),
        time_stamp_ms: fields.parsed(columns, 3, value::time_stamp),
        user_type: row.text(4),
        user_data: fields.property(5),
        video_bit_rate: fields.parsed(columns, 6, rate),
        audio_bit_rate: fields.parsed(columns, 7, rate),
        total_stream_bit_rate: fields.parsed(columns, 8, rate),
        video_size: fields.parsed(columns, 9, |text| value::size(text, 1)),
    }
}

/// The font record of a row; `None` without a font file.
pub(super) fn font_record(row: Row<'_>) -> Option<FontRecord<'_>> {
    Some(FontRecord {
        name: row.text(0)?,
        bold: row.text(1) == Some("1"),
        italic: row.text(2) == Some("1"),
        font_path: row.text(3)?,
        metrics_path: row.text(4),
        ps_name: row.text(5),
    })
}

fn accepts_id(id: &str, tell: &mut dyn FnMut(Severity, String)) -> bool {
    let is_good = !id.contains([',', '?']);
    if !is_good {
        tell(
            Severity::Error,
            format!("Id is {}, expected no comma and no ?; the record is left out", shown(id)),
        );
    }
    is_good
}

pub(super) fn accept_image(row: Row<'_>, tell: &mut dyn FnMut(Severity, String)) -> bool {
    let record = image_record(row, RecordKind::Image, tell);
    for (name, path) in [("Path", record.path), ("MaskPath", record.mask_path)] {
        if path.is_some_and(|path| path.split(['/', '\\']).any(|element| element == "..")) {
            tell(Severity::Warning, format!("{name} holds .., so the file is never found"));
        }
    }
    if record.image_set.is_some_and(|set| !has_matching_brackets(set)) {
        tell(Severity::Error, "braces of ImageSet do not match; the record is left out".to_owned());
        return false;
    }
    accepts_id(record.id, tell)
}

pub(super) fn accept_svg(row: Row<'_>, tell: &mut dyn FnMut(Severity, String)) -> bool {
    if row.text(1).is_none() {
        tell(Severity::Error, "an SVG record needs a Path; the record is left out".to_owned());
        return false;
    }
    accept_image(row, tell)
}

pub(super) fn accept_static(row: Row<'_>, tell: &mut dyn FnMut(Severity, String)) -> bool {
    let record = static_record(row, tell);
    accepts_id(record.id, tell)
}

pub(super) fn accept_profile(row: Row<'_>, tell: &mut dyn FnMut(Severity, String)) -> bool {
    if row.text(1).is_none() {
        tell(Severity::Error, "record without ProfilePath; it is left out".to_owned());
        return false;
    }
    accepts_id(row.text(0).unwrap_or_default(), tell)
}

pub(super) fn accept_font(row: Row<'_>, tell: &mut dyn FnMut(Severity, String)) -> bool {
    let is_good = font_record(row).is_some();
    if !is_good {
        tell(Severity::Error, "record without FontPath; it is left out".to_owned());
    }
    is_good
}

pub(super) fn accept_macro(row: Row<'_>, tell: &mut dyn FnMut(Severity, String)) -> bool {
    let name = row.text(0).unwrap_or_default();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        let expected = "expected letters, digits, '.', '_' and '-'";
        tell(Severity::Error, format!("macro is {}, {expected}; it is left out", shown(name)));
        return false;
    }
    if row.text(1).is_none() {
        tell(Severity::Error, "macro without Definition; it is left out".to_owned());
        return false;
    }
    true
}
