//! Request types that answer from the texts of a record: `imageset`, `targets`, `userdata`, `xlate`, and `xmp`, the
//! packet of its file. Commands of the picture do not matter to them; no pixels are decoded.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::catalog::{Catalog, Expiration, Found, ImageRecord, PropertyText};
use crate::codec::{self, Input, xmp};
use crate::error::Error;
use crate::reply::property::{Properties, PropertyStyle};
use crate::reply::{HeaderValue, Reply};
use crate::request::PropertyFormat;

use super::prepare::ttl;
use super::scene::no_image;
use super::{Call, validators};

/// The record of the path, with the catalog that holds it.
type Held<'a> = (&'a Catalog, Box<ImageRecord<'a>>);

/// The document of an image without XMP (`U-xmp`).
const NO_XMP: &str = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>\n";

impl<'a> Call<'a> {
    /// `req=imageset`: the raw set and a line end, only that without a record (`requests.md` 16.9).
    pub(super) fn image_set(&self) -> Result<Reply, Error> {
        let style = self.record_style()?;
        let record = self.record()?;
        let own = record.as_ref().and_then(|(_, record)| record.image_set).unwrap_or_default();
        let text = self.localizer()?.image_set(own);
        let expiration = self.main.catalog.attributes.non_img_expiration;
        if style.format() == PropertyFormat::Text {
            return Ok(self.raw_text(&format!("{text}\r\n"), expiration));
        }
        let mut p = Properties::new();
        p.text("IMAGE_SET", text);
        Ok(self.cacheable(&p, &style, ttl(expiration)))
    }

    /// `req=targets`: the zoom targets of the record (`requests.md` 16.12).
    pub(super) fn targets(&self) -> Result<Reply, Error> {
        let style = self.record_style()?;
        let record = self.record()?;
        let own = lines(record.as_ref().and_then(|(_, record)| record.targets));
        let text = self.localizer()?.targets(PropertyText { text: &own, is_quoted: true });
        let expiration = self.record_expiration(record.as_ref());
        if style.format() == PropertyFormat::Text {
            return Ok(self.raw_text(&format!("{text}\r\n"), expiration));
        }
        Ok(self.cacheable(&parsed_properties(&text), &style, ttl(expiration)))
    }

    /// `req=userdata`: the record's user data (`requests.md` 16.13).
    pub(super) fn user_data(&self) -> Result<Reply, Error> {
        let style = self.record_style()?;
        let record = self.record()?;
        let own = lines(record.as_ref().and_then(|(_, record)| record.user_data));
        let text = self.localizer()?.user_data(PropertyText { text: &own, is_quoted: true });
        let expiration = self.record_expiration(record.as_ref());
        if style.format() == PropertyFormat::Text {
            return Ok(self.raw_text(&format!("{text}\r\n"), expiration));
        }
        Ok(self.cacheable(&user_data_properties(&text), &style, ttl(expiration)))
    }

    /// `req=xlate`: the ids of the path's record in all locales (`requests.md` 16.17).
    pub(super) fn xlate(&self) -> Result<Reply, Error> {
        let path = self.path_object().ok().flatten();
        let parsed = self.parsed(path.as_ref())?;
        let record = self.record()?;
        let mut p = Properties::new();
        let ids = self.catalogs.translations(&self.main.as_main())?;
        p.text("xlate.translatedIds", ids.join(","));
        let expiration = self.record_expiration(record.as_ref());
        Ok(self.cacheable(&p, &PropertyStyle::from(&parsed.request.attributes), ttl(expiration)))
    }

