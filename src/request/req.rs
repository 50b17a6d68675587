//! What is asked for: `req=` and the commands of requests that are not of the image. Answers nothing.

use super::object::Object;
use super::value::{argument, argument_or, arguments, int, keyword, unexpected};
use crate::error::Error;

/// Type of request (`req=`, requests.md 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ReqType {
    /// The image.
    #[default]
    Img,
    /// Its alpha channel as an image.
    Mask,
    /// A thumbnail.
    Tmb,
    /// Properties of the reply image.
    Props,
    /// Properties of the source image.
    ImageProps,
    /// Properties of the catalog.
    CatalogProps,
    /// Whether a record exists.
    Exists,
    /// The raw image set string.
    ImageSet,
    /// The structure of a media set.
    Set,
    /// Members of a video set.
    MbrSet,
    /// Zoom targets.
    Targets,
    /// User data.
    UserData,
    /// The image map.
    Map,
    /// Localized versions of an id.
    Xlate,
    /// XMP metadata.
    Xmp,
    /// Whether the request is valid.
    Validate,
    /// Renders into the server cache.
    LoadCache,
    /// Writes to the log.
    Message,
    /// The merged request as text.
    Resolve,
    /// Saves the image to a file of the server.
    SaveToFile,
}

/// Format option of a request type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PropertyFormat {
    /// `text`, the default of most types.
    Text,
    /// `javascript`.
    JavaScript,
    /// `xml`.
    Xml,
    /// `json` (also `jsonp`, `U-req-json-alias`).
    Json,
}

/// Encoding of an XML reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum XmlEncoding {
    /// `UTF-8`.
    #[default]
    Utf8,
    /// `UTF-16`, with a byte order mark.
    Utf16,
    /// `UTF-16LE`.
    Utf16Le,
    /// `UTF-16BE`.
    Utf16Be,
    /// `ISO-8859-1`.
    Latin1,
}

/// Value of `req=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Req {
    /// The type.
    pub kind: ReqType,
    /// The format option; `None` takes the default of the type (`set`: XML, others: text).
    pub format: Option<PropertyFormat>,
    /// The encoding; counts for XML only.
    pub encoding: XmlEncoding,
}

impl Req {
    /// Parses `type[,format[,encoding]]`; `Syntax` for an unknown type and an option it does not offer
    /// (`U-req-unknown`).
    pub fn parse(text: &str) -> Result<Req, Error> {
        use PropertyFormat::{JavaScript, Json, Text, Xml};
        let parts = arguments(text, 1, 3)?;
        let (kind, formats): (ReqType, &[PropertyFormat]) = keyword(
            parts.first().copied().unwrap_or_default(),
            &[
                ("img", (ReqType::Img, &[] as &[PropertyFormat])),
                ("mask", (ReqType::Mask, &[])),
                ("tmb", (ReqType::Tmb, &[])),
                ("props", (ReqType::Props, &[Text, JavaScript, Xml, Json])),
                ("imageprops", (ReqType::ImageProps, &[Text, JavaScript, Xml, Json])),
                ("catalogprops", (ReqType::CatalogProps, &[Text, JavaScript, Xml, Json])),
                ("exists", (ReqType::Exists, &[Text, JavaScript, Xml, Json])),
                ("imageset", (ReqType::ImageSet, &[Text, JavaScript, Xml, Json])),
                ("set", (ReqType::Set, &[Xml, Json])),
                ("mbrSet", (ReqType::MbrSet, &[Text, Xml])),
                ("targets", (ReqType::Targets, &[Text, Xml, Json])),
                ("userdata", (ReqType::UserData, &[Text, Xml, Json])),
                ("map", (ReqType::Map, &[Text, Xml, Json])),
                ("xlate", (ReqType::Xlate, &[Text, JavaScript, Xml, Json])),
                ("xmp", (ReqType::Xmp, &[])),
                ("validate", (ReqType::Validate, &[Text, JavaScript, Xml, Json])),
                ("loadcache", (ReqType::LoadCache, &[])),
                ("message", (ReqType::Message, &[])),
                ("resolve", (ReqType::Resolve, &[])),
                ("saveToFile", (ReqType::SaveToFile, &[Text])),
            ],
        )?;
        let format = argument(&parts, 1)
            .map(|word| {
                keyword(
                    word,
                    &[
                        ("text", Text),
                        ("javascript", JavaScript),
                        ("xml", Xml),
                        ("json", Json),
                        ("jsonp", Json),
                    ],
                )
            })
            .transpose()?;
        if format.is_some_and(|format| !formats.contains(&format)) {
            return Err(unexpected(text, "a format that this request type offers"));
        }
        let encoding = argument_or(&parts, 2, XmlEncoding::Utf8, |word| {
            keyword(
                word,
                &[
                    ("UTF-8", XmlEncoding::Utf8),
                    ("UTF-16", XmlEncoding::Utf16),
                    ("UTF-16LE", XmlEncoding::Utf16Le),
                    ("UTF-16BE", XmlEncoding::Utf16Be),
                    ("ISO-8859-1", XmlEncoding::Latin1),
                ],
            )
        })?;
        Ok(Req { kind, format, encoding })
    }
}

