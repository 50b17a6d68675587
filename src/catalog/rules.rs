//! Rule sets (catalogs-and-server.md 11): XML to typed rules, and rules applied to a request string. Knows no command;
//! a rule sees encoded text, so forbidding by pattern alone protects nothing (requests.md 5).

use std::net::IpAddr;

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::attributes::{Attributes, DefaultImageMode, Expiration};
use super::pattern::java_pattern;
use crate::config::AddressFilter;
use crate::error::{Error, Kind, shown};
use crate::geometry::Size;

/// Steps after which a match is given up (`U-rule-regex`).
const STEPS: usize = 1_000_000;

/// Longest request string that rules make, in bytes.
const TEXT_BYTES: usize = 256 << 10;

/// What a rule does when it matches (`OnMatch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMatch {
    /// No later rule is looked at.
    Break,
    /// The next rule sees the changed string.
    Continue,
    /// The request is refused.
    Error,
}

/// Which matches a substitution replaces (`Replace`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// The first.
    First,
    /// Every one.
    All,
}

/// The context of a request, for `RequestType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleContext {
    /// `is`: `/is/image`.
    Image,
    /// `ir`: `/ir/render`.
    Render,
    /// `static`: `/is/content`.
    Static,
}

/// How a `<header>` treats an earlier one of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderAction {
    /// It is replaced.
    Set,
    /// The value is appended after a comma.
    Add,
}

/// A `<header>`; name and value may hold `$var$`, resolved when the request is parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHeader {
    /// Its name, as written.
    pub name: String,
    /// Its value, as written.
    pub value: String,
    /// What happens to an earlier one.
    pub action: HeaderAction,
}

/// Attributes that matching rules set for one request; `None` leaves the catalog's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `DefaultImageMode`.
    pub default_image_mode: Option<DefaultImageMode>,
    /// `ErrorImage`; an empty text switches it off.
    pub error_image: Option<String>,
    /// `Expiration`; replaces the catalog's default only.
    pub expiration: Option<Expiration>,
    /// `MaxPix`; 0,0 is unlimited.
    pub max_pix: Option<Size>,
    /// `RequestLock`.
    pub request_lock: Option<bool>,
    /// `RequestObfuscation`.
    pub request_obfuscation: Option<bool>,
    /// `RootUrl`; an empty text switches it off.
    pub root_url: Option<String>,
    /// `SavePath`; an empty text disables saving.
    pub save_path: Option<String>,
    /// `WaterMark`; an empty text switches it off.
    pub watermark: Option<String>,
}

impl Overrides {
    /// The attributes with these in their place.
    pub fn applied(&self, attributes: &Attributes) -> Attributes {
        let mut own = attributes.clone();
        let text = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
        if let Some(mode) = self.default_image_mode {
            own.default_image_mode = mode;
        }
        if let Some(image) = &self.error_image {
            own.error_image = text(image);
        }
        if let Some(expiration) = self.expiration {
            own.expiration = expiration;
        }
        if let Some(size) = self.max_pix {
            own.max_pix = Some(size).filter(|size| *size != Size::default());
        }
        own.request_lock = self.request_lock.unwrap_or(own.request_lock);
        own.request_obfuscation = self.request_obfuscation.unwrap_or(own.request_obfuscation);
        if let Some(url) = &self.root_url {
            own.root_url = text(url);
        }
        if let Some(path) = &self.save_path {
            own.save_path = text(path);
        }
        if let Some(watermark) = &self.watermark {
            own.watermark = text(watermark);
        }
        own
    }

