//! Static content, `/is/content` (requests.md 21): the item that a path names, and what is asked for of it. How a file
//! is sent is in `delivery`; there are no macros, variables and images here.

use std::time::{Instant, SystemTime};

use crate::catalog::{
    Attributes, Catalogs, Expiration, FoundStatic, Main, PropertyText, SourcePath, StaticRecord,
};
use crate::error::{Error, Kind, shown};
use crate::limits::Deadline;
use crate::reply::body::FilePart;
use crate::reply::caching::{self, Ttl};
use crate::reply::date::stamp_date;
use crate::reply::property::{Properties, PropertyStyle};
use crate::reply::{ErrorForm, Facts, HeaderValue, Reply, json};
use crate::request::{
    ContentCommands, ContentKind, Located, Method, PropertyFormat, RawRequest, append_body,
};

use super::guard::{self, Arrived};
use super::lookup::moment;
use super::prepare::ttl;
use super::records::{lines, user_data_properties};
use super::static_files::{MISSING, StaticFile};
use super::{Service, error_form, facts, never_cached, validators};

/// Bytes of the longest text that is sent within a JSONP call (`U-static-jsonp`).
const WRAPPED_BYTES: u64 = 2 << 20;

/// A request for static content on its way.
pub(super) struct ContentCall<'a> {
    pub service: &'a Service,
    pub raw: &'a RawRequest,
    pub now: SystemTime,
    pub commands: &'a ContentCommands,
    catalogs: &'a Catalogs,
    main: Main<'a, 'a>,
    located: &'a Located,
    attributes: &'a Attributes,
}

/// What a path names.
pub(super) struct Item<'a> {
    /// The record; `None` for a file by its path.
    pub record: Option<StaticRecord<'a>>,
    /// Where its file would be; `None` for a record without `Path`.
    path: Option<SourcePath>,
}

impl Service {
    /// Answers a request for static content, whatever comes of it.
    pub(super) fn content_context(
        &self,
        raw: &RawRequest,
        located: &Located,
        deadline: &Deadline,
        now: SystemTime,
    ) -> Result<Reply, Error> {
        let started = Instant::now();
        let mut facts = Facts { context: self.prefixes.content.clone(), ..Facts::default() };
        let is_post = raw.method == Method::Post;
        let query = match is_post {
            true => {
                let content_type = raw.headers.content_type.as_deref();
                append_body(located.query.clone(), &raw.body, content_type, &self.text_limits)?
            }
            false => located.query.clone(),
        };
        self.catalogs.refresh(Instant::now());
        let catalogs = self.catalogs.current();
        let allow_default = self.config.ps.allow_default_catalog_requests;
        // The type decides how an error is shown, so it is found out before anything can fail.
        let mut form = self.content_form(query.as_deref().unwrap_or_default());
        let mut style = self.style(0);
        let mut answered = || {
            let client = self.client(raw);
            let preliminary = catalogs.main(located.object.elements(), allow_default)?;
            style = self.style(preliminary.catalog.attributes.error_detail);
            let arrived = Arrived {
                located,
                query: query.as_deref(),
                client,
                prefixes: &self.prefixes,
                limits: &self.text_limits,
            };
            let guarded = guard::guarded(arrived, &preliminary)?;
            let elements = guarded.located.object.elements();
            let main = guard::main_after(&catalogs, &preliminary, elements, allow_default)?;
            // A rule may lead to another catalog; its filter holds as well.
            if !guarded.replaces_address_filter {
                guard::check_address(&main.catalog.attributes.client_address_filter, client)?;
            }
            style = self.style(main.catalog.attributes.error_detail);
            form = self.content_form(guarded.query.as_bytes());
            facts.root_id.clone_from(&main.catalog.attributes.root_id);
            let separator = if guarded.query.is_empty() { "" } else { "?" };
            let object = &guarded.located.object_encoded;
            facts.transformed_url =
                format!("{}/{object}{separator}{}", facts.context, guarded.query);
            facts.parse_time = started.elapsed();
            let commands = ContentCommands::parse(guarded.query.as_bytes(), &self.text_limits)?;
            let call = ContentCall {
                service: self,
                raw,
                now,
                commands: &commands,
                catalogs: &catalogs,
                main,
                located: &guarded.located,
                attributes: &guard::attributes(main.catalog, &guarded.overrides),
            };
            let mut reply = call.answer()?;
            if matches!(reply.status, 200 | 206 | 304) {
                // Without variables, `$name$` in a header of a rule stands for itself (`U-rule-header`).
                super::add_headers(&mut reply, &guarded.headers, &[]);
            }
            Ok(reply)
        };
        let mut reply = match answered() {
            Ok(reply) => reply,
            Err(error) => {
                let redirected = match self.redirects(raw, deadline, &error) {
                    true => self.redirected(raw, located, &error, deadline),
                    false => None,
                };
                redirected.unwrap_or_else(|| self.refuse(&error, &form, style, now))
            }
        };
        if is_post {
            never_cached(&mut reply);
        }
        facts.fetch_time = started.elapsed().saturating_sub(facts.parse_time);
        facts::join(&mut reply, facts);
        Ok(reply)
    }

