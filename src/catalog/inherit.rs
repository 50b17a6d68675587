//! Attribute files to [`Attributes`]: own value, else the default catalog's, else the built-in one. Reads no files.

use std::path::Path;

use crate::codec::Chroma;
use crate::config::ini::{self, Entry};
use crate::config::{AddressFilter, Fault, Severity};
use crate::error::shown;
use crate::geometry::Size;

use super::attributes::{
    Align, Attributes, CacheValidationPolicy, DefaultImageMode, DirectAccess, Expiration,
    RenderIntent, ResMode, ThumbType,
};
use super::locale::{LocaleMap, LocaleStrMap};
use super::value::{self, Parsed};

/// A catalog attribute file as it was read.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Named in faults.
    pub file: &'a Path,
    /// Its entries.
    pub entries: &'a [Entry],
    /// Its modification time, ms since 1970.
    pub modified_ms: i64,
}

/// Every attribute name, for the search of unknown ones.
pub(super) static NAMES: [&str; 69] = [
    "RootId",
    "RootPath",
    "CatalogFile",
    "SvgCatalogFile",
    "StaticContentCatalogFile",
    "StaticContentRootPath",
    "FontMapFile",
    "MacroFile",
    "IccProfileMapFile",
    "RuleSetFile",
    "SavePath",
    "FullMatch",
    "DigimarcId",
    "PublishInfo",
    "CacheValidationPolicy",
    "UseLastModified",
    "SynthesizeFontStyles",
    "AllowDirectAccess",
    "MaxPix",
    "AllowDirectUrls",
    "RootUrl",
    "RequestObfuscation",
    "RequestLock",
    "Watermark",
    "ErrorImage",
    "ErrorDetail",
    "TrustedDomains",
    "DefaultExpiration",
    "NonImgExpiration",
    "LocaleMap",
    "LocaleStrMap",
    "DefaultImageMode",
    "ClientAddressFilter",
    "ApplyEffectMask",
    "Bfc",
    "DefaultExt",
    "DefaultFont",
    "DefaultImage",
    "DefaultPix",
    "DefaultThumbPix",
    "BkgColor",
    "JpegQuality",
    "ResMode",
    "DefaultLocale",
    "IccProfileCmyk",
    "IccProfileGray",
    "IccProfileRgb",
    "IccProfileSrcCmyk",
    "IccProfileSrcGray",
    "IccProfileSrcRgb",
    "IccRenderIntent",
    "IccBlackPointCompensation",
    "IccDither",
    "ThumbBkgColor",
    "ThumbHorizAlign",
    "ThumbVertAlign",
    "ThumbType",
    "ThumbRes",
    "Resolution",
    "PrintResolution",
    "DigimarcInfo",
    "Expiration",
    "TimeStamp",
    "HttpAppleStreamingContext",
    "HttpFlashStreamingContext",
    // Per-record fields that a page lists as attributes (section 9.5); without effect here.
    "AudioBitRate",
    "TotalStreamBitRate",
    "VideoBitRate",
    "VideoSize",
];

/// What an attribute that is there but empty means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// Class A: as if it were not there.
    Inherits,
    /// Class B: it is switched off.
    SwitchesOff,
}

