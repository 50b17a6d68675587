//! From the parsed query to a request with its source open and its header read. Renders nothing.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use crate::catalog::{Attributes, Catalog, Expiration, Found, ImageRecord, SourcePath};
use crate::codec::{self, Header, Input};
use crate::error::{Error, Kind, shown};
use crate::plan::{self, Inputs, Paths, Plan, Purpose, RecordFields};
use crate::reply::caching::Ttl;
use crate::request::{
    CacheControl, LayerSource, Modifier, Object, Options, Origin, ReqType, Request, SourceExpr,
    SourceText, Surroundings, parse_within, requested_type, split,
};
use crate::source::{Candidate, SourceFile};

use super::{Call, guard};

/// What a record, or the catalog in force for a file, says about a source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RecordInfo {
    /// Fields that decide pixels.
    pub fields: RecordFields,
    /// `catalog::Expiration` or the attribute.
    pub expiration: Expiration,
    /// `catalog::TimeStamp` or the attribute, ms since 1970.
    pub time_stamp_ms: i64,
    /// Whether it is the record's own.
    pub has_own_time_stamp: bool,
    /// The `Path` field and others that a version depends on.
    pub version_text: String,
}

/// A request ready to be planned.
pub(super) struct Prepared<'a> {
    /// The typed request.
    pub request: Request,
    /// Attributes of the main catalog in force (the default catalog after `FullMatch`), with those of rules.
    pub attributes: Cow<'a, Attributes>,
    /// The catalog that supplies layer 0.
    pub layer_catalog: &'a Catalog,
    /// Its record, or what stands for one.
    pub record: RecordInfo,
    /// The open source of layer 0 and its header; `None` for a solid color layer.
    pub source: Option<(SourceFile, Header)>,
}

/// An object, looked up.
pub(super) struct Located<'a> {
    /// The catalog whose attributes apply.
    pub catalog: &'a Catalog,
    /// The record, if there is one.
    pub record: Option<Box<ImageRecord<'a>>>,
    /// Where its file would be; `None` for a record without `Path`.
    pub path: Option<SourcePath>,
}

