//! The checks of source files that the original's `validate` makes (`catalogs-and-server.md` 20.2): type, header,
//! pixels, color profile, depth. It renders nothing and changes no file.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use crate::catalog::{Catalogs, NamedSource};
use crate::codec::{self, Form, Format, Header, Input, Wanted};
use crate::color::profile;
use crate::config::{Fault, Severity};
use crate::error::{Error, Kind, shown};
use crate::geometry::Rect;
use crate::limits::{Deadline, Limits};

use super::{Candidate, Roots, SourceFile};

/// Time for one file.
const TIME: Duration = Duration::from_secs(600);

/// Longest side of a picture that needs no smaller levels, in pixels.
const LEVEL_SIDE: u32 = 128;

/// A type of files that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// Any that is read.
    Any,
    /// JPEG.
    Jpeg,
    /// Pyramid TIFF: one with smaller levels, or one that is at most 128 pixels wide and high.
    Pyramid,
}

/// What is checked of each file beside its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Types that are accepted; one of them is enough.
    pub types: Vec<FileType>,
    /// Whether all pixels of all levels are decoded.
    pub reads_pixels: bool,
    /// Whether an embedded profile has to be sound and to fit the pixels.
    pub validates_color_profile: bool,
    /// Whether more than 8 bits a component are a fault.
    pub rejects_16_bit: bool,
    /// Whether the first fault ends the checks.
    pub stops_on_error: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Files that were looked at.
    pub files: usize,
    /// One for each file that is not valid.
    pub faults: Vec<Fault>,
}

/// Checks files by their paths, in order; `seen` is told of each.
pub fn inspect_files<'p>(
    paths: impl IntoIterator<Item = &'p Path>,
    checks: &Checks,
    limits: &Limits,
    mut seen: impl FnMut(&str, Result<&Header, &Fault>),
) -> Inspected {
    let mut inspected = Inspected::default();
    for path in paths {
        let outcome = opened(path).and_then(|file| inspect(&file, checks, limits));
        let outcome =
            outcome.map_err(|error| Fault::new(Severity::Error, path, None, error.to_string()));
        if inspected.note(&path.to_string_lossy(), outcome, &mut seen) && checks.stops_on_error {
            break;
        }
    }
    inspected
}

/// Checks every file that the records of the catalogs name; a fault stands in the data file and tells the record.
/// Sources on other servers are not looked at.
pub fn inspect_sources(
    catalogs: &Catalogs,
    roots: &Roots,
    checks: &Checks,
    limits: &Limits,
    mut seen: impl FnMut(&str, Result<&Header, &Fault>),
) -> Inspected {
    let mut inspected = Inspected::default();
    for named in catalogs.all().iter().flat_map(|catalog| catalog.named_sources()) {
        let outcome = named_file(&named, roots).and_then(|file| inspect(&file, checks, limits));
        let outcome = outcome.map_err(|error| {
            let (id, field, text) = (shown(named.id), named.field, shown(named.text));
            let message = format!("record {id}: {field} {text}: {error}");
            Fault::new(Severity::Error, named.data_file, None, message)
        });
        if inspected.note(named.text, outcome, &mut seen) && checks.stops_on_error {
            break;
        }
    }
    inspected
}

impl Inspected {
    /// Counts a file; whether it has a fault.
    fn note(
        &mut self,
        name: &str,
        outcome: Result<Header, Fault>,
        seen: &mut impl FnMut(&str, Result<&Header, &Fault>),
    ) -> bool {
        self.files += 1;
        seen(name, outcome.as_ref());
        let fault = outcome.err();
        let is_faulty = fault.is_some();
        self.faults.extend(fault);
        is_faulty
    }
}

/// A file by the path of a person at the command line; a FIFO is not waited for.
fn opened(path: &Path) -> Result<SourceFile, Error> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|cause| {
        let kind = match cause.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Unreadable,
        };
        Error::new(kind, "cannot be opened").with_cause(cause)
    })?;
    match file.metadata() {
        Ok(meta) if meta.is_file() => SourceFile::new(file),
        _ => Err(Error::new(Kind::Unreadable, "is no file")),
    }
}

fn named_file(named: &NamedSource<'_>, roots: &Roots) -> Result<SourceFile, Error> {
    let Some(path) = &named.path else {
        return Err(Error::new(Kind::NotFound, "the path leaves its folder"));
    };
    let candidate = match &path.root {
        None => Candidate::Beneath(&path.path),
        Some(folder) => Candidate::Within { folder, name: &path.path },
    };
    roots.open_first(&[candidate])
}

/// The header of a valid file; the first fault otherwise.
///
/// Fails with `Unsupported` for another type and for a depth or profile that `checks` refuse, and as `codec::probe`
/// and `codec::decode` do.
pub fn inspect(file: &SourceFile, checks: &Checks, limits: &Limits) -> Result<Header, Error> {
    let deadline = Deadline::after(TIME);
    let mut input = Input::new(file, &deadline);
    let header = codec::probe(&mut input, limits)?;
    if !checks.types.iter().any(|wanted| is_of(&header, *wanted)) {
        let found = format!("{} with {} levels", format_name(&header), header.levels.len());
        let expected: Vec<String> = checks.types.iter().map(|t| format!("{t:?}")).collect();
        let detail = format!("the file is {found}, expected {}", expected.join(" or "));
        return Err(Error::new(Kind::Unsupported, detail));
    }
    if checks.rejects_16_bit && header.bits > 8 {
        let detail = format!("components have {} bits, expected at most 8", header.bits);
        return Err(Error::new(Kind::Unsupported, detail));
    }
    let icc = header.icc.as_deref().filter(|_| checks.validates_color_profile);
    if let Some(fault) = icc.and_then(|icc| profile::fault(icc, header.model)) {
        return Err(Error::new(Kind::Unsupported, format!("color profile: {fault}")));
    }
    if checks.reads_pixels {
        read_pixels(&mut input, &header, limits)?;
    }
    Ok(header)
}

/// The format of a file as reports name it.
pub fn format_name(header: &Header) -> String {
    header.format.map_or("a picture".to_owned(), |format| format!("{format:?}"))
}

fn is_of(header: &Header, wanted: FileType) -> bool {
    match wanted {
        FileType::Any => true,
        FileType::Jpeg => header.format == Some(Format::Jpeg),
        FileType::Pyramid => {
            let is_small = header.size.width.max(header.size.height) <= LEVEL_SIDE;
            header.format == Some(Format::Tiff) && (header.levels.len() > 1 || is_small)
        }
    }
}

/// Decodes each stored level as a whole; the smaller levels of a JPEG are made from the same bytes.
fn read_pixels(input: &mut Input<'_>, header: &Header, limits: &Limits) -> Result<(), Error> {
    let stored = match header.format {
        Some(Format::Tiff) => header.levels.len(),
        Some(Format::Jpeg | Format::Png | Format::Gif | Format::Webp | Format::Bmp) | None => 1,
    };
    for (level, stored) in header.levels.iter().enumerate().take(stored) {
        let wanted = Wanted { level, region: Rect::of(stored.size), form: Form::Canvas };
        codec::decode(input, header, &wanted, limits)?;
    }
    Ok(())
}
