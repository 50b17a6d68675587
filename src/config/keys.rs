//! Every setting's name, its other spellings and where its value goes. The one place that knows setting names; it
//! reads no file. Long because it is a table.

use super::value::{self, Parsed};
use super::{Config, LogPattern};

/// What becomes of a setting.
pub enum Use {
    /// Its value goes into the `Config`.
    Set(fn(&mut Config, &str) -> Parsed<()>),
    /// The same, but nothing looks at it yet: the feature comes later.
    Later(fn(&mut Config, &str) -> Parsed<()>),
    /// It is accepted without effect; the text says why.
    Unused(&'static str),
}

/// One setting.
pub struct Key {
    /// Section of its documented name.
    pub section: &'static str,
    /// Its documented name.
    pub name: &'static str,
    /// Other spellings, as `section.name`.
    pub aliases: &'static [&'static str],
    /// What becomes of it.
    pub usage: Use,
}

const fn key(
    section: &'static str,
    name: &'static str,
    aliases: &'static [&'static str],
    set: fn(&mut Config, &str) -> Parsed<()>,
) -> Key {
    Key { section, name, aliases, usage: Use::Set(set) }
}

const fn later(
    section: &'static str,
    name: &'static str,
    aliases: &'static [&'static str],
    set: fn(&mut Config, &str) -> Parsed<()>,
) -> Key {
    Key { section, name, aliases, usage: Use::Later(set) }
}

const fn unused(
    section: &'static str,
    name: &'static str,
    aliases: &'static [&'static str],
    why: &'static str,
) -> Key {
    Key { section, name, aliases, usage: Use::Unused(why) }
}

fn put<T>(slot: &mut T, value: Parsed<T>) -> Parsed<()> {
    *slot = value?;
    Ok(())
}

const WEB_SERVER: &str = "it belongs to the web server";
const NONE: &str = "it has no counterpart here";
const LATER: &str = "this build does not use it";

/// A day in milliseconds: more is a mistake.
const DAY_MS: u64 = 86_400_000;

