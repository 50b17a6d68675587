//! What an id of a media set is: an image, a set, a video or another file (`requests.md` 20.3, rules 2 to 5). Opens no
//! image; only that a video without record exists is looked at.

use crate::catalog::{Catalog, Found, ImageRecord, SetType, SourcePath, StaticRecord};
use crate::error::{Error, Kind, shown};
use crate::request::Object;

use super::Call;

/// Suffixes of videos (rule 2 to 5).
const VIDEO_SUFFIXES: [&str; 6] = ["mp3", "mp4", "flv", "f4v", "swf", "xml"];

/// An object that a set names, looked up; `name` is what a client asks for it by.
pub(super) enum SetObject<'a> {
    /// A record without set, or a file.
    Image(SetImage<'a>),
    /// A record with a set.
    Set {
        /// `rootId/id`.
        name: String,
        /// The catalog that holds the record; ids of the set are looked up in it.
        catalog: &'a Catalog,
        /// The record.
        record: Box<ImageRecord<'a>>,
    },
    /// A video.
    Video {
        /// `rootId/id`, or the path of the request.
        name: String,
        /// Its record with its catalog; `None` for one that was found by path.
        record: Option<(&'a Catalog, Box<StaticRecord<'a>>)>,
    },
    /// Another file of the static content.
    Static {
        /// `rootId/id`.
        name: String,
        /// The catalog of the record.
        catalog: &'a Catalog,
        /// The record.
        record: Box<StaticRecord<'a>>,
    },
}

/// An image of a set.
pub(super) struct SetImage<'a> {
    /// `rootId/id`, or the path of the request.
    pub name: String,
    /// The catalog whose attributes apply.
    pub catalog: &'a Catalog,
    /// Its record, if there is one.
    pub record: Option<Box<ImageRecord<'a>>>,
    /// Where its file would be; `None` for a record without `Path`.
    pub path: Option<SourcePath>,
}

/// What look-ups found, before it is decided what counts.
struct Looked<'a> {
    id: String,
    image: Option<SetImage<'a>>,
    fixed: Option<(&'a Catalog, Box<StaticRecord<'a>>)>,
}

/// The name by which a client asks for an object of a catalog.
fn name_in(catalog: &Catalog, id: &str) -> String {
    match catalog.attributes.root_id.as_str() {
        "" => id.to_owned(),
        root_id => format!("{root_id}/{id}"),
    }
}

/// The set that a record holds; `None` for a record that is none.
pub(super) fn set_text<'a>(record: &ImageRecord<'a>) -> Option<&'a str> {
    let is_set = record.asset_type.and_then(SetType::of_asset).is_some();
    let text = record.image_set.filter(|text| !text.is_empty());
    text.or(is_set.then_some(""))
}

/// The suffix of a file name without its period; empty without one.
pub(super) fn suffix(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or_default();
    last.rsplit_once('.').map_or("", |(_, suffix)| suffix)
}

fn is_video(path: &str) -> bool {
    VIDEO_SUFFIXES.iter().any(|known| known.eq_ignore_ascii_case(suffix(path)))
}

fn missing(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("no record or file {}", shown(id)))
}

