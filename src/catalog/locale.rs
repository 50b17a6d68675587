//! `LocaleMap` and `LocaleStrMap`: which locale means which id suffixes and which localized strings (requests.md 7, 25).
//! It looks up no record; `resolve.rs` tries the suffixes, `localize.rs` picks the strings.

use crate::error::{Error, Kind, shown};

use super::Catalog;

/// `LocaleMap`: the suffixes that are tried behind a record id, for each locale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocaleMap(Items);

/// `LocaleStrMap`: the ids of the localized strings that are searched, for each locale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocaleStrMap(Items);

/// Items in the order of the attribute: a locale, empty for the default rule, and one or more texts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Items(Vec<(String, Vec<String>)>);

/// What stands behind a record id, in the order to be tried; never empty. An empty one is the id as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suffixes<'a>(&'a [String]);

static UNTRANSLATED: [String; 1] = [String::new()];

impl Suffixes<'_> {
    /// No translation: the id as it is.
    pub fn none() -> Suffixes<'static> {
        Suffixes(&UNTRANSLATED)
    }

    /// That one suffix.
    pub(super) fn only(suffix: &[String; 1]) -> Suffixes<'_> {
        Suffixes(suffix)
    }

    /// The first thing found under a translated id.
    pub(super) fn find<T>(&self, id: &str, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|suffix| match suffix.as_str() {
            "" => look(id),
            suffix => look(&format!("{id}{suffix}")),
        })
    }
}

impl<'a> Suffixes<'a> {
    /// The suffixes, in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(String::as_str)
    }
}

impl LocaleMap {
    /// Reads the value of the attribute; items that are malformed are left out and told. `None` if none is left.
    pub(super) fn parse(value: &str) -> (Option<LocaleMap>, Vec<String>) {
        let is_suffix = |text: &str| !text.contains('?') && !text.chars().any(char::is_control);
        let (items, faults) = Items::parse(value, is_suffix, "id suffixes without ? and controls");
        (items.map(LocaleMap), faults)
    }

    /// Every distinct suffix, in order of first appearance (`U-xlate`).
    pub(super) fn suffixes(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        let all = self.0.0.iter().flat_map(|(_, suffixes)| suffixes.iter().map(String::as_str));
        all.filter(|suffix| seen.insert(*suffix)).collect()
    }
}

impl LocaleStrMap {
    /// As `LocaleMap::parse`.
    pub(super) fn parse(value: &str) -> (Option<LocaleStrMap>, Vec<String>) {
        let is_id = |text: &str| is_printable(text) && !text.contains('^');
        let (items, faults) = Items::parse(value, is_id, "string ids in ASCII without ^");
        (items.map(LocaleStrMap), faults)
    }

    /// The string ids of a locale, in their order; an empty one is the default string.
    pub(super) fn ids(&self, locale: &str) -> Result<&[String], Error> {
        self.0.of(locale, "LocaleStrMap")
    }
}

impl Items {
    /// `item*[|item]`, `item = locale*[,text]`. An item without text has one empty text; blanks around tokens do not
    /// count (text.md 15.2).
    fn parse(
        value: &str,
        is_text: impl Fn(&str) -> bool,
        expected: &str,
    ) -> (Option<Items>, Vec<String>) {
        let mut items: Vec<(String, Vec<String>)> = Vec::new();
        let mut faults = Vec::new();
        for item in value.split('|') {
            let mut parts = item.split(',').map(|part| part.trim().to_owned());
            let locale = parts.next().unwrap_or_default();
            let mut texts: Vec<String> = parts.collect();
            if item.trim().is_empty() {
                // A stray | would otherwise let every unknown locale in.
                faults.push("an item is empty, expected a locale or a comma".to_owned());
            } else if !is_printable(&locale) {
                let found = shown(item.trim());
                faults.push(format!("item is {found}, expected a locale in printable ASCII"));
            } else if !texts.iter().all(|text| is_text(text)) {
                faults.push(format!("item is {}, expected {expected}", shown(item.trim())));
            } else if items.iter().any(|(own, _)| own.eq_ignore_ascii_case(&locale)) {
                faults.push(format!("locale {} comes again", shown(&locale)));
            } else {
                if texts.is_empty() {
                    texts.push(String::new());
                }
                items.push((locale, texts));
            }
        }
        (Some(Items(items)).filter(|items| !items.0.is_empty()), faults)
    }

    /// The texts of a locale, else those of the default rule (`U-locale-empty-default`).
    fn of(&self, locale: &str, attribute: &str) -> Result<&[String], Error> {
        let rule = |name: &str| self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        match rule(locale).or_else(|| rule("")) {
            Some((_, texts)) => Ok(texts),
            None => {
                let message = format!("locale is {}, expected one of {attribute}", shown(locale));
                Err(Error::new(Kind::Refused, message))
            }
        }
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

impl Catalog {
    /// Whether `locale=` has a meaning with this main catalog: one of the two maps is defined.
    pub fn has_locales(&self) -> bool {
        self.attributes.locale_map.is_some() || self.attributes.locale_str_map.is_some()
    }

    /// What to try behind the ids of a request with this main catalog; `locale` is the value of `locale=`.
    ///
    /// Without `LocaleMap` ids are not translated (`U-locale-nomap`). `Refused` for a locale that the map does not
    /// list and has no default rule for (`U-locale-empty-default`).
    pub fn suffixes(&self, locale: Option<&str>) -> Result<Suffixes<'_>, Error> {
        match &self.attributes.locale_map {
            Some(map) => map.0.of(self.effective_locale(locale), "LocaleMap").map(Suffixes),
            None => Ok(Suffixes::none()),
        }
    }

    /// `locale=` if it is not empty, else `DefaultLocale`.
    pub(super) fn effective_locale<'a>(&'a self, locale: Option<&'a str>) -> &'a str {
        let asked = locale.map(str::trim).filter(|locale| !locale.is_empty());
        asked.or(self.attributes.default_locale.as_deref()).unwrap_or_default().trim()
    }
}
