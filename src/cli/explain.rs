//! `imprint explain`: how a request resolves, for a person or for a program.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use super::render::raw_request;
use super::{DONE, Explain, FAILED, serve};
use crate::limits::Deadline;
use crate::service::{Explanation, Service, Share};

pub(super) fn explain(arguments: &Explain) -> Result<u8, String> {
    let config = serve::load(&arguments.settings)?;
    let deadline = Deadline::after(config.imprint.render_timeout);
    let request = raw_request(&config, &arguments.request);
    let service = Service::open(config, Share { workers: 1 }).map_err(|error| error.to_string())?;
    let explanation = service.explain(&request, &deadline);
    let text = match arguments.json {
        true => format!("{:#}\n", as_json(&explanation)),
        false => as_text(&explanation),
    };
    // A broken pipe is not an error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if explanation.error.is_none() { DONE } else { FAILED })
}

/// Sections of aligned lines; control characters of a request never reach the terminal.
fn as_text(explanation: &Explanation) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:<10} {}", crate::error::one_line(value));
    };
    row("request", &explanation.req);
    row("catalog", &format!("{} ({})", explanation.catalog, explanation.catalog_file));
    row("object", &explanation.object);
    for rule in &explanation.rules {
        row("rule", rule);
    }
    if let Some(locale) = &explanation.locale {
        row("locale", locale);
    }
    for (name, value) in &explanation.variables {
        row("variable", &format!("${name}={value}"));
    }
    for command in &explanation.commands {
        let idle = if command.is_idle { ", without effect" } else { "" };
        let assigned = format!("{}={}", command.name, command.value);
        row("command", &format!("{:<10} {assigned:<40} {}{idle}", command.scope, command.origin));
    }
    for layer in &explanation.layers {
        let mask = if layer.has_mask { ", masked" } else { "" };
        let place = layer
            .place
            .map_or(String::new(), |(size, (left, top))| format!(", drawn {size} at {left},{top}"));
        let source = match layer.source {
            "color" => "color".to_owned(),
            source => format!("{source} of {}", layer.source_size),
        };
        let text = format!("{} {source} of catalog {}{mask}{place}", layer.number, layer.catalog);
        row("layer", &text);
    }
    if let Some(plan) = &explanation.plan {
        row("composite", &plan.composite.to_string());
        row("reply", &format!("{} {}", plan.reply, plan.mime));
        row("path", &plan.path);
        row("cost", &format!("{} bytes, {} pixels", plan.cost_bytes, plan.cost_pixels));
    }
    for (name, value) in &explanation.limits {
        row("limit", &format!("{name} {value}"));
    }
    if let Some(error) = &explanation.error {
        row("refused", error);
    }
    out
}

fn as_json(explanation: &Explanation) -> Value {
    let size = |size: crate::geometry::Size| json!([size.width, size.height]);
    let commands = explanation.commands.iter().map(|command| {
        json!({
            "scope": command.scope,
            "name": command.name,
            "value": command.value,
            "origin": command.origin,
            "idle": command.is_idle,
        })
    });
    let layers = explanation.layers.iter().map(|layer| {
        json!({
            "number": layer.number,
            "catalog": layer.catalog,
            "source": layer.source,
            "sourceSize": size(layer.source_size),
            "masked": layer.has_mask,
            "size": layer.place.map(|(drawn, _)| size(drawn)),
            "at": layer.place.map(|(_, (left, top))| json!([left, top])),
        })
    });
    let plan = explanation.plan.as_ref().map(|plan| {
        json!({
            "composite": size(plan.composite),
            "reply": size(plan.reply),
            "mime": plan.mime,
            "path": plan.path,
            "costBytes": plan.cost_bytes,
            "costPixels": plan.cost_pixels,
        })
    });
    let variables: Vec<Value> = explanation
        .variables
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let limits: serde_json::Map<String, Value> = explanation
        .limits
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    json!({
        "request": explanation.req,
        "catalog": explanation.catalog,
        "catalogFile": explanation.catalog_file,
        "object": explanation.object,
        "rules": explanation.rules,
        "locale": explanation.locale,
        "variables": variables,
        "commands": commands.collect::<Vec<Value>>(),
        "layers": layers.collect::<Vec<Value>>(),
        "plan": plan,
        "limits": limits,
        "error": explanation.error,
    })
}
