//! The built-in value of every setting; `conf/imprint.conf` states the same ones, and a test compares them.

use std::path::PathBuf;
use std::time::Duration;

use super::{
    AddressFilter, CacheSettings, CatalogSettings, Durability, ImageSettings, LogFormat,
    LogPattern, LogSettings, Memory, OwnSettings, PlatformSettings, SaveSettings, Sendfile,
    Suffixes,
};

impl Default for ImageSettings {
    fn default() -> ImageSettings {
        ImageSettings {
            root_paths: Vec::new(),
            save_directory: None,
            temp_directory: None,
            max_save_pixels: 100_000_000,
            max_render_rgn_pixels: 16_000_000,
            max_message_bytes: 16 << 20,
            max_non_dsf_pixels: 200_000_000,
            svg_max_render_rgn_pixels: 4_000_000,
            physical_memory: Memory::Percent(20),
            worker_threads: 0,
            remote_url_timeout: Duration::from_secs(60),
            remote_url_default_expiration: Duration::from_secs(36_000),
            trace_client: 2,
            trace_stats_interval: Duration::from_secs(600),
        }
    }
}

impl Default for PlatformSettings {
    fn default() -> PlatformSettings {
        PlatformSettings {
            save_to_file: SaveSettings::default(),
            cache: CacheSettings::default(),
            allow_default_catalog_requests: true,
            static_content_root_paths: vec![PathBuf::from("static-content")],
            error_redirect_root_url: None,
            error_redirect_connect_timeout: Duration::from_secs(1),
            error_redirect_socket_timeout: Duration::from_secs(30),
            svg_root_paths: vec![PathBuf::from("images")],
            svg_font_root: PathBuf::from("images"),
            svg_file_limit_bytes: 1024 * 1024,
            fvctx_use_catalog_record_validation: false,
            fvctx_nesting_limit: 10,
            fvctx_brochure_limit: 20,
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

impl Default for SaveSettings {
    fn default() -> SaveSettings {
        SaveSettings {
            save_timeout: Duration::from_secs(60),
            max_timeout: Duration::from_secs(600),
            overwrite: true,
            require_post: false,
            apply_max_pix: false,
            suffixes: Suffixes::Listed(words(
                "jpg jpeg jpe jfif png gif tif tiff webp avif heic jp2 j2k jpx jxr wdp pdf eps",
            )),
            denied_parts: words("php phtml cgi pl py jsp asp aspx sh htaccess"),
            max_bytes: 0,
            min_free_bytes: 64 << 20,
            durability: Durability::Full,
            mode: 0o644,
            allow_cross_site: false,
            format_from_suffix: false,
            simultaneous: 4,
        }
    }
}

impl Default for CacheSettings {
    fn default() -> CacheSettings {
        CacheSettings {
            root_paths: vec![PathBuf::from("cache")],
            max_bytes: 1 << 30,
            max_entries: 1_000_000,
        }
    }
}

impl Default for CatalogSettings {
    fn default() -> CatalogSettings {
        CatalogSettings {
            root_path: PathBuf::from("catalogs"),
            cache_root: PathBuf::from("cache"),
            modification_wait_time: Duration::from_secs(5),
            refresh_interval: Duration::from_secs(10),
        }
    }
}

/// The documented pattern of access logs.
const PATTERN: &str = "%G %a %s %{ProcessingStatus}r %{Size}r %D %{ParseTime}r %{FetchTime}r %O %{ReqType}r \
'%{RootId}r' %{CacheUse}r %R [%I] '%{Referer}i' %{Host}i %{X-Forwarded-For}i %{If-None-Match}i %{If-Match}i \
%{If-Modified-Since}i %{Digest}r %{ContentType}r %p %{Exception}r %{CacheKey}r %{PeerServer}r %{SendTime}r \
%{Context}r %{TransformedUrl}r %{PathBasedAccess}r";

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            directory: PathBuf::from("logs"),
            max_days: 10,
            prefix: "access-".to_owned(),
            pattern: LogPattern::parse(PATTERN).expect("the documented pattern is one"),
        }
    }
}

impl Default for OwnSettings {
    fn default() -> OwnSettings {
        OwnSettings {
            listen: Vec::new(),
            workers: 2,
            max_connections: 256,
            idle_timeout: Duration::from_secs(75),
            queue: 64,
            prefix_image: "/is/image".to_owned(),
            prefix_content: "/is/content".to_owned(),
            max_query_bytes: 65_536,
            sendfile: Sendfile::Off,
            sendfile_prefix: "/_imprint/".to_owned(),
            content_types: Vec::new(),
            content_sandbox: true,
            default_upscale: false,
            usm_radius_scaling: true,
            missing_status: 403,
            json_error_status: 200,
            trusted_proxies: AddressFilter::nobody(),
            allowed_peers: Vec::new(),
            allow_public_tcp: false,
            socket_group: None,
            socket_mode: 0o660,
            follow_links: false,
            remote_hosts: Vec::new(),
            remote_max_bytes: 64 << 20,
            remote_cache_bytes: 64 << 20,
            remote_authorities: None,
            log_format: LogFormat::Text,
            cache_control_from: AddressFilter::everyone(),
            render_timeout: Duration::from_secs(30),
        }
    }
}
