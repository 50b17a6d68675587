//! What happens to a request before it is parsed: obfuscation, rules, lock, address filter (requests.md 3 to 5).
//!
//! The order is `U-order`: rules see clear text without the lock; the lock is that of the query the client sent.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::catalog::{
    AddressFilter, Attributes, Catalog, Catalogs, Main, Overrides, RuleContext, RuleHeader,
};
use crate::error::{Error, Kind};
use crate::request::{
    Context, Located, Prefixes, Target, TextLimits, query_text, revealed, split_lock, split_target,
    unlocked,
};

/// A request after its rules: what is parsed, and what the rules decided.
#[derive(Debug)]
pub(super) struct Guarded {
    /// Context, object and query, rewritten where a rule did so.
    pub located: Located,
    /// The clear query without its lock.
    pub query: String,
    /// Attributes that rules set.
    pub overrides: Overrides,
    /// Headers of rules.
    pub headers: Vec<RuleHeader>,
    /// Whether a rule's address filter took the place of the catalog's.
    pub replaces_address_filter: bool,
    /// The names of the rules that matched.
    pub rules: Vec<String>,
    /// The clear query without its lock as rules saw it.
    pub query_before_rules: String,
}

/// A request as it arrived, with what it is held against.
#[derive(Clone, Copy)]
pub(super) struct Arrived<'a> {
    /// Context, object and query as the client sent them.
    pub located: &'a Located,
    /// The query with the body of a POST behind it; `None` without a `?` and a body.
    pub query: Option<&'a [u8]>,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// Prefixes of the contexts.
    pub prefixes: &'a Prefixes,
    /// Bounds of the text.
    pub limits: &'a TextLimits,
}

/// Reveals, rewrites, unlocks. `preliminary` is the main catalog by the path as it arrived.
///
/// `Refused` by rule, address filter, obfuscation or lock; `Syntax` for a rewritten target that cannot be read.
pub(super) fn guarded(arrived: Arrived<'_>, preliminary: &Main<'_, '_>) -> Result<Guarded, Error> {
    let own = &preliminary.catalog.attributes;
    let sent = arrived.query.unwrap_or_default();
    let clear = if own.request_obfuscation { revealed(sent) } else { None };
    let text = clear.as_deref().unwrap_or(sent);
    let without_lock = match own.request_lock {
        true => split_lock(text).map_or(text, |(text, _)| text),
        false => text,
    };
    let query_before_rules = query_text(without_lock);
    let path = &arrived.located.object_encoded;
    let subject = match arrived.query {
        Some(_) => format!("{path}?{query_before_rules}"),
        None => path.clone(),
    };
    let (context, prefix) = match arrived.located.context {
        Context::Image => (RuleContext::Image, Some(&arrived.prefixes.image)),
        Context::Content => (RuleContext::Static, Some(&arrived.prefixes.content)),
        Context::Render => (RuleContext::Render, arrived.prefixes.render.as_ref()),
    };
    let applied = match preliminary.catalog.rules() {
        Some(rules) => rules.apply(&subject, context, arrived.client)?,
        None => crate::catalog::Applied { text: subject, ..Default::default() },
    };
    if !applied.replaces_address_filter {
        check_address(&own.client_address_filter, arrived.client)?;
    }
    let is_obfuscated = applied.overrides.request_obfuscation.unwrap_or(own.request_obfuscation);
    let is_locked = applied.overrides.request_lock.unwrap_or(own.request_lock);
    // What the client's query says in clear, by the flags as the rules left them.
    let clear = match (is_obfuscated, own.request_obfuscation) {
        (true, true) => Cow::Owned(clear.ok_or_else(not_obfuscated)?),
        (true, false) if applied.is_changed => {
            log::error!("a rule switches obfuscation on for a query that rules have changed");
            return Err(not_obfuscated());
        }
        (true, false) => Cow::Owned(revealed(sent).ok_or_else(not_obfuscated)?),
        (false, true) if applied.is_changed => Cow::Borrowed(text),
        (false, _) => Cow::Borrowed(sent),
    };
    let query = if is_locked {
        // Even an empty query has to be `?&0000`; one without `?` fails like a wrong lock (`U-lock-empty`).
        unlocked(&clear)?
    } else if own.request_lock {
        // A rule has switched the lock off: a suffix that is there is dropped.
        split_lock(&clear).map_or(clear.as_ref(), |(text, _)| text)
    } else {
        &clear
    };
    let guarded = Guarded {
        located: arrived.located.clone(),
        query: query_text(query),
        overrides: applied.overrides,
        headers: applied.headers,
        replaces_address_filter: applied.replaces_address_filter,
        rules: applied.matched,
        query_before_rules,
    };
    if !applied.is_changed {
        return Ok(guarded);
    }
    let prefix = prefix.map(String::as_str).unwrap_or_default();
    let target = format!("{prefix}/{}", applied.text);
    let located =
        split_target(&Target::Raw(target.into_bytes()), arrived.prefixes, arrived.limits)?;
    let query = query_text(located.query.as_deref().unwrap_or_default());
    Ok(Guarded { located, query, ..guarded })
}

fn not_obfuscated() -> Error {
    Error::new(Kind::Refused, "the query is not obfuscated as the catalog demands")
}

/// Refuses a client that the filter does not list.
pub(super) fn check_address(filter: &AddressFilter, client: Option<IpAddr>) -> Result<(), Error> {
    let is_allowed = match client {
        Some(client) => filter.allows(client),
        None => *filter == AddressFilter::everyone(),
    };
    if is_allowed {
        return Ok(());
    }
    let shown = client.map_or("unknown".to_owned(), |client| client.to_string());
    Err(Error::new(Kind::Refused, format!("client {shown} is not in ClientAddressFilter")))
}

/// The main catalog after the rules: that of the new path, or the preliminary one where it names none
/// (`U-rule-input`).
pub(super) fn main_after<'a, 't>(
    catalogs: &'a Catalogs,
    preliminary: &Main<'a, '_>,
    elements: &'t [String],
    allow_default: bool,
) -> Result<Main<'a, 't>, Error> {
    let main = catalogs.main(elements, allow_default || preliminary.is_named)?;
    if main.is_named || !preliminary.is_named {
        return Ok(main);
    }
    Ok(Main { catalog: preliminary.catalog, rest: elements, elements, is_named: false })
}

/// The attributes of a catalog with what rules set in their place.
pub(super) fn attributes<'a>(catalog: &'a Catalog, overrides: &Overrides) -> Cow<'a, Attributes> {
    match *overrides == Overrides::default() {
        true => Cow::Borrowed(&catalog.attributes),
        false => Cow::Owned(overrides.applied(&catalog.attributes)),
    }
}
