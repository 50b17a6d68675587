//! Everything that is wrong with settings and catalogs, for `imprint check`. It changes nothing and serves nothing.

use std::path::Path;

use crate::config::{Config, Fault, Report, Severity, Variable};

use super::{Catalog, Catalogs, Found, Suffixes};
use crate::error::shown;

/// Every fault of the settings in `config_path`, with the variables of `env`, of the folders they name, and of the
/// catalogs.
pub fn check(config_path: &Path, env: impl IntoIterator<Item = Variable>) -> Report {
    let config_path = std::path::absolute(config_path).unwrap_or_else(|_| config_path.to_owned());
    let (config, mut faults) = Config::read(&config_path, env);
    let mut missing_folder = |setting: &str, folder: &Path, consequence: &str| {
        if !folder.is_dir() {
            let message =
                format!("{setting} is {}, which is no folder; {consequence}", folder.display());
            faults.push(Fault::new(Severity::Warning, &config_path, None, message));
        }
    };
    for folder in &config.is.root_paths {
        missing_folder("RootPath", folder, "no source is found there");
    }
    if let Some(folder) = &config.is.save_directory {
        missing_folder("SaveDirectory", folder, "nothing can be saved");
    }
    if config.is.root_paths.is_empty() {
        let message =
            "RootPath is empty, so only sources with an absolute path in a catalog are found";
        faults.push(Fault::new(Severity::Note, &config_path, None, message));
    }
    let catalogs = Catalogs::load(&config.cs.root_path, None, &mut faults);
    for catalog in catalogs.all() {
        faults.extend(missing_watermark(&catalogs, catalog));
        let Some(path) = &catalog.attributes.save_path else { continue };
        let message = match &config.is.save_directory {
            None => format!("SavePath is {path}, but SaveDirectory is empty; nothing can be saved"),
            Some(root) if !root.join(path).is_dir() => {
                format!(
                    "SavePath is {path}, which is no folder in SaveDirectory; nothing can be saved"
                )
            }
            Some(_) => continue,
        };
        let line = catalog.loaded.line_of("SavePath");
        faults.push(Fault::new(Severity::Warning, catalog.file(), line, message));
    }
    let records = catalogs.all().iter().map(|catalog| catalog.loaded.record_count()).sum();
    Report { faults, catalogs: catalogs.all().len(), records }
}

/// A watermark that is no record fails every image of the catalog (`U-wm-types`). Under a locale it may have other ids.
fn missing_watermark(catalogs: &Catalogs, catalog: &Catalog) -> Option<Fault> {
    let id = catalog.attributes.watermark.as_deref()?;
    let line = catalog.loaded.line_of("Watermark")?;
    let found = catalogs.resolve(catalog, id, &Suffixes::none());
    if catalog.attributes.locale_map.is_some() || matches!(found, Ok(Found::Record { .. })) {
        return None;
    }
    let message = format!(
        "Watermark names {}, which is no record; every image of the catalog gets 403",
        shown(id)
    );
    Some(Fault::new(Severity::Warning, catalog.file(), Some(line), message))
}
