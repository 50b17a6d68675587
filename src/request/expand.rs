//! Command macros and substitution variables (requests.md 8, 9): text for text, before any value is decoded.
//! Knows no command but `layer=` and `effect=`, and looks nothing up itself.

use std::collections::{HashMap, HashSet};

use super::query::{Modifier, Origin, decode_value, is_macro, is_name, is_variable, split_macro};
use crate::error::{Error, Kind, shown};

/// Macros within macros (`U-macro-layer`).
const MACRO_DEPTH: usize = 32;
/// Bytes of text that macros, and variables, may add up to (`U-macro-layer`, `U-var-limit`).
const TEXT_BYTES: usize = 1 << 20;
/// Variables of a request, and bytes of one (`U-var-limit`).
const VARIABLES: usize = 500;
const VARIABLE_BYTES: usize = 32 << 10;

/// What a request's text may refer to.
pub struct Surroundings<'a> {
    /// The definition of a macro, by the index of the source string and the name in lower case.
    pub macros: &'a dyn Fn(usize, &str) -> Option<String>,
    /// The object of the path, encoded, for `$object$` (`Located::object_encoded`).
    pub object: Option<&'a str>,
    /// Variables of the outer requests, for a nested one: name in lower case and encoded value.
    pub inherited: &'a [(String, String)],
}

/// Replaces `$name$` modifiers by the commands of their macros, in place.
///
/// `Syntax` for a macro that `lookup` does not know (`U-macro-unknown`), for more than 32 levels, 1 MiB of text or
/// `most` modifiers.
pub fn expand_macros(
    list: Vec<Modifier>,
    lookup: &dyn Fn(&str) -> Option<String>,
    most: usize,
) -> Result<Vec<Modifier>, Error> {
    let mut out = Vec::with_capacity(list.len());
    let mut left_bytes = TEXT_BYTES;
    expand_into(&mut out, list, lookup, most, &mut left_bytes, MACRO_DEPTH)?;
    Ok(out)
}

fn expand_into(
    out: &mut Vec<Modifier>,
    list: Vec<Modifier>,
    lookup: &dyn Fn(&str) -> Option<String>,
    most: usize,
    left_bytes: &mut usize,
    left_depth: usize,
) -> Result<(), Error> {
    for modifier in list {
        if !is_macro(&modifier) {
            if out.len() == most {
                return Err(Error::new(Kind::Syntax, format!("more than {most} commands left")));
            }
            out.push(modifier);
            continue;
        }
        let name = modifier.name.trim_matches('$').to_ascii_lowercase();
        let refuse = |what: &str| {
            Error::new(Kind::Syntax, format!("macro {} {what}", shown(&modifier.name)))
        };
        let text = lookup(&name).ok_or_else(|| refuse("not found"))?;
        *left_bytes = left_bytes
            .checked_sub(text.len())
            .ok_or_else(|| refuse("makes the text longer than 1048576 bytes"))?;
        let left_depth =
            left_depth.checked_sub(1).ok_or_else(|| refuse("lies more than 32 macros deep"))?;
        let body = split_macro(&text, modifier.origin, &name, most)
            .map_err(|error| refuse(error.detail()))?;
        expand_into(out, body, lookup, most, left_bytes, left_depth)?;
    }
    Ok(())
}

/// The three levels of definitions, from the lowest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Modifier,
    Url,
    PostModifier,
}

fn level(origin: Origin) -> Level {
    match origin {
        Origin::Modifier | Origin::Template => Level::Modifier,
        Origin::Url => Level::Url,
        Origin::PostModifier => Level::PostModifier,
    }
}

type Definitions = HashMap<String, String>;

