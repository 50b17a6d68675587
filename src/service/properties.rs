//! Property requests in text form: `props`, `imageprops`, `exists`, `validate`, `resolve`. No pixels are decoded.

use crate::catalog::ThumbType;
use crate::codec::Header;
use crate::error::{Error, Kind};
use crate::plan::Purpose;
use crate::raster::{Alpha, Model};
use crate::reply::caching::{self, Ttl};
use crate::reply::date::stamp_date;
use crate::reply::property::Properties;
use crate::reply::{HeaderValue, Reply};
use crate::request::{Method, PropertyFormat, Req, ReqType, Request, resolve_text};

use super::Call;
use super::lookup::{moment, record_info};
use super::prepare::ttl;
use super::scene::{Picture, no_image};
use super::validators;

impl Call<'_> {
    /// `req=props`: what `req=img` would deliver (`requests.md` 16.4).
    pub(super) fn props(&self) -> Result<Reply, Error> {
        let prepared = self.prepared()?;
        self.text_only(&prepared.request)?;
        let plan = prepared.planned(self, Purpose::Reply)?;
        let output = &plan.output;
        let picture = prepared.layer_0().and_then(|layer| layer.image.as_ref());
        let header = picture.map(Picture::header);
        let mut p = Properties::new();
        let [red, green, blue] = output.bgc_rgb;
        p.text("image.bgc", format!("{red:02x}{green:02x}{blue:02x}"));
        p.int("image.height", u64::from(plan.reply().height));
        p.flag("image.iccEmbed", output.embeds_icc);
        p.text("image.iccProfile", profile_of(header, output.model));
        // Nothing is cached by this build, so the length is not known before it is rendered.
        p.int("image.length", 0);
        p.flag("image.mask", output.keeps_alpha);
        p.text("image.pixTyp", pixel_type(output.model));
        p.flag("image.pathEmbed", false);
        p.real("image.printRes", output.density_ppi.unwrap_or(72.0));
        p.int("image.quality", u64::from(output.quality));
        p.text("image.type", output.mime);
        p.int("image.width", u64::from(plan.reply().width));
        p.flag("image.xmpEmbed", false);
        p.text("image.version", validators::version(&prepared));
        p.text("metadata.version", validators::NO_METADATA);
        Ok(self.cacheable(&p, ttl(prepared.attributes.non_img_expiration)))
    }

    /// `req=imageprops`: the file or record in the path; other commands are ignored (`requests.md` 16.5).
    pub(super) fn image_props(&self) -> Result<Reply, Error> {
        self.named_text_only()?;
        let object = self.path_object()?.ok_or_else(no_image)?;
        let attributes = &object.catalog.attributes;
        let record = object.record.as_deref();
        let source = object.path.as_ref().map(|path| self.opened(path)).transpose()?;
        let header = source.as_ref().map(|(_, header)| header);
        let stored = header.map(|header| match header.orientation.transposes() {
            true => header.size.transposed(),
            false => header.size,
        });
        let size = record.and_then(|record| record.size).or(stored).unwrap_or_default();
        let info = record_info(record, object.catalog);
        let (anchor_x, anchor_y) = record
            .and_then(|record| record.anchor)
            .map(|(x, y)| (i64::from(x), i64::from(y)))
            .unwrap_or((i64::from(size.width / 2), i64::from(size.height / 2)));
        let mut p = Properties::new();
        p.text("image.anchor", format!("{anchor_x},{anchor_y}"));
        p.real(
            "image.expiration",
            match info.expiration {
                crate::catalog::Expiration::Hours(hours) => hours,
                crate::catalog::Expiration::Never => -1.0,
            },
        );
        p.int("image.height", u64::from(size.height));
        let model = header.map_or(Model::Rgb, |header| header.model);
        p.text("image.iccProfile", profile_of(header, model));
        p.flag("image.embeddedIccProfile", header.is_some_and(|header| header.icc.is_some()));
        let paths = header.map(|header| header.path_names.join(",")).unwrap_or_default();
        p.flag("image.embeddedPhotoshopPaths", !paths.is_empty());
        p.flag("image.embeddedXmpData", header.is_some_and(|header| header.has_xmp));
        let has_mask = record.and_then(|record| record.mask_path).is_some_and(|p| !p.is_empty());
        p.int("image.mask", mask_kind(header, has_mask));
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        p.text("image.modifier", text(record.and_then(|record| record.modifier)));
        p.text("image.photoshopPathNames", paths);
        p.text("image.pixTyp", header.map_or("", |header| pixel_type(header.model)));
        p.text("image.postModifier", text(record.and_then(|record| record.post_modifier)));
        let own = header.and_then(|header| header.density_ppi);
        let catalog_res = f64::from(
            record
                .and_then(|record| record.print_resolution)
                .unwrap_or(attributes.print_resolution),
        );
        let print_res = if record.is_some() { catalog_res } else { own.unwrap_or(catalog_res) };
        p.real("image.printRes", print_res);
        p.real("image.resolution", info.fields.resolution.unwrap_or(attributes.resolution));
        let stamp_ms = match (&source, record.and_then(|record| record.time_stamp_ms)) {
            (_, Some(ms)) => ms,
            (Some((file, _)), None) => {
                i64::try_from(file.identity().modified_ns / 1_000_000).unwrap_or(0)
            }
            (None, None) => info.time_stamp_ms,
        };
        p.text("image.timeStamp", stamp_date(moment(stamp_ms)));
        p.real(
            "image.thumbRes",
            record.and_then(|record| record.thumb_res).unwrap_or(attributes.thumb_res),
        );
        let thumb_type = record.and_then(|record| record.thumb_type);
        p.int(
            "image.thumbType",
            match thumb_type.unwrap_or(attributes.thumb_type) {
                ThumbType::Crop => 1,
                ThumbType::Fit => 2,
                ThumbType::Texture => 3,
            },
        );
        p.int("image.width", u64::from(size.width));
        let translated = record.map(|record| match object.catalog.attributes.root_id.as_str() {
            "" => record.id.to_owned(),
            root_id => format!("{root_id}/{}", record.id),
        });
        p.text("image.translatedId", translated.unwrap_or_default());
        Ok(self.cacheable(&p, ttl(self.main.catalog.attributes.non_img_expiration)))
    }

    /// `req=exists`: whether the catalog or the default catalog holds the record; files are never probed (`U-exists`).
    pub(super) fn exists(&self) -> Result<Reply, Error> {
        self.named_text_only()?;
        let found = match self.main.rest.is_empty() {
            true => false,
            false => matches!(
                self.catalogs.resolve_path(&self.main.as_main())?,
                crate::catalog::Found::Record { .. }
            ),
        };
        let mut p = Properties::new();
        p.flag("catalogRecord.exists", found);
        Ok(self.cacheable(&p, ttl(self.main.catalog.attributes.non_img_expiration)))
    }

    /// `req=validate`: parses as `img` would, without looking at images (`requests.md` 16.14).
    pub(super) fn validate(&self) -> Result<Reply, Error> {
        // The object need not exist; where it is a record, its commands are parsed too (`U-validate`).
        let path = self.path_object().ok().flatten();
        let request = self.parsed_but_references(path.as_ref())?;
        self.text_only(&request)?;
        let mut p = Properties::new();
        p.flag("request.isValid", true);
        Ok(self.text_reply(&p))
    }

    /// `req=resolve`: the merged request as text (`U-resolve-format`).
    pub(super) fn resolve(&self) -> Result<Reply, Error> {
        let path = self.path_object().ok().flatten();
        let request = self.parsed(path.as_ref())?.request;
        let object = match path.as_ref().and_then(|path| path.record.as_ref().map(|r| (path, r))) {
            Some((path, record)) => match path.catalog.attributes.root_id.as_str() {
                "" => record.id.to_owned(),
                root_id => format!("{root_id}/{}", record.id),
            },
            None => self.located.object.id(),
        };
        let commands = resolve_text(&request.merged);
        let separator = if commands.is_empty() { "" } else { "?" };
        Ok(Reply::text(200, format!("{object}{separator}{commands}")))
    }

    /// A property reply with its lifetime and validator.
    fn cacheable(&self, properties: &Properties, ttl: Ttl) -> Reply {
        let mut reply = self.text_reply(properties);
        reply.headers.retain(|(name, _)| name.as_str() != "Cache-Control");
        caching::add_ttl(&mut reply, ttl, self.now);
        let etag = validators::of_properties(properties);
        reply.headers.push(("ETag".into(), HeaderValue::new(etag.clone())));
        let tags = self.raw.headers.if_none_match.as_deref();
        let is_known = tags.is_some_and(|tags| caching::matches_etag(tags, &etag));
        match is_known && self.raw.method != Method::Post {
            true => caching::not_modified(reply),
            false => reply,
        }
    }

    fn text_only(&self, request: &Request) -> Result<(), Error> {
        check_format(request.attributes.req_or_default())
    }

    /// The same for types that ignore all commands but `req=` and so are not parsed.
    fn named_text_only(&self) -> Result<(), Error> {
        let path = self.path_object().ok().flatten();
        // A record that cannot be read does not matter to them (`requests.md` 3, stage 13).
        let parsed = self.parsed(path.as_ref()).or_else(|_| self.parsed(None))?;
        self.text_only(&parsed.request)
    }
}

