//! The source files that the records of a catalog name, one after another, for `imprint check --sources`. Opens none.

use std::path::Path;

use super::record::{RecordKind, image_record};
use super::{Catalog, SourcePath};

/// A file that a record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSource<'a> {
    /// The data file that holds the record.
    pub data_file: &'a Path,
    /// The record's id.
    pub id: &'a str,
    /// The field that names the file.
    pub field: &'static str,
    /// The field's text.
    pub text: &'a str,
    /// Where the file would be; `None` for a path that leaves its folder.
    pub path: Option<SourcePath>,
}

impl Catalog {
    /// `Path` and `MaskPath` of every image record, table by table; those of other servers are left out.
    pub fn named_sources(&self) -> impl Iterator<Item = NamedSource<'_>> {
        let rows = self.loaded.images.iter().flat_map(|part| {
            let data_file = part.path.as_path();
            part.table.rows().map(move |row| (data_file, row))
        });
        rows.flat_map(move |(data_file, row)| {
            let record = image_record(row, RecordKind::Image, &mut |_, _| {});
            let fields = [("Path", record.path), ("MaskPath", record.mask_path)];
            fields.into_iter().filter_map(move |(field, text)| {
                let text = text.filter(|text| !text.is_empty() && !is_remote(text))?;
                let path = self.source_path(text);
                Some(NamedSource { data_file, id: record.id, field, text, path })
            })
        })
    }
}

fn is_remote(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        ["http", "https", "ftp"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
    })
}