    /// In which form an error of this query is shown.
    fn content_form(&self, query: &[u8]) -> ErrorForm {
        match ContentCommands::parse(query, &self.text_limits) {
            Ok(commands) => match commands.kind {
                ContentKind::File => ErrorForm::Line,
                ContentKind::Wrapped
                | ContentKind::Props
                | ContentKind::Exists
                | ContentKind::UserData => {
                    ErrorForm::Properties(PropertyStyle::of(&commands.asked))
                }
            },
            Err(_) => error_form(&self.asked_of(query)),
        }
    }
}

impl<'a> ContentCall<'a> {
    fn answer(&self) -> Result<Reply, Error> {
        match self.commands.kind {
            ContentKind::File => {
                let item = self.tested_item()?;
                let file = self.opened(&item)?;
                self.delivered(&item, file)
            }
            ContentKind::Wrapped => self.wrapped(),
            ContentKind::Props => self.props(),
            ContentKind::Exists => self.exists(),
            ContentKind::UserData => self.user_data(),
        }
    }

    /// `req=props`: the file and what is said of it (`requests.md` 16.4).
    fn props(&self) -> Result<Reply, Error> {
        let item = self.tested_item()?;
        let file = self.opened(&item)?;
        let mut p = Properties::new();
        // Relative to the root, also for a path that a catalog gives in full (`U-content-path`).
        p.text("path", item.path.as_ref().map_or("", |path| path.path.as_str()));
        p.int("length", file.file.identity().bytes);
        p.real(
            "expiration",
            match self.expiration(&item) {
                Expiration::Hours(hours) => hours,
                Expiration::Never => -1.0,
            },
        );
        p.text("lastModified", stamp_date(moment(modified_ms(&item, &file))));
        p.text("userType", user_type(&item).unwrap_or_default());
        Ok(self.properties(&p, self.attributes.non_img_expiration))
    }

    /// `req=exists`: whether there is a record in the static table; files are never probed (`U-exists`).
    fn exists(&self) -> Result<Reply, Error> {
        let mut p = Properties::new();
        p.flag("catalogRecord.exists", self.record()?.is_some());
        Ok(self.properties(&p, self.attributes.non_img_expiration))
    }

    /// `req=userdata`: the record's user data, only a line end without a record (`requests.md` 16.13).
    fn user_data(&self) -> Result<Reply, Error> {
        let record = self.record()?;
        let item = Item { record, path: None };
        self.test_type(&item)?;
        let expiration = self.expiration(&item);
        let own = lines(item.record.as_ref().and_then(|record| record.user_data));
        let localizer = self.main.catalog.localizer(self.commands.locale.as_deref())?;
        let text = localizer.user_data(PropertyText { text: &own, is_quoted: true });
        let style = PropertyStyle::of(&self.commands.asked);
        if style.format() != PropertyFormat::Text {
            return Ok(self.properties(&user_data_properties(&text), expiration));
        }
        let body = format!("{text}\r\n");
        let etag = validators::of_text(&body);
        Ok(self.kept(Reply::text(200, body), &etag, expiration))
    }

    /// `req=content,json`: the text of the file within a call of the handler (`U-static-jsonp`).
    fn wrapped(&self) -> Result<Reply, Error> {
        let item = self.tested_item()?;
        let StaticFile { file, .. } = self.opened(&item)?;
        let bytes = file.identity().bytes;
        if bytes > WRAPPED_BYTES {
            let detail =
                format!("file of {bytes} bytes, expected at most {WRAPPED_BYTES} for json");
            return Err(Error::new(Kind::TooLarge, detail).with_title("Content too large"));
        }
        let unreadable = |detail: &str| {
            Error::new(Kind::Unreadable, detail).with_title("Content could not be read")
        };
        let mut text = Vec::new();
        let part = FilePart::new(file.into_file(), 0, bytes);
        part.write_to(&mut text).map_err(|e| unreadable("file").with_cause(e))?;
        let text = String::from_utf8(text).map_err(|_| unreadable("the file is not UTF-8"))?;
        let mut p = Properties::new();
        p.text("content", text.strip_prefix('\u{feff}').unwrap_or(&text));
        let style = PropertyStyle::of(&self.commands.asked);
        let body = style.jsonp(&json::object(&p));
        let etag = validators::of_text(&body);
        Ok(self.kept(style.reply(200, body), &etag, self.expiration(&item)))
    }

