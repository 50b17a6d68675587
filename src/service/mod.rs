//! The pipeline of a request, one line for one stage. Knows neither FastCGI nor CGI.
//!
//! A reader meets [`Service`] (what all requests share) and [`Service::answer`] (where a request enters) first.
//! `call` is one request on its way, `guard` decides whether it may go on; `texts` makes the request of all that takes
//! part, `lookup` finds its objects, `scene` opens them, `prepare` hands them to plan and renderer. `picture` answers
//! with an image, `instead` with one in its place, `saving` saves it; `properties` answers the property types of images
//! and catalogs, `records` those of a record's own texts, `maps` image maps, `sets` and `bitrates` those of media sets and
//! videos, `validators` makes versions, ETags and cache keys, `cached` asks the reply cache first. `remote` fetches
//! foreign sources, `redirect` asks a second server about errors. `content` answers for static content, `delivery` sends
//! its files.

#![forbid(unsafe_code)]

pub mod admission;
mod bitrates;
mod cached;
mod call;
mod content;
mod delivery;
mod explain;
mod facts;
mod guard;
mod instead;
mod kept;
mod lookup;
mod maps;
mod message;
mod picture;
mod prepare;
mod properties;
mod records;
mod redirect;
mod remote;
mod rule_headers;
mod saving;
mod scene;
mod set_objects;
mod set_walk;
mod sets;
mod sources;
mod static_files;
mod texts;
mod validators;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::cache::{CacheOptions, ReplyCache};
use crate::catalog::{CatalogStore, Catalogs, RuleHeader};
use crate::config::{Config, Fault, Memory, Severity};
use crate::error::{Error, Kind, shown};
use crate::limits::{Deadline, Limits};
use crate::plan::PlanSettings;
use crate::raster::Model;
use crate::reply::body::Body;
use crate::reply::property::{Properties, PropertyStyle};
use crate::reply::{ErrorForm, ErrorStyle, Facts, HeaderValue, Reply, of_error};
use crate::request::{
    Asked, Context, Located, Method, Options, Prefixes, RawRequest, ReqType, Role, SourceText,
    Surroundings, Target, TextLimits, append_body, asked, query_text, split_target,
};
use crate::save::SaveFolder;
use crate::source::{Remote, RootSettings, Roots, Secondary};

use admission::{Admission, AdmissionLimits};
use call::{Call, MainObject};
pub use explain::{ExplainedCommand, ExplainedLayer, ExplainedPlan, Explanation};
use guard::Arrived;
use rule_headers::add_headers;
pub use sources::check_sources;
use static_files::StaticRoots;

/// Everything that requests share: settings, catalogs, roots, save folder, reply cache, admission.
pub struct Service {
    config: Config,
    catalogs: CatalogStore,
    roots: Roots,
    remote: Remote,
    secondary: Option<Secondary>,
    static_roots: StaticRoots,
    saves: SaveFolder,
    cache: ReplyCache,
    admission: Admission,
    prefixes: Prefixes,
    text_limits: TextLimits,
    plan_settings: PlanSettings,
    messages: message::Rate,
}

/// A worker that takes the place of another should not turn away requests that the other would have answered, nor be
/// long in coming.
const START_PATIENCE: Duration = Duration::from_secs(2);

/// How many workers share the machine, and whether requests run one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Processes that render on this machine with these settings, at least 1.
    pub workers: u32,
}

/// A request of the image context as it arrives at the guard.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    raw: &'a RawRequest,
    located: &'a Located,
    /// The query with the body of a POST behind it.
    query: Option<&'a [u8]>,
    catalogs: &'a Catalogs,
    deadline: &'a Deadline,
    now: SystemTime,
    /// That type is exempt from `PS::allowDefaultCatalogRequests`.
    is_catalog_props: bool,
}

/// What the guard did to a request.
struct Trace {
    /// Names of the rules that matched.
    rules: Vec<String>,
    /// The clear query without its lock, before any rule.
    query_before_rules: String,
}