/// All settings.
pub static KEYS: &[Key] = &[
    key("IS", "RootPath", &["IS.RootPaths"], |c, v| put(&mut c.is.root_paths, value::paths(v))),
    key("IS", "SaveDirectory", &[], |c, v| put(&mut c.is.save_directory, value::optional_path(v))),
    later("IS", "TempDirectory", &[], |c, v| {
        put(&mut c.is.temp_directory, value::optional_path(v))
    }),
    key("IS", "MaxSavePixels", &[], |c, v| put(&mut c.is.max_save_pixels, value::millions(v))),
    key("IS", "MaxRenderRgnPixels", &[], |c, v| {
        put(&mut c.is.max_render_rgn_pixels, value::millions(v))
    }),
    key("IS", "MaxMessageSize", &[], |c, v| {
        let megabytes = value::number(v, "megabytes", 1..=65_536);
        put(&mut c.is.max_message_bytes, megabytes.map(|size| size << 20))
    }),
    key("IS", "MaxNonDsfSize", &[], |c, v| put(&mut c.is.max_non_dsf_pixels, value::millions(v))),
    later("IS", "SvgMaxRenderRgnPixels", &[], |c, v| {
        put(&mut c.is.svg_max_render_rgn_pixels, value::millions(v))
    }),
    key("IS", "PhysicalMemory", &[], |c, v| put(&mut c.is.physical_memory, value::memory(v))),
    key("IS", "WorkerThreads", &[], |c, v| {
        put(&mut c.is.worker_threads, value::count(v, 0..=1024))
    }),
    key("IS", "RemoteUrlTimeout", &[], |c, v| {
        put(&mut c.is.remote_url_timeout, value::seconds(v, 1..=3_600))
    }),
    key("IS", "RemoteUrlDefaultExpiration", &[], |c, v| {
        put(&mut c.is.remote_url_default_expiration, value::seconds(v, 0..=315_360_000))
    }),
    unused("IS", "Log", &["IS.LogFile"], "image processing is reported in the trace log"),
    key("IS", "TraceClient", &[], |c, v| {
        let level = value::number(v, "", 1..=4);
        put(&mut c.is.trace_client, level.map(|level| u8::try_from(level).unwrap_or(2)))
    }),
    key("IS", "TraceStatsInterval", &[], |c, v| {
        put(&mut c.is.trace_stats_interval, value::seconds(v, 5..=86_400))
    }),
    unused("IS", "TcpPort", &["PS.isConnection.port"], NONE),
    unused("IS", "CacheServerUrl", &[], NONE),
    unused("IS", "NumberOfTextServers", &[], NONE),
    unused("IS", "TextServerTcpPortRange", &[], NONE),
    unused("IS", "SVGTcpPort", &["SVG.SVGRender.port"], NONE),
    key("PS", "cache.rootPaths", &["PS.ResponseCacheFolders"], |c, v| {
        put(&mut c.ps.cache.root_paths, value::paths(v))
    }),
    key("PS", "cache.maxSize", &[], |c, v| put(&mut c.ps.cache.max_bytes, value::bytes(v, 0))),
    key("PS", "cache.maxEntries", &[], |c, v| {
        put(&mut c.ps.cache.max_entries, value::number(v, "", 0..=1_000_000_000))
    }),
    key("PS", "saveToFile.saveTimeout", &["PS.SaveTimeout"], |c, v| {
        put(&mut c.ps.save_to_file.save_timeout, value::milliseconds(v, 1..=DAY_MS))
    }),
    key("PS", "saveToFile.maxTimeout", &[], |c, v| {
        put(&mut c.ps.save_to_file.max_timeout, value::milliseconds(v, 1..=DAY_MS))
    }),
    key("PS", "saveToFile.overwrite", &[], |c, v| {
        put(&mut c.ps.save_to_file.overwrite, value::flag(v))
    }),
    key("PS", "saveToFile.requirePost", &[], |c, v| {
        put(&mut c.ps.save_to_file.require_post, value::flag(v))
    }),
    key("PS", "saveToFile.applyMaxPix", &[], |c, v| {
        put(&mut c.ps.save_to_file.apply_max_pix, value::flag(v))
    }),
    key("PS", "saveToFile.suffixes", &[], |c, v| {
        put(&mut c.ps.save_to_file.suffixes, value::suffixes(v))
    }),
    key("PS", "saveToFile.deniedParts", &[], |c, v| {
        put(&mut c.ps.save_to_file.denied_parts, value::words(v))
    }),
    key("PS", "saveToFile.maxBytes", &[], |c, v| {
        put(&mut c.ps.save_to_file.max_bytes, value::bytes(v, 0))
    }),
    key("PS", "saveToFile.minFreeBytes", &[], |c, v| {
        put(&mut c.ps.save_to_file.min_free_bytes, value::bytes(v, 0))
    }),
    key("PS", "saveToFile.durability", &[], |c, v| {
        put(&mut c.ps.save_to_file.durability, value::durability(v))
    }),
    key("PS", "saveToFile.mode", &[], |c, v| {
        put(&mut c.ps.save_to_file.mode, value::mode(v, 0o600, 0o666))
    }),
    key("PS", "saveToFile.allowCrossSite", &[], |c, v| {
        put(&mut c.ps.save_to_file.allow_cross_site, value::flag(v))
    }),
    key("PS", "saveToFile.formatFromSuffix", &[], |c, v| {
        put(&mut c.ps.save_to_file.format_from_suffix, value::flag(v))
    }),
    key("PS", "saveToFile.simultaneous", &[], |c, v| {
        put(&mut c.ps.save_to_file.simultaneous, value::count(v, 1..=1024))
    }),
    key("PS", "allowDefaultCatalogRequests", &["PS.allowDefaultCatalogRequsts"], |c, v| {
        put(&mut c.ps.allow_default_catalog_requests, value::flag(v))
    }),
    key("PS", "staticContent.rootPaths", &["PS.staticContent.rootPath"], |c, v| {
        put(&mut c.ps.static_content_root_paths, value::paths(v))
    }),
    key("PS", "errorRedirect.rootUrl", &[], |c, v| {
        put(&mut c.ps.error_redirect_root_url, value::server_url(v))
    }),
    key("PS", "errorRedirect.connectTimeout", &[], |c, v| {
        put(&mut c.ps.error_redirect_connect_timeout, value::milliseconds(v, 1..=DAY_MS))
    }),
    key("PS", "errorRedirect.socketTimeout", &[], |c, v| {
        put(&mut c.ps.error_redirect_socket_timeout, value::milliseconds(v, 1..=DAY_MS))
    }),
    later("PS", "svgProvider.rootPaths", &[], |c, v| {
        put(&mut c.ps.svg_root_paths, value::paths(v))
    }),
    later("PS", "svgProvider.fontRoot", &[], |c, v| put(&mut c.ps.svg_font_root, value::path(v))),
    later("PS", "svgProvider.SVGFileSizeLimit", &[], |c, v| {
        let kilobytes = value::number(v, "kilobytes", 1..=1_048_576);
        put(&mut c.ps.svg_file_limit_bytes, kilobytes.map(|size| size << 10))
    }),
    key("PS", "fvctx.useCatalogRecordValidation", &[], |c, v| {
        put(&mut c.ps.fvctx_use_catalog_record_validation, value::flag(v))
    }),
    key("PS", "fvctx.nestingLimit", &[], |c, v| {
        put(&mut c.ps.fvctx_nesting_limit, value::count(v, 1..=100))
    }),
    key("PS", "fvctx.brochureLimit", &[], |c, v| {
        put(&mut c.ps.fvctx_brochure_limit, value::count(v, 0..=10_000))
    }),
    unused("PS", "svgProvider.port", &[], NONE),
    unused("PS", "cacheCluster.hosts", &["PS.cluster.hosts"], LATER),
    unused("PS", "cacheCluster.queryTimeout", &["PS.cluster.queryTimeout"], LATER),
    unused("PS", "cacheCluster.fetchTimeout", &["PS.cluster.fetchTimeout"], LATER),
    unused("PS", "cacheCluster.updateLocalCache", &["PS.cluster.updateLocalCache"], LATER),
    key("CS", "catalog.rootPath", &["PS.catalog.rootPath", "PS.CatalogFolder"], |c, v| {
        put(&mut c.cs.root_path, value::path(v))
    }),
    later("CS", "catalog.cacheRoot", &["CS.CatalogCacheFolder", "PS.catalog.cacheRoot"], |c, v| {
        put(&mut c.cs.cache_root, value::path(v))
    }),
    key("CS", "catalog.modificationWaitTime", &["PS.catalog.modificationWaitTime"], |c, v| {
        put(&mut c.cs.modification_wait_time, value::milliseconds(v, 0..=DAY_MS))
    }),
    key("CS", "catalog.refreshInterval", &["PS.catalog.refreshInterval"], |c, v| {
        put(&mut c.cs.refresh_interval, value::milliseconds(v, 0..=DAY_MS))
    }),
    key("TC", "directory", &["PS.LogFolder"], |c, v| put(&mut c.tc.directory, value::path(v))),
    key("TC", "maxDays", &["PS.LogDays"], |c, v| {
        put(&mut c.tc.max_days, value::count(v, 1..=36_500))
    }),
    key("TC", "prefix", &[], |c, v| put(&mut c.tc.prefix, value::log_prefix(v))),
    key("TC", "pattern", &[], |c, v| put(&mut c.tc.pattern, LogPattern::parse(v))),
    unused("TC", "PsPort", &[], WEB_SERVER),
    unused("TC", "SslPort", &[], WEB_SERVER),
    unused("TC", "keystoreFile", &[], WEB_SERVER),
    unused("TC", "keystorePass", &[], WEB_SERVER),
    unused("TC", "keystoreType", &[], WEB_SERVER),
    unused("TC", "ciphers", &[], WEB_SERVER),
    unused("SV", "log", &["SV.LogFile"], NONE),
    unused("SV", "temp", &["SV.TempDirectory"], NONE),
    unused("SV", "tracelevel", &[], NONE),
    unused("SV", "ImageServerMode", &[], NONE),
    unused("SV", "PsHeapSize", &[], NONE),
    unused("SV", "SvgHeapSize", &[], NONE),
    unused("AS", "mailSender.host", &[], NONE),
    unused("AS", "mailSender.port", &[], NONE),
    unused("AS", "monitorAlertGenerator.enableGlobalAlerting", &[], NONE),
    unused("AS", "monitorAlertGenerator.messageTo", &[], NONE),
    unused("AS", "monitorAlertGenerator.messageFrom", &[], NONE),
    unused("AS", "monitorAlertGenerator.alertInterval", &[], LATER),
    unused("AS", "monitorAlertGenerator.heapSpaceResetInterval", &[], NONE),
    unused("AS", "monitorAlertGenerator.minTrafficForAlerts", &[], LATER),
    unused("AS", "monitorAlertGenerator.maxAverageResponseTime", &[], LATER),
    unused("AS", "monitorAlertGenerator.maxErrorRate", &[], LATER),
    unused("AS", "monitorAlertGenerator.minRequestRate", &[], LATER),
    unused("AS", "monitorAlertGenerator.minFreeHeapSpace", &[], NONE),
    unused("AS", "monitorAlertGenerator.maxOverlap", &[], LATER),
    unused("AS", "monitorAlertGenerator.lockedThreshold", &[], LATER),
    key("imprint", "listen", &[], |c, v| put(&mut c.imprint.listen, value::addresses(v))),
    key("imprint", "workers", &[], |c, v| put(&mut c.imprint.workers, value::count(v, 0..=256))),
    key("imprint", "maxConnections", &[], |c, v| {
        put(&mut c.imprint.max_connections, value::count(v, 1..=65_535))
    }),
    key("imprint", "idleTimeout", &[], |c, v| {
        put(&mut c.imprint.idle_timeout, value::milliseconds(v, 1_000..=DAY_MS))
    }),
    key("imprint", "queue", &[], |c, v| put(&mut c.imprint.queue, value::count(v, 0..=100_000))),
    key("imprint", "renderTimeout", &[], |c, v| {
        put(&mut c.imprint.render_timeout, value::milliseconds(v, 1..=DAY_MS))
    }),
    key("imprint", "maxQueryBytes", &[], |c, v| {
        put(&mut c.imprint.max_query_bytes, value::count(v, 1_024..=1_048_576))
    }),
    key("imprint", "prefix.image", &[], |c, v| {
        put(&mut c.imprint.prefix_image, value::url_path(v, false))
    }),
    key("imprint", "prefix.content", &[], |c, v| {
        put(&mut c.imprint.prefix_content, value::url_path(v, false))
    }),
    key("imprint", "sendfile", &[], |c, v| put(&mut c.imprint.sendfile, value::sendfile(v))),
    key("imprint", "sendfilePrefix", &[], |c, v| {
        put(&mut c.imprint.sendfile_prefix, value::url_path(v, true))
    }),
    key("imprint", "contentTypes", &[], |c, v| {
        put(&mut c.imprint.content_types, value::content_types(v))
    }),
    key("imprint", "contentSandbox", &[], |c, v| {
        put(&mut c.imprint.content_sandbox, value::flag(v))
    }),
    key("imprint", "defaultUpscale", &[], |c, v| {
        put(&mut c.imprint.default_upscale, value::flag(v))
    }),
    later("imprint", "usmRadiusScaling", &[], |c, v| {
        put(&mut c.imprint.usm_radius_scaling, value::flag(v))
    }),
    key("imprint", "missingStatus", &[], |c, v| {
        put(&mut c.imprint.missing_status, value::missing_status(v))
    }),
    key("imprint", "jsonErrorStatus", &[], |c, v| {
        put(&mut c.imprint.json_error_status, value::json_error_status(v))
    }),
    key("imprint", "trustedProxies", &[], |c, v| {
        put(&mut c.imprint.trusted_proxies, value::peers(v))
    }),
    key("imprint", "cacheControlFrom", &[], |c, v| {
        put(&mut c.imprint.cache_control_from, value::peers(v))
    }),
    key("imprint", "allowedPeers", &[], |c, v| {
        put(&mut c.imprint.allowed_peers, value::ip_addresses(v))
    }),
    key("imprint", "allowPublicTcp", &[], |c, v| {
        put(&mut c.imprint.allow_public_tcp, value::flag(v))
    }),
    key("imprint", "socketGroup", &[], |c, v| {
        put(&mut c.imprint.socket_group, value::optional_text(v))
    }),
    key("imprint", "socketMode", &[], |c, v| {
        put(&mut c.imprint.socket_mode, value::mode(v, 0o600, 0o777))
    }),
    key("imprint", "followLinks", &[], |c, v| put(&mut c.imprint.follow_links, value::flag(v))),
    key("imprint", "remoteHosts", &[], |c, v| {
        put(&mut c.imprint.remote_hosts, value::remote_hosts(v))
    }),
    key("imprint", "remoteMaxBytes", &[], |c, v| {
        put(&mut c.imprint.remote_max_bytes, value::bytes(v, 1))
    }),
    key("imprint", "remoteCacheBytes", &[], |c, v| {
        put(&mut c.imprint.remote_cache_bytes, value::bytes(v, 0))
    }),
    key("imprint", "remoteAuthorities", &[], |c, v| {
        put(&mut c.imprint.remote_authorities, value::optional_path(v))
    }),
    key("imprint", "logFormat", &[], |c, v| put(&mut c.imprint.log_format, value::log_format(v))),
];

