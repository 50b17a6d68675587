//! A media set with its records looked up: images, inner sets, videos, labels (`requests.md` 20.3, 20.4). Opens images
//! for their sizes and versions, decodes none.
//!
//! What the specification leaves open: a plain list of images is an `img_set`; a spread of pages and a set in brackets
//! are sets without `n`; an item that is no image has a `type`; a color is `c="rrggbb"`. Pages of an e-catalog carry
//! `map` and `userdata`; beyond `PS::fvctx.brochureLimit` `suppressed` lists which of the two were left out.

use std::collections::HashMap;

use crate::catalog::{
    Catalog, ImageRecord, ImageSet, PropertyText, SetField, SetItem, SetShape, SetType, SourcePath,
};
use crate::error::{Error, Kind, shown};
use crate::geometry::Size;
use crate::reply::set::Element;
use crate::source::Identity;

use super::Call;
use super::lookup::record_info;
use super::records::lines;
use super::set_objects::{SetImage, SetObject, set_text};
use super::{bitrates, validators};

/// Items of one reply, those of inner sets included.
const MOST_ITEMS: u32 = 10_000;

/// Expands a set, and counts what it costs.
pub(super) struct Walk<'c, 'a> {
    call: &'c Call<'a>,
    label_key: Option<String>,
    items: u32,
    /// Bytes of all attributes from catalogs and requests.
    text_bytes: u64,
    /// Items of e-catalogs.
    brochures: u32,
    /// The newest time of a record or file involved, ms since 1970.
    newest_ms: i64,
    /// Images that were opened; a set may name one many times.
    pictures: HashMap<SourcePath, (Option<Size>, Identity)>,
}

/// Where in the set an item stands.
#[derive(Clone, Copy)]
struct Level<'a> {
    /// Ids are looked up here.
    catalog: &'a Catalog,
    /// The kind of the set around the item.
    kind: SetType,
    /// 1 for items of the outermost set.
    depth: u32,
    /// Whether the set, or one around it, is a media set.
    is_in_media: bool,
}

/// What the first parameter of an item stands for.
enum Subject {
    Picture {
        i: Element,
        size: Option<Size>,
        version: String,
    },
    /// A set, and the swatch that stands for it where the item names none.
    Set {
        set: Element,
        kind: SetType,
        swatch: Option<Element>,
    },
    Video {
        v: Element,
    },
    Static {
        i: Element,
    },
}

impl<'c, 'a> Walk<'c, 'a> {
    /// For one reply; `label_key` is `labelkey=`.
    pub(super) fn new(call: &'c Call<'a>, label_key: Option<String>) -> Walk<'c, 'a> {
        Walk {
            call,
            label_key,
            items: 0,
            text_bytes: 0,
            brochures: 0,
            newest_ms: 0,
            pictures: HashMap::new(),
        }
    }

    /// The newest time of a record or file involved so far, ms since 1970.
    pub(super) fn newest_ms(&self) -> i64 {
        self.newest_ms
    }

    /// The root element. `given` is `imageSet=`, which replaces the set of the record (`requests.md` 13.4).
    ///
    /// `NotFound` for what is not there, `Syntax` for a set that is none, `TooLarge` beyond a limit.
    pub(super) fn whole(&mut self, given: Option<&str>) -> Result<Element, Error> {
        let object = self.call.set_of_path()?;
        let level = Level {
            catalog: self.call.main.catalog,
            kind: SetType::Empty,
            depth: 0,
            is_in_media: false,
        };
        if let Some(text) = given {
            let (name, asset) = match &object {
                None => (None, None),
                Some(SetObject::Set { name, record, .. }) => {
                    (Some(name), record.asset_type.and_then(SetType::of_asset))
                }
                Some(SetObject::Image(SetImage { name, .. })) => (Some(name), None),
                Some(SetObject::Video { name, .. } | SetObject::Static { name, .. }) => {
                    (Some(name), None)
                }
            };
            let set = ImageSet::parse(text)?;
            let kind = self.kind_of(&set, asset, level.catalog)?;
            return self.set(name.map(String::as_str), &set, Level { kind, ..level });
        }
        let object = object.ok_or_else(|| Error::new(Kind::NotFound, "no image set specified"))?;
        if let SetObject::Set { name, catalog, record } = object {
            return self.recorded(&name, catalog, &record, None, level).map(|(set, _)| set);
        }
        let (name, kind) = match &object {
            SetObject::Image(image) => (image.name.clone(), SetType::Img),
            SetObject::Video { name, .. } => (name.clone(), SetType::Video),
            SetObject::Static { name, .. } => (name.clone(), SetType::Static),
            SetObject::Set { name, .. } => (name.clone(), SetType::Empty),
        };
        let mut root = self.opening(kind, Some(&name), 1)?;
        self.count()?;
        let subject = self.subject_of(object, level)?;
        root.child(Self::composed(subject, None));
        Ok(root)
    }

