//! The access log: pattern and file together. Knows no gateway.

use crate::config::{LogPattern, LogSettings};

use super::Entry;
use super::day_file::DayFile;
use super::line::line;

/// The access log of one process.
#[derive(Debug)]
pub(super) struct Access {
    pattern: LogPattern,
    request_headers: Vec<String>,
    file: DayFile,
}

impl Access {
    /// By `[TC]`; opens nothing yet.
    pub(super) fn new(settings: &LogSettings) -> Access {
        let mut request_headers: Vec<String> =
            settings.pattern.request_headers().map(str::to_owned).collect();
        request_headers.sort();
        request_headers.dedup();
        Access {
            pattern: settings.pattern.clone(),
            request_headers,
            file: DayFile::new(&settings.directory, &settings.prefix, settings.max_days),
        }
    }

    pub(super) fn request_headers(&self) -> &[String] {
        &self.request_headers
    }

    pub(super) fn write(&self, entry: &Entry<'_>) {
        if !self.file.is_usable(entry.sent_at) {
            return;
        }
        let line = line(&self.pattern, entry);
        if let Some(failure) = self.file.append(&line, entry.sent_at) {
            log::warn!("the access log loses lines: {failure}");
        }
    }
}
