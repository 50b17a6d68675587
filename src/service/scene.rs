//! A parsed request with everything it names open: sources, masks, nested requests, the watermark, default images in
//! the place of missing ones. Renders nothing.

use std::borrow::Cow;

use crate::catalog::{Attributes, Catalog, DefaultImageMode, RecordKind};
use crate::codec::Header;
use crate::error::{Error, Kind, shown};
use crate::plan::{Plan, Purpose};
use crate::raster::{Alpha, Model};
use crate::request::{
    DefaultImage, LayerCommands, LayerSource, Object, Parsed, PixelType, ReqType, Request, Role,
    SourceExpr,
};
use crate::source::{RemoteImage, SourceFile};

use super::call::StandIn;
use super::lookup::Located;
use super::prepare::{Layer, Prepared};
use super::{Call, guard, redirect};

/// A source of a layer, open.
pub(super) enum Picture<'a> {
    /// A file.
    File(SourceFile, Header),
    /// An image of another server.
    Remote(RemoteImage, Header),
    /// The result of a nested request.
    Nested(Box<Nested<'a>>),
}

/// A nested request, planned.
pub(super) struct Nested<'a> {
    /// What it draws from.
    pub prepared: Prepared<'a>,
    /// Its plan.
    pub plan: Plan,
    /// Its result as a source.
    pub header: Header,
}

impl Picture<'_> {
    /// What is known of its pixels.
    pub fn header(&self) -> &Header {
        match self {
            Picture::File(_, header) | Picture::Remote(_, header) => header,
            Picture::Nested(nested) => &nested.header,
        }
    }
}

/// Why there is no scene.
#[derive(Debug)]
pub(super) enum Failure {
    /// An image is in no catalog and no file, or its file is missing: default images are for that
    /// (`U-default-detail`).
    Missing(Error),
    /// Anything else.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Other(error)
    }
}

impl Failure {
    /// The failure as an error.
    pub fn into_error(self) -> Error {
        match self {
            Failure::Missing(error) | Failure::Other(error) => error,
        }
    }
}

/// A failure to find or open an image object.
fn of_image(error: Error) -> Failure {
    match error.kind() {
        Kind::NotFound => Failure::Missing(error),
        _ => Failure::Other(error),
    }
}

/// A request without object and without commands that make layer 0 (`U-rootid-only`).
pub(super) fn no_image() -> Error {
    Error::new(Kind::NotFound, "no image specified")
}

/// Where the source of a layer comes from.
enum Wanted<'t, 'a> {
    /// Nowhere: a solid color, or text.
    Nothing,
    /// The object of the path.
    Path(Located<'a>),
    /// That object is missing.
    MissingPath(Error),
    /// An expression of `src=`.
    Expression(&'t SourceExpr),
}

impl<'a> Call<'a> {
    /// The request, parsed, and everything it names, open (stages 9 to 12 and the headers).
    pub(super) fn scene(&self) -> Result<Prepared<'a>, Failure> {
        let (path, parsed) = self.read()?;
        self.opened_scene(path, parsed)
    }

    /// The object of the path and the parsed request; a path that names nothing matters only where it is drawn
    /// (`U-template-path`).
    pub(super) fn read(&self) -> Result<(Result<Option<Located<'a>>, Error>, Parsed), Error> {
        let path = match self.path_object() {
            Err(error) if error.kind() != Kind::NotFound => return Err(error),
            path => path,
        };
        let parsed = self.parsed(path.as_ref().ok().and_then(Option::as_ref))?;
        Ok((path, parsed))
    }

    /// Opens what a parsed request names.
    pub(super) fn opened_scene(
        &self,
        path: Result<Option<Located<'a>>, Error>,
        parsed: Parsed,
    ) -> Result<Prepared<'a>, Failure> {
        let Parsed { request, variables } = parsed;
        let main = self.effective_main(path.as_ref().ok().and_then(Option::as_ref));
        let attributes = guard::attributes(main, &self.overrides);
        let inner = self.for_layers(&request, &attributes);
        let mut layers = Vec::new();
        let no_commands = LayerCommands::default();
        let commands = request.layers.get(&0).unwrap_or(&no_commands);
        let is_template = request.attributes.template.is_some();
        let wanted = match (&commands.source, path) {
            (Some(LayerSource::Image(expression)), _) => Wanted::Expression(expression),
            (Some(LayerSource::Text(_) | LayerSource::TextPs(_)), _) => Wanted::Nothing,
            (None, _) if is_template => Wanted::Nothing,
            (None, Ok(Some(path))) => Wanted::Path(path),
            (None, Ok(None)) => Wanted::Nothing,
            (None, Err(error)) => Wanted::MissingPath(error),
        };
        if matches!(wanted, Wanted::Nothing) && request.layers.is_empty() && !is_template {
            return Err(Failure::Other(no_image()));
        }
        layers.push(inner.layer(0, commands, wanted, main, &variables)?);
        for (&number, commands) in request.layers.range(1..) {
            if !crate::plan::is_drawn(commands) {
                continue;
            }
            let wanted = match &commands.source {
                Some(LayerSource::Image(expression)) => Wanted::Expression(expression),
                Some(LayerSource::Text(_) | LayerSource::TextPs(_)) | None => Wanted::Nothing,
            };
            layers.push(inner.layer(number, commands, wanted, main, &variables)?);
        }
        let watermark = self.watermark(&request, &attributes)?;
        Ok(Prepared { request, attributes, layers, watermark })
    }

