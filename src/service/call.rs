//! One request on its way: what every stage may look at, and the requests that come from it. Answers nothing itself.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::SystemTime;

use crate::catalog::{Catalog, Catalogs, Localizer, Main, Overrides, RuleContext};
use crate::error::{Error, Kind, shown};
use crate::limits::Deadline;
use crate::raster::Model;
use crate::request::{
    Located, Object, Options, RawRequest, Role, Target, query_text, split_target,
};

use super::Service;

/// Requests within requests (`U-nest-limit`).
const NESTING_DEPTH: u32 = 16;
/// Nested requests of one request of a client.
const NESTED_REQUESTS: u32 = 256;

/// The catalog in force for a request, by its URL path, with the elements of that path.
#[derive(Clone, Debug)]
pub(super) struct MainObject<'a> {
    /// The main catalog.
    pub catalog: &'a Catalog,
    /// The elements behind the RootId, or all.
    pub rest: Vec<String>,
    /// All elements of the path.
    pub elements: Vec<String>,
    /// Whether the first element is the RootId.
    pub is_named: bool,
}

impl<'a> MainObject<'a> {
    /// With texts of its own.
    pub fn of(main: &Main<'a, '_>) -> MainObject<'a> {
        MainObject {
            catalog: main.catalog,
            rest: main.rest.to_vec(),
            elements: main.elements.to_vec(),
            is_named: main.is_named,
        }
    }

    /// As the catalogs take it.
    pub fn as_main(&self) -> Main<'a, '_> {
        Main {
            catalog: self.catalog,
            rest: &self.rest,
            elements: &self.elements,
            is_named: self.is_named,
        }
    }
}

/// What takes the place of a missing image in one layer (`DefaultImageMode` 1).
#[derive(Clone, Debug)]
pub(super) struct StandIn<'a> {
    /// The default image.
    pub object: Object,
    /// The catalog in which it is searched: the main catalog of the client's request.
    pub catalog: &'a Catalog,
}

/// One request on its way.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub service: &'a Service,
    pub raw: &'a RawRequest,
    pub deadline: &'a Deadline,
    pub now: SystemTime,
    pub client: Option<IpAddr>,
    pub catalogs: &'a Catalogs,
    /// Context, object and query after the rules.
    pub located: Located,
    pub main: MainObject<'a>,
    /// The clear query without its lock.
    pub query: String,
    /// Attributes that rules set.
    pub overrides: Overrides,
    /// `locale=` of the client's request, for nested ones too (requests.md 7).
    pub locale: Option<String>,
    /// The object that stands in the place of that of the path: default image, error image, watermark.
    pub object: Option<Object>,
    /// Variables of the outer requests, name in lower case and encoded value.
    pub inherited: Vec<(String, String)>,
    /// The part it plays.
    pub role: Role,
    /// The color model of the client's reply, for nested requests.
    pub model: Model,
    /// What takes the place of a missing image in a layer.
    pub stand_in: Option<StandIn<'a>>,
    /// How deep it is nested.
    pub depth: u32,
    /// How many more nested requests the client's request may have.
    pub nested_left: Rc<Cell<u32>>,
}

/// The number of nested requests that one request may have, to count down.
pub(super) fn nested_requests() -> Rc<Cell<u32>> {
    Rc::new(Cell::new(NESTED_REQUESTS))
}

impl<'a> Call<'a> {
    /// How the request's texts are read.
    pub fn options(&self) -> Options {
        Options { role: self.role, ..self.service.options() }
    }

    /// What the request's locale makes of strings of records.
    pub fn localizer(&self) -> Result<Localizer<'a>, Error> {
        self.main.catalog.localizer(self.locale.as_deref())
    }

    /// The call of a request within this one (requests.md 11): rules of its own catalog rewrite it, their overrides and
    /// headers do not count; address filter, lock and obfuscation are those of the outer request.
    ///
    /// `Syntax` beyond the limits of depth and count (`U-nest-limit`).
    pub fn nested(&self, text: &str, variables: &[(String, String)]) -> Result<Call<'a>, Error> {
        if self.depth == NESTING_DEPTH {
            let detail = format!("requests are nested deeper than {NESTING_DEPTH}");
            return Err(Error::new(Kind::Syntax, detail));
        }
        let left = self.nested_left.get().checked_sub(1).ok_or_else(|| {
            Error::new(Kind::Syntax, format!("more than {NESTED_REQUESTS} nested requests"))
        })?;
        self.nested_left.set(left);
        let located = self.nested_target(text)?;
        let allow_default = self.service.config.ps.allow_default_catalog_requests;
        let preliminary = self.nested_main(&located.object, allow_default)?;
        let located = match preliminary.catalog.rules() {
            None => located,
            Some(rules) => {
                let query = located.query.as_deref().map(query_text);
                let subject = match &query {
                    Some(query) => format!("{}?{query}", located.object_encoded),
                    None => located.object_encoded.clone(),
                };
                let applied = rules.apply(&subject, RuleContext::Image, self.client)?;
                if applied.is_changed { self.nested_target(&applied.text)? } else { located }
            }
        };
        let main = self.nested_main(&located.object, allow_default || preliminary.is_named)?;
        let main = match main.is_named || !preliminary.is_named {
            true => main,
            false => MainObject { catalog: preliminary.catalog, is_named: false, ..main },
        };
        Ok(Call {
            query: query_text(located.query.as_deref().unwrap_or_default()),
            located,
            main,
            overrides: Overrides::default(),
            object: None,
            inherited: variables.to_vec(),
            role: Role::Nested,
            depth: self.depth + 1,
            ..self.clone()
        })
    }

    fn nested_target(&self, text: &str) -> Result<Located, Error> {
        let target = format!("{}/{text}", self.service.prefixes.image);
        let target = Target::Raw(target.into_bytes());
        let located = split_target(&target, &self.service.prefixes, &self.service.text_limits);
        located.map_err(|error| error.context(format!("nested request {}", shown(text))))
    }

    /// An empty path inherits the outer main catalog (`U-nest-main`).
    fn nested_main(&self, object: &Object, allow_default: bool) -> Result<MainObject<'a>, Error> {
        if object.is_empty() {
            let (rest, elements) = (Vec::new(), Vec::new());
            return Ok(MainObject { rest, elements, ..self.main.clone() });
        }
        let main = self.catalogs.main(object.elements(), allow_default)?;
        Ok(MainObject::of(&main))
    }

    /// The call of an object that is rendered for itself, by the main catalog: a default image, an error image, a
    /// watermark.
    pub fn of_object(&self, object: Object, query: String, role: Role) -> Call<'a> {
        Call { object: Some(object), query, role, ..self.clone() }
    }
}