struct Reader<'a> {
    own: &'a Source<'a>,
    default: Option<&'a Source<'a>>,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    /// The value in force: `None` when no file defines it, `Some(None)` when it is switched off. A malformed value
    /// counts as not defined; only one's own is told, the default catalog's when that is read.
    fn value<T>(
        &mut self,
        name: &str,
        empty: Empty,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<Option<T>> {
        for (source, is_own) in [(Some(self.own), true), (self.default, false)] {
            let Some(source) = source else { continue };
            let Some(entry) = ini::last(source.entries, name) else { continue };
            if entry.value.is_empty() {
                match empty {
                    Empty::Inherits => continue,
                    Empty::SwitchesOff => return Some(None),
                }
            }
            match parse(&entry.value) {
                Ok(value) => return Some(Some(value)),
                Err(expected) if is_own => self.malformed(name, entry, &expected),
                Err(_) => {}
            }
        }
        None
    }

    fn malformed(&mut self, name: &str, entry: &Entry, expected: &str) {
        let found = shown(&entry.value);
        self.warn(Some(entry.line), format!("{name} is {found}, expected {expected}; ignored"));
    }

    fn warn(&mut self, line: Option<u32>, message: String) {
        self.faults.push(Fault::new(Severity::Warning, self.own.file, line, message));
    }

    /// Class A.
    fn or<T>(&mut self, name: &str, built_in: T, parse: impl Fn(&str) -> Parsed<T>) -> T {
        self.value(name, Empty::Inherits, parse).flatten().unwrap_or(built_in)
    }

    /// Class A without a built-in value.
    fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        self.value(name, Empty::Inherits, parse).flatten()
    }

    /// Class B.
    fn switched<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        self.value(name, Empty::SwitchesOff, parse).flatten()
    }

    /// Class C: a list of files.
    fn files(&self, name: &str) -> Vec<String> {
        ini::last(self.own.entries, name).map(|entry| value::list(&entry.value)).unwrap_or_default()
    }

    /// Class C: one file.
    fn file(&self, name: &str) -> Option<String> {
        let entry = ini::last(self.own.entries, name)?;
        value::text(&entry.value).ok().filter(|text| !text.is_empty())
    }

    /// The first file that defines a non-empty value decides; entries that do not parse match nothing.
    fn address_filter(&mut self) -> AddressFilter {
        for (source, is_own) in [(Some(self.own), true), (self.default, false)] {
            let entry = source.and_then(|source| ini::last(source.entries, "ClientAddressFilter"));
            let Some(entry) = entry.filter(|entry| !entry.value.is_empty()) else { continue };
            let (filter, messages) = AddressFilter::parse(&entry.value);
            if is_own {
                for message in messages {
                    self.warn(Some(entry.line), format!("ClientAddressFilter: {message}"));
                }
            }
            // The documented "everyone" names IPv4 only, but means IPv6 peers too (section 9.2).
            let is_everyone = value::list(&entry.value).iter().any(|part| part == "0.0.0.0/0");
            return if is_everyone { AddressFilter::everyone() } else { filter };
        }
        AddressFilter::everyone()
    }

    fn direct_access(&mut self) -> DirectAccess {
        for (source, is_own) in [(Some(self.own), true), (self.default, false)] {
            let entry = source.and_then(|source| ini::last(source.entries, "AllowDirectAccess"));
            let Some(entry) = entry else { continue };
            let (access, unknown) = value::direct_access(&entry.value);
            for name in unknown.iter().filter(|_| is_own) {
                let expected = "expected SVG, IS, STATIC, FXG, FLA, IR_VNT or IR_MAT";
                self.warn(
                    Some(entry.line),
                    format!("AllowDirectAccess names {}, {expected}", shown(name)),
                );
            }
            return access;
        }
        DirectAccess::Exclude(Vec::new())
    }

    /// Class B, for lists whose malformed items are left out; a list without a good item counts as not defined.
    fn items<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> (Option<T>, Vec<String>),
    ) -> Option<T> {
        for (source, is_own) in [(Some(self.own), true), (self.default, false)] {
            let Some(entry) = source.and_then(|source| ini::last(source.entries, name)) else {
                continue;
            };
            let text = value::text(&entry.value).unwrap_or_default();
            if text.is_empty() {
                return None;
            }
            let (list, faults) = parse(&text);
            for fault in faults.iter().filter(|_| is_own) {
                self.warn(Some(entry.line), format!("{name}: {fault}; left out"));
            }
            if list.is_some() {
                return list;
            }
        }
        None
    }

    /// `SavePath`: defined but empty, or not safe, disables saving and does not inherit (`U-save-empty-inherit`,
    /// `U-save-savepath-bad`).
    fn save_path(&mut self) -> Option<String> {
        for (source, is_own) in [(Some(self.own), true), (self.default, false)] {
            let entry = source.and_then(|source| ini::last(source.entries, "SavePath"));
            let Some(entry) = entry else { continue };
            return match value::save_path(&entry.value) {
                Ok(path) => Some(path).filter(|path| !path.is_empty()),
                Err(expected) => {
                    if is_own {
                        let message = format!(
                            "SavePath is {}, expected {expected}; saving is disabled",
                            shown(&entry.value)
                        );
                        let line = Some(entry.line);
                        self.faults.push(Fault::new(Severity::Error, self.own.file, line, message));
                    }
                    None
                }
            };
        }
        None
    }

    fn unknown_names(&mut self) {
        let own = self.own;
        for entry in own.entries {
            if !NAMES.iter().any(|name| name.eq_ignore_ascii_case(&entry.name)) {
                let message = format!("attribute {} is not known; ignored", shown(&entry.name));
                self.warn(Some(entry.line), message);
            }
        }
    }
}