impl Req {
    /// The format, that of the type where none is given: XML for `set`, text for the others.
    pub fn format_or_default(&self) -> PropertyFormat {
        match (self.format, self.kind) {
            (Some(format), _) => format,
            (None, ReqType::Set) => PropertyFormat::Xml,
            (None, _) => PropertyFormat::Text,
        }
    }
}

/// In which form a request wants its answer, as far as it can be read; an error is shown in that form, too.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Asked {
    /// The type, format and encoding.
    pub req: Req,
    /// `handler=`.
    pub handler: Option<String>,
    /// `id=`.
    pub id: Option<String>,
}

/// Value of `cache=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheControl {
    /// `on|off` for both, or for each.
    Each {
        /// Whether clients may cache.
        client: bool,
        /// Whether the server may.
        server: bool,
    },
    /// `validate`: the entry is checked against file dates.
    Validate,
    /// `update`: the entry is made anew.
    Update,
}

impl CacheControl {
    /// Parses `on|off|validate|update` or `client,server`.
    pub fn parse(text: &str) -> Result<CacheControl, Error> {
        let parts = arguments(text, 1, 2)?;
        let switch = |word: &str| keyword(word, &[("on", true), ("off", false)]);
        match parts.as_slice() {
            [client, server] => {
                Ok(CacheControl::Each { client: switch(client)?, server: switch(server)? })
            }
            _ => keyword(
                text,
                &[
                    ("on", CacheControl::Each { client: true, server: true }),
                    ("off", CacheControl::Each { client: false, server: false }),
                    ("validate", CacheControl::Validate),
                    ("update", CacheControl::Update),
                ],
            ),
        }
    }
}

/// Value of `defaultImage=`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DefaultImage {
    /// An empty value: no default image, whatever the catalog says.
    Off,
    /// This object.
    Object(Object),
}

impl DefaultImage {
    /// Parses an object; the empty text is [`DefaultImage::Off`].
    pub fn parse(text: &str) -> Result<DefaultImage, Error> {
        match text.is_empty() {
            true => Ok(DefaultImage::Off),
            false => Object::parse(text).map(DefaultImage::Object),
        }
    }
}

/// The function name of JSONP replies: 1 to 64 ASCII letters and digits (`U-handler-bad`).
pub(super) fn handler(text: &str) -> Result<String, Error> {
    let is_name = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    match is_name {
        true => Ok(text.to_owned()),
        false => Err(unexpected(text, "1 to 64 letters and digits")),
    }
}

/// A locale id: printable ASCII (text.md 15.1).
pub(super) fn locale(text: &str) -> Result<String, Error> {
    match text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        true => Ok(text.to_owned()),
        false => Err(unexpected(text, "printable ASCII")),
    }
}

/// Title of a `timeout=` that is no integer of at least 1 (requests.md 17.7).
pub const INVALID_TIMEOUT: &str = "Invalid timeout";

/// `timeout=`: milliseconds, at least 1; larger ones than the server's maximum are clamped later (`U-save-timeout`).
pub(super) fn timeout(text: &str) -> Result<u64, Error> {
    let number = int(text).ok().and_then(|number| u64::try_from(number).ok());
    number.filter(|&ms| ms >= 1).ok_or_else(|| {
        unexpected(text, "an integer of at least 1 millisecond").with_title(INVALID_TIMEOUT)
    })
}