impl<'a> Call<'a> {
    /// The object of the URL path; `None` for an empty one, `Missing` as a `NotFound`.
    pub(super) fn path_object(&self) -> Result<Option<Located<'a>>, Error> {
        if self.main.rest.is_empty() {
            return Ok(None);
        }
        let found = self.catalogs.resolve_path(&self.main)?;
        // An encoded slash may be part of an id, never of a file name (`U-path-safety`).
        if matches!(found, Found::File { .. }) && !self.located.object.is_path() {
            return Err(missing(&self.located.object));
        }
        located(found, &self.located.object).map(Some)
    }

    fn source_object(&self, object: &Object) -> Result<Located<'a>, Error> {
        let slash = if object.has_leading_slash() { "/" } else { "" };
        let text = format!("{slash}{}", object.id());
        let found = self.catalogs.resolve(self.main.catalog, &text)?;
        if matches!(found, Found::File { .. }) && !object.is_path() {
            return Err(missing(object));
        }
        located(found, object)
    }

    /// Parses everything that takes part: the record's Modifier, the URL, the record's PostModifier.
    pub(super) fn parsed(&self, path: Option<&Located<'a>>) -> Result<Request, Error> {
        let request = self.parsed_with(path, None)?;
        let Some(source) = layer_0_object(&request) else { return Ok(request) };
        // The Modifier of a record that `src=` names counts for its layer, below everything else (10.3).
        let Ok(located) = self.source_object(source) else { return Ok(request) };
        let modifier = located.record.as_ref().and_then(|record| record.modifier);
        let Some(text) = modifier.filter(|text| !text.is_empty()) else { return Ok(request) };
        let modifier = Part::modifier(located.catalog, text, Some(0));
        let own = self.parse_parts(&[modifier])?;
        if own.layers.get(&0).is_some_and(|layer| layer.source.is_some() || layer.mask.is_some()) {
            return Err(Error::new(
                Kind::Syntax,
                "src= names a record whose Modifier contains src= or mask=",
            ));
        }
        self.parsed_with(path, Some(modifier))
    }

    fn parsed_with(
        &self,
        path: Option<&Located<'a>>,
        layer_modifier: Option<Part<'_>>,
    ) -> Result<Request, Error> {
        self.parse_parts(&self.parts(path, layer_modifier))
    }

    /// As `parsed`, for `req=validate`: commands of the URL whose value holds a `$name$` do not count when they make the
    /// request fail, because nobody knows their values (`U-validate`).
    pub(super) fn parsed_but_references(
        &self,
        path: Option<&Located<'a>>,
    ) -> Result<Request, Error> {
        let error = match self.parsed(path) {
            Ok(request) => return Ok(request),
            Err(error) => error,
        };
        let modifiers = split(self.query, Origin::Url, self.service.text_limits.modifiers)?;
        let (open, known): (Vec<&Modifier>, Vec<&Modifier>) =
            modifiers.iter().partition(|modifier| modifier.value.matches('$').count() > 1);
        if open.is_empty() {
            return Err(error);
        }
        let text: Vec<String> =
            known.iter().map(|modifier| format!("{}={}", modifier.name, modifier.value)).collect();
        Call { query: &text.join("&"), ..*self }.parsed(path)
    }

    /// The variables of the request, for headers of rules; none where it cannot be read.
    pub(super) fn variables(&self, path: Option<&Located<'a>>) -> Vec<(String, String)> {
        let parsed = self.read_parts(&self.parts(path, None), parse_within);
        parsed.map(|parsed| parsed.variables).unwrap_or_default()
    }

    /// The type that URL, record and macros ask for together.
    pub(super) fn requested_type(&self) -> ReqType {
        let path = self.path_object().ok().flatten();
        self.read_parts(&self.parts(path.as_ref(), None), requested_type)
    }

    /// What takes part in the request, from the lowest to the highest precedence.
    fn parts<'t>(
        &'t self,
        path: Option<&'t Located<'a>>,
        layer_modifier: Option<Part<'t>>,
    ) -> Vec<Part<'t>> {
        let mut parts: Vec<Part<'t>> = layer_modifier.into_iter().collect();
        let record =
            path.and_then(|path| path.record.as_ref().map(|record| (path.catalog, record)));
        if let Some((catalog, record)) = record {
            parts.extend(record.modifier.map(|text| Part::modifier(catalog, text, None)));
        }
        parts.push(Part { catalog: self.main.catalog, text: SourceText::url(self.query) });
        if let Some((catalog, record)) = record {
            parts.extend(record.post_modifier.map(|text| Part {
                catalog,
                text: SourceText { text, origin: Origin::PostModifier, layer: None },
            }));
        }
        parts
    }

    fn parse_parts(&self, parts: &[Part<'_>]) -> Result<Request, Error> {
        self.read_parts(parts, parse_within).map(|parsed| parsed.request)
    }

    /// Reads texts, each with the macros of its own catalog.
    fn read_parts<T>(
        &self,
        parts: &[Part<'_>],
        read: impl FnOnce(&[SourceText<'_>], &Surroundings<'_>, &Options) -> T,
    ) -> T {
        let texts: Vec<SourceText<'_>> = parts.iter().map(|part| part.text).collect();
        let macros = |index: usize, name: &str| {
            let catalog = parts.get(index).map(|part| part.catalog)?;
            self.catalogs.macro_definition(catalog, name).map(str::to_owned)
        };
        let surroundings = Surroundings {
            macros: &macros,
            object: Some(&self.located.object_encoded),
            inherited: &[],
        };
        read(&texts, &surroundings, &self.service.options())
    }

    /// The request with its source open: stages 9 to 12 and the header of layer 0.
    pub(super) fn prepared(&self) -> Result<Prepared<'a>, Error> {
        let path = self.path_object()?;
        let request = self.parsed(path.as_ref())?;
        self.with_source(path, request)
    }

    /// Opens the source of a parsed request; `path` is the object of its path.
    pub(super) fn with_source(
        &self,
        path: Option<Located<'a>>,
        request: Request,
    ) -> Result<Prepared<'a>, Error> {
        let main = self.effective_main(path.as_ref());
        let attributes = guard::attributes(main, self.overrides);
        let layer = match layer_0_object(&request) {
            Some(object) => Some(self.source_object(object)?),
            // Another source than an object is refused by the plan; the path object is not opened for it.
            None if has_other_source(&request) => None,
            None => path,
        };
        if layer.is_none() && request.layers.is_empty() && request.attributes.template.is_none() {
            return Err(no_image());
        }
        let Some(layer) = layer else {
            let record = self.with_expiration(record_info(None, main), false);
            return Ok(Prepared { request, attributes, layer_catalog: main, record, source: None });
        };
        let has_own = layer.record.as_ref().is_some_and(|record| record.expiration.is_some());
        let record = record_info(layer.record.as_deref(), layer.catalog);
        let record = self.with_expiration(record, has_own);
        let source = layer.path.as_ref().map(|path| self.opened(path)).transpose()?;
        Ok(Prepared { request, attributes, layer_catalog: layer.catalog, record, source })
    }

    /// `Expiration` of a rule replaces the attribute, never a record's own (requests.md 5).
    fn with_expiration(&self, record: RecordInfo, has_own: bool) -> RecordInfo {
        match self.overrides.expiration {
            Some(expiration) if !has_own => RecordInfo { expiration, ..record },
            _ => record,
        }
    }

    /// After `FullMatch=1` the default catalog takes the place of the one that the path names.
    pub(super) fn effective_main(&self, path: Option<&Located<'a>>) -> &'a Catalog {
        match path {
            Some(Located { record: None, catalog, .. }) => catalog,
            _ => self.main.catalog,
        }
    }

    /// Opens a source and reads its header.
    pub(super) fn opened(&self, path: &SourcePath) -> Result<(SourceFile, Header), Error> {
        let named = |error: Error| error.context(shown(&path.path));
        let file = match &path.root {
            None => self.service.roots.open_first(&[Candidate::Beneath(&path.path)]),
            Some(folder) => {
                self.service.roots.open_first(&[Candidate::Within { folder, name: &path.path }])
            }
        };
        let file = file.map_err(named)?;
        let mut input = Input::new(&file, self.deadline);
        let header = codec::probe(&mut input, &self.service.plan_settings.limits).map_err(named)?;
        Ok((file, header))
    }
}

impl Prepared<'_> {
    /// The plan of the image.
    pub(super) fn planned(&self, call: &Call<'_>, purpose: Purpose) -> Result<Plan, Error> {
        plan::resolve(&Inputs {
            request: &self.request,
            attributes: &self.attributes,
            layer_attributes: &self.layer_catalog.attributes,
            record: self.record.fields,
            source: self.source.as_ref().map(|(_, header)| header),
            settings: &call.service.plan_settings,
            purpose,
            paths: Paths::Fast,
        })
    }

    /// `Last-Modified` in ms since 1970: `catalog::TimeStamp` (`requests.md` 24.2). Where no record states one, the
    /// default of the catalog or the file's own time, whichever is later, so that a changed file is never confirmed.
    pub(super) fn modified_ms(&self) -> i64 {
        let of_file = self.source.as_ref().map(|(file, _)| file.identity().modified_ns / 1_000_000);
        match of_file.and_then(|ms| i64::try_from(ms).ok()) {
            Some(ms) if !self.record.has_own_time_stamp => self.record.time_stamp_ms.max(ms),
            _ => self.record.time_stamp_ms,
        }
    }

    /// How long a client may keep the image (`requests.md` 24.1, `cache=`).
    pub(super) fn ttl(&self) -> Ttl {
        client_ttl(&self.request, self.record.expiration)
    }
}

