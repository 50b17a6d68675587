//! The settings: `imprint.conf` and `IMPRINT_…` variables of the process to one [`Config`]. It knows no URL command.
//!
//! A reader meets [`Config`] first; `keys.rs` is the one place that knows setting names, `ini.rs` reads the lines of
//! settings and of catalog attribute files, [`Fault`] is what both report. Room `catalog` uses this room.
//! Settings are read once at start, from the file and the process environment only, never from a request (G-8).

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::shown;

mod address;
mod defaults;
mod fault;
mod host;
pub mod ini;
mod keys;
mod pattern;
mod value;

pub use address::{Address, AddressFilter};
pub use fault::{Fault, Report, Severity};
pub use host::RemoteHost;
pub use pattern::{LogField, LogPattern, LogPiece};

/// All settings, with their defaults filled in. Paths are relative only in `Config::default()`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Config {
    /// `[IS]`: sources, limits, memory.
    pub is: ImageSettings,
    /// `[PS]`: catalogs, caches, saving.
    pub ps: PlatformSettings,
    /// `[CS]`: where catalogs are and how often they are looked at.
    pub cs: CatalogSettings,
    /// `[TC]`: logs.
    pub tc: LogSettings,
    /// `[imprint]`: processes, sockets, our own switches.
    pub imprint: OwnSettings,
}

/// `[IS]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSettings {
    /// `RootPath`: folders of sources, in order; default none. An absolute path.
    pub root_paths: Vec<PathBuf>,
    /// `SaveDirectory`: root of `SavePath`; `None` (the default) disables saving (`U-save-root`).
    pub save_directory: Option<PathBuf>,
    /// `TempDirectory`: scratch files; `None` is the folder of the system.
    pub temp_directory: Option<PathBuf>,
    /// `MaxSavePixels` in pixels, default 100,000,000; exactly the limit is allowed.
    pub max_save_pixels: u64,
    /// `MaxRenderRgnPixels` in pixels, default 16,000,000.
    pub max_render_rgn_pixels: u64,
    /// `MaxMessageSize` in bytes, default 16 MiB.
    pub max_message_bytes: u64,
    /// `MaxNonDsfSize` in pixels of a source that is no pyramid, default 200,000,000.
    pub max_non_dsf_pixels: u64,
    /// `SvgMaxRenderRgnPixels` in pixels, default 4,000,000.
    pub svg_max_render_rgn_pixels: u64,
    /// `PhysicalMemory`: memory for image data, default 20 % of the machine's.
    pub physical_memory: Memory,
    /// `WorkerThreads` of one worker process; 0 (the default) is the processors divided by the workers.
    pub worker_threads: u32,
    /// `RemoteUrlTimeout`, default 60 s.
    pub remote_url_timeout: Duration,
    /// `RemoteUrlDefaultExpiration`, default 36,000 s.
    pub remote_url_default_expiration: Duration,
    /// `TraceClient`: level of messages, 1..=4, default 2.
    pub trace_client: u8,
    /// `TraceStatsInterval`, 5..=86400 s, default 600 s.
    pub trace_stats_interval: Duration,
}

/// `[PS]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlatformSettings {
    /// `saveToFile.*`.
    pub save_to_file: SaveSettings,
    /// `cache.*`.
    pub cache: CacheSettings,
    /// `allowDefaultCatalogRequests`, default true.
    pub allow_default_catalog_requests: bool,
    /// `staticContent.rootPaths`, default `static-content`; a folder that is missing disables the service.
    pub static_content_root_paths: Vec<PathBuf>,
    /// `errorRedirect.rootUrl`; `None` (the default) never redirects.
    pub error_redirect_root_url: Option<String>,
    /// `errorRedirect.connectTimeout`, default 1 s.
    pub error_redirect_connect_timeout: Duration,
    /// `errorRedirect.socketTimeout`, default 30 s.
    pub error_redirect_socket_timeout: Duration,
    /// `svgProvider.rootPaths`, default `images`.
    pub svg_root_paths: Vec<PathBuf>,
    /// `svgProvider.fontRoot`, default `images`.
    pub svg_font_root: PathBuf,
    /// `svgProvider.SVGFileSizeLimit` in bytes, default 1024 * 1024.
    pub svg_file_limit_bytes: u64,
    /// `fvctx.useCatalogRecordValidation`, default false.
    pub fvctx_use_catalog_record_validation: bool,
    /// `fvctx.nestingLimit`, default 10.
    pub fvctx_nesting_limit: u32,
    /// `fvctx.brochureLimit`, default 20.
    pub fvctx_brochure_limit: u32,
}