    /// The item of the path; it has passed `type=`.
    fn tested_item(&self) -> Result<Item<'a>, Error> {
        let item = self.item()?;
        self.test_type(&item)?;
        Ok(item)
    }

    fn test_type(&self, item: &Item<'_>) -> Result<(), Error> {
        match (&self.commands.user_type, user_type(item)) {
            (Some(asked), Some(own)) if asked != own => {
                let (asked, own) = (shown(asked), shown(own));
                Err(Error::new(Kind::Syntax, format!("type is {own}, asked for {asked}")))
            }
            _ => Ok(()),
        }
    }

    /// What the path names, in the locale of the request (`U-lookup-order`).
    fn found(&self) -> Result<FoundStatic<'a>, Error> {
        let suffixes = self.main.catalog.suffixes(self.commands.locale.as_deref())?;
        self.catalogs.resolve_static(&self.main, &suffixes)
    }

    /// The record of the path, else its file (`U-static-path`); `NotFound` for what may not be reached by path, too.
    fn item(&self) -> Result<Item<'a>, Error> {
        match self.found()? {
            FoundStatic::Record { catalog, record } => {
                let path = record.path.filter(|path| !path.is_empty());
                let path = path.map(|path| catalog.static_path(path).ok_or_else(|| self.missing()));
                Ok(Item { path: path.transpose()?, record: Some(*record) })
            }
            // An encoded slash may be part of an id, never of a file name (`U-path-safety`).
            FoundStatic::File { path, .. } if self.located.object.is_path() => {
                Ok(Item { record: None, path: Some(path) })
            }
            FoundStatic::File { .. } | FoundStatic::Missing => Err(self.missing()),
        }
    }

    /// The static record that the path names.
    fn record(&self) -> Result<Option<StaticRecord<'a>>, Error> {
        Ok(match self.found()? {
            FoundStatic::Record { record, .. } => Some(*record),
            FoundStatic::File { .. } | FoundStatic::Missing => None,
        })
    }

    fn opened(&self, item: &Item<'_>) -> Result<StaticFile, Error> {
        let path = item.path.as_ref().ok_or_else(|| self.missing())?;
        let file = self.service.static_roots.find(path);
        // Static content that is not on disk may be whole elsewhere, with a record or without (requests.md 23.5).
        file.map_err(|error| error.context(shown(&path.path)).with_title(MISSING).blaming_source())
    }

    fn missing(&self) -> Error {
        let id = self.located.object.id();
        Error::new(Kind::NotFound, format!("no static record or file {}", shown(&id)))
            .with_title(MISSING)
    }

    /// `static::Expiration`, else that of the rules, else the attribute.
    pub(super) fn expiration(&self, item: &Item<'_>) -> Expiration {
        let own = item.record.as_ref().and_then(|record| record.expiration);
        own.unwrap_or(self.attributes.expiration)
    }

    /// The lifetime with `cache=` applied.
    pub(super) fn ttl(&self, expiration: Expiration) -> Ttl {
        if self.commands.is_kept { ttl(expiration) } else { Ttl::Never }
    }

    fn properties(&self, p: &Properties, expiration: Expiration) -> Reply {
        let style = PropertyStyle::of(&self.commands.asked);
        let etag = validators::of_properties(p, &style);
        self.kept(style.properties(p, self.now), &etag, expiration)
    }

    /// A reply that is not a file, with lifetime and validator; 304 where the client's is still good.
    fn kept(&self, mut reply: Reply, etag: &str, expiration: Expiration) -> Reply {
        let ttl = self.ttl(expiration);
        reply.headers.retain(|(name, _)| name.as_str() != "Cache-Control");
        caching::add_ttl(&mut reply, ttl, self.now);
        if ttl == Ttl::Never {
            return reply;
        }
        reply.headers.push(("ETag".into(), HeaderValue::new(etag)));
        match validators::is_unchanged(self.raw, &reply, ttl, None) {
            true => caching::not_modified(reply),
            false => reply,
        }
    }
}

fn user_type<'t>(item: &'t Item<'_>) -> Option<&'t str> {
    item.record.as_ref().and_then(|record| record.user_type).filter(|own| !own.is_empty())
}

/// `static::TimeStamp`, else the time of the file; ms since 1970.
pub(super) fn modified_ms(item: &Item<'_>, file: &StaticFile) -> i64 {
    let own = item.record.as_ref().and_then(|record| record.time_stamp_ms);
    let of_file = || i64::try_from(file.file.identity().modified_ns / 1_000_000).unwrap_or(0);
    own.unwrap_or_else(of_file)
}
