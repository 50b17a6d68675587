//! Catalog attributes with inheritance applied (catalogs-and-server.md section 9). It reads no files.

use crate::codec::Chroma;
use crate::config::AddressFilter;
use crate::geometry::Size;

use super::locale::{LocaleMap, LocaleStrMap};

/// Every attribute of a catalog, resolved: own value, else the default catalog's, else the built-in one.
///
/// An `Option<String>` is `None` where the attribute is empty or switched off.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributes {
    /// `RootId`; empty only in the default catalog.
    pub root_id: String,
    /// `RootPath`: relative or absolute folder; empty adds nothing.
    pub root_path: String,
    /// `CatalogFile`, not inherited.
    pub catalog_files: Vec<String>,
    /// `SvgCatalogFile`, not inherited.
    pub svg_catalog_files: Vec<String>,
    /// `StaticContentCatalogFile`, not inherited.
    pub static_content_catalog_files: Vec<String>,
    /// `StaticContentRootPath`.
    pub static_content_root_path: String,
    /// `FontMapFile`, not inherited.
    pub font_map_file: Option<String>,
    /// `MacroFile`, not inherited.
    pub macro_file: Option<String>,
    /// `IccProfileMapFile`, not inherited.
    pub icc_profile_map_file: Option<String>,
    /// `RuleSetFile`, not inherited.
    pub rule_set_file: Option<String>,
    /// `SavePath`: folder beneath `IS::SaveDirectory`; `None` disables saving (`U-save-empty-inherit`,
    /// `U-save-savepath-bad`). `.` is the save directory itself.
    pub save_path: Option<String>,
    /// `FullMatch`.
    pub full_match: bool,
    /// `DigimarcId`: id, PIN, durability, chroma.
    pub digimarc_id: Option<DigimarcId>,
    /// `PublishInfo`.
    pub publish_info: Option<String>,
    /// `CacheValidationPolicy`.
    pub cache_validation_policy: CacheValidationPolicy,
    /// `UseLastModified`.
    pub use_last_modified: bool,
    /// `SynthesizeFontStyles`.
    pub synthesize_font_styles: bool,
    /// `AllowDirectAccess`.
    pub allow_direct_access: DirectAccess,
    /// `MaxPix`; `None` is unlimited.
    pub max_pix: Option<Size>,
    /// `AllowDirectUrls`.
    pub allow_direct_urls: bool,
    /// `RootUrl`: http or https; `None` refuses relative URLs.
    pub root_url: Option<String>,
    /// `RequestObfuscation`.
    pub request_obfuscation: bool,
    /// `RequestLock`.
    pub request_lock: bool,
    /// `Watermark`: record id.
    pub watermark: Option<String>,
    /// `ErrorImage`: record id or image path.
    pub error_image: Option<String>,
    /// `ErrorDetail`, 0..=3.
    pub error_detail: u8,
    /// `TrustedDomains`.
    pub trusted_domains: Vec<String>,
    /// `DefaultExpiration`, default 1 h.
    pub default_expiration: Expiration,
    /// `NonImgExpiration`, default 0.1 h.
    pub non_img_expiration: Expiration,
    /// `LocaleMap`; with one, files are not served by path (`U-locale-file`).
    pub locale_map: Option<LocaleMap>,
    /// `LocaleStrMap`.
    pub locale_str_map: Option<LocaleStrMap>,
    /// `DefaultImageMode`.
    pub default_image_mode: DefaultImageMode,
    /// `ClientAddressFilter`, default everyone.
    pub client_address_filter: AddressFilter,
    /// `ApplyEffectMask`.
    pub apply_effect_mask: bool,
    /// `Bfc`.
    pub bfc: bool,
    /// `DefaultExt`, with its leading period; `None` appends nothing.
    pub default_ext: Option<String>,
    /// `DefaultFont`.
    pub default_font: Option<String>,
    /// `DefaultImage`: record id or image path.
    pub default_image: Option<String>,
    /// `DefaultPix`; 0 leaves that side open. Default 400x400.
    pub default_pix: Size,
    /// `DefaultThumbPix`; 0 leaves that side open. Default 100x100.
    pub default_thumb_pix: Size,
    /// `BkgColor`, red, green, blue; default white.
    pub bkg_color: [u8; 3],
    /// `JpegQuality`, 1..=100, default 80.
    pub jpeg_quality: u8,
    /// Second value of `JpegQuality`, default subsampled.
    pub jpeg_chroma: Chroma,
    /// `ResMode`, default `sharp2`.
    pub res_mode: ResMode,
    /// `DefaultLocale`.
    pub default_locale: Option<String>,
    /// `IccProfileCmyk`: profile name or path.
    pub icc_profile_cmyk: Option<String>,
    /// `IccProfileGray`.
    pub icc_profile_gray: Option<String>,
    /// `IccProfileRgb`.
    pub icc_profile_rgb: Option<String>,
    /// `IccProfileSrcCmyk`.
    pub icc_profile_src_cmyk: Option<String>,
    /// `IccProfileSrcGray`.
    pub icc_profile_src_gray: Option<String>,
    /// `IccProfileSrcRgb`.
    pub icc_profile_src_rgb: Option<String>,
    /// `IccRenderIntent`, default relative colorimetric.
    pub icc_render_intent: RenderIntent,
    /// `IccBlackPointCompensation`, default true.
    pub icc_black_point_compensation: bool,
    /// `IccDither`, default false.
    pub icc_dither: bool,
    /// `ThumbBkgColor`, default white.
    pub thumb_bkg_color: [u8; 3],
    /// `ThumbHorizAlign`, default center.
    pub thumb_horiz_align: Align,
    /// `ThumbVertAlign`, default center.
    pub thumb_vert_align: Align,
    /// `ThumbType`, default fit.
    pub thumb_type: ThumbType,
    /// `ThumbRes`, default 1.
    pub thumb_res: f64,
    /// `Resolution`, default 72.
    pub resolution: f64,
    /// `PrintResolution` in dpi, default 72.
    pub print_resolution: u32,
    /// `DigimarcInfo`: type, flags and two values.
    pub digimarc_info: [u32; 4],
    /// `Expiration`, default 10 h.
    pub expiration: Expiration,
    /// `TimeStamp`, or the modification time of the `.ini`: ms since 1970-01-01 UTC.
    pub time_stamp_ms: i64,
    /// `HttpAppleStreamingContext`.
    pub http_apple_streaming_context: Option<String>,
    /// `HttpFlashStreamingContext`.
    pub http_flash_streaming_context: Option<String>,
}

