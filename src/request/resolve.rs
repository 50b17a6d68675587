//! Prints merged commands as request text (`req=resolve`). Looks nothing up.

use super::merge::{MergedCommand, Scope, State};

/// The commands as one query without line break (`U-resolve-format`): composite first, then the layers by number, each
/// followed by its effects; values encoded anew; `req=` and commands without effect are left out, unknown ones stay.
///
/// Parsing the text gives the same request but for `req`.
pub fn resolve_text(merged: &[MergedCommand]) -> String {
    let mut out = String::new();
    let mut current = Scope::Comp;
    for command in merged {
        let is_req = command.scope == Scope::Comp && command.name == "req";
        if is_req || command.state == State::Ignored {
            continue;
        }
        if command.scope != current {
            open(&mut out, current, command.scope);
            current = command.scope;
        }
        separate(&mut out);
        out.push_str(&command.name);
        out.push('=');
        match command.is_encoded {
            true => out.push_str(&command.value),
            false => out.push_str(&encode_value(&command.value)),
        }
    }
    out
}

fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push('&');
    }
}

/// Writes the `layer=` and `effect=` that lead to a scope.
fn open(out: &mut String, from: Scope, to: Scope) {
    let layer_of = |scope| match scope {
        Scope::Comp | Scope::CompEffect(_) => None,
        Scope::Layer(layer) | Scope::LayerEffect(layer, _) => Some(layer),
    };
    if let Some(layer) = layer_of(to)
        && layer_of(from) != Some(layer)
    {
        separate(out);
        out.push_str(&format!("layer={layer}"));
    }
    if let Scope::CompEffect(effect) | Scope::LayerEffect(_, effect) = to {
        separate(out);
        out.push_str(&format!("effect={effect}"));
    }
}

/// Escapes everything but letters, digits and the marks that no rule of the syntax reads (requests.md 2.1).
pub fn encode_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b',' | b'/' | b':' | b'*' | b'!' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
