//! `imprint check`: the faults of settings and catalogs, for a person or for a program.

use std::io::Write;

use super::{Check, DONE, FAILED, config_path, images};
use crate::catalog;
use crate::config::{Fault, Severity};

pub(super) fn check(arguments: &Check) -> Result<u8, String> {
    if arguments.images {
        return images::check(arguments);
    }
    let path = config_path(&arguments.settings)?;
    let report = catalog::check(&path, std::env::vars_os());
    let errors = report.faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let text = match arguments.json {
        true => {
            let faults: Vec<serde_json::Value> = report.faults.iter().map(json_fault).collect();
            let report = serde_json::json!({
                "faults": faults,
                "catalogs": report.catalogs,
                "records": report.records,
            });
            format!("{report:#}\n")
        }
        false => {
            let lines: String = report.faults.iter().map(|fault| format!("{fault}\n")).collect();
            let (catalogs, records) = (report.catalogs, report.records);
            format!("{lines}{catalogs} catalogs, {records} records, {errors} errors\n")
        }
    };
    // A broken pipe is not an error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if errors == 0 { DONE } else { FAILED })
}

pub(super) fn json_fault(fault: &Fault) -> serde_json::Value {
    serde_json::json!({
        "file": fault.file.to_string_lossy(),
        "line": fault.line,
        "severity": fault.severity.name(),
        "message": fault.message,
    })
}