    /// Takes what `later`, a rule further down, sets.
    pub(super) fn take(&mut self, later: &Overrides) {
        fn newer<T: Clone>(own: &mut Option<T>, later: &Option<T>) {
            if later.is_some() {
                own.clone_from(later);
            }
        }
        newer(&mut self.default_image_mode, &later.default_image_mode);
        newer(&mut self.error_image, &later.error_image);
        newer(&mut self.expiration, &later.expiration);
        newer(&mut self.max_pix, &later.max_pix);
        newer(&mut self.request_lock, &later.request_lock);
        newer(&mut self.request_obfuscation, &later.request_obfuscation);
        newer(&mut self.root_url, &later.root_url);
        newer(&mut self.save_path, &later.save_path);
        newer(&mut self.watermark, &later.watermark);
    }
}

/// A part of a substitution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Text(String),
    /// What a group captured; nothing if it took no part.
    Group(usize),
}

/// One `<rule>`.
#[derive(Debug)]
pub(super) struct Rule {
    pub name: String,
    pub on_match: OnMatch,
    pub replace: Replace,
    /// `None`: all contexts (`U-rule-type`).
    pub contexts: Option<Vec<RuleContext>>,
    /// `None` matches everything.
    pub expression: Option<Regex>,
    pub substitution: Option<Vec<Piece>>,
    /// `Some(None)`: an empty filter, which lifts the catalog's.
    pub address_filter: Option<Option<AddressFilter>>,
    pub headers: Vec<RuleHeader>,
    pub overrides: Overrides,
}

/// The rules of a catalog, in file order.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
}

/// What the rules made of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The request string.
    pub text: String,
    /// Whether a rule changed it.
    pub is_changed: bool,
    /// What matching rules set.
    pub overrides: Overrides,
    /// Headers in the order of their rules.
    pub headers: Vec<RuleHeader>,
    /// Whether an address filter of a rule took the place of the catalog's.
    pub replaces_address_filter: bool,
    /// The names of the rules that matched, in their order.
    pub matched: Vec<String>,
}

impl RuleSet {
    /// Applies the rules to `text`, the encoded path and query (`U-rule-input`), of a client at `client`.
    ///
    /// `Refused` by a rule with `OnMatch="error"`, by an address filter, and when an expression takes too many steps
    /// (`U-rule-regex`); the rule is named in the detail.
    pub fn apply(
        &self,
        text: &str,
        context: RuleContext,
        client: Option<IpAddr>,
    ) -> Result<Applied, Error> {
        let mut applied = Applied { text: text.to_owned(), ..Applied::default() };
        for rule in &self.rules {
            let is_meant = rule.contexts.as_ref().is_none_or(|list| list.contains(&context));
            if !is_meant || !rule.matches(&applied.text)? {
                continue;
            }
            if rule.on_match == OnMatch::Error {
                return Err(rule.refused("it refuses what it matches"));
            }
            if let Some(filter) = &rule.address_filter {
                let is_listed = filter
                    .as_ref()
                    .is_none_or(|filter| client.is_some_and(|client| filter.allows(client)));
                if !is_listed {
                    return Err(rule.refused("the client is not in its address filter"));
                }
                applied.replaces_address_filter = true;
            }
            applied.matched.push(rule.name.clone());
            applied.overrides.take(&rule.overrides);
            applied.headers.extend(rule.headers.iter().cloned());
            if let Some(changed) = rule.substituted(&applied.text)? {
                applied.is_changed |= changed != applied.text;
                applied.text = changed;
            }
            if rule.on_match == OnMatch::Break {
                break;
            }
        }
        // A substitution may bring commands without their `?` (11.4, the CDATA form of example A).
        if applied.is_changed && !applied.text.contains('?') {
            applied.text = applied.text.replacen('&', "?", 1);
        }
        Ok(applied)
    }
}

impl Rule {
    fn refused(&self, why: &str) -> Error {
        Error::new(Kind::Refused, format!("rule {}: {why}", shown(&self.name)))
    }

    fn matches(&self, text: &str) -> Result<bool, Error> {
        match &self.expression {
            None => Ok(true),
            Some(expression) => expression.is_match(text).map_err(|error| self.gave_up(error)),
        }
    }