fn check_format(req: Req) -> Result<(), Error> {
    match req.format {
        None | Some(PropertyFormat::Text) => Ok(()),
        Some(format) => {
            let kind: ReqType = req.kind;
            Err(Error::new(
                Kind::Unsupported,
                format!("req={kind:?},{format:?} is not carried out by this build"),
            ))
        }
    }
}

fn pixel_type(model: Model) -> &'static str {
    match model {
        Model::Gray => "BW",
        Model::Rgb => "RGB",
        Model::Cmyk => "CMYK",
    }
}

/// The description of the profile that belongs to the pixels, if one is embedded and fits their type.
fn profile_of(header: Option<&Header>, model: Model) -> String {
    let header = header.filter(|header| header.model == model);
    header
        .and_then(|header| header.icc.as_deref())
        .and_then(crate::color::profile::description)
        .unwrap_or_default()
}

/// `image.mask`: 0 none, 1 premultiplied alpha, 2 other alpha, 3 separate mask image.
fn mask_kind(header: Option<&Header>, has_mask_path: bool) -> u64 {
    match (header.map(|header| header.alpha), has_mask_path) {
        (Some(Alpha::Premultiplied), _) => 1,
        (_, true) => 3,
        (Some(Alpha::Straight), false) => 2,
        (Some(Alpha::Opaque) | None, false) => 0,
    }
}