/// `saveToFile.*` under `[PS]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SaveSettings {
    /// `saveTimeout`, when a request has no `timeout=`; default 60 s.
    pub save_timeout: Duration,
    /// `maxTimeout`: larger `timeout=` are clamped to it (`U-save-timeout`); default 600 s.
    pub max_timeout: Duration,
    /// `overwrite`, default true (`U-save-overwrite`).
    pub overwrite: bool,
    /// `requirePost`, default false (`U-save-method`).
    pub require_post: bool,
    /// `applyMaxPix`, default false (`U-save-maxpix`).
    pub apply_max_pix: bool,
    /// `suffixes` (`U-save-suffix`).
    pub suffixes: Suffixes,
    /// `deniedParts`: inner parts of a name that are refused, lower case (`U-save-suffix`).
    pub denied_parts: Vec<String>,
    /// `maxBytes` of the whole save folder; 0 (the default) is without limit.
    pub max_bytes: u64,
    /// `minFreeBytes` of the file system that a save must leave free, default 64 MiB.
    pub min_free_bytes: u64,
    /// `durability`, default `full`.
    pub durability: Durability,
    /// `mode` of a saved file before the umask, default 0644; never executable or set-id.
    pub mode: u32,
    /// `allowCrossSite`, default false: a save that a browser marks as cross-site or prefetch is refused (W-1).
    pub allow_cross_site: bool,
    /// `formatFromSuffix`, default false (`U-save-format`).
    pub format_from_suffix: bool,
    /// `simultaneous`: saves that run at once in all workers together, default 4.
    pub simultaneous: u32,
}

/// `cache.*` under `[PS]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheSettings {
    /// `rootPaths`, default `cache`; the first also holds auxiliary caches. A folder that is missing is not used.
    pub root_paths: Vec<PathBuf>,
    /// `maxSize` in bytes, default 1 GiB.
    pub max_bytes: u64,
    /// `maxEntries`, default 1,000,000.
    pub max_entries: u64,
}

/// `[CS]`; `catalog.rootPath` may stand under `[PS]` too.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogSettings {
    /// `catalog.rootPath`: the folder with `default.ini`, default `catalogs`.
    pub root_path: PathBuf,
    /// `catalog.cacheRoot`: compiled catalogs, default `cache`.
    pub cache_root: PathBuf,
    /// `catalog.modificationWaitTime` between noticing a change and reading it, default 5 s.
    pub modification_wait_time: Duration,
    /// `catalog.refreshInterval` between two looks for changes, default 10 s.
    pub refresh_interval: Duration,
}

/// `[TC]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// `directory`, default `logs`; a folder that is missing is not used.
    pub directory: PathBuf,
    /// `maxDays` to keep logs, default 10.
    pub max_days: u32,
    /// `prefix` of the names of access logs, default `access-`.
    pub prefix: String,
    /// `pattern` of access logs.
    pub pattern: LogPattern,
}

