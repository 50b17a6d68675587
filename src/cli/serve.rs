//! `imprint serve`, and the starts by a web server: settings file to gateway settings and service.

use std::sync::Arc;

use super::{Serve, Settings, config_path, joined};
use crate::config::Config;
use crate::gateway::{self, Front, Handlers};
use crate::journal::{Journal, trace};
use crate::service::{Service, Share};

pub(super) fn serve(arguments: &Serve) -> Result<u8, String> {
    let mut config = load(&arguments.settings)?;
    if !arguments.listen.is_empty() {
        config.imprint.listen.clone_from(&arguments.listen);
    }
    if let Some(workers) = arguments.workers {
        config.imprint.workers = workers;
    }
    let mut settings = settings(&config)?;
    if let Some(http) = &arguments.http {
        settings.http = vec![http.clone()];
    }
    start(config, &settings)
}

/// Started by spawn-fcgi, mod_fcgid, lighttpd or socket activation: settings from the file alone.
pub(super) fn started_by_server() -> Result<u8, String> {
    let config = load(&Settings { config: None })?;
    let settings = settings(&config)?;
    start(config, &settings)
}

/// One CGI request.
pub(super) fn cgi() -> Result<u8, String> {
    let config = load(&Settings { config: None })?;
    let settings = settings(&config)?;
    trace::follow(&config);
    // The one request of this process may be for any catalog.
    let service = Service::open(config, Share { workers: 1 }).map_err(|error| error.to_string())?;
    let handlers = handlers(service);
    gateway::answer_cgi(&settings, handlers).map_err(|error| error.to_string())
}

pub(super) fn load(settings: &Settings) -> Result<Config, String> {
    let path = config_path(settings)?;
    Config::load(&path, std::env::vars_os()).map_err(|faults| joined(&faults))
}

fn start(config: Config, settings: &gateway::Settings) -> Result<u8, String> {
    let workers = u32::try_from(settings.workers.max(1)).unwrap_or(1);
    trace::follow(&config);
    if !gateway::is_worker() && !config.tc.directory.is_dir() {
        log::warn!(
            "{} is no folder; no access and trace logs are kept",
            config.tc.directory.display()
        );
    }
    let handlers = || Service::start(config, Share { workers }).map(handlers);
    gateway::serve(settings, handlers).map_err(|error| error.to_string())
}

/// A service of this process, for the gateways.
pub(super) fn handlers(service: Service) -> Handlers {
    let service = Arc::new(service);
    service.sweep();
    Handlers {
        answer: Arc::new(move |raw, deadline| service.answer(raw, deadline)),
        timed_out: Arc::new(Service::timed_out),
    }
}

/// What the gateways need of the settings.
pub(super) fn settings(config: &Config) -> Result<gateway::Settings, String> {
    let own = &config.imprint;
    let group = own.socket_group.as_deref().map(gateway::group_id).transpose();
    let defaults = gateway::Settings::default();
    let longest = config.ps.save_to_file.max_timeout.max(own.render_timeout);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = own.workers as usize;
    let threads = config.is.worker_threads as usize;
    Ok(gateway::Settings {
        listen: own.listen.clone(),
        http: Vec::new(),
        workers,
        max_connections: own.max_connections as usize,
        deadline: own.render_timeout,
        slots: if threads == 0 { processors.div_ceil(workers.max(1)) } else { threads },
        stop_limit: longest + std::time::Duration::from_secs(10),
        socket_mode: own.socket_mode,
        socket_group: group.map_err(|error| error.to_string())?,
        allow_public: own.allow_public_tcp,
        allowed_peers: own.allowed_peers.clone(),
        front: Front {
            prefixes: vec![own.prefix_image.clone().into(), own.prefix_content.clone().into()],
            body_limit: own.max_query_bytes as usize,
        },
        idle_limit: own.idle_timeout,
        journal: Some(Arc::new(Journal::new(config))),
        ..defaults
    })
}