impl Service {
    /// Opens the roots and the save folder and loads the catalogs that `config` names, all of them before it returns:
    /// for one request or a few. Catalogs are looked at again before a request.
    ///
    /// Fails with `Internal` when a source root or `remoteAuthorities` cannot be opened. A save folder that cannot be
    /// used only disables saving; the log says why.
    pub fn open(config: Config, share: Share) -> Result<Service, Error> {
        let cs = &config.cs;
        let catalogs =
            CatalogStore::open(&cs.root_path, cs.refresh_interval, cs.modification_wait_time);
        Service::over(catalogs, config, share)
    }

    /// The same for a server: a thread reads the catalogs, and no request waits for one that has changed. Those that
    /// are not there within two seconds are `Busy` until they are, while the others serve; the default one always is.
    pub fn start(config: Config, share: Share) -> Result<Service, Error> {
        let cs = &config.cs;
        let catalogs = CatalogStore::watch(
            &cs.root_path,
            cs.refresh_interval,
            cs.modification_wait_time,
            START_PATIENCE,
        )?;
        Service::over(catalogs, config, share)
    }

    fn over(catalogs: CatalogStore, config: Config, share: Share) -> Result<Service, Error> {
        let workers = u64::from(share.workers.max(1));
        let memory_bytes = memory_bytes(config.is.physical_memory) / workers;
        let limits = Limits {
            source_pixels: config.is.max_non_dsf_pixels,
            memory_bytes,
            ..Limits::default()
        };
        let roots = Roots::open(&config.is.root_paths, root_settings(&config))?;
        let remote = Remote::new(remote::settings(&config, &limits))?;
        let secondary = redirect::secondary(&config, &remote);
        let static_paths = &config.ps.static_content_root_paths;
        let static_roots = StaticRoots::open(static_paths, root_settings(&config))?;
        let saves = saving::open_folder(&config);
        if let Some(reason) = saves.disabled_reason() {
            log::info!("saving to file is disabled: {reason}");
        }
        let cache = ReplyCache::open(&CacheOptions {
            roots: config.ps.cache.root_paths.clone(),
            max_bytes: config.ps.cache.max_bytes,
            max_entries: config.ps.cache.max_entries,
        });
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let slots = match config.is.worker_threads {
            0 => processors.div_ceil(share.workers.max(1) as usize),
            threads => threads as usize,
        };
        let admission = Admission::new(AdmissionLimits {
            slots,
            memory_bytes,
            queue: config.imprint.queue as usize,
            saves: config.ps.save_to_file.simultaneous.div_ceil(share.workers.max(1)) as usize,
        });
        Ok(Service {
            catalogs,
            roots,
            remote,
            secondary,
            static_roots,
            saves,
            cache,
            admission,
            prefixes: Prefixes {
                image: config.imprint.prefix_image.clone(),
                content: config.imprint.prefix_content.clone(),
                render: Some("/ir/render".to_owned()),
            },
            text_limits: TextLimits {
                query_bytes: config.imprint.max_query_bytes as usize,
                ..TextLimits::default()
            },
            plan_settings: PlanSettings {
                max_render_pixels: config.is.max_render_rgn_pixels,
                max_save_pixels: config.is.max_save_pixels,
                default_upscale: config.imprint.default_upscale,
                save_applies_max_pix: config.ps.save_to_file.apply_max_pix,
                limits,
            },
            messages: message::Rate::default(),
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The prefixes of the contexts, for gateways that have to tell rewritten targets.
    pub fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    /// Removes temporary files that dead processes left in the save folder (`U-save-atomic`).
    pub fn sweep(&self) {
        let swept = self.saves.sweep();
        log::debug!("stale temporary files: {swept:?}");
    }

    /// Answers one request; never fails: every error becomes the reply that the protocol documents.
    pub fn answer(&self, raw: &RawRequest, deadline: &Deadline) -> Reply {
        let now = SystemTime::now();
        match raw.method {
            Method::Options => return options(),
            Method::Other => {
                let error = Error::new(Kind::Method, "expected GET, HEAD or POST");
                return self.refuse(&error, &ErrorForm::Line, ErrorStyle::default(), now);
            }
            Method::Get | Method::Head | Method::Post => {}
        }
        let located = match split_target(&raw.target, &self.prefixes, &self.text_limits) {
            Ok(located) => located,
            Err(error) => {
                let is_served = error.kind() != Kind::UnknownContext;
                let form = match is_served {
                    true => error_form(&self.asked_of(raw_query(&raw.target))),
                    false => ErrorForm::Line,
                };
                return self.refuse(&error, &form, self.style(0), now);
            }
        };
        let served = match located.context {
            Context::Image => self.image_context(raw, &located, deadline, now),
            Context::Content => self.content_context(raw, &located, deadline, now),
            Context::Render => {
                Err(Error::new(Kind::UnknownContext, "image rendering is not served by this build"))
            }
        };
        served.unwrap_or_else(|error| self.refuse(&error, &ErrorForm::Line, self.style(0), now))
    }

    /// The reply that the watchdog sends when `deadline` expired the work (`U-save-fail-body` for a save).
    pub fn timed_out(deadline: &Deadline) -> Reply {
        let error = Error::new(Kind::TimedOut, "the time allowed has passed");
        let (error, form) = match deadline.is_save() {
            true => (error.with_title(crate::save::TIMED_OUT), ErrorForm::Save),
            false => (error, ErrorForm::Line),
        };
        let mut reply = of_error(&error, &form, ErrorStyle::default(), SystemTime::now());
        if deadline.is_save() {
            reply.facts.req_type = facts::type_name(ReqType::SaveToFile);
        }
        reply
    }

    fn options(&self) -> Options {
        Options { limits: self.text_limits, ..Options::default() }
    }

    /// What the URL itself asks for, without a catalog and its macros. A query over the limit counts up to it.
    fn asked_of(&self, query: &[u8]) -> Asked {
        let query = query.get(..self.text_limits.query_bytes).unwrap_or(query);
        let nothing = Surroundings { macros: &|_, _| None, object: None, inherited: &[] };
        asked(&[SourceText::url(&query_text(query))], &nothing, &self.options())
    }

    fn style(&self, detail_level: u8) -> ErrorStyle {
        ErrorStyle {
            detail_level,
            missing_status: self.config.imprint.missing_status,
            json_error_status: self.config.imprint.json_error_status,
        }
    }

    /// Shows an error and logs it, once.
    fn refuse(&self, error: &Error, form: &ErrorForm, style: ErrorStyle, now: SystemTime) -> Reply {
        match error.kind().log_class() {
            3 => log::error!("{error}"),
            4 => log::warn!("{error}"),
            _ => log::debug!("{error}"),
        }
        of_error(error, form, style, now)
    }

    fn image_context(
        &self,
        raw: &RawRequest,
        located: &Located,
        deadline: &Deadline,
        now: SystemTime,
    ) -> Result<Reply, Error> {
        let query = located.query.clone();
        let is_post = raw.method == Method::Post;
        let query = match is_post {
            true => {
                let content_type = raw.headers.content_type.as_deref();
                match append_body(query, &raw.body, content_type, &self.text_limits) {
                    Ok(query) => query,
                    Err(error) => {
                        let form = error_form(&self.asked_of(raw_query(&raw.target)));
                        return Ok(self.refuse(&error, &form, self.style(0), now));
                    }
                }
            }
            false => query,
        };
        if located.object.is_empty() && query.as_ref().is_none_or(|query| query.is_empty()) {
            return Ok(banner(now));
        }
        self.catalogs.refresh(Instant::now());
        let catalogs: Arc<Catalogs> = self.catalogs.current();
        // The type decides how an error is shown, so it is found out before anything can fail.
        let asked = self.asked_of(query.as_deref().unwrap_or_default());
        let mut form = error_form(&asked);
        let mut style = self.style(0);
        let mut facts = self.first_facts(located.context, asked.req.kind);
        let started = Instant::now();
        let mut answered = || {
            let arrival = Arrival {
                raw,
                located,
                query: query.as_deref(),
                catalogs: &catalogs,
                deadline,
                now,
                is_catalog_props: asked.req.kind == ReqType::CatalogProps,
            };
            let (call, headers, _) = self.arrived(arrival, &mut style)?;
            let asked = call.asked();
            form = error_form(&asked);
            let kind = asked.req.kind;
            call.add_facts(&mut facts, kind);
            facts.parse_time = started.elapsed();
            if kind == ReqType::SaveToFile {
                deadline.mark_save();
            }
            let mut reply = call.answer(kind).or_else(|error| {
                let failure = Facts::of_error(&error);
                let mut reply = call.error_image(kind, error, style.detail_level)?;
                // The log tells what an error image stands for.
                *reply.facts = Facts { cache_use: reply.facts.cache_use, ..failure };
                Ok(reply)
            })?;
            call.add_headers(&mut reply, &headers);
            Ok(reply)
        };
        let mut reply = match answered() {
            Ok(reply) => reply,
            Err(error) => {
                let redirected = match self.redirects(raw, deadline, &error) {
                    true => self.redirected(raw, located, &error, deadline),
                    false => None,
                };
                redirected.unwrap_or_else(|| self.refuse(&error, &form, style, now))
            }
        };
        if is_post {
            never_cached(&mut reply);
        }
        facts.fetch_time = started.elapsed().saturating_sub(facts.parse_time);
        facts::join(&mut reply, facts);
        Ok(reply)
    }

    /// Stages 3 to 6 and 9: what the guard makes of a request, and its main catalog. `style` follows the catalog that
    /// is known so far. The values are the call, headers of rules, and what only an explanation tells.
    fn arrived<'a>(
        &'a self,
        arrival: Arrival<'a>,
        style: &mut ErrorStyle,
    ) -> Result<(Call<'a>, Vec<RuleHeader>, Trace), Error> {
        let Arrival { raw, located, query, catalogs, deadline, now, is_catalog_props } = arrival;
        let allow_default = self.config.ps.allow_default_catalog_requests || is_catalog_props;
        let client = self.client(raw);
        let preliminary = catalogs.main(located.object.elements(), allow_default)?;
        *style = self.style(preliminary.catalog.attributes.error_detail);
        let arrived =
            Arrived { located, query, client, prefixes: &self.prefixes, limits: &self.text_limits };
        let guarded = guard::guarded(arrived, &preliminary)?;
        let elements = guarded.located.object.elements();
        let main = guard::main_after(catalogs, &preliminary, elements, allow_default)?;
        // A rule may lead to another catalog; its filter holds as well.
        if !guarded.replaces_address_filter {
            guard::check_address(&main.catalog.attributes.client_address_filter, client)?;
        }
        *style = self.style(main.catalog.attributes.error_detail);
        let mut call = Call {
            service: self,
            raw,
            deadline,
            now,
            client,
            catalogs,
            main: MainObject::of(&main),
            located: guarded.located.clone(),
            query: guarded.query,
            overrides: guarded.overrides,
            locale: None,
            object: None,
            inherited: Vec::new(),
            role: Role::Main,
            model: Model::Rgb,
            stand_in: None,
            depth: 0,
            nested_left: call::nested_requests(),
        };
        call.locale = call.requested_locale();
        let trace = Trace { rules: guarded.rules, query_before_rules: guarded.query_before_rules };
        Ok((call, guarded.headers, trace))
    }

    /// The client's address: the peer, or what a trusted proxy says (`U-addr`).
    fn client(&self, raw: &RawRequest) -> Option<IpAddr> {
        let peer = raw.peer?;
        if !self.config.imprint.trusted_proxies.allows(peer) {
            return Some(peer);
        }
        let Some(forwarded) = &raw.headers.forwarded_for else { return Some(peer) };
        let text = std::str::from_utf8(forwarded).ok()?;
        let trusted = |address: &IpAddr| self.config.imprint.trusted_proxies.allows(*address);
        let addresses = text.rsplit(',').map(|part| part.trim().parse::<IpAddr>());
        for address in addresses {
            match address {
                Ok(address) if trusted(&address) => {}
                Ok(address) => return Some(address),
                Err(_) => return None,
            }
        }
        Some(peer)
    }
}

impl Call<'_> {
    /// Refuses a locale that has no rule, then answers the request type.
    fn answer(&self, kind: ReqType) -> Result<Reply, Error> {
        // Each map refuses what it does not list, whatever the type (`U-locale-empty-default`, `U-loc-missing`).
        self.main.catalog.suffixes(self.locale.as_deref())?;
        self.localizer()?;
        match kind {
            ReqType::Img | ReqType::Mask | ReqType::Tmb => self.image(),
            ReqType::SaveToFile => self.save(),
            ReqType::LoadCache => self.load_cache(),
            ReqType::Props => self.props(),
            ReqType::ImageProps => self.image_props(),
            ReqType::CatalogProps => self.catalog_props(),
            ReqType::Exists => self.exists(),
            ReqType::Map => self.map(),
            ReqType::ImageSet => self.image_set(),
            ReqType::Targets => self.targets(),
            ReqType::UserData => self.user_data(),
            ReqType::Xlate => self.xlate(),
            ReqType::Xmp => self.xmp(),
            ReqType::Validate => self.validate(),
            ReqType::Resolve => self.resolve(),
            ReqType::Set => self.set(),
            ReqType::MbrSet => self.mbr_set(),
            ReqType::Message => self.message(),
        }
    }

    /// Headers of rules, on replies that succeed (`U-rule-header`).
    fn add_headers(&self, reply: &mut Reply, headers: &[RuleHeader]) {
        if headers.is_empty() || !matches!(reply.status, 200 | 304) {
            return;
        }
        let path = self.path_object().ok().flatten();
        add_headers(reply, headers, &self.variables(path.as_ref()));
    }

    fn text_reply(&self, properties: &Properties) -> Reply {
        Reply::text(200, properties.to_text(self.now))
    }
}

/// The undecoded query of a target that cannot be taken apart.
fn raw_query(target: &Target) -> &[u8] {
    match target {
        Target::Raw(text) => text
            .iter()
            .position(|&byte| byte == b'?')
            .and_then(|at| text.get(at + 1..))
            .unwrap_or_default(),
        Target::Decoded { query, .. } => query,
    }
}

fn error_form(asked: &Asked) -> ErrorForm {
    match asked.req.kind {
        ReqType::SaveToFile => ErrorForm::Save,
        ReqType::Img
        | ReqType::Mask
        | ReqType::Tmb
        | ReqType::Message
        | ReqType::Resolve
        | ReqType::LoadCache
        | ReqType::Xmp => ErrorForm::Line,
        ReqType::Props
        | ReqType::ImageProps
        | ReqType::CatalogProps
        | ReqType::Exists
        | ReqType::ImageSet
        | ReqType::Set
        | ReqType::MbrSet
        | ReqType::Targets
        | ReqType::UserData
        | ReqType::Map
        | ReqType::Xlate
        | ReqType::Validate => ErrorForm::Properties(PropertyStyle::of(asked)),
    }
}

fn root_settings(config: &Config) -> RootSettings {
    use crate::confined::Links;
    let links = if config.imprint.follow_links { Links::Beneath } else { Links::Refused };
    RootSettings { links, ..RootSettings::default() }
}

/// The memory for image data (`IS::PhysicalMemory`).
fn memory_bytes(memory: Memory) -> u64 {
    match memory {
        Memory::Bytes(bytes) => bytes,
        Memory::Percent(percent) => physical_bytes() / 100 * u64::from(percent),
    }
}

fn physical_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    (info.totalram as u64).saturating_mul(u64::from(info.mem_unit))
}

/// The text of an empty request, also a health check (`U-banner`).
fn banner(now: SystemTime) -> Reply {
    let mut properties = Properties::new();
    properties.text("copyright", "imprint - open source image server");
    Reply::text(200, properties.to_text(now))
}

fn options() -> Reply {
    let headers = vec![("Allow".into(), HeaderValue::new("GET, HEAD, POST"))];
    Reply::new(204, headers, Body::empty())
}

/// Replies to POST are never cacheable (`U-post`).
fn never_cached(reply: &mut Reply) {
    const CACHING: [&str; 4] = ["Cache-Control", "Expires", "ETag", "Last-Modified"];
    reply.headers.retain(|(name, _)| !CACHING.contains(&name.as_str()));
    reply.headers.push(("Cache-Control".into(), HeaderValue::new("no-store")));
}

/// A folder's settings, read and opened: `imprint.conf` at `path`.
pub fn open_at(path: &Path, share: Share) -> Result<Service, Vec<Fault>> {
    let config = Config::load(path, std::env::vars_os())?;
    Service::open(config, share)
        .map_err(|error| vec![Fault::new(Severity::Error, path, None, shown(&error.to_string()))])
}