/// `[imprint]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnSettings {
    /// `listen`: where the FastCGI socket is opened; several separated by `;`; default none.
    pub listen: Vec<Address>,
    /// `workers`: processes that serve, 0..=256, default 2; 0 serves in the process that was started.
    pub workers: u32,
    /// `maxConnections` of one worker, 1..=65535, default 256.
    pub max_connections: u32,
    /// `idleTimeout`: longest silence of a kept connection, 1 s to a day, default 75 s.
    pub idle_timeout: Duration,
    /// `queue`: renders that may wait in one worker, 0..=100000, default 64.
    pub queue: u32,
    /// `prefix.image`, default `/is/image`; begins with `/`, does not end with it.
    pub prefix_image: String,
    /// `prefix.content`, default `/is/content`.
    pub prefix_content: String,
    /// `maxQueryBytes`, 1024..=1048576, default 65536 (`U-limits-uri`).
    pub max_query_bytes: u32,
    /// `sendfile`, default `off`.
    pub sendfile: Sendfile,
    /// `sendfilePrefix`: internal location of `x-accel`, default `/_imprint/`.
    pub sendfile_prefix: String,
    /// `contentTypes`: suffixes of static files in lower case and their types, which go before the built-in ones.
    pub content_types: Vec<(String, String)>,
    /// `contentSandbox`: whether HTML, XML and JavaScript of static content are sandboxed, default true.
    pub content_sandbox: bool,
    /// `defaultUpscale`, default false (U022).
    pub default_upscale: bool,
    /// `usmRadiusScaling`, default true (U121).
    pub usm_radius_scaling: bool,
    /// `missingStatus`: status of a missing image, 403 (the default) or 404.
    pub missing_status: u16,
    /// `jsonErrorStatus`: status of errors of JSON requests, 200 (the default) or 403 for the one of other formats.
    pub json_error_status: u16,
    /// `trustedProxies`: peers whose `X-Forwarded-For` counts; default nobody.
    pub trusted_proxies: AddressFilter,
    /// `allowedPeers`: web servers that may connect over TCP (as `FCGI_WEB_SERVER_ADDRS`); empty is
    /// everyone.
    pub allowed_peers: Vec<IpAddr>,
    /// `allowPublicTcp`: whether to listen on an address that is not loopback, default false (G-13).
    pub allow_public_tcp: bool,
    /// `socketGroup` of socket files, a name or number; `None` keeps the group of the process.
    pub socket_group: Option<String>,
    /// `socketMode` of socket files, default 0660.
    pub socket_mode: u32,
    /// `followLinks`: whether links that stay beneath a source root are followed, default false (`U-path-safety`).
    pub follow_links: bool,
    /// `remoteHosts`: hosts that foreign sources may come from whatever their address and port; default none
    /// (`U-ssrf`).
    pub remote_hosts: Vec<RemoteHost>,
    /// `remoteMaxBytes` of a foreign source, default 64 MiB.
    pub remote_max_bytes: u64,
    /// `remoteCacheBytes`: memory of one worker for foreign sources that may be used again, default 64 MiB.
    pub remote_cache_bytes: u64,
    /// `remoteAuthorities`: PEM file of authorities for https beside those of the system; default none.
    pub remote_authorities: Option<PathBuf>,
    /// `logFormat` on standard error, default `text`.
    pub log_format: LogFormat,
    /// `cacheControlFrom`: clients whose `cache=off|update|validate` the server's cache obeys (`U-cache-abuse`); default
    /// everyone.
    pub cache_control_from: AddressFilter,
    /// `renderTimeout` of image requests, default 30 s.
    pub render_timeout: Duration,
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Percent of the machine's memory, 10..=90.
    Percent(u8),
    /// Bytes.
    Bytes(u64),
}

/// Suffixes of files that may be saved (`U-save-suffix`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffixes {
    /// `*`: any.
    Any,
    /// These, in lower case without the period, and names without a suffix.
    Listed(Vec<String>),
}

/// How far a save goes before it says `done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Data synced, renamed, folder synced.
    Full,
    /// Renamed; the system writes when it likes.
    Rename,
}

/// How a cached file is handed to the web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sendfile {
    /// We send the bytes.
    Off,
    /// `X-Accel-Redirect` (nginx).
    XAccel,
    /// `X-Sendfile` (Apache, lighttpd).
    XSendfile,
}

/// Form of the log on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text a message.
    Text,
    /// One JSON object a message.
    Json,
}

/// A text that is one of the process environment: name and value.
pub type Variable = (OsString, OsString);