    fn gave_up(&self, error: fancy_regex::Error) -> Error {
        let error = self.refused("its expression takes too long").with_cause(error);
        log::error!("{error}");
        error
    }

    /// The text with the substitution carried out; `None` without one.
    fn substituted(&self, text: &str) -> Result<Option<String>, Error> {
        let Some(pieces) = &self.substitution else { return Ok(None) };
        let Some(expression) = &self.expression else {
            return Ok(Some(appended(text, &plain_text(pieces))));
        };
        let mut out = String::with_capacity(text.len() + 64);
        let mut copied = 0;
        for captures in expression.captures_iter(text) {
            let captures = captures.map_err(|error| self.gave_up(error))?;
            let Some(whole) = captures.get(0) else { break };
            out.push_str(text.get(copied..whole.start()).unwrap_or_default());
            insert(&mut out, pieces, &captures);
            copied = whole.end();
            if out.len() > TEXT_BYTES {
                return Err(self.refused("its substitution grows beyond 256 KiB"));
            }
            if self.replace == Replace::First {
                break;
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Ok(Some(out))
    }
}

fn insert(out: &mut String, pieces: &[Piece], captures: &Captures<'_, str>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Group(group) => {
                out.push_str(captures.get(*group).map_or("", |captured| captured.as_str()));
            }
        }
    }
}

fn plain_text(pieces: &[Piece]) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.as_str(),
        Piece::Group(_) => "",
    });
    texts.collect()
}

/// A substitution without expression lands at the end, behind exactly one `?` or `&` (11.4).
fn appended(text: &str, addition: &str) -> String {
    let has_query = text.contains('?');
    match (addition.strip_prefix(['?', '&']), has_query) {
        (Some(commands), true) => format!("{text}&{commands}"),
        (Some(commands), false) => format!("{text}?{commands}"),
        (None, _) => format!("{text}{addition}"),
    }
}

/// The regular expression of a rule, in Java's syntax; `Err` says what is wrong with it.
pub(super) fn expression(text: &str) -> Result<Option<Regex>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let pattern = java_pattern(text)?;
    let mut builder = RegexBuilder::new(&pattern);
    builder.backtrack_limit(STEPS);
    builder.delegate_size_limit(1 << 20);
    builder.build().map(Some).map_err(|error| error.to_string())
}

/// The parts of a substitution: `$n` and `${name}` are groups, `\c` is the character c (11.4).
pub(super) fn substitution(text: &str, expression: Option<&Regex>) -> Result<Vec<Piece>, String> {
    let groups = expression.map_or(1, Regex::captures_len);
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        let group = match first {
            '\\' => {
                if let Some(next) = rest.chars().next() {
                    plain.push(next);
                    rest = rest.get(next.len_utf8()..).unwrap_or_default();
                }
                continue;
            }
            '$' if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                let (group, used) = numbered(rest, groups)?;
                rest = rest.get(used..).unwrap_or_default();
                group
            }
            '$' if rest.starts_with('{') => {
                let (name, behind) = rest
                    .get(1..)
                    .and_then(|inner| inner.split_once('}'))
                    .ok_or_else(|| "${ without }".to_owned())?;
                let named = expression.and_then(|own| {
                    own.capture_names().position(|candidate| candidate == Some(name))
                });
                rest = behind;
                named.ok_or_else(|| format!("there is no group {}", shown(name)))?
            }
            other => {
                plain.push(other);
                continue;
            }
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Group(group));
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// The group that digits name: as many digits as make an existing one (`$12` is 1 and `2` with fewer than 12).
fn numbered(text: &str, groups: usize) -> Result<(usize, usize), String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).take(4).count();
    for used in (1..=digits).rev() {
        let group = text.get(..used).and_then(|digits| digits.parse::<usize>().ok());
        if let Some(group) = group.filter(|group| *group < groups) {
            return Ok((group, used));
        }
    }
    Err(format!("there is no group ${}", text.get(..digits).unwrap_or_default()))
}