    /// `<set>` with its attributes.
    fn opening(&mut self, kind: SetType, name: Option<&str>, depth: u32) -> Result<Element, Error> {
        let mut set = Element::new("set");
        if depth == 1 {
            set.attribute("pv", "1.0");
        }
        set.attribute("type", kind.word());
        if let Some(name) = name {
            self.add(&mut set, "n", name)?;
        }
        Ok(set)
    }

    /// The set of a record, with its kind: the one that its item states, else `AssetType`, else what it looks like.
    fn recorded(
        &mut self,
        name: &str,
        catalog: &'a Catalog,
        record: &ImageRecord<'a>,
        stated: Option<SetType>,
        around: Level<'a>,
    ) -> Result<(Element, SetType), Error> {
        self.saw(record.time_stamp_ms.unwrap_or(catalog.attributes.time_stamp_ms));
        let text = self.call.localizer()?.image_set(set_text(record).unwrap_or_default());
        let set = ImageSet::parse(&text).map_err(|error| error.context(shown(name)))?;
        let stated = stated.filter(|kind| kind.is_set());
        let asset = stated.or_else(|| record.asset_type.and_then(SetType::of_asset));
        let kind = self.kind_of(&set, asset, catalog)?;
        Ok((self.set(Some(name), &set, Level { catalog, kind, ..around })?, kind))
    }

    /// The kind of a set: that which is stated, else by rule 1 of `requests.md` 20.3.
    fn kind_of(
        &self,
        set: &ImageSet,
        stated: Option<SetType>,
        catalog: &'a Catalog,
    ) -> Result<SetType, Error> {
        if set.items.is_empty() {
            return Ok(SetType::Empty);
        }
        if let Some(kind) = stated.filter(|kind| kind.is_set()) {
            return Ok(kind);
        }
        let names_set = |field: Option<&SetField>| -> Result<bool, Error> {
            let Some(SetField::Id(id)) = field else { return Ok(false) };
            self.call.deadline.tick()?;
            // An id that is nothing is reported where its item is expanded.
            Ok(matches!(self.call.set_object(catalog, id, None), Ok(SetObject::Set { .. })))
        };
        match set.shape() {
            SetShape::Pages => Ok(SetType::Ecat),
            SetShape::Media => Ok(SetType::MediaSet),
            SetShape::Swatches => Ok(SetType::ImgSet),
            SetShape::Groups => {
                // `{setId;swatchId}` looks like a row of two frames, until its first id is a set.
                for pair in set.items.iter().filter_map(SetItem::bracketed_pair) {
                    if names_set(pair.fields.first())? {
                        return Ok(SetType::ImgSet);
                    }
                }
                Ok(SetType::Spin)
            }
            SetShape::Plain => {
                for item in &set.items {
                    if names_set(item.fields.first())? {
                        return Ok(SetType::Spin);
                    }
                }
                Ok(SetType::ImgSet)
            }
        }
    }

    /// A set with its items; `level.depth` is that of the set around it.
    fn set(
        &mut self,
        name: Option<&str>,
        set: &ImageSet,
        level: Level<'a>,
    ) -> Result<Element, Error> {
        let depth = level.depth + 1;
        let limit = self.call.service.config.ps.fvctx_nesting_limit;
        if depth > limit {
            return Err(Error::new(
                Kind::TooLarge,
                format!("set {} exceeds fvctx.nestingLimit {limit}", shown(name.unwrap_or("{}"))),
            )
            .with_title("Media set too large"));
        }
        let is_media = level.kind == SetType::MediaSet;
        if is_media && level.is_in_media {
            return Err(Error::new(
                Kind::Syntax,
                format!("{} is a media set within a media set", shown(name.unwrap_or("{}"))),
            ));
        }
        let level = Level { depth, is_in_media: level.is_in_media || is_media, ..level };
        let mut element = self.opening(level.kind, name, depth)?;
        let frames: Vec<SetItem>;
        let items = match set.items.as_slice() {
            // Frames between `;` (`U-set-spin-sep`).
            [item] if level.kind == SetType::Spin && item.fields.len() > 1 => {
                let field = |field: &SetField| SetItem { fields: vec![field.clone()] };
                frames = item.fields.iter().map(field).collect();
                frames.as_slice()
            }
            items => items,
        };
        for (index, item) in items.iter().enumerate() {
            let of_item = |error: Error| error.context(format!("item {}", index + 1));
            self.count().map_err(of_item)?;
            element.child(self.item(item, level).map_err(of_item)?);
        }
        Ok(element)
    }

