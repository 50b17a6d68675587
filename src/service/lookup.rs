//! Objects of a request to records and files that can be opened. Parses no command.

use std::time::{Duration, UNIX_EPOCH};

use crate::catalog::{Attributes, Catalog, Expiration, Found, ImageRecord, SourcePath};
use crate::codec::{self, Header, Input};
use crate::error::{Error, Kind, shown};
use crate::plan::RecordFields;
use crate::request::Object;
use crate::source::{Candidate, SourceFile};

use super::Call;

/// An object, looked up.
#[derive(Clone, Debug)]
pub(super) struct Located<'a> {
    /// The catalog whose attributes apply.
    pub catalog: &'a Catalog,
    /// The record, if there is one.
    pub record: Option<Box<ImageRecord<'a>>>,
    /// Where its file would be; `None` for a record without `Path`.
    pub path: Option<SourcePath>,
}

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

impl<'a> Call<'a> {
    /// The object of the URL path, or what stands in its place; `None` for an empty one, `NotFound` for a missing one.
    pub(super) fn path_object(&self) -> Result<Option<Located<'a>>, Error> {
        if let Some(object) = &self.object {
            return self.source_object(object).map(Some);
        }
        if self.main.rest.is_empty() {
            return Ok(None);
        }
        let suffixes = self.main.catalog.suffixes(self.locale.as_deref())?;
        let found = self.catalogs.resolve_path(&self.main.as_main(), &suffixes)?;
        // An encoded slash may be part of an id, never of a file name (`U-path-safety`).
        if matches!(found, Found::File { .. }) && !self.located.object.is_path() {
            return Err(missing(&self.located.object));
        }
        located(found, &self.located.object).map(Some)
    }

    /// An object of a command, searched from the main catalog; `NotFound` for a missing one.
    pub(super) fn source_object(&self, object: &Object) -> Result<Located<'a>, Error> {
        self.object_of(self.main.catalog, object)
    }

    /// The same, searched from `main`.
    pub(super) fn object_of(
        &self,
        main: &'a Catalog,
        object: &Object,
    ) -> Result<Located<'a>, Error> {
        let slash = if object.has_leading_slash() { "/" } else { "" };
        let text = format!("{slash}{}", object.id());
        let suffixes = main.suffixes(self.locale.as_deref())?;
        let found = self.catalogs.resolve(main, &text, &suffixes)?;
        if matches!(found, Found::File { .. }) && !object.is_path() {
            return Err(missing(object));
        }
        located(found, object)
    }

    /// After `FullMatch=1` the default catalog takes the place of the one that the path names.
    pub(super) fn effective_main(&self, path: Option<&Located<'a>>) -> &'a Catalog {
        match path {
            Some(Located { record: None, catalog, .. }) => catalog,
            _ => self.main.catalog,
        }
    }

    /// What a record says, with the `Expiration` of a rule in the place of the attribute (requests.md 5).
    pub(super) fn record_info(
        &self,
        record: Option<&ImageRecord<'_>>,
        catalog: &Catalog,
    ) -> RecordInfo {
        let info = record_info(record, catalog);
        let has_own = record.is_some_and(|record| record.expiration.is_some());
        match self.overrides.expiration {
            Some(expiration) if !has_own => RecordInfo { expiration, ..info },
            _ => info,
        }
    }

    /// Opens a source and reads its header.
    pub(super) fn opened(&self, path: &SourcePath) -> Result<(SourceFile, Header), Error> {
        let named = |error: Error| error.context(shown(&path.path));
        let file = self.opened_file(path)?;
        let mut input = Input::new(&file, self.deadline);
        let header = codec::probe(&mut input, &self.service.plan_settings.limits).map_err(named)?;
        Ok((file, header))
    }

    /// Opens a source.
    pub(super) fn opened_file(&self, path: &SourcePath) -> Result<SourceFile, Error> {
        let file = match &path.root {
            None => self.service.roots.open_first(&[Candidate::Beneath(&path.path)]),
            Some(folder) => {
                self.service.roots.open_first(&[Candidate::Within { folder, name: &path.path }])
            }
        };
        file.map_err(|error| error.context(shown(&path.path)))
    }
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
            anchor: record.anchor,
            thumb_type: record.thumb_type,
            thumb_res: record.thumb_res,
            is_record: true,
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
