//! The texts that take part in a request, and the request they make together (requests.md 9, 10). Opens no file.

use crate::catalog::{Catalog, ImageRecord};
use crate::error::{Error, Kind, shown};
use crate::request::{
    Asked, LayerSource, Modifier, Object, Options, Origin, Parsed, Request, Role, SourceExpr,
    SourceText, Surroundings, asked, early_value, parse_within, split,
};

use super::Call;
use super::lookup::Located;

/// A text that takes part in a request, and the catalog whose macros it may use.
#[derive(Clone, Copy)]
struct Part<'t> {
    catalog: &'t Catalog,
    text: SourceText<'t>,
}

impl<'t> Part<'t> {
    fn new(catalog: &'t Catalog, text: &'t str, origin: Origin, layer: Option<u32>) -> Part<'t> {
        Part { catalog, text: SourceText { text, origin, layer } }
    }
}

/// A record that a layer names, whose Modifier counts for that layer.
struct OfLayer<'a> {
    number: u32,
    catalog: &'a Catalog,
    record: Box<ImageRecord<'a>>,
}

impl<'a> Call<'a> {
    /// Parses everything that takes part, from the lowest to the highest precedence (10.3): Modifiers of the records that
    /// layers name, the Modifier of the template or of the path's record, the URL, the PostModifier.
    ///
    /// `path` is the object of the path, where it is found.
    pub(super) fn parsed(&self, path: Option<&Located<'a>>) -> Result<Parsed, Error> {
        let template = self.template(path)?;
        let parsed = self.parse_parts(&self.parts(path, template.as_ref(), &[]))?;
        let records = self.records_of_layers(&parsed.request)?;
        let is_done = records.iter().all(|of| modifier(&of.record).is_none());
        let post = match path.is_none() && template.is_none() {
            // Without an object in the path the record of layer 0 is the one that `src=` names.
            true => records.iter().find(|of| of.number == 0).and_then(|of| {
                let text = of.record.post_modifier.filter(|text| !text.is_empty())?;
                Some(Part::new(of.catalog, text, Origin::PostModifier, None))
            }),
            false => None,
        };
        if is_done && post.is_none() {
            return Ok(parsed);
        }
        self.check_records(&records)?;
        let modifiers: Vec<Part<'_>> = records
            .iter()
            .filter_map(|of| {
                let text = modifier(&of.record)?;
                Some(Part::new(of.catalog, text, Origin::Modifier, Some(of.number)))
            })
            .collect();
        let mut parts = self.parts(path, template.as_ref(), &modifiers);
        parts.extend(post);
        self.parse_parts(&parts)
    }

    /// The template of the request (10.2); `None` without `template=`.
    ///
    /// `NotFound` for an object that is no record, `Syntax` for a record without Modifier (`U-template-empty`).
    fn template(&self, path: Option<&Located<'a>>) -> Result<Option<Located<'a>>, Error> {
        // Only the URL may name one; within a nested request the Modifier of its record may, too.
        let mut parts = match self.role {
            Role::Nested => self.parts(path, None, &[]),
            Role::Main | Role::Watermark => Vec::new(),
        };
        parts.retain(|part| part.text.origin == Origin::Modifier);
        parts.push(self.url_part());
        let find = |texts: &[SourceText<'_>], around: &Surroundings<'_>, options: &Options| {
            early_value(texts, around, options, "template")
        };
        // What cannot be read fails again, with its own message, when everything is parsed.
        let Ok(Some(name)) = self.read_parts(&parts, find) else { return Ok(None) };
        let object = Object::parse(&name)?;
        let found = self.source_object(&object)?;
        match found.record.as_deref() {
            Some(record) if modifier(record).is_some() => Ok(Some(found)),
            Some(_) => Err(Error::new(
                Kind::Syntax,
                format!("template {} has no Modifier", shown(&object.id())),
            )),
            None => Err(Error::new(
                Kind::NotFound,
                format!("template {} is no record", shown(&object.id())),
            )),
        }
    }

    /// The records that `src=` and `mask=` of layers name, with the rules of requests.md 6.2 for them.
    fn records_of_layers(&self, request: &Request) -> Result<Vec<OfLayer<'a>>, Error> {
        let mut records = Vec::new();
        for (&number, layer) in &request.layers {
            // Those that are missing are told when they are opened.
            let found = |object: &Object| self.source_object(object).ok();
            let mask = match &layer.mask {
                Some(SourceExpr::Object(object)) => found(object),
                _ => None,
            };
            let source = match &layer.source {
                Some(LayerSource::Image(SourceExpr::Object(object))) => found(object),
                _ => None,
            };
            let record = |located: Option<Located<'a>>| {
                let located = located?;
                Some(OfLayer { number, catalog: located.catalog, record: located.record? })
            };
            let (mask, source) = (record(mask), record(source));
            if let (Some(mask), Some(source)) = (&mask, &source) {
                if !std::ptr::eq(mask.catalog, source.catalog) {
                    return Err(Error::new(
                        Kind::Syntax,
                        format!("src= and mask= of layer {number} name records of two catalogs"),
                    ));
                }
                if mask.record.id == source.record.id {
                    records.extend([record_again(source)]);
                    continue;
                }
            }
            records.extend(mask);
            records.extend(source);
        }
        Ok(records)
    }