    fn item(&mut self, item: &SetItem, level: Level<'a>) -> Result<Element, Error> {
        let item = match level.kind {
            SetType::ImgSet => item.bracketed_pair().unwrap_or(item),
            _ => item,
        };
        let most = match level.kind {
            SetType::MediaSet => 4,
            SetType::ImgSet | SetType::Ecat => 2,
            SetType::Spin | SetType::VideoSet => 1,
            SetType::Img | SetType::Video | SetType::Static | SetType::Empty => 1,
        };
        let beyond = item.fields.get(most..).unwrap_or_default();
        if beyond.iter().any(|field| *field != SetField::Empty) {
            let found = item.fields.len();
            let kind = level.kind.word();
            return Err(Error::new(
                Kind::Syntax,
                format!("has {found} parameters, expected at most {most} in a set of type {kind}"),
            ));
        }
        let stated = match item.fields.get(2) {
            Some(SetField::Id(word)) => SetType::of_item(word),
            _ => None,
        };
        let swatch = item.fields.get(1).unwrap_or(&SetField::Empty);
        let subject = match item.fields.first().unwrap_or(&SetField::Empty) {
            SetField::Id(id) if level.kind == SetType::Ecat => {
                self.brochures += 1;
                self.page(id, level)?
            }
            SetField::Pages(pages) if level.kind == SetType::Ecat => {
                self.brochures += 1;
                self.spread(pages, level)?
            }
            SetField::Id(id) => self.named(id, stated, level)?,
            SetField::Inline(set) => self.inline(set, stated, level)?,
            SetField::Pages(_) => return Err(not_here("pages", level.kind)),
            SetField::Color { .. } => return Err(not_here("a color", level.kind)),
            SetField::Empty => return Err(not_here("nothing", level.kind)),
        };
        let swatch = self.swatch(swatch, level)?;
        Ok(Self::composed(subject, swatch))
    }

    /// An id in the first place.
    fn named(
        &mut self,
        id: &str,
        stated: Option<SetType>,
        level: Level<'a>,
    ) -> Result<Subject, Error> {
        let wanted = match level.kind {
            SetType::VideoSet => Some(SetType::Video),
            _ => stated,
        };
        let object = self.call.set_object(level.catalog, id, wanted)?;
        let is_video = matches!(object, SetObject::Video { .. });
        if level.kind == SetType::VideoSet && !is_video {
            return Err(Error::new(Kind::NotFound, format!("{} is no video", shown(id))));
        }
        match object {
            SetObject::Set { name, catalog, record } => {
                let (set, kind) = self.recorded(&name, catalog, &record, stated, level)?;
                let has_picture = record.path.is_some_and(|path| !path.is_empty());
                let swatch = match has_picture {
                    true => Some(self.reference("s", &name, record.user_data)?),
                    false => None,
                };
                Ok(Subject::Set { set, kind, swatch })
            }
            object => self.subject_of(object, level),
        }
    }

    /// A set in brackets.
    fn inline(
        &mut self,
        set: &ImageSet,
        stated: Option<SetType>,
        level: Level<'a>,
    ) -> Result<Subject, Error> {
        let kind = match level.kind {
            SetType::Spin if !set.items.is_empty() => SetType::Spin,
            SetType::VideoSet | SetType::Ecat => return Err(not_here("a set", level.kind)),
            _ => self.kind_of(set, stated, level.catalog)?,
        };
        let set = self.set(None, set, Level { kind, ..level })?;
        Ok(Subject::Set { set, kind, swatch: None })
    }