/// The lifetime with `cache=` applied: client caching switched off is no-store.
pub(super) fn client_ttl(request: &Request, expiration: Expiration) -> Ttl {
    match request.attributes.cache {
        Some(CacheControl::Each { client: false, .. }) => Ttl::Never,
        Some(
            CacheControl::Each { client: true, .. } | CacheControl::Validate | CacheControl::Update,
        )
        | None => ttl(expiration),
    }
}

/// The lifetime that an expiration means.
pub(super) fn ttl(expiration: Expiration) -> Ttl {
    match expiration {
        Expiration::Hours(hours) => Ttl::from_hours(hours),
        Expiration::Never => Ttl::Forever,
    }
}

/// A text that takes part in a request, and the catalog whose macros it may use.
#[derive(Clone, Copy)]
struct Part<'t> {
    catalog: &'t Catalog,
    text: SourceText<'t>,
}

impl<'t> Part<'t> {
    fn modifier(catalog: &'t Catalog, text: &'t str, layer: Option<u32>) -> Part<'t> {
        Part { catalog, text: SourceText { text, origin: Origin::Modifier, layer } }
    }
}

/// A request without object and without commands that make layer 0 (`U-rootid-only`).
pub(super) fn no_image() -> Error {
    Error::new(Kind::NotFound, "no image specified")
}

