//! The logger of the process: standard error, and the trace log once the settings are known. Decides no message.
//!
//! The only global state of the program is here, as the logging facade wants it.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::config::{Config, LogFormat};
use crate::error::one_line;
use crate::reply::date::log_date;

use super::day_file::DayFile;
use super::thread_number;

/// How the names of trace logs begin.
const PREFIX: &str = "trace-";

/// Targets whose messages count at every level: `req=message`, the start and end of processes (level 1 of the
/// original), and saves (`U-save-log`).
const ALWAYS: [&str; 3] =
    ["imprint::message", "imprint::gateway::supervisor", "imprint::service::saving"];

static TRACE: OnceLock<Trace> = OnceLock::new();

struct Trace {
    /// Prints to standard error, and knows the filter of `RUST_LOG`.
    printer: env_logger::Logger,
    is_filtered: bool,
    level: AtomicUsize,
    is_json: AtomicBool,
    file: OnceLock<DayFile>,
}

/// Takes the messages of this process: to standard error from level `info`, or as `RUST_LOG` says.
///
/// A second start in one process, as in tests, changes nothing.
pub fn start() {
    let trace = TRACE.get_or_init(Trace::new);
    if log::set_logger(trace).is_ok() {
        log::set_max_level(match trace.is_filtered {
            true => trace.printer.filter(),
            false => LevelFilter::Info,
        });
    }
}

/// Goes on as the settings say: level of `IS::TraceClient` unless `RUST_LOG` is set, form of `logFormat`, and also to
/// the trace log where `TC::directory` exists.
pub fn follow(config: &Config) {
    let Some(trace) = TRACE.get() else { return };
    if !trace.is_filtered {
        let level = level(config.is.trace_client);
        trace.level.store(level as usize, Ordering::Relaxed);
        // Some targets are wanted at every level.
        log::set_max_level(level.max(LevelFilter::Info));
    }
    trace.is_json.store(config.imprint.log_format == LogFormat::Json, Ordering::Relaxed);
    let _ = trace.file.set(DayFile::new(&config.tc.directory, PREFIX, config.tc.max_days));
}

/// Messages of a level of `IS::TraceClient`: 1 errors, 2 also warnings and events, 3 also details, 4 all.
fn level(trace_client: u8) -> LevelFilter {
    match trace_client {
        0 | 1 => LevelFilter::Error,
        2 => LevelFilter::Info,
        3 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    }
}

impl Trace {
    fn new() -> Trace {
        let is_filtered = std::env::var_os("RUST_LOG").is_some_and(|filter| !filter.is_empty());
        let environment = env_logger::Env::default().default_filter_or("trace");
        let mut builder = env_logger::Builder::from_env(environment);
        builder.format(|line, record| {
            let (time, level, target) = (line.timestamp_seconds(), record.level(), record.target());
            // Whatever a message quotes cannot end its line or steer a terminal (L-9).
            let text = one_line(&record.args().to_string());
            writeln!(line, "[{time} {level:<5} {target}] {text}")
        });
        Trace {
            printer: builder.build(),
            is_filtered,
            level: AtomicUsize::new(LevelFilter::Info as usize),
            is_json: AtomicBool::new(false),
            file: OnceLock::new(),
        }
    }

    fn is_wanted(&self, metadata: &Metadata<'_>) -> bool {
        if self.is_filtered {
            return self.printer.enabled(metadata);
        }
        metadata.level() as usize <= self.level.load(Ordering::Relaxed)
            || (metadata.level() <= Level::Info && ALWAYS.contains(&metadata.target()))
    }
}

impl Log for Trace {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.is_wanted(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.is_wanted(record.metadata()) {
            return;
        }
        let now = SystemTime::now();
        match self.is_json.load(Ordering::Relaxed) {
            true => {
                let _ = std::io::stderr().write_all(json_line(record, now).as_bytes());
            }
            false => self.printer.log(record),
        }
        if let Some(file) = self.file.get().filter(|file| file.is_usable(now)) {
            let text = one_line(&record.args().to_string());
            let line = trace_line(now, record.level(), thread_number(), &text);
            if let Some(failure) = file.append(line.as_bytes(), now) {
                // Through the logger it would come back here.
                let _ = writeln!(std::io::stderr(), "the trace log loses lines: {failure}");
            }
        }
    }

    fn flush(&self) {}
}

/// `yyyy-MM-dd HH:mm:ss.SSS LEVEL [thread] message`.
fn trace_line(now: SystemTime, level: Level, thread: u32, text: &str) -> String {
    format!("{} {level} [{thread}] {text}\n", log_date(now))
}

fn json_line(record: &Record<'_>, now: SystemTime) -> String {
    let value = serde_json::json!({
        "time": log_date(now),
        "level": record.level().as_str(),
        "thread": thread_number(),
        "target": record.target(),
        "message": one_line(&record.args().to_string()),
    });
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_trace_line_has_time_level_thread_and_message() {
        let now = UNIX_EPOCH + Duration::from_millis(1_741_079_702_118);
        let line = trace_line(now, Level::Warn, 4711, "catalog shop.ini cannot be read");
        let expected = "2025-03-04 09:15:02.118 WARN [4711] catalog shop.ini cannot be read\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn trace_client_names_a_level() {
        let levels = [1, 2, 3, 4].map(level);
        use LevelFilter::{Debug, Error, Info, Trace};
        assert_eq!(levels, [Error, Info, Debug, Trace]);
    }
}