impl<'a> Call<'a> {
    /// The object of the path; `None` for an empty one.
    pub(super) fn set_of_path(&self) -> Result<Option<SetObject<'a>>, Error> {
        if self.main.rest.is_empty() {
            return Ok(None);
        }
        let id = self.main.rest.join("/");
        let suffixes = self.main.catalog.suffixes(self.locale.as_deref())?;
        let found = self.catalogs.resolve_path(&self.main.as_main(), &suffixes)?;
        let fixed = self.catalogs.resolve_static_object(self.main.catalog, &id, &suffixes)?;
        let object = &self.located.object;
        let looked = self.looked(found, fixed, object, object.id())?;
        self.sorted(looked, None).map(Some)
    }

    /// The object of an id within a set of `catalog`; `wanted` is the type that an item of a media set states.
    ///
    /// `NotFound` for an id that is neither record nor file, `Syntax` for one that cannot be an object.
    pub(super) fn set_object(
        &self,
        catalog: &'a Catalog,
        id: &str,
        wanted: Option<SetType>,
    ) -> Result<SetObject<'a>, Error> {
        let object = Object::parse(id)?;
        let slash = if object.has_leading_slash() { "/" } else { "" };
        let id = object.id();
        let text = format!("{slash}{id}");
        let suffixes = catalog.suffixes(self.locale.as_deref())?;
        let mut found = self.catalogs.resolve(catalog, &text, &suffixes)?;
        let fixed = self.catalogs.resolve_static_object(catalog, &text, &suffixes)?;
        let mut file_name = match &found {
            Found::File { catalog, .. } => name_in(catalog, &id),
            Found::Record { .. } | Found::Missing => id.clone(),
        };
        // A file that is named with its catalog lies where the same path of a request leads.
        if !matches!(found, Found::Record { .. })
            && let Some((first, rest)) = object.elements().split_first()
            && !rest.is_empty()
            && self.catalogs.named(first)?.is_some()
        {
            let main = self.catalogs.main(object.elements(), true)?;
            found = self.catalogs.resolve_path(&main, &suffixes)?;
            file_name.clone_from(&id);
        }
        let looked = self.looked(found, fixed, &object, file_name)?;
        self.sorted(looked, wanted)
    }

    fn looked(
        &self,
        found: Found<'a>,
        fixed: Option<(&'a Catalog, StaticRecord<'a>)>,
        object: &Object,
        file_name: String,
    ) -> Result<Looked<'a>, Error> {
        let id = object.id();
        let image = match found {
            Found::Record { catalog, record } => {
                let path = record.path.filter(|path| !path.is_empty());
                let path = path.map(|path| catalog.source_path(path).ok_or_else(|| missing(&id)));
                let name = name_in(catalog, record.id);
                Some(SetImage { name, catalog, path: path.transpose()?, record: Some(record) })
            }
            // An encoded slash may be part of an id, never of a file name (`U-path-safety`).
            Found::File { .. } if !object.is_path() => None,
            Found::File { catalog, path } => {
                Some(SetImage { name: file_name, catalog, record: None, path: Some(path) })
            }
            Found::Missing => None,
        };
        let fixed = fixed.map(|(catalog, record)| (catalog, Box::new(record)));
        Ok(Looked { id, image, fixed })
    }

    /// Decides between the records and the file of one id.
    fn sorted(&self, looked: Looked<'a>, wanted: Option<SetType>) -> Result<SetObject<'a>, Error> {
        let Looked { id, image, fixed } = looked;
        let record = image.as_ref().and_then(|image| image.record.as_deref());
        let is_image = wanted == Some(SetType::Img);
        let is_set = !is_image && record.is_some_and(|record| set_text(record).is_some());
        let is_video = match wanted {
            Some(SetType::Video) => true,
            Some(SetType::Img | SetType::Static) => false,
            _ => is_video(fixed.as_ref().and_then(|(_, record)| record.path).unwrap_or(&id)),
        };
        let prefers_fixed = match wanted {
            Some(SetType::Img) => image.is_none(),
            Some(SetType::Video | SetType::Static) => true,
            _ => !is_set && (record.is_none() || is_video),
        };
        match (fixed, image) {
            (Some((catalog, record)), _) if prefers_fixed => {
                let name = name_in(catalog, record.id);
                Ok(match is_video {
                    true => SetObject::Video { name, record: Some((catalog, record)) },
                    false => SetObject::Static { name, catalog, record },
                })
            }
            (_, Some(SetImage { name, catalog, record: Some(record), .. })) if is_set => {
                Ok(SetObject::Set { name, catalog, record })
            }
            (_, Some(SetImage { name, record: None, path: Some(path), .. })) if is_video => {
                self.opened_file(&path)?;
                Ok(SetObject::Video { name, record: None })
            }
            (_, Some(image)) => Ok(SetObject::Image(image)),
            (_, None) => Err(missing(&id)),
        }
    }
}
