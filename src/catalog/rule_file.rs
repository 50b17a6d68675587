//! Rule set files: XML, checked strictly against the schema of catalogs-and-server.md 11.1. Applies no rule.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::attributes::{DefaultImageMode, Expiration};
use super::rules::{
    HeaderAction, OnMatch, Overrides, Replace, Rule, RuleContext, RuleHeader, RuleSet, expression,
    substitution,
};
use crate::config::AddressFilter;
use crate::error::shown;
use crate::geometry::Size;

/// Largest rule set file, in bytes.
pub(super) const FILE_BYTES: usize = 4 << 20;
/// Most rules of a file.
const RULES: usize = 10_000;

/// Why a file is not loaded: the line, counted from 1, and what was found and expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub line: u32,
    pub message: String,
}

/// A rule while its children are read.
#[derive(Default)]
struct Draft {
    attributes: Vec<(String, String)>,
    expression: Option<String>,
    substitution: Option<String>,
    address_filter: Option<String>,
    headers: Vec<RuleHeader>,
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
}

/// Reads a rule set; a file that does not validate is not loaded at all.
pub(super) fn parse(bytes: &[u8]) -> Result<RuleSet, Invalid> {
    let invalid = |message: String| Invalid { line: 1, message };
    if bytes.len() > FILE_BYTES {
        return Err(invalid(format!("{} bytes, expected at most {FILE_BYTES}", bytes.len())));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = decoded(bytes).map_err(invalid)?;
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_end_names = true;
    Parser { reader, text: &text }.file()
}

/// The text by its XML declaration: UTF-8, or ISO-8859-1 and US-ASCII where it says so.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let head = bytes.get(..bytes.len().min(200)).unwrap_or_default().to_ascii_lowercase();
    let names = |encoding: &[u8]| head.windows(encoding.len()).any(|part| part == encoding);
    if names(b"encoding=\"iso-8859-1\"") || names(b"encoding='iso-8859-1'") {
        return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
    }
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| "the file is not UTF-8".to_owned())
}

impl<'a> Parser<'a> {
    fn line(&self) -> u32 {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let read = self.text.as_bytes().get(..position.min(self.text.len())).unwrap_or_default();
        let lines = read.iter().filter(|byte| **byte == b'\n').count();
        u32::try_from(lines + 1).unwrap_or(u32::MAX)
    }

    fn invalid(&self, message: impl Into<String>) -> Invalid {
        Invalid { line: self.line(), message: message.into() }
    }