/// Replaces `$name$` in values by the encoded text of variables (`U-var-precedence`, `U-var-raw`), and returns all
/// definitions with their final values, for nested requests.
///
/// Undefined references stay literal; `layer=`, `effect=` and the values of variables are left alone. Text within a
/// foreign URL is decoded once. `Syntax` beyond the limits of `U-var-limit`.
pub fn substitute(
    lists: &mut [(Option<u32>, Vec<Modifier>)],
    object: Option<&str>,
    inherited: &[(String, String)],
) -> Result<Vec<(String, String)>, Error> {
    let last = |wanted: Level| -> Definitions {
        let of_level = lists
            .iter()
            .flat_map(|(_, list)| list)
            .filter(|modifier| level(modifier.origin) == wanted)
            .filter_map(|m| Some((variable(m)?, m.value.clone())));
        let outer = inherited.iter().filter(|_| wanted == Level::Url).cloned();
        outer.chain(of_level).collect()
    };
    let (of_modifier, of_url, of_post) =
        (last(Level::Modifier), last(Level::Url), last(Level::PostModifier));
    check_limits(&[&of_modifier, &of_url, &of_post])?;
    // What a string has defined so far; outer variables count as defined before the URL.
    let mut so_far_modifier = Definitions::new();
    let mut so_far_url: Definitions = inherited.iter().cloned().collect();
    let mut so_far_post = Definitions::new();
    let mut left_bytes = TEXT_BYTES;
    for modifier in lists.iter_mut().flat_map(|(_, list)| list) {
        let level = level(modifier.origin);
        if let Some(name) = variable(modifier) {
            let so_far = match level {
                Level::Modifier => &mut so_far_modifier,
                Level::Url => &mut so_far_url,
                Level::PostModifier => &mut so_far_post,
            };
            so_far.insert(name, modifier.value.clone());
            continue;
        }
        let is_segment = ["layer", "effect"].iter().any(|n| n.eq_ignore_ascii_case(&modifier.name));
        if !is_segment && modifier.value.contains('$') {
            let order = match level {
                Level::Modifier => [&of_post, &of_url, &so_far_modifier],
                Level::Url => [&of_post, &so_far_url, &of_modifier],
                Level::PostModifier => [&so_far_post, &of_url, &of_modifier],
            };
            let value_of = |name: &str| {
                let found = order.iter().find_map(|definitions| definitions.get(name));
                found.map(String::as_str).or(object.filter(|_| name == "object"))
            };
            modifier.value = replaced(modifier, value_of)?;
        }
        left_bytes = left_bytes.checked_sub(modifier.value.len()).ok_or_else(|| {
            Error::new(Kind::Syntax, format!("values are longer than {TEXT_BYTES} bytes together"))
        })?;
    }
    let mut all = of_modifier;
    all.extend(of_url);
    all.extend(of_post);
    let mut all: Vec<(String, String)> = all.into_iter().collect();
    all.sort();
    Ok(all)
}

/// The name in lower case that a modifier defines.
fn variable(modifier: &Modifier) -> Option<String> {
    let name = modifier.name.strip_prefix('$').filter(|_| is_variable(&modifier.name))?;
    Some(name.to_ascii_lowercase())
}

fn check_limits(levels: &[&Definitions]) -> Result<(), Error> {
    let names: HashSet<&String> =
        levels.iter().flat_map(|definitions| definitions.keys()).collect();
    if names.len() > VARIABLES {
        let found = names.len();
        let detail = format!("{found} variables, expected at most {VARIABLES}");
        return Err(Error::new(Kind::Syntax, detail));
    }
    let longest = levels.iter().flat_map(|definitions| definitions.values().map(String::len)).max();
    match longest.filter(|&bytes| bytes > VARIABLE_BYTES) {
        Some(bytes) => Err(Error::new(
            Kind::Syntax,
            format!("variable of {bytes} bytes, expected at most {VARIABLE_BYTES}"),
        )),
        None => Ok(()),
    }
}

/// The value with its references replaced; fails as soon as it is longer than the limit.
fn replaced<'a>(
    modifier: &Modifier,
    value_of: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, Error> {
    let takes_url = ["src", "mask"].iter().any(|name| name.eq_ignore_ascii_case(&modifier.name));
    let is_foreign = takes_url && modifier.value.starts_with(['(', '{']);
    let mut out = String::with_capacity(modifier.value.len());
    let mut rest = modifier.value.as_str();
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let inner = from.strip_prefix('$').unwrap_or_default();
        let name = inner.split_once('$').map(|(name, _)| name).filter(|name| is_name(name));
        match name.and_then(|name| Some((name, value_of(&name.to_ascii_lowercase())?))) {
            Some((name, value)) => {
                match is_foreign {
                    true => out.push_str(&decode_value(value)?),
                    false => out.push_str(value),
                }
                rest = inner.get(name.len() + 1..).unwrap_or_default();
            }
            None => {
                out.push('$');
                rest = inner;
            }
        }
        if out.len() > TEXT_BYTES {
            return Err(Error::new(
                Kind::Syntax,
                format!("{} is longer than {TEXT_BYTES} bytes", shown(&modifier.name)),
            ));
        }
    }
    out.push_str(rest);
    Ok(out)
}