    /// A record of a layer must not be a template: its Modifier names no source of its own (`U-src-chain`).
    fn check_records(&self, records: &[OfLayer<'a>]) -> Result<(), Error> {
        for of in records {
            let Some(text) = modifier(&of.record) else { continue };
            let part = Part::new(of.catalog, text, Origin::Modifier, Some(of.number));
            let own = self.parse_parts(&[part])?.request;
            let has_source =
                own.layers.values().any(|layer| layer.source.is_some() || layer.mask.is_some());
            if has_source {
                return Err(Error::new(
                    Kind::Syntax,
                    format!(
                        "layer {} names {}, whose Modifier contains src=, mask= or text=",
                        of.number,
                        shown(of.record.id)
                    ),
                ));
            }
        }
        Ok(())
    }

    /// As `parsed`, for `req=validate`: commands of the URL whose value holds a `$name$` do not count when they make the
    /// request fail, because nobody knows their values (`U-validate`).
    pub(super) fn parsed_but_references(
        &self,
        path: Option<&Located<'a>>,
    ) -> Result<Request, Error> {
        let error = match self.parsed(path) {
            Ok(parsed) => return Ok(parsed.request),
            Err(error) => error,
        };
        let modifiers = split(&self.query, Origin::Url, self.service.text_limits.modifiers)?;
        let (open, known): (Vec<&Modifier>, Vec<&Modifier>) =
            modifiers.iter().partition(|modifier| modifier.value.matches('$').count() > 1);
        if open.is_empty() {
            return Err(error);
        }
        let text: Vec<String> =
            known.iter().map(|modifier| format!("{}={}", modifier.name, modifier.value)).collect();
        let call = Call { query: text.join("&"), ..self.clone() };
        call.parsed(path).map(|parsed| parsed.request)
    }

    /// The variables of the request, for headers of rules; none where it cannot be read.
    pub(super) fn variables(&self, path: Option<&Located<'a>>) -> Vec<(String, String)> {
        let template = self.template(path).ok().flatten();
        let parsed = self.read_parts(&self.parts(path, template.as_ref(), &[]), parse_within);
        parsed.map(|parsed| parsed.variables).unwrap_or_default()
    }

    /// The type that URL, record and macros ask for together, and in which form.
    pub(super) fn asked(&self) -> Asked {
        let path = self.path_object().ok().flatten();
        self.read_parts(&self.parts(path.as_ref(), None, &[]), asked)
    }

    /// `locale=` of the URL and its macros; `None` where the URL cannot be read, which fails when it is parsed.
    pub(super) fn requested_locale(&self) -> Option<String> {
        let find = |texts: &[SourceText<'_>], around: &Surroundings<'_>, options: &Options| {
            early_value(texts, around, options, "locale")
        };
        self.read_parts(&[self.url_part()], find).ok().flatten()
    }

    fn url_part(&self) -> Part<'_> {
        Part { catalog: self.main.catalog, text: SourceText::url(&self.query) }
    }

    /// What takes part in the request, from the lowest to the highest precedence.
    ///
    /// With a template its Modifier takes the place of that of the path's record, whose PostModifier still counts; the
    /// PostModifier of the template does not (`U-template-post`).
    fn parts<'t>(
        &'t self,
        path: Option<&'t Located<'a>>,
        template: Option<&'t Located<'a>>,
        of_layers: &[Part<'t>],
    ) -> Vec<Part<'t>> {
        let mut parts: Vec<Part<'t>> = of_layers.to_vec();
        let record =
            path.and_then(|path| path.record.as_ref().map(|record| (path.catalog, record)));
        match template {
            Some(template) => parts.extend(template.record.as_ref().and_then(|record| {
                Some(Part::new(template.catalog, record.modifier?, Origin::Template, None))
            })),
            None => parts.extend(record.and_then(|(catalog, record)| {
                Some(Part::new(catalog, record.modifier?, Origin::Modifier, None))
            })),
        }
        parts.push(self.url_part());
        parts.extend(record.and_then(|(catalog, record)| {
            Some(Part::new(catalog, record.post_modifier?, Origin::PostModifier, None))
        }));
        parts
    }

    fn parse_parts(&self, parts: &[Part<'_>]) -> Result<Parsed, Error> {
        self.read_parts(parts, parse_within)
    }

    /// Reads texts, each with the macros of its own catalog.
    fn read_parts<T>(
        &self,
        parts: &[Part<'_>],
        read: impl FnOnce(&[SourceText<'_>], &Surroundings<'_>, &Options) -> T,
    ) -> T {
        let texts: Vec<SourceText<'_>> = parts.iter().map(|part| part.text).collect();
        let macros = |index: usize, name: &str| {
            let catalog = parts.get(index).map(|part| part.catalog)?;
            self.catalogs.macro_definition(catalog, name).map(str::to_owned)
        };
        let surroundings = Surroundings {
            macros: &macros,
            object: Some(&self.located.object_encoded),
            inherited: &self.inherited,
        };
        read(&texts, &surroundings, &self.options())
    }
}

fn modifier<'t>(record: &ImageRecord<'t>) -> Option<&'t str> {
    record.modifier.filter(|text| !text.is_empty())
}

fn record_again<'a>(of: &OfLayer<'a>) -> OfLayer<'a> {
    OfLayer { number: of.number, catalog: of.catalog, record: of.record.clone() }
}