    /// What is no set.
    fn subject_of(&mut self, object: SetObject<'a>, level: Level<'a>) -> Result<Subject, Error> {
        match object {
            SetObject::Image(image) => self.picture(&image),
            SetObject::Set { name, .. } => Err(not_here(&shown(&name), level.kind)),
            SetObject::Video { name, record } => {
                let mut v = Element::new("v");
                let Some((catalog, record)) = record else {
                    self.add(&mut v, "path", &name)?;
                    return Ok(Subject::Video { v });
                };
                self.saw(record.time_stamp_ms.unwrap_or(catalog.attributes.time_stamp_ms));
                // An absolute path would tell where files of the server lie.
                let path = record.path.filter(|path| !path.starts_with('/'));
                self.add(&mut v, "path", path.unwrap_or(&name))?;
                if let Some(bit_rate) = bitrates::bit_rate(&record) {
                    v.attribute("bitrate", bit_rate.to_string());
                }
                if let Some(size) = record.video_size {
                    v.attribute("dx", size.width.to_string());
                    v.attribute("dy", size.height.to_string());
                }
                Ok(Subject::Video { v })
            }
            SetObject::Static { name, catalog, record } => {
                self.saw(record.time_stamp_ms.unwrap_or(catalog.attributes.time_stamp_ms));
                let i = self.reference("i", &name, record.user_data)?;
                Ok(Subject::Static { i })
            }
        }
    }

    fn picture(&mut self, image: &SetImage<'a>) -> Result<Subject, Error> {
        let record = image.record.as_deref();
        let info = record_info(record, image.catalog);
        self.saw(info.time_stamp_ms);
        let stated = record.and_then(|record| record.size);
        let mut files = Vec::new();
        let mut stored = None;
        if let Some(path) = &image.path {
            let (size, identity) = self.opened(path, stated.is_none())?;
            stored = size;
            files.push(identity);
        }
        let mask = record.and_then(|record| record.mask_path).filter(|path| !path.is_empty());
        if let Some(path) = mask.and_then(|path| image.catalog.source_path(path)) {
            files.push(self.opened(&path, false)?.1);
        }
        let i = self.reference("i", &image.name, record.and_then(|record| record.user_data))?;
        let version = validators::version_of(&info.version_text, &files);
        Ok(Subject::Picture { i, size: stated.or(stored), version })
    }

    /// The size, where it is needed, and the state of a file.
    fn opened(
        &mut self,
        path: &SourcePath,
        needs_size: bool,
    ) -> Result<(Option<Size>, Identity), Error> {
        if let Some((size, identity)) = self.pictures.get(path)
            && (size.is_some() || !needs_size)
        {
            return Ok((*size, *identity));
        }
        let found = match needs_size {
            true => {
                let (file, header) = self.call.opened(path)?;
                let size = match header.orientation.transposes() {
                    true => header.size.transposed(),
                    false => header.size,
                };
                (Some(size), file.identity())
            }
            false => (None, self.call.opened_file(path)?.identity()),
        };
        self.saw(i64::try_from(found.1.modified_ns / 1_000_000).unwrap_or(0));
        self.pictures.insert(path.clone(), found);
        Ok(found)
    }

    /// An image of an e-catalog, with the map and the data of its own up to the limit.
    fn page(&mut self, id: &str, level: Level<'a>) -> Result<Subject, Error> {
        let object = self.call.set_object(level.catalog, id, Some(SetType::Img))?;
        let SetObject::Image(image) = object else {
            return Err(Error::new(Kind::NotFound, format!("{} is no image", shown(id))));
        };
        let mut subject = self.picture(&image)?;
        let Some(record) = image.record.as_deref() else { return Ok(subject) };
        let Subject::Picture { i, .. } = &mut subject else { return Ok(subject) };
        let map = record.map.filter(|map| !map.is_empty());
        let data = record.user_data.filter(|data| !data.text.is_empty());
        if self.brochures <= self.call.service.config.ps.fvctx_brochure_limit {
            if let Some(map) = map {
                let map = self.call.localizer()?.map(map);
                self.add(i, "map", &map)?;
            }
            if let Some(data) = data {
                let own = lines(Some(data));
                let own = PropertyText { text: &own, is_quoted: true };
                let text = self.call.localizer()?.user_data(own);
                self.add(i, "userdata", &text)?;
            }
            return Ok(subject);
        }
        let left_out = match (map.is_some(), data.is_some()) {
            (true, true) => "map,userdata",
            (true, false) => "map",
            (false, true) => "userdata",
            (false, false) => return Ok(subject),
        };
        i.attribute("suppressed", left_out);
        Ok(subject)
    }

    /// Two or three pages side by side: a set of images within the item.
    fn spread(&mut self, pages: &[String], level: Level<'a>) -> Result<Subject, Error> {
        let depth = level.depth + 1;
        let mut set = self.opening(SetType::ImgSet, None, depth)?;
        for page in pages {
            self.count()?;
            let page = self.page(page, level)?;
            set.child(Self::composed(page, None));
        }
        Ok(Subject::Set { set, kind: SetType::ImgSet, swatch: None })
    }