impl Config {
    /// Reads the settings file and the `IMPRINT_<SECTION>_<KEY>` variables in `env`, which win.
    ///
    /// Every unknown key and bad value is an error; all of them are returned, not only the first.
    pub fn load(
        path: &Path,
        env: impl IntoIterator<Item = Variable>,
    ) -> Result<Config, Vec<Fault>> {
        let (config, faults) = Config::read(path, env);
        if faults.iter().any(|fault| fault.severity == Severity::Error) {
            return Err(faults);
        }
        Ok(config)
    }

    /// As `load`, but with everything that could be read, and all faults, notes included.
    pub fn read(path: &Path, env: impl IntoIterator<Item = Variable>) -> (Config, Vec<Fault>) {
        let mut config = Config::default();
        let mut faults = Vec::new();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        match settings_text(&path) {
            Ok(text) => config.apply_text(&text, &path, &mut faults),
            Err(message) => faults.push(Fault::new(Severity::Error, &path, None, message)),
        }
        config.apply_variables(env, &mut faults);
        config.rebase(path.parent().unwrap_or(Path::new("/")));
        config.check_together(&path, &mut faults);
        (config, faults)
    }

    /// The built-in defaults changed by the variables in `env` alone, for a start without a settings file; relative
    /// paths start at `folder`.
    pub fn without_file(
        folder: &Path,
        env: impl IntoIterator<Item = Variable>,
    ) -> Result<Config, Vec<Fault>> {
        let (mut config, mut faults) = (Config::default(), Vec::new());
        config.apply_variables(env, &mut faults);
        config.rebase(folder);
        config.check_together(folder, &mut faults);
        if faults.iter().any(|fault| fault.severity == Severity::Error) {
            return Err(faults);
        }
        Ok(config)
    }