/// The attributes of `own`, with those of `default` behind them; `default` is `None` for the default catalog.
pub fn resolve(
    own: &Source<'_>,
    default: Option<&Source<'_>>,
    faults: &mut Vec<Fault>,
) -> Attributes {
    let white = [255, 255, 255];
    let mut r = Reader { own, default, faults };
    r.unknown_names();
    let (jpeg_quality, jpeg_chroma) =
        r.or("JpegQuality", (80, Chroma::Halved), value::jpeg_quality);
    let time_stamp = ini::last(own.entries, "TimeStamp").filter(|entry| !entry.value.is_empty());
    let time_stamp_ms = match time_stamp.map(|entry| (entry, value::time_stamp(&entry.value))) {
        Some((_, Ok(time))) => time,
        Some((entry, Err(expected))) => {
            r.malformed("TimeStamp", entry, &expected);
            own.modified_ms
        }
        None => own.modified_ms,
    };
    Attributes {
        root_id: r.file("RootId").unwrap_or_default(),
        root_path: r.switched("RootPath", value::folder).unwrap_or_default(),
        catalog_files: r.files("CatalogFile"),
        svg_catalog_files: r.files("SvgCatalogFile"),
        static_content_catalog_files: r.files("StaticContentCatalogFile"),
        static_content_root_path: r
            .switched("StaticContentRootPath", value::folder)
            .unwrap_or_default(),
        font_map_file: r.file("FontMapFile"),
        macro_file: r.file("MacroFile"),
        icc_profile_map_file: r.file("IccProfileMapFile"),
        rule_set_file: r.file("RuleSetFile"),
        save_path: r.save_path(),
        full_match: r.or("FullMatch", false, value::flag),
        digimarc_id: r.optional("DigimarcId", value::digimarc_id),
        publish_info: r.optional("PublishInfo", value::text),
        cache_validation_policy: r.or(
            "CacheValidationPolicy",
            CacheValidationPolicy::Expiration,
            value::cache_validation_policy,
        ),
        use_last_modified: r.or("UseLastModified", false, value::flag),
        synthesize_font_styles: r.or("SynthesizeFontStyles", true, value::flag),
        allow_direct_access: r.direct_access(),
        max_pix: r.or("MaxPix", None, value::max_pix),
        allow_direct_urls: r.or("AllowDirectUrls", false, value::flag),
        root_url: r.switched("RootUrl", value::web_url),
        request_obfuscation: r.or("RequestObfuscation", false, value::flag),
        request_lock: r.or("RequestLock", false, value::flag),
        watermark: r.switched("Watermark", value::plain_text),
        error_image: r.switched("ErrorImage", value::plain_text),
        error_detail: r.or("ErrorDetail", 0, value::error_detail),
        trusted_domains: r
            .switched("TrustedDomains", |raw| Ok(value::list(raw)))
            .unwrap_or_default(),
        default_expiration: r.or("DefaultExpiration", Expiration::Hours(1.0), value::expiration),
        non_img_expiration: r.or("NonImgExpiration", Expiration::Hours(0.1), value::expiration),
        locale_map: r.items("LocaleMap", LocaleMap::parse),
        locale_str_map: r.items("LocaleStrMap", LocaleStrMap::parse),
        default_image_mode: r.or(
            "DefaultImageMode",
            DefaultImageMode::Request,
            value::default_image_mode,
        ),
        client_address_filter: r.address_filter(),
        apply_effect_mask: r.or("ApplyEffectMask", true, value::flag),
        bfc: r.or("Bfc", false, value::boolean),
        default_ext: r.switched("DefaultExt", value::suffix),
        default_font: r.optional("DefaultFont", value::text),
        default_image: r.switched("DefaultImage", value::plain_text),
        default_pix: r.or("DefaultPix", Size::new(400, 400), |raw| value::size(raw, 0)),
        default_thumb_pix: r.or("DefaultThumbPix", Size::new(100, 100), |raw| value::size(raw, 0)),
        bkg_color: r.or("BkgColor", white, value::color),
        jpeg_quality,
        jpeg_chroma,
        res_mode: r.or("ResMode", ResMode::Sharp2, value::res_mode),
        default_locale: r.optional("DefaultLocale", value::text),
        icc_profile_cmyk: r.optional("IccProfileCmyk", value::plain_text),
        icc_profile_gray: r.optional("IccProfileGray", value::plain_text),
        icc_profile_rgb: r.optional("IccProfileRgb", value::plain_text),
        icc_profile_src_cmyk: r.optional("IccProfileSrcCmyk", value::plain_text),
        icc_profile_src_gray: r.optional("IccProfileSrcGray", value::plain_text),
        icc_profile_src_rgb: r.optional("IccProfileSrcRgb", value::plain_text),
        icc_render_intent: r.or(
            "IccRenderIntent",
            RenderIntent::RelativeColorimetric,
            value::render_intent,
        ),
        icc_black_point_compensation: r.or("IccBlackPointCompensation", true, value::flag),
        icc_dither: r.or("IccDither", false, value::flag),
        thumb_bkg_color: r.or("ThumbBkgColor", white, value::color),
        thumb_horiz_align: r.or("ThumbHorizAlign", Align::Center, value::align),
        thumb_vert_align: r.or("ThumbVertAlign", Align::Center, value::align),
        thumb_type: r.or("ThumbType", ThumbType::Fit, value::thumb_type),
        thumb_res: r.or("ThumbRes", 1.0, value::positive),
        resolution: r.or("Resolution", 72.0, value::positive),
        print_resolution: r.or("PrintResolution", 72, |raw| value::whole(raw, 1, 65_535)),
        digimarc_info: r.or("DigimarcInfo", [0; 4], value::digimarc_info),
        expiration: r.or("Expiration", Expiration::Hours(10.0), value::expiration),
        time_stamp_ms,
        http_apple_streaming_context: r.optional("HttpAppleStreamingContext", value::text),
        http_flash_streaming_context: r.optional("HttpFlashStreamingContext", value::text),
    }
}

/// The attributes that a default catalog should define and does not, so that built-in values hold; references to
/// files and what may be absent left out.
pub fn undefined_in_default(entries: &[Entry]) -> Vec<&'static str> {
    const OPTIONAL: [&str; 17] = [
        "RootId",
        "CatalogFile",
        "SvgCatalogFile",
        "StaticContentCatalogFile",
        "FontMapFile",
        "MacroFile",
        "IccProfileMapFile",
        "RuleSetFile",
        "DigimarcId",
        "PublishInfo",
        "TimeStamp",
        "HttpAppleStreamingContext",
        "HttpFlashStreamingContext",
        "AudioBitRate",
        "TotalStreamBitRate",
        "VideoBitRate",
        "VideoSize",
    ];
    let is_missing = |name: &&&str| !OPTIONAL.contains(name) && ini::last(entries, name).is_none();
    NAMES.iter().filter(is_missing).copied().collect()
}