/// The short name of a section, by any of its spellings; compared without case.
pub fn section(name: &str) -> Option<&'static str> {
    const SECTIONS: [(&str, &str); 10] = [
        ("IS", "IS"),
        ("ImageServer", "IS"),
        ("PS", "PS"),
        ("PlatformServer", "PS"),
        ("CS", "CS"),
        ("TC", "TC"),
        ("SV", "SV"),
        ("AS", "AS"),
        ("SVG", "SVG"),
        ("imprint", "imprint"),
    ];
    SECTIONS
        .iter()
        .find(|(spelling, _)| spelling.eq_ignore_ascii_case(name))
        .map(|(_, short)| *short)
}

/// The setting `name` of a section (by its short name), by any of its spellings.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        let is_alias = |alias: &&str| {
            alias.split_once('.').is_some_and(|(alias_section, alias_name)| {
                alias_section == section && alias_name.eq_ignore_ascii_case(name)
            })
        };
        (key.section == section && key.name.eq_ignore_ascii_case(name))
            || key.aliases.iter().any(is_alias)
    })
}

/// The setting that an environment variable (`IMPRINT_` already taken off) names: section, `_`, key, in upper case
/// with `_` for periods.
pub fn find_variable(name: &str) -> Option<&'static Key> {
    let spelled = |text: &str| text.to_ascii_uppercase().replace('.', "_");
    KEYS.iter().find(|key| {
        spelled(&format!("{}.{}", key.section, key.name)) == name
            || key.aliases.iter().any(|alias| spelled(alias) == name)
    })
}