    /// Section and name of every setting that this build uses, in the order of the sections.
    pub fn setting_names() -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_used = |key: &&keys::Key| !matches!(key.usage, keys::Use::Unused(_));
        keys::KEYS.iter().filter(is_used).map(|key| (key.section, key.name))
    }

    fn apply_text(&mut self, text: &str, file: &Path, faults: &mut Vec<Fault>) {
        let mut seen: Vec<*const keys::Key> = Vec::new();
        for entry in ini::read(text, ini::Dialect::Settings, file, faults) {
            let line = Some(entry.line);
            let mut fault = |severity, message: String| {
                faults.push(Fault::new(severity, file, line, message));
            };
            let Some(section) = keys::section(&entry.section) else {
                let found = shown(&entry.section);
                let expected = "expected [IS], [PS], [CS], [TC] or [imprint]";
                fault(
                    Severity::Error,
                    format!("{} stands in section [{found}], {expected}", entry.name),
                );
                continue;
            };
            let Some(key) = keys::find(section, &entry.name) else {
                fault(
                    Severity::Error,
                    format!(
                        "found {}, expected a setting of section [{section}]",
                        shown(&entry.name)
                    ),
                );
                continue;
            };
            if seen.iter().any(|other| std::ptr::eq(*other, key)) {
                fault(Severity::Warning, format!("{} is set again; the last one counts", key.name));
            }
            seen.push(key);
            if let Some((severity, message)) = self.apply(key, &entry.value) {
                fault(severity, message);
            }
        }
    }

    fn apply_variables(
        &mut self,
        env: impl IntoIterator<Item = Variable>,
        faults: &mut Vec<Fault>,
    ) {
        let mut variables: Vec<Variable> = env.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("IMPRINT_")) else {
                continue;
            };
            let file = Path::new(&name);
            let mut fault = |severity, message: String| {
                faults.push(Fault::new(severity, file, None, message));
            };
            match (keys::find_variable(rest), value.to_str()) {
                (Some(key), Some(value)) => {
                    if let Some((severity, message)) = self.apply(key, value) {
                        fault(severity, message);
                    }
                }
                (Some(key), None) => {
                    fault(Severity::Error, format!("{} is not UTF-8", key.name));
                }
                (None, _) => {
                    let section = rest.split_once('_').and_then(|(first, _)| keys::section(first));
                    if let Some(section) = section {
                        let message = format!("expected a setting of section [{section}]");
                        fault(Severity::Error, message);
                    }
                }
            }
        }
    }

    /// Puts one value in its place; what is wrong with it otherwise.
    fn apply(&mut self, key: &keys::Key, value: &str) -> Option<(Severity, String)> {
        let value = value.trim();
        match key.usage {
            keys::Use::Unused(why) => {
                Some((Severity::Note, format!("{} is not used: {why}", key.name)))
            }
            keys::Use::Set(set) | keys::Use::Later(set) => {
                let text = value::unquoted(value);
                if let Err(expected) = set(self, text) {
                    let found = shown(value);
                    let message = format!("{} is {found}, expected {expected}", key.name);
                    return Some((Severity::Error, message));
                }
                let mut probe = Config::default();
                let is_default = set(&mut probe, text).is_ok() && probe == Config::default();
                let is_later = matches!(key.usage, keys::Use::Later(_));
                (is_later && !is_default).then(|| {
                    (Severity::Note, format!("{} is read, but not carried out yet", key.name))
                })
            }
        }
    }

    /// Settings that do not go together.
    fn check_together(&mut self, file: &Path, faults: &mut Vec<Fault>) {
        let mut fault = |severity, message: &str| {
            faults.push(Fault::new(severity, file, None, message));
        };
        let save = &self.ps.save_to_file;
        if save.save_timeout > save.max_timeout {
            fault(Severity::Error, "saveToFile.saveTimeout is longer than saveToFile.maxTimeout");
        }
        if self.imprint.prefix_image == self.imprint.prefix_content {
            fault(Severity::Error, "prefix.image and prefix.content are the same");
        }
        // The root of the file system is no save folder (`U-save-root`).
        if self.is.save_directory.as_deref().is_some_and(|path| path.parent().is_none()) {
            self.is.save_directory = None;
            fault(
                Severity::Warning,
                "SaveDirectory is /, expected a folder of its own; saving is disabled",
            );
        }
    }

    /// The settings file to read: `given` (`-c`), else `IMPRINT_CONFIG`, else `imprint.conf` beside the binary, else
    /// `/etc/imprint/imprint.conf`. The first two are taken without a look; of the others the first that exists.
    pub fn find(
        given: Option<&Path>,
        env: impl IntoIterator<Item = Variable>,
        binary: Option<&Path>,
    ) -> Option<PathBuf> {
        if let Some(path) = given {
            return Some(path.to_owned());
        }
        let named =
            env.into_iter().find(|(name, value)| name == "IMPRINT_CONFIG" && !value.is_empty());
        if let Some((_, value)) = named {
            return Some(PathBuf::from(value));
        }
        let beside = binary.and_then(Path::parent).map(|folder| folder.join("imprint.conf"));
        let system = PathBuf::from("/etc/imprint/imprint.conf");
        beside.into_iter().chain([system]).find(|path| path.is_file())
    }

    /// The built-in defaults with their relative paths joined to `folder`.
    pub fn defaults_in(folder: &Path) -> Config {
        let mut config = Config::default();
        config.rebase(folder);
        config
    }

    fn rebase(&mut self, folder: &Path) {
        // Collecting the components drops each `.`.
        let join = |path: &mut PathBuf| *path = folder.join(&*path).components().collect();
        self.is.root_paths.iter_mut().for_each(join);
        self.is.save_directory.iter_mut().for_each(join);
        self.is.temp_directory.iter_mut().for_each(join);
        self.ps.cache.root_paths.iter_mut().for_each(join);
        self.ps.static_content_root_paths.iter_mut().for_each(join);
        self.ps.svg_root_paths.iter_mut().for_each(join);
        join(&mut self.ps.svg_font_root);
        join(&mut self.cs.root_path);
        join(&mut self.cs.cache_root);
        join(&mut self.tc.directory);
        self.imprint.remote_authorities.iter_mut().for_each(join);
        for address in &mut self.imprint.listen {
            if let Address::Unix(path) = address {
                join(path);
            }
        }
    }
}

/// Bytes of the largest settings file.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;

fn settings_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_SETTINGS_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SETTINGS_BYTES {
        return Err(format!("is longer than {MAX_SETTINGS_BYTES} bytes"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let lines =
                bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
            Err(format!("line {} is not UTF-8", lines + 1))
        }
    }
}
