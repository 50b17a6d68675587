//! `imprint render`: one request through the same call that the gateways make.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};

use super::{DONE, FAILED, Render, serve};
use crate::config::Config;
use crate::limits::Deadline;
use crate::request::{Method, RawRequest, RequestHeaders, Target};
use crate::service::{Service, Share};

pub(super) fn render(arguments: &Render) -> Result<u8, String> {
    let mut config = serve::load(&arguments.settings)?;
    // Folders that root makes here would keep the server's user out of its own cache.
    config.ps.cache.root_paths.clear();
    let deadline = Deadline::after(config.imprint.render_timeout);
    let request = raw_request(&config, &arguments.request);
    let service = Service::open(config, Share { workers: 1 }).map_err(|error| error.to_string())?;
    let reply = service.answer(&request, &deadline);
    if reply.status != 200 {
        let text = String::from_utf8_lossy(&reply.body);
        // Property types answer in several lines.
        for line in text.lines() {
            eprintln!("imprint: {} {}: {line}", reply.status, reply.reason());
        }
        return Ok(FAILED);
    }
    match &arguments.output {
        Some(path) => File::create(path)
            .and_then(|mut file| reply.body.write_to(&mut file))
            .map_err(|error| format!("{}: {error}", path.display()))?,
        // A broken pipe is not an error.
        None => drop(reply.body.write_to(&mut std::io::stdout())),
    }
    Ok(DONE)
}

/// A request of the command line, as a client on this machine would send it.
pub(super) fn raw_request(config: &Config, request: &str) -> RawRequest {
    let prefixes = [config.imprint.prefix_image.clone(), config.imprint.prefix_content.clone()];
    RawRequest {
        method: Method::Get,
        target: Target::Raw(target(request, &prefixes).into_bytes()),
        peer: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        headers: RequestHeaders::default(),
        body: Vec::new(),
    }
}

/// A full URL, and a path below one of the prefixes, as it is; anything else is an object below the first prefix.
fn target(request: &str, prefixes: &[String; 2]) -> String {
    let is_below = |prefix: &String| {
        let rest = request.strip_prefix(prefix.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
    };
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        request.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if is_url || prefixes.iter().any(is_below) {
        return request.to_owned();
    }
    // An empty object keeps its query.
    let [prefix, _] = prefixes;
    match request.strip_prefix('/').unwrap_or(request) {
        rest if rest.is_empty() || rest.starts_with('?') => format!("{prefix}{rest}"),
        rest => format!("{prefix}/{rest}"),
    }
}