    fn next(&mut self) -> Result<Event<'a>, Invalid> {
        loop {
            match self.reader.read_event() {
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::DocType(_)) => {
                    return Err(self.invalid("a document type declaration, expected none"));
                }
                Ok(event) => return Ok(event),
                Err(error) => return Err(self.invalid(format!("no well-formed XML: {error}"))),
            }
        }
    }

    fn file(mut self) -> Result<RuleSet, Invalid> {
        let mut set = None;
        loop {
            match self.next()? {
                Event::Decl(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                Event::Start(start) if set.is_none() && start.name().as_ref() == "ruleset" => {
                    set = Some(self.rules()?);
                }
                Event::Empty(start) if set.is_none() && start.name().as_ref() == "ruleset" => {
                    set = Some(RuleSet::default());
                }
                Event::Eof => break,
                _ => return Err(self.invalid("expected exactly one <ruleset>")),
            }
        }
        set.ok_or_else(|| self.invalid("expected exactly one <ruleset>"))
    }

    fn rules(&mut self) -> Result<RuleSet, Invalid> {
        let mut set = RuleSet::default();
        loop {
            match self.next()? {
                Event::Text(text) if is_blank(&text) => {}
                Event::Start(start) if start.name().as_ref() == "rule" => {
                    let draft = self.rule(&start)?;
                    set.rules.push(self.finished(draft, set.rules.len() + 1)?);
                }
                Event::Empty(start) if start.name().as_ref() == "rule" => {
                    let attributes = self.attributes(&start)?;
                    let draft = Draft { attributes, ..Draft::default() };
                    set.rules.push(self.finished(draft, set.rules.len() + 1)?);
                }
                Event::End(_) => return Ok(set),
                _ => return Err(self.invalid("expected <rule>")),
            }
            if set.rules.len() > RULES {
                return Err(self.invalid(format!("more than {RULES} rules")));
            }
        }
    }

    fn rule(&mut self, start: &BytesStart<'_>) -> Result<Draft, Invalid> {
        let mut draft = Draft { attributes: self.attributes(start)?, ..Draft::default() };
        loop {
            let (child, is_empty) = match self.next()? {
                Event::Text(text) if is_blank(&text) => continue,
                Event::Start(child) => (child, false),
                Event::Empty(child) => (child, true),
                Event::End(_) => return Ok(draft),
                _ => return Err(self.invalid("text between the elements of a <rule>")),
            };
            let name = child.name().as_ref().to_owned();
            let attributes = self.attributes(&child)?;
            let content = if is_empty { String::new() } else { self.content()? };
            let place = match name.as_str() {
                "expression" => &mut draft.expression,
                "substitution" => &mut draft.substitution,
                "addressfilter" => &mut draft.address_filter,
                "header" => {
                    draft.headers.push(self.header(&attributes, content)?);
                    continue;
                }
                other => {
                    let name = shown(other);
                    return Err(self.invalid(format!(
                        "<{name}>, expected <expression>, <substitution>, <addressfilter> or <header>"
                    )));
                }
            };
            if !attributes.is_empty() {
                return Err(self.invalid("an attribute where none is known"));
            }
            if place.replace(content).is_some() {
                return Err(self.invalid(format!("a second <{name}> in one rule")));
            }
        }
    }

    /// The character data of an element, blanks and CDATA included, up to its end.
    fn content(&mut self) -> Result<String, Invalid> {
        let mut content = String::new();
        loop {
            match self.next()? {
                Event::Text(text) => content.push_str(&text),
                Event::CData(data) => content.push_str(&data),
                Event::GeneralRef(name) => content.push(self.entity(&name)?),
                Event::End(_) => return Ok(content),
                _ => return Err(self.invalid("an element where text was expected")),
            }
        }
    }

    fn entity(&self, name: &str) -> Result<char, Invalid> {
        let number =
            |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let found = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            other => match (other.strip_prefix("#x"), other.strip_prefix('#')) {
                (Some(digits), _) => number(digits, 16),
                (None, Some(digits)) => number(digits, 10),
                (None, None) => None,
            },
        };
        found.ok_or_else(|| self.invalid(format!("unknown entity &{};", shown(name))))
    }

    fn attributes(&self, start: &BytesStart<'_>) -> Result<Vec<(String, String)>, Invalid> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute =
                attribute.map_err(|error| self.invalid(format!("bad attribute: {error}")))?;
            let name = attribute.key.as_ref().to_owned();
            let value = quick_xml::escape::unescape(&attribute.value)
                .map_err(|error| self.invalid(format!("bad value of {}: {error}", shown(&name))))?;
            attributes.push((name, value.into_owned()));
        }
        Ok(attributes)
    }

    fn header(
        &self,
        attributes: &[(String, String)],
        value: String,
    ) -> Result<RuleHeader, Invalid> {
        let mut name = None;
        let mut action = HeaderAction::Set;
        for (key, text) in attributes {
            match (key.as_str(), text.as_str()) {
                ("Name", text) => name = Some(text.to_owned()),
                ("Action", "set") => action = HeaderAction::Set,
                ("Action", "add") => action = HeaderAction::Add,
                ("Action", text) => {
                    return Err(
                        self.invalid(format!("Action is {}, expected set or add", shown(text)))
                    );
                }
                (key, _) => {
                    return Err(self.invalid(format!("attribute {} of <header>", shown(key))));
                }
            }
        }
        match name.filter(|name| !name.is_empty()) {
            Some(name) => Ok(RuleHeader { name, value, action }),
            None => Err(self.invalid("<header> without Name")),
        }
    }

    fn finished(&self, draft: Draft, number: usize) -> Result<Rule, Invalid> {
        let mut rule = Rule {
            name: number.to_string(),
            on_match: OnMatch::Break,
            replace: Replace::First,
            contexts: None,
            expression: None,
            substitution: None,
            address_filter: None,
            headers: draft.headers,
            overrides: Overrides::default(),
        };
        for (key, text) in &draft.attributes {
            self.attribute(&mut rule, key, text)?;
        }
        let wrong = |what: &str, why: String| self.invalid(format!("{what}: {why}"));
        if let Some(text) = &draft.expression {
            rule.expression = expression(text).map_err(|why| wrong("expression", why))?;
        }
        if let Some(text) = &draft.substitution {
            let pieces = substitution(text, rule.expression.as_ref());
            rule.substitution = Some(pieces.map_err(|why| wrong("substitution", why))?);
        }
        if let Some(text) = draft.address_filter.as_deref().map(str::trim) {
            let filter = match text.is_empty() {
                true => None,
                false => {
                    let (filter, faults) = AddressFilter::parse(text);
                    if let Some(fault) = faults.first() {
                        return Err(wrong("addressfilter", fault.clone()));
                    }
                    Some(filter)
                }
            };
            rule.address_filter = Some(filter);
        }
        Ok(rule)
    }

    fn attribute(&self, rule: &mut Rule, key: &str, text: &str) -> Result<(), Invalid> {
        let wrong =
            |expected: &str| self.invalid(format!("{key} is {}, expected {expected}", shown(text)));
        let flag = || match text {
            "0" => Ok(Some(false)),
            "1" => Ok(Some(true)),
            _ => Err(wrong("0 or 1")),
        };
        let own = &mut rule.overrides;
        match key {
            "Name" => rule.name = text.to_owned(),
            "OnMatch" => {
                rule.on_match = match text {
                    "break" => OnMatch::Break,
                    "continue" => OnMatch::Continue,
                    "error" => OnMatch::Error,
                    _ => return Err(wrong("break, continue or error")),
                };
            }
            "Replace" | "replace" => {
                rule.replace = match text {
                    "first" => Replace::First,
                    "all" => Replace::All,
                    _ => return Err(wrong("first or all")),
                };
            }
            "RequestType" => {
                let contexts = text.split(',').map(|word| match word.trim() {
                    "is" => Ok(RuleContext::Image),
                    "ir" => Ok(RuleContext::Render),
                    "static" => Ok(RuleContext::Static),
                    _ => Err(wrong("a list of is, ir, static")),
                });
                rule.contexts = Some(contexts.collect::<Result<_, _>>()?);
            }
            "DefaultImageMode" => {
                own.default_image_mode = Some(match text {
                    "0" => DefaultImageMode::Request,
                    "1" => DefaultImageMode::Layer,
                    _ => return Err(wrong("0 or 1")),
                });
            }
            "ErrorImage" => own.error_image = Some(text.to_owned()),
            "Expiration" => {
                let hours = text.trim().parse::<f64>().ok().filter(|hours| hours.is_finite());
                own.expiration = Some(match hours {
                    Some(-1.0) => Expiration::Never,
                    Some(hours) if hours >= 0.0 => Expiration::Hours(hours),
                    _ => return Err(wrong("hours of 0 or more, or -1")),
                });
            }
            "MaxPix" => {
                let sides = text.split_once(',').and_then(|(width, height)| {
                    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
                });
                let (width, height) = sides.ok_or_else(|| wrong("width,height"))?;
                own.max_pix = Some(Size::new(width, height));
            }
            "RequestLock" => own.request_lock = flag()?,
            "RequestObfuscation" => own.request_obfuscation = flag()?,
            "RootUrl" => own.root_url = Some(text.to_owned()),
            "SavePath" => own.save_path = Some(text.to_owned()),
            "WaterMark" | "Watermark" => own.watermark = Some(text.to_owned()),
            _ => return Err(self.invalid(format!("attribute {} of <rule>", shown(key)))),
        }
        Ok(())
    }
}

fn is_blank(text: &str) -> bool {
    text.trim_ascii().is_empty()
}
