//! `req=map`: the image map of a record, or that of the picture that a request describes (requests.md 19).

use std::borrow::Cow;

use crate::error::Error;
use crate::plan::map::{self, MapInputs, MapLayer};
use crate::plan::{Purpose, area, layer::flip_turn};
use crate::reply::caching::Ttl;
use crate::reply::map::elements;
use crate::reply::property::PropertyStyle;
use crate::reply::{Reply, json, xml};
use crate::request::{
    Origin, PictureCommands, PropertyFormat, RequestCommands, expand_macros, split,
};

use super::Call;
use super::lookup::Located;
use super::prepare::{Prepared, client_ttl};
use super::scene::{Failure, Picture, no_image};
use super::validators;

/// Commands beside which a request still asks for the record's own map (`U-map-other`).
const PLAIN: [&str; 5] = ["req", "id", "handler", "locale", "cache"];

impl<'a> Call<'a> {
    /// `req=map`: the areas in the form that was asked for, kept as long as the image.
    pub(super) fn map(&self) -> Result<Reply, Error> {
        let (path, parsed) = self.read()?;
        if self.is_plain()? {
            let object = path?.ok_or_else(no_image)?;
            let text = self.localizer()?.map(self.own_map(&object)?);
            let info = self.record_info(object.record.as_deref(), object.catalog);
            let ttl = client_ttl(&parsed.request, info.expiration);
            return self.map_reply(&text, &parsed.request.attributes, ttl);
        }
        let prepared = self.opened_scene(path, parsed).map_err(Failure::into_error)?;
        let text = self.composite_map(&prepared, Purpose::Reply)?;
        self.map_reply(&text, &prepared.request.attributes, prepared.ttl())
    }

    /// Whether the URL, its macros expanded, holds nothing that makes a picture of the record.
    fn is_plain(&self) -> Result<bool, Error> {
        let most = self.service.text_limits.modifiers;
        let list = split(&self.query, Origin::Url, most)?;
        let definition =
            |name: &str| self.catalogs.macro_definition(self.main.catalog, name).map(str::to_owned);
        let list = expand_macros(list, &definition, most)?;
        let is_kept = |name: &str| PLAIN.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        Ok(list.iter().all(|modifier| is_kept(&modifier.name)))
    }

    /// `catalog::Map` as it stands.
    fn own_map(&self, object: &Located<'a>) -> Result<&'a str, Error> {
        match (&object.record, &object.path) {
            (Some(record), _) => Ok(record.map.unwrap_or_default()),
            // A file has no map, but a path that names none is refused as for every type (requests.md 16).
            (None, Some(path)) => self.opened(path).map(|_| ""),
            (None, None) => Ok(""),
        }
    }

    /// The maps of the layers, moved as their images are. The map of a nested request is that of its layer, as long as
    /// no command names another.
    fn composite_map(&self, prepared: &Prepared<'_>, purpose: Purpose) -> Result<String, Error> {
        let request = &prepared.request;
        let facts = prepared.facts();
        let (placed, view) = map::placed(&prepared.inputs(self, &facts, purpose))?;
        let localizer = self.localizer()?;
        let no_commands = PictureCommands::default();
        let mut layers = Vec::with_capacity(placed.len());
        for placed in placed.iter().rev() {
            let commands = request.layers.get(&placed.number);
            let commands = commands.map_or(&no_commands, |layer| &layer.picture);
            let layer = prepared.layers.iter().find(|layer| layer.number == placed.number);
            let own: Option<Cow<'_, str>> = match layer.and_then(|layer| layer.image.as_ref()) {
                Some(Picture::Nested(nested)) => {
                    let purpose = Purpose::Nested(nested.plan.output.model);
                    Some(self.composite_map(&nested.prepared, purpose)?.into())
                }
                Some(Picture::File(..) | Picture::Remote(..)) | None => {
                    layer.and_then(|layer| layer.map).map(|own| localizer.map(own))
                }
            };
            let (text, space) = map::chosen(commands, own.as_deref());
            let (geometry, top_left) = (placed.geometry, placed.top_left);
            layers.push(MapLayer { areas: area::parse(text)?, space, geometry, top_left });
        }
        let (text, composite_space) = map::chosen(&request.composite, None);
        Ok(map::composite(&MapInputs {
            layers,
            composite: area::parse(text)?,
            composite_space,
            canvas: placed.first().map(|layer_0| layer_0.geometry.size).unwrap_or_default(),
            flip: flip_turn(request.composite.flip),
            view: &view,
        }))
    }

    fn map_reply(&self, text: &str, commands: &RequestCommands, ttl: Ttl) -> Result<Reply, Error> {
        let style = PropertyStyle::from(commands);
        let body: Vec<u8> = match style.format() {
            PropertyFormat::Text | PropertyFormat::JavaScript => text.as_bytes().to_vec(),
            PropertyFormat::Xml => xml::document(&elements(&area::parse(text)?), style.encoding()),
            PropertyFormat::Json => {
                style.jsonp(&format!("{{\"map\":{}}}", json::quoted(text))).into_bytes()
            }
        };
        let etag = validators::of_text(&format!("{style:?}\n{text}"));
        Ok(self.kept(style.reply(200, body), &etag, ttl))
    }
}