fn missing(object: &Object) -> Error {
    Error::new(Kind::NotFound, format!("no record or file {}", shown(&object.id())))
}

fn located<'a>(found: Found<'a>, object: &Object) -> Result<Located<'a>, Error> {
    match found {
        Found::Record { catalog, record } => {
            let path = record.path.filter(|path| !path.is_empty());
            let path = path.map(|path| catalog.source_path(path).ok_or_else(|| missing(object)));
            Ok(Located { catalog, path: path.transpose()?, record: Some(record) })
        }
        Found::File { catalog, path } => Ok(Located { catalog, record: None, path: Some(path) }),
        Found::Missing => Err(missing(object)),
    }
}

fn layer_0_object(request: &Request) -> Option<&Object> {
    match request.layers.get(&0)?.source.as_ref()? {
        LayerSource::Image(SourceExpr::Object(object)) => Some(object),
        _ => None,
    }
}

fn has_other_source(request: &Request) -> bool {
    let source = request.layers.get(&0).and_then(|layer| layer.source.as_ref());
    source.is_some() || request.attributes.template.is_some()
}

/// What a record says, or the attributes of the catalog in force where there is none.
pub(super) fn record_info(record: Option<&ImageRecord<'_>>, catalog: &Catalog) -> RecordInfo {
    let attributes: &Attributes = &catalog.attributes;
    let Some(record) = record else {
        return RecordInfo {
            fields: RecordFields::default(),
            expiration: attributes.expiration,
            time_stamp_ms: attributes.time_stamp_ms,
            has_own_time_stamp: false,
            version_text: String::new(),
        };
    };
    RecordInfo {
        fields: RecordFields {
            resolution: record.resolution,
            print_resolution: record.print_resolution,
            is_record: true,
            has_mask_path: record.mask_path.is_some_and(|path| !path.is_empty()),
        },
        expiration: record.expiration.unwrap_or(attributes.expiration),
        time_stamp_ms: record.time_stamp_ms.unwrap_or(attributes.time_stamp_ms),
        has_own_time_stamp: record.time_stamp_ms.is_some(),
        version_text: format!(
            "{:?}",
            (
                record.path,
                record.mask_path,
                record.modifier,
                record.post_modifier,
                record.resolution,
                record.anchor,
            )
        ),
    }
}

/// Milliseconds since 1970 as a moment; before 1970 is 1970.
pub(super) fn moment(ms: i64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