/// A time to live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expiration {
    /// Hours, 0 or more; 0 is expired at once.
    Hours(f64),
    /// -1: never expires; infinity in a minimum.
    Never,
}

/// When a cached reply is looked at again (`CacheValidationPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheValidationPolicy {
    /// 0: five minutes after its last validation.
    Expiration,
    /// 1: when the record's time stamp is newer.
    Catalog,
}

/// What a default image replaces (`DefaultImageMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultImageMode {
    /// 0: the whole request.
    Request,
    /// 1: the missing layer source.
    Layer,
}

/// Resampling by default (`ResMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResMode {
    /// 2.
    Bilin,
    /// 3.
    Bicub,
    /// 4, also the deprecated 1.
    Sharp2,
    /// 5.
    Bisharp,
}

/// Rendering intent of color conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderIntent {
    /// 0.
    Perceptual,
    /// 1.
    RelativeColorimetric,
    /// 2.
    Saturation,
    /// 3.
    AbsoluteColorimetric,
}

/// Alignment of a thumbnail in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// 1: left or top.
    Start,
    /// 2.
    Center,
    /// 3: right or bottom.
    End,
}

/// How a thumbnail is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThumbType {
    /// 1: scaled to cover, then cropped.
    Crop,
    /// 2: scaled to fit, filled with `ThumbBkgColor`.
    Fit,
    /// 3: scaled by `ThumbRes` / `Resolution`.
    Texture,
}

/// `DigimarcId`; parsed and kept, embedding needs a licensed library and is not performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigimarcId {
    /// Creator id.
    pub creator_id: u32,
    /// Creator PIN.
    pub creator_pin: u32,
    /// 1..=4, 4 is strongest.
    pub durability: u8,
    /// Whether chrominance carries the mark; luminance by default.
    pub is_chroma: bool,
}

/// What `AllowDirectAccess` distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessType {
    /// `SVG`.
    Svg,
    /// `IS`: images.
    Image,
    /// `STATIC`.
    Static,
    /// `FXG`.
    Fxg,
    /// `FLA`.
    Fla,
    /// `IR_VNT`.
    IrVignette,
    /// `IR_MAT`.
    IrMaterial,
}

/// Which types may be reached by path without a record (`AllowDirectAccess`, `U-ada-default`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectAccess {
    /// `include:` only these.
    Include(Vec<AccessType>),
    /// `exclude:` all but these.
    Exclude(Vec<AccessType>),
}

impl DirectAccess {
    /// Whether files of this type may be reached by path.
    pub fn allows(&self, access: AccessType) -> bool {
        match self {
            DirectAccess::Include(types) => types.contains(&access),
            DirectAccess::Exclude(types) => !types.contains(&access),
        }
    }
}
