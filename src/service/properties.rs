//! Property requests: `props`, `imageprops`, `catalogprops`, `exists`, `validate`, `resolve`. No pixels are decoded.

use crate::catalog::{Align, Expiration, ResMode, ThumbType};
use crate::codec::{Chroma, Header};
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::plan::Purpose;
use crate::raster::{Alpha, Model};
use crate::reply::caching::{self, Ttl};
use crate::reply::date::stamp_date;
use crate::reply::property::{Properties, PropertyStyle};
use crate::reply::{HeaderValue, Reply};
use crate::request::resolve_text;

use super::lookup::{moment, record_info};
use super::prepare::ttl;
use super::scene::{Picture, no_image};
use super::{Call, redirect, validators};

impl Call<'_> {
    /// `req=props`: what `req=img` would deliver (`requests.md` 16.4).
    pub(super) fn props(&self) -> Result<Reply, Error> {
        let prepared = self.prepared()?;
        let style = PropertyStyle::from(&prepared.request.attributes);
        let plan = prepared.planned(self, Purpose::Reply)?;
        let output = &plan.output;
        let picture = prepared.layer_0().and_then(|layer| layer.image.as_ref());
        let header = picture.map(Picture::header);
        let mut p = Properties::new();
        p.text("image.bgc", hex(output.bgc_rgb));
        p.int("image.height", u64::from(plan.reply().height));
        p.flag("image.iccEmbed", output.embeds_icc);
        p.text("image.iccProfile", profile_of(header, output.model));
        p.int("image.length", self.stored_length(&prepared, &plan));
        p.flag("image.mask", output.keeps_alpha);
        p.text("image.pixTyp", pixel_type(output.model));
        p.flag("image.pathEmbed", false);
        p.real("image.printRes", output.density_ppi.unwrap_or(72.0));
        p.int("image.quality", u64::from(output.quality));
        p.text("image.type", output.mime);
        p.int("image.width", u64::from(plan.reply().width));
        p.flag("image.xmpEmbed", false);
        p.text("image.version", validators::version(&prepared));
        let record = self.record().ok().flatten();
        let metadata = validators::metadata_version(record.as_ref().map(|(_, record)| &**record));
        p.text("metadata.version", metadata);
        Ok(self.cacheable(&p, &style, ttl(prepared.attributes.non_img_expiration)))
    }

    /// `req=imageprops`: the file or record in the path; other commands are ignored (`requests.md` 16.5).
    pub(super) fn image_props(&self) -> Result<Reply, Error> {
        let style = self.record_style()?;
        let object = self.path_object()?.ok_or_else(no_image)?;
        let attributes = &object.catalog.attributes;
        let record = object.record.as_deref();
        let opened =
            |path| self.opened(path).map_err(|error| redirect::judged(error, record.is_some()));
        let source = object.path.as_ref().map(opened).transpose()?;
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
        p.real("image.expiration", hours(info.expiration));
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
        p.int("image.thumbType", thumb_number(thumb_type.unwrap_or(attributes.thumb_type)));
        p.int("image.width", u64::from(size.width));
        let translated = record.map(|record| match object.catalog.attributes.root_id.as_str() {
            "" => record.id.to_owned(),
            root_id => format!("{root_id}/{}", record.id),
        });
        p.text("image.translatedId", translated.unwrap_or_default());
        Ok(self.cacheable(&p, &style, ttl(self.main.catalog.attributes.non_img_expiration)))
    }

    /// `req=catalogprops`: the attributes of the catalog that the path names, inheritance applied, of the default
    /// catalog without a path (`requests.md` 16.6). Paths and `SavePath` are never told (`U-catalogprops-names`).
    pub(super) fn catalog_props(&self) -> Result<Reply, Error> {
        let style = self.record_style()?;
        if !self.main.is_named && !self.main.elements.is_empty() {
            return Err(Error::new(Kind::Refused, "the path names no catalog"));
        }
        let attributes = &self.main.catalog.attributes;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let mut p = Properties::new();
        p.text("catalog.bkgColor", hex(attributes.bkg_color));
        p.text("catalog.defaultExt", text(&attributes.default_ext));
        p.text("catalog.defaultPix", sides(attributes.default_pix));
        p.text("catalog.defaultThumbPix", sides(attributes.default_thumb_pix));
        p.real("catalog.expiration", hours(attributes.expiration));
        p.real("catalog.defaultExpiration", hours(attributes.default_expiration));
        p.real("catalog.nonImgExpiration", hours(attributes.non_img_expiration));
        p.text("catalog.fileTime", stamp_date(moment(attributes.time_stamp_ms)));
        let chroma = match attributes.jpeg_chroma {
            Chroma::Halved => 0,
            Chroma::Full => 1,
        };
        p.text("catalog.jpegQuality", format!("{},{chroma}", attributes.jpeg_quality));
        p.text("catalog.maxPix", sides(attributes.max_pix.unwrap_or_default()));
        p.int("catalog.printResolution", u64::from(attributes.print_resolution));
        p.text("catalog.publishInfo", text(&attributes.publish_info));
        p.int(
            "catalog.resMode",
            match attributes.res_mode {
                ResMode::Bilin => 2,
                ResMode::Bicub => 3,
                ResMode::Sharp2 => 4,
                ResMode::Bisharp => 5,
            },
        );
        p.real("catalog.resolution", attributes.resolution);
        p.text("catalog.thumbBkgColor", hex(attributes.thumb_bkg_color));
        p.int("catalog.thumbHorizAlign", align_number(attributes.thumb_horiz_align));
        p.real("catalog.thumbRes", attributes.thumb_res);
        p.int("catalog.thumbType", thumb_number(attributes.thumb_type));
        p.int("catalog.thumbVertAlign", align_number(attributes.thumb_vert_align));
        p.text("catalog.watermark", text(&attributes.watermark));
        Ok(self.cacheable(&p, &style, ttl(attributes.non_img_expiration)))
    }

    /// `req=exists`: whether the catalog or the default catalog holds the record; files are never probed (`U-exists`).
    pub(super) fn exists(&self) -> Result<Reply, Error> {
        let style = self.record_style()?;
        let mut p = Properties::new();
        p.flag("catalogRecord.exists", self.record()?.is_some());
        Ok(self.cacheable(&p, &style, ttl(self.main.catalog.attributes.non_img_expiration)))
    }

    /// `req=validate`: parses as `img` would, without looking at images (`requests.md` 16.14).
    pub(super) fn validate(&self) -> Result<Reply, Error> {
        // The object need not exist; where it is a record, its commands are parsed too (`U-validate`).
        let path = self.path_object().ok().flatten();
        let request = self.parsed_but_references(path.as_ref())?;
        let mut p = Properties::new();
        p.flag("request.isValid", true);
        Ok(PropertyStyle::from(&request.attributes).properties(&p, self.now))
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
    pub(super) fn cacheable(&self, p: &Properties, style: &PropertyStyle, ttl: Ttl) -> Reply {
        self.kept(style.properties(p, self.now), &validators::of_properties(p, style), ttl)
    }

    /// A reply that clients may keep for `ttl`, or 304 where theirs is still good; one that they may not keep has no
    /// validator.
    pub(super) fn kept(&self, mut reply: Reply, etag: &str, ttl: Ttl) -> Reply {
        reply.headers.retain(|(name, _)| name.as_str() != "Cache-Control");
        caching::add_ttl(&mut reply, ttl, self.now);
        if ttl == Ttl::Never {
            return reply;
        }
        reply.headers.push(("ETag".into(), HeaderValue::new(etag)));
        match self.is_unchanged(&reply, ttl, None) {
            true => caching::not_modified(reply),
            false => reply,
        }
    }

    /// The style of a type that ignores all commands but `req=`, `id=`, `handler=` and `locale=` (`requests.md` 3,
    /// stage 13).
    pub(super) fn record_style(&self) -> Result<PropertyStyle, Error> {
        let path = self.path_object().ok().flatten();
        // A record that cannot be read does not matter to them.
        let parsed = self.parsed(path.as_ref()).or_else(|_| self.parsed(None))?;
        Ok(PropertyStyle::from(&parsed.request.attributes))
    }
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("{red:02x}{green:02x}{blue:02x}")
}

fn sides(size: Size) -> String {
    format!("{},{}", size.width, size.height)
}

/// Hours of a lifetime; -1 never ends.
fn hours(expiration: Expiration) -> f64 {
    match expiration {
        Expiration::Hours(hours) => hours,
        Expiration::Never => -1.0,
    }
}

fn align_number(align: Align) -> u64 {
    match align {
        Align::Start => 1,
        Align::Center => 2,
        Align::End => 3,
    }
}

fn thumb_number(thumb_type: ThumbType) -> u64 {
    match thumb_type {
        ThumbType::Crop => 1,
        ThumbType::Fit => 2,
        ThumbType::Texture => 3,
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