    /// The call whose nested requests and missing images depend on what the client's request says.
    fn for_layers(&self, request: &Request, attributes: &Attributes) -> Call<'a> {
        if self.role != Role::Main {
            return self.clone();
        }
        let model = match request.attributes.fmt.unwrap_or_default().pixel_type {
            Some(PixelType::Gray) => Model::Gray,
            Some(PixelType::Cmyk) => Model::Cmyk,
            Some(PixelType::Rgb) | None => Model::Rgb,
        };
        let stand_in = match attributes.default_image_mode {
            DefaultImageMode::Layer => self.default_image(request, attributes),
            DefaultImageMode::Request => None,
        };
        let stand_in = stand_in.map(|object| StandIn { object, catalog: self.main.catalog });
        Call { model, stand_in, ..self.clone() }
    }

    /// The default image of a request: `defaultImage=`, else the catalog's; for images and thumbnails only
    /// (requests.md 23.4).
    pub(super) fn default_image(
        &self,
        request: &Request,
        attributes: &Attributes,
    ) -> Option<Object> {
        if !matches!(request.attributes.req_or_default().kind, ReqType::Img | ReqType::Tmb) {
            return None;
        }
        match &request.attributes.default_image {
            Some(DefaultImage::Off) => None,
            Some(DefaultImage::Object(object)) => Some(object.clone()),
            None => Object::parse(attributes.default_image.as_deref()?).ok(),
        }
    }

    fn layer(
        &self,
        number: u32,
        commands: &LayerCommands,
        wanted: Wanted<'_, 'a>,
        main: &'a Catalog,
        variables: &[(String, String)],
    ) -> Result<Layer<'a>, Failure> {
        let mut layer = Layer {
            number,
            catalog: main,
            info: self.record_info(None, main),
            image: None,
            mask: None,
            map: None,
        };
        let mut mask_path = None;
        match wanted {
            Wanted::Nothing => {}
            Wanted::Path(path) => {
                mask_path = self.take_object(&mut layer, Ok(path), number == 0)?
            }
            Wanted::MissingPath(error) => {
                mask_path = self.take_object(&mut layer, Err(error), true)?;
            }
            Wanted::Expression(SourceExpr::Object(object)) => {
                mask_path = self.take_object(&mut layer, self.source_object(object), false)?;
            }
            Wanted::Expression(SourceExpr::Nested(text)) => {
                layer.image = Some(self.nested_picture(text, variables)?);
            }
            Wanted::Expression(SourceExpr::Foreign(url)) => {
                layer.image = Some(self.remote_picture(url)?);
            }
            // The plan refuses them by name.
            Wanted::Expression(SourceExpr::RenderNested(_) | SourceExpr::Fxg(_)) => {}
        }
        layer.mask = match &commands.mask {
            Some(SourceExpr::Object(object)) => Some(self.mask_object(object)?),
            Some(SourceExpr::Nested(text)) => Some(self.nested_picture(text, variables)?),
            Some(SourceExpr::Foreign(url)) => Some(self.remote_picture(url)?),
            Some(SourceExpr::RenderNested(_) | SourceExpr::Fxg(_)) => None,
            None => mask_path,
        };
        Ok(layer)
    }

    /// Opens the object of a layer, or what stands in for a missing one; the value is the mask of its record.
    ///
    /// A record without Path is a template: in the path it leaves layer 0 to its commands, in `src=` it is refused
    /// (requests.md 6.2).
    fn take_object(
        &self,
        layer: &mut Layer<'a>,
        found: Result<Located<'a>, Error>,
        may_be_template: bool,
    ) -> Result<Option<Picture<'a>>, Failure> {
        let opened = found.and_then(|located| {
            let picture = match &located.path {
                Some(path) => {
                    let is_record = located.record.is_some();
                    Some(self.opened(path).map_err(|error| redirect::judged(error, is_record))?)
                }
                None => None,
            };
            Ok((located, picture))
        });
        let is_svg = |located: &Located<'_>| {
            located.record.as_ref().is_some_and(|record| record.kind == RecordKind::Svg)
        };
        let (located, picture, is_stand_in) = match (opened, &self.stand_in) {
            (Ok((located, picture)), _) => (located, picture, false),
            // The second server comes before a default image (requests.md 23.5).
            (Err(error), Some(stand_in))
                if error.kind() == Kind::NotFound && !self.redirects(&error) =>
            {
                // Where the default image is missing too, the first failure counts (`U-default-detail`).
                let Ok(located) = self.object_of(stand_in.catalog, &stand_in.object) else {
                    return Err(Failure::Missing(error));
                };
                let picture = located.path.as_ref().and_then(|path| self.opened(path).ok());
                let Some(picture) = picture.filter(|_| !is_svg(&located)) else {
                    return Err(Failure::Missing(error));
                };
                (located, Some(picture), true)
            }
            (Err(error), _) => return Err(of_image(error)),
        };
        if picture.is_none() && !may_be_template {
            let id = located.record.as_ref().map_or("", |record| record.id);
            let detail = format!("{} is a template, expected an image", shown(id));
            return Err(Failure::Other(Error::new(Kind::Syntax, detail)));
        }
        layer.catalog = located.catalog;
        layer.map = located.record.as_ref().and_then(|record| record.map);
        layer.info = self.record_info(located.record.as_deref(), located.catalog);
        if is_stand_in && located.record.as_ref().is_none_or(|record| record.expiration.is_none()) {
            layer.info.expiration = self.main.catalog.attributes.default_expiration;
        }
        let mask = located.record.as_ref().and_then(|record| record.mask_path);
        let is_associated =
            picture.as_ref().is_some_and(|(_, header)| header.alpha == Alpha::Premultiplied);
        let mask = mask.filter(|path| !path.is_empty() && !is_associated);
        layer.image = picture.map(|(file, header)| Picture::File(file, header));
        let Some(mask) = mask else { return Ok(None) };
        let path = located.catalog.source_path(mask).ok_or_else(|| {
            Error::new(Kind::NotFound, format!("MaskPath {} names no file", shown(mask)))
        });
        let opened = path.and_then(|path| self.opened(&path));
        let opened = opened.map_err(|error| of_image(redirect::judged(error, true)))?;
        Ok(Some(Picture::File(opened.0, opened.1)))
    }

    /// `mask=object`: the MaskPath of a record, else its Path; or a file.
    fn mask_object(&self, object: &Object) -> Result<Picture<'a>, Failure> {
        let located = self.source_object(object).map_err(of_image)?;
        let of_record = located.record.as_ref().and_then(|record| record.mask_path);
        let path = match of_record.filter(|path| !path.is_empty()) {
            Some(mask) => located.catalog.source_path(mask),
            None => located.path,
        };
        let path = path.ok_or_else(|| {
            Error::new(
                Kind::Syntax,
                format!("mask= names {}, which has no image", shown(&object.id())),
            )
        })?;
        let is_record = located.record.is_some();
        let opened = self.opened(&path);
        let (file, header) =
            opened.map_err(|error| of_image(redirect::judged(error, is_record)))?;
        Ok(Picture::File(file, header))
    }

    /// A foreign source; default images do not cover what fails (requests.md 11).
    fn remote_picture(&self, url: &str) -> Result<Picture<'a>, Failure> {
        let attributes = guard::attributes(self.main.catalog, &self.overrides);
        let (image, header) = self.service.remote_source(url, &attributes, self.deadline)?;
        Ok(Picture::Remote(image, header))
    }

    fn nested_picture(
        &self,
        text: &str,
        variables: &[(String, String)],
    ) -> Result<Picture<'a>, Failure> {
        let call = self.nested(text, variables)?;
        let prepared = call.scene()?;
        let plan = prepared.planned(&call, Purpose::Nested(self.model))?;
        let header = plan.as_header();
        self.service.plan_settings.limits.check_source(header.size)?;
        Ok(Picture::Nested(Box::new(Nested { prepared, plan, header })))
    }

    /// The watermark of an image request (requests.md 18, `U-wm-types`); one that cannot be had fails the request.
    fn watermark(
        &self,
        request: &Request,
        attributes: &Attributes,
    ) -> Result<Option<Box<Prepared<'a>>>, Error> {
        let is_marked = self.role == Role::Main
            && matches!(
                request.attributes.req_or_default().kind,
                ReqType::Img | ReqType::SaveToFile | ReqType::LoadCache | ReqType::Props
            );
        let Some(id) = attributes.watermark.as_deref().filter(|_| is_marked) else {
            return Ok(None);
        };
        let object = Object::parse(id)?;
        let call = self.of_object(object, String::new(), Role::Watermark);
        let call = Call { inherited: Vec::new(), stand_in: None, ..call };
        let scene = call
            .scene()
            .map_err(|failure| failure.into_error().context(format!("watermark {}", shown(id))))?;
        Ok(Some(Box::new(scene)))
    }
}

/// The attributes of a call's scene, for those that need them before it is opened.
pub(super) fn attributes_of<'a>(
    call: &Call<'a>,
    path: &Result<Option<Located<'a>>, Error>,
) -> Cow<'a, Attributes> {
    let main = call.effective_main(path.as_ref().ok().and_then(Option::as_ref));
    guard::attributes(main, &call.overrides)
}