    /// The swatch that an item names.
    fn swatch(&mut self, field: &SetField, level: Level<'a>) -> Result<Option<Element>, Error> {
        match field {
            SetField::Empty => Ok(None),
            SetField::Color { rgb: [red, green, blue], label } => {
                let mut swatch = Element::new("s");
                swatch.attribute("c", format!("{red:02x}{green:02x}{blue:02x}"));
                if let Some(label) = label {
                    self.add(&mut swatch, "l", label)?;
                }
                Ok(Some(swatch))
            }
            SetField::Id(id) => {
                let object = self.call.set_object(level.catalog, id, Some(SetType::Img))?;
                let SetObject::Image(SetImage { name, record, path, .. }) = object else {
                    return Err(Error::new(Kind::NotFound, format!("{} is no image", shown(id))));
                };
                if let (None, Some(path)) = (&record, &path) {
                    self.opened(path, false)?;
                }
                let data = record.as_ref().and_then(|record| record.user_data);
                self.reference("s", &name, data).map(Some)
            }
            SetField::Pages(_) | SetField::Inline(_) => {
                Err(Error::new(Kind::Syntax, "has a set as swatch, expected an image or a color"))
            }
        }
    }

    /// `<i>` or `<s>` of an image, with the label that `labelkey=` finds in its data.
    fn reference(
        &mut self,
        element: &'static str,
        name: &str,
        data: Option<PropertyText<'a>>,
    ) -> Result<Element, Error> {
        let mut reference = Element::new(element);
        self.add(&mut reference, "n", name)?;
        if let (Some(key), Some(data)) = (self.label_key.as_deref(), data) {
            let own = lines(Some(data));
            let own = PropertyText { text: &own, is_quoted: true };
            let text = self.call.localizer()?.user_data(own);
            let data = PropertyText { text: &text, is_quoted: true };
            if let Some(label) = data.value(key) {
                self.add(&mut reference, "l", label)?;
            }
        }
        Ok(reference)
    }

    /// `<item>`, its parts in the order in which the original gives them.
    fn composed(subject: Subject, swatch: Option<Element>) -> Element {
        let mut item = Element::new("item");
        match subject {
            Subject::Picture { i, size, version } => {
                let swatch = swatch.unwrap_or_else(|| i.reduced("s", &["n", "l"]));
                item.child(i);
                item.child(swatch);
                if let Some(size) = size {
                    item.attribute("dx", size.width.to_string());
                    item.attribute("dy", size.height.to_string());
                }
                item.attribute("iv", version);
            }
            Subject::Set { set, kind, swatch: own } => {
                if let Some(swatch) = swatch.or(own) {
                    item.child(swatch);
                }
                item.attribute("type", kind.word());
                item.child(set);
            }
            Subject::Video { v } => {
                if let Some(swatch) = swatch {
                    item.child(swatch);
                }
                item.attribute("type", SetType::Video.word());
                item.child(v);
            }
            Subject::Static { i } => {
                item.child(i);
                if let Some(swatch) = swatch {
                    item.child(swatch);
                }
                item.attribute("type", SetType::Static.word());
            }
        }
        item
    }

    fn saw(&mut self, time_ms: i64) {
        self.newest_ms = self.newest_ms.max(time_ms);
    }

    fn count(&mut self) -> Result<(), Error> {
        self.call.deadline.tick()?;
        self.items += 1;
        match self.items > MOST_ITEMS {
            true => Err(Error::new(Kind::TooLarge, format!("set of more than {MOST_ITEMS} items"))
                .with_title("Media set too large")),
            false => Ok(()),
        }
    }

    /// Adds an attribute whose text comes from outside.
    fn add(&mut self, element: &mut Element, name: &'static str, text: &str) -> Result<(), Error> {
        self.text_bytes += text.len() as u64;
        let limit = self.call.service.config.is.max_message_bytes;
        if self.text_bytes > limit {
            return Err(too_large("text of the set", limit));
        }
        element.attribute(name, text);
        Ok(())
    }
}

/// More than `IS::MaxMessageSize`.
pub(super) fn too_large(found: impl std::fmt::Display, limit: u64) -> Error {
    Error::new(Kind::TooLarge, format!("{found} exceeds MaxMessageSize {limit}"))
        .with_title("Media set too large")
}

fn not_here(found: &str, kind: SetType) -> Error {
    Error::new(Kind::Syntax, format!("holds {found}, which a set of type {} does not", kind.word()))
}