    /// `req=xmp`: the packet of the image in the path, always UTF-8 (`requests.md` 16.18, `U-xmp`).
    pub(super) fn xmp(&self) -> Result<Reply, Error> {
        self.record_style()?;
        let object = self.path_object()?.ok_or_else(no_image)?;
        let mut document = None;
        if let Some(path) = &object.path {
            let (file, header) = self.opened(path)?;
            let limits = &self.service.plan_settings.limits;
            if let Some(format) = header.format.filter(|_| header.has_xmp) {
                let mut input = Input::new(&file, self.deadline);
                let packet = codec::xmp_packet(&mut input, format, limits)?;
                document = packet.and_then(|packet| xmp::document(&packet));
                if document.is_none() {
                    log::debug!("a broken XMP packet counts as none");
                }
            }
        }
        let content = document.unwrap_or_else(|| NO_XMP.to_owned());
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n{content}");
        let headers = vec![
            ("Content-Type".into(), HeaderValue::new("text/xml; charset=UTF-8")),
            ("X-Content-Type-Options".into(), HeaderValue::new("nosniff")),
            // Who supplies an image must not run scripts on the server's origin.
            ("Content-Security-Policy".into(), HeaderValue::new("sandbox")),
        ];
        let etag = validators::of_text(&body);
        let reply = Reply::new(200, headers, body.into_bytes());
        let held = object.record.map(|record| (object.catalog, record));
        let expiration = self.expiration_within(held.as_ref(), object.catalog);
        Ok(self.kept(reply, &etag, ttl(expiration)))
    }

    /// The record that the path names, if it names one; that its file may be missing does not matter here.
    pub(super) fn record(&self) -> Result<Option<Held<'a>>, Error> {
        if self.main.rest.is_empty() {
            return Ok(None);
        }
        let suffixes = self.main.catalog.suffixes(self.locale.as_deref())?;
        match self.catalogs.resolve_path(&self.main.as_main(), &suffixes)? {
            Found::Record { catalog, record } => Ok(Some((catalog, record))),
            Found::File { .. } | Found::Missing => Ok(None),
        }
    }

    /// `catalog::Expiration`, else that of the rules, else the attribute of the catalog in force.
    fn record_expiration(&self, record: Option<&Held<'a>>) -> Expiration {
        self.expiration_within(record, record.map_or(self.main.catalog, |(catalog, _)| catalog))
    }

    fn expiration_within(&self, record: Option<&Held<'a>>, catalog: &Catalog) -> Expiration {
        self.record_info(record.map(|(_, record)| record.as_ref()), catalog).expiration
    }

    /// A text of the record as it stands, which is no list of properties to its readers (`U-targets-text`).
    fn raw_text(&self, body: &str, expiration: Expiration) -> Reply {
        self.kept(Reply::text(200, body), &validators::of_text(body), ttl(expiration))
    }
}

/// The text of a field with its real line ends: `??` is one unless the field was quoted (S-92).
pub(super) fn lines(field: Option<PropertyText<'_>>) -> Cow<'_, str> {
    match field {
        Some(PropertyText { text, is_quoted: false }) if text.contains("??") => {
            Cow::Owned(text.replace("??", "\r\n"))
        }
        Some(PropertyText { text, .. }) => Cow::Borrowed(text),
        None => Cow::Borrowed(""),
    }
}

/// The `name=value` lines; others, and names that hold a colon, are dropped. Of equal names the last value counts, as
/// in every reader of such lists.
fn parsed_properties(text: &str) -> Properties {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.contains(':') {
            continue;
        }
        let place = *places.entry(name).or_insert(pairs.len());
        match pairs.get_mut(place) {
            Some(pair) => pair.1 = value,
            None => pairs.push((name, value)),
        }
    }
    let mut p = Properties::new();
    for (name, value) in pairs {
        p.text(name.to_owned(), value);
    }
    p
}

/// User data are properties if they hold an `=`; else one value of that name (`U-userdata-nonprop`).
pub(super) fn user_data_properties(text: &str) -> Properties {
    if text.contains('=') {
        return parsed_properties(text);
    }
    let mut p = Properties::new();
    if !text.is_empty() {
        p.text("userdata", text);
    }
    p
}
