//! `imprint check --images`: arguments to checks of source files, and what came of them (the original's `validate`).

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Check, DONE, FAILED, WRONG_USAGE, serve};
use crate::codec::Header;
use crate::config::{Fault, Severity};
use crate::limits::Limits;
use crate::service::check_sources;
use crate::source::{Checks, FileType, format_name, inspect_files};

/// A type of `--type`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Type {
    Any,
    Jpeg,
    Ptif,
}

pub(super) fn check(arguments: &Check) -> Result<u8, String> {
    let checks = checks(arguments);
    let is_verbose = arguments.verbose && !arguments.json;
    let seen = |name: &str, outcome: Result<&Header, &Fault>| {
        if let (true, Ok(header)) = (is_verbose, outcome) {
            let (size, bits) = (header.size, header.bits);
            let kind = format!("{}, {:?}", format_name(header), header.model);
            let name = crate::error::shown(name);
            let _ = writeln!(std::io::stdout(), "{name}: {size}, {kind}, {bits} bit");
        }
    };
    let paths = paths(arguments)?;
    let inspected = match (arguments.sources, paths) {
        (true, None) => {
            let config = serve::load(&arguments.settings)?;
            check_sources(&config, &checks, seen).map_err(|error| error.to_string())?
        }
        (false, Some(paths)) => {
            let paths = paths.iter().map(PathBuf::as_path);
            inspect_files(paths, &checks, &Limits::default(), seen)
        }
        _ => {
            let expected = "FILE, --file-list or --sources, and one of them";
            let _ = writeln!(std::io::stderr(), "imprint: check --images expects {expected}");
            return Ok(WRONG_USAGE);
        }
    };
    let errors = inspected.faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    if arguments.json {
        let faults: Vec<serde_json::Value> =
            inspected.faults.iter().map(super::check::json_fault).collect();
        let report = serde_json::json!({ "files": inspected.files, "faults": faults });
        // A broken pipe is not an error.
        let _ = writeln!(std::io::stdout(), "{report:#}");
    } else if !arguments.silent {
        for fault in &inspected.faults {
            let _ = writeln!(std::io::stderr(), "{fault}");
        }
        let _ = writeln!(std::io::stdout(), "{} files, {errors} errors", inspected.files);
    }
    Ok(if errors == 0 { DONE } else { FAILED })
}

fn checks(arguments: &Check) -> Checks {
    let mut types: Vec<FileType> = arguments
        .types
        .iter()
        .map(|wanted| match wanted {
            Type::Any => FileType::Any,
            Type::Jpeg => FileType::Jpeg,
            Type::Ptif => FileType::Pyramid,
        })
        .collect();
    if arguments.any || types.is_empty() {
        types = vec![FileType::Any];
    }
    Checks {
        types,
        reads_pixels: arguments.read_pixels,
        validates_color_profile: arguments.validate_color_profile,
        rejects_16_bit: arguments.reject_16_bit,
        stops_on_error: arguments.stop_on_error,
    }
}

/// The files of the arguments or of the list, which has one path a line.
fn paths(arguments: &Check) -> Result<Option<Vec<PathBuf>>, String> {
    let Some(list) = &arguments.file_list else {
        return Ok((!arguments.files.is_empty()).then(|| arguments.files.clone()));
    };
    let bytes = std::fs::read(list).map_err(|error| format!("{}: {error}", list.display()))?;
    let lines = bytes.split(|&byte| byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let filled = lines.filter(|line| !line.is_empty());
    Ok(Some(filled.map(|line| Path::new(OsStr::from_bytes(line)).to_owned()).collect()))
}
