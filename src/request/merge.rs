//! Modifiers of several source strings to one request: scopes, slots, last one wins. Parses no value itself.

use std::collections::{BTreeMap, HashMap};

use super::commands::{LayerCommands, PictureCommands, RequestCommands, ViewCommands};
use super::format::{Palette, PixelType};
use super::object::bracketed;
use super::placement::SizeArg;
use super::query::{Modifier, Origin, decode_value, is_macro, is_variable};
use super::req::{Asked, Req, ReqType, handler};
use super::table::{Entry, Subject, find};
use super::value::{int, unexpected};
use super::{Options, Role};
use crate::error::{Error, Kind, shown};

/// What a command acts on, in the order of `req=resolve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole request: request and view commands, and what acts on the composite.
    Comp,
    /// Effect layer of the composite.
    CompEffect(i32),
    /// A layer.
    Layer(u32),
    /// Effect layer of a layer.
    LayerEffect(u32, i32),
}

impl Scope {
    /// Layer and effect, for the order: the composite first, a parent before its effects.
    fn order(self) -> (Option<u32>, Option<i32>) {
        match self {
            Scope::Comp => (None, None),
            Scope::CompEffect(effect) => (None, Some(effect)),
            Scope::Layer(layer) => (Some(layer), None),
            Scope::LayerEffect(layer, effect) => (Some(layer), Some(effect)),
        }
    }
}

/// Whether a merged command counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It takes part in the request.
    Applied,
    /// Its name is not of the protocol (`U-unknown-cmd`).
    Unknown,
    /// It has no effect in its place (in an effect layer, a nested request, the record of a layer).
    Ignored,
}

/// A command that no later one replaced, for `req=resolve` and `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedCommand {
    /// What it acts on.
    pub scope: Scope,
    /// Its name in the protocol's spelling; as written when it is unknown.
    pub name: String,
    /// The decoded value; of nested requests, foreign URLs and sets the text as written.
    pub value: String,
    /// Whether `value` is as written.
    pub is_encoded: bool,
    /// The source string.
    pub origin: Origin,
    /// The macro it stands in, if any.
    pub macro_name: Option<String>,
    /// Whether it counts.
    pub state: State,
}

/// A request with every value typed; no text is interpreted after this.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Request {
    /// Request attributes.
    pub attributes: RequestCommands,
    /// View attributes.
    pub view: ViewCommands,
    /// What acts on the composite, and `op_sharpen`, `op_usm`, `op_usmR` on the view image (commands.md 1.2).
    pub composite: PictureCommands,
    /// Layers by number; layer 0 is here only when a command was given for it.
    pub layers: BTreeMap<u32, LayerCommands>,
    /// The commands that count or are ignored, overridden ones left out, in the order of `req=resolve`.
    pub merged: Vec<MergedCommand>,
}

/// Merges modifier lists from the lowest to the highest precedence; each starts in its own scope, that of the layer
/// it belongs to or `layer=comp` (`U-scope-reset`). Variables have to be substituted and macros expanded before.
///
/// `Syntax` for values, names, scopes and conflicts (requests.md 10.4, 10.5) that are wrong by the text alone.
/// `req=saveToFile` that does not stand in the URL has no effect (`U-save-origin`). Types of request that look at
/// nothing else but the record (stage 13) ignore all other commands, also malformed ones.
pub fn merge(lists: &[(Option<u32>, Vec<Modifier>)], options: &Options) -> Result<Request, Error> {
    let mut merger = Merger {
        role: options.role,
        is_record_only: is_record_only(lists, options.role),
        request: Request::default(),
        names: HashMap::new(),
        winners: HashMap::new(),
        position: 0,
        home: None,
        current: Segment::default(),
    };
    for (layer, list) in lists {
        merger.home = *layer;
        merger.current = Segment { layer: *layer, effect: None, is_skipped: false };
        for modifier in list {
            merger.take(modifier).map_err(|error| {
                let name = shown(&modifier.name);
                Error::new(error.kind(), format!("{name} {}", error.detail()))
                    .with_title(error.title())
            })?;
        }
    }
    merger.finish()
}

/// The type of the last `req=` that can be read and counts, `img` where there is none, with `handler=` and `id=`.
pub(super) fn asked(lists: &[(Option<u32>, Vec<Modifier>)]) -> Asked {
    let mut asked = Asked::default();
    let mut has_bad_handler = false;
    let counted = lists.iter().filter(|(layer, _)| layer.is_none_or(|layer| layer == 0));
    for modifier in counted.flat_map(|(_, list)| list) {
        let is = |name: &str| modifier.name.eq_ignore_ascii_case(name);
        if !(is("req") || is("handler") || is("id")) {
            continue;
        }
        let Ok(text) = decode_value(&modifier.value) else { continue };
        if is("id") {
            asked.id = Some(text);
        } else if is("handler") {
            asked.handler = handler(&text).ok();
            has_bad_handler |= asked.handler.is_none();
        } else if let Some(req) =
            readable(&text).filter(|req| !is_foreign_save(req, modifier.origin))
        {
            asked.req = req;
        }
    }
    if has_bad_handler {
        // Refused as plain text, whatever the format (`U-handler-bad`).
        asked.req.format = None;
    }
    asked
}

/// As much of a `req=` as can be read: a wrong option of a known type is still a request of that type, and a wrong
/// encoding one in its format.
fn readable(text: &str) -> Option<Req> {
    if text.is_empty() {
        return Some(Req::default());
    }
    let commas = text.match_indices(',').map(|(at, _)| at).take(2);
    let mut ends: Vec<usize> = commas.chain([text.len()]).collect();
    ends.reverse();
    ends.into_iter().find_map(|end| Req::parse(text.get(..end)?).ok())
}

/// Whether the type ignores all but a few commands (requests.md 3, stage 13).
fn is_record_only(lists: &[(Option<u32>, Vec<Modifier>)], role: Role) -> bool {
    role == Role::Main
        && matches!(
            asked(lists).req.kind,
            ReqType::Exists
                | ReqType::ImageProps
                | ReqType::CatalogProps
                | ReqType::ImageSet
                | ReqType::Targets
                | ReqType::UserData
                | ReqType::Xmp
        )
}

/// A save is asked for by the URL, or by a macro in it, only (requests.md 17.9).
fn is_foreign_save(req: &Req, origin: Origin) -> bool {
    req.kind == ReqType::SaveToFile && origin != Origin::Url
}

/// Where the commands of a list go at present.
#[derive(Clone, Copy, Default)]
struct Segment {
    /// `None` is `comp`.
    layer: Option<u32>,
    effect: Option<i32>,
    /// Within the record of a layer, the segment of another layer.
    is_skipped: bool,
}

/// Commands with equal keys replace each other.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    scope: Scope,
    slot: String,
    state: State,
}

struct Merger {
    role: Role,
    is_record_only: bool,
    request: Request,
    /// Layer names; `None` is `comp`.
    names: HashMap<String, Option<u32>>,
    winners: HashMap<Key, (usize, MergedCommand)>,
    position: usize,
    /// The layer whose record the current list is.
    home: Option<u32>,
    current: Segment,
}

impl Merger {
    fn take(&mut self, modifier: &Modifier) -> Result<(), Error> {
        self.position += 1;
        if is_macro(modifier) {
            return Err(Error::new(Kind::Syntax, "is no macro known here"));
        }
        if is_variable(&modifier.name) {
            return Ok(());
        }
        let is_kept = ["req", "id", "handler", "locale", "labelkey", "imageSet"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&modifier.name));
        if self.is_record_only && !is_kept {
            self.record_raw(modifier);
            return Ok(());
        }
        if modifier.name.eq_ignore_ascii_case("layer") {
            return self.open_layer(&modifier.value);
        }
        if modifier.name.eq_ignore_ascii_case("effect") {
            return self.open_effect(&modifier.value);
        }
        let Some(entry) = find(&modifier.name) else {
            let value = decode_value(&modifier.value)?;
            let slot = modifier.name.to_ascii_lowercase();
            let scope = self.scope();
            self.record(scope, &slot, State::Unknown, modifier, &modifier.name, value, false);
            return Ok(());
        };
        self.apply(entry, modifier)
    }

    fn scope(&self) -> Scope {
        match (self.current.layer, self.current.effect) {
            (None, None) => Scope::Comp,
            (None, Some(effect)) => Scope::CompEffect(effect),
            (Some(layer), None) => Scope::Layer(layer),
            (Some(layer), Some(effect)) => Scope::LayerEffect(layer, effect),
        }
    }

    fn apply(&mut self, entry: &Entry, modifier: &Modifier) -> Result<(), Error> {
        let decoded;
        let value = if entry.is_encoded {
            modifier.value.as_str()
        } else {
            decoded = decode_value(&modifier.value)?;
            decoded.as_str()
        };
        let is_of_request = matches!(entry.subject, Subject::Request(_) | Subject::View(_));
        if self.is_ignored(entry, is_of_request, modifier, value)? {
            let scope = if is_of_request { Scope::Comp } else { self.scope() };
            let name = entry.names.first().copied().unwrap_or_default();
            let value = value.to_owned();
            let is_raw = entry.is_encoded;
            self.record(scope, name, State::Ignored, modifier, name, value, is_raw);
            return Ok(());
        }
        let Segment { layer, effect, .. } = self.current;
        let request = &mut self.request;
        let scope = match (&entry.subject, effect, layer) {
            (Subject::Request(set), _, _) => {
                set(&mut request.attributes, value)?;
                Scope::Comp
            }
            (Subject::View(set), _, _) => {
                set(&mut request.view, value)?;
                Scope::Comp
            }
            (_, Some(effect), layer) => {
                let picture = match layer {
                    None => &mut request.composite,
                    Some(layer) => &mut request.layers.entry(layer).or_default().picture,
                };
                if let Some(set) = entry.effect {
                    set(picture.effects.entry(effect).or_default(), value)?;
                }
                self.scope()
            }
            (Subject::Picture(set), None, None) => {
                set(&mut request.composite, value)?;
                Scope::Comp
            }
            (Subject::Picture(set), None, Some(layer)) => {
                set(&mut request.layers.entry(layer).or_default().picture, value)?;
                Scope::Layer(layer)
            }
            (Subject::Layer(set) | Subject::LayerOnly(set), None, layer) => {
                // What `comp` cannot carry out goes to layer 0 (commands.md 1.2).
                let layer = layer.unwrap_or(0);
                set(request.layers.entry(layer).or_default(), value)?;
                Scope::Layer(layer)
            }
        };
        let is_reset = value.is_empty() && !entry.keeps_empty;
        if is_reset {
            let key = Key { scope, slot: entry.slot.to_owned(), state: State::Applied };
            self.winners.remove(&key);
            return Ok(());
        }
        let name = entry.names.first().copied().unwrap_or_default();
        // An object is printed from its decoded text; requests, URLs and sets as they were written.
        let is_raw =
            entry.is_encoded && (name == "imageSet" || bracketed(value, name == "mask").is_some());
        let value =
            if entry.is_encoded && !is_raw { decode_value(value)? } else { value.to_owned() };
        self.record(scope, entry.slot, State::Applied, modifier, name, value, is_raw);
        Ok(())
    }

    /// Whether a known command has no effect in its place; those that must not stand there at all are errors.
    fn is_ignored(
        &self,
        entry: &Entry,
        is_of_request: bool,
        modifier: &Modifier,
        value: &str,
    ) -> Result<bool, Error> {
        let name = entry.names.first().copied().unwrap_or_default();
        let is_layer_record = self.home.is_some_and(|layer| layer > 0);
        if self.current.is_skipped || (is_of_request && is_layer_record) {
            return Ok(true);
        }
        if is_of_request {
            let is_ignored = match self.role {
                Role::Main => false,
                Role::Nested => entry.is_outer_only,
                Role::Watermark => name != "align",
            };
            if is_ignored {
                return Ok(true);
            }
            if name == "req" && !value.is_empty() {
                return Ok(is_foreign_save(&Req::parse(value)?, modifier.origin));
            }
            let may_hold_template = match modifier.origin {
                Origin::Url => true,
                Origin::Modifier => self.role == Role::Nested,
                Origin::Template | Origin::PostModifier => false,
            };
            if name == "template" && !value.is_empty() && !may_hold_template {
                return Err(Error::new(Kind::Syntax, "is in a record, expected in the URL only"));
            }
            return Ok(false);
        }
        if self.current.effect.is_some() {
            return Ok(entry.effect.is_none());
        }
        Ok(self.current.layer.is_none() && matches!(entry.subject, Subject::LayerOnly(_)))
    }

    /// `layer=n|comp[,name]` or `layer=name` (requests.md 10.4).
    fn open_layer(&mut self, value: &str) -> Result<(), Error> {
        let value = segment_argument(value)?;
        let (head, name) = match value.split_once(',') {
            Some((head, name)) => (head, Some(name)),
            None => (value.as_str(), None),
        };
        let layer = if head.eq_ignore_ascii_case("comp") {
            None
        } else if !head.is_empty() && head.bytes().all(|b| b.is_ascii_digit()) {
            Some(head.parse::<u32>().map_err(|_| unexpected(head, "0 to 4294967295"))?)
        } else if name.is_none() {
            let known = self.names.get(head).copied();
            known.ok_or_else(|| unexpected(head, "a number, comp or a name given before"))?
        } else {
            return Err(unexpected(head, "a number or comp before the name"));
        };
        if let Some(name) = name {
            let is_name = !name.is_empty()
                && !name.contains(',')
                && !name.eq_ignore_ascii_case("comp")
                && !name.bytes().all(|b| b.is_ascii_digit());
            if !is_name {
                return Err(unexpected(name, "a name other than comp and a number"));
            }
            let known = *self.names.entry(name.to_owned()).or_insert(layer);
            if known != layer {
                return Err(unexpected(name, "a name that no other layer has"));
            }
        }
        self.current = match self.home.filter(|&home| home > 0) {
            None => Segment { layer, effect: None, is_skipped: false },
            // `U-layer-modifier-scope`: in the record of a layer its own layer 0 is that layer, others do not count.
            Some(home) => {
                let is_skipped = layer.is_some_and(|layer| layer != 0);
                Segment { layer: Some(home), effect: None, is_skipped }
            }
        };
        Ok(())
    }

    fn open_effect(&mut self, value: &str) -> Result<(), Error> {
        let value = segment_argument(value)?;
        let number = i32::try_from(int(&value)?).ok().filter(|&number| number != 0);
        let effect = number.ok_or_else(|| unexpected(&value, "a number other than 0"))?;
        self.current.effect = Some(effect);
        if !self.current.is_skipped {
            let picture = match self.current.layer {
                None => &mut self.request.composite,
                Some(layer) => &mut self.request.layers.entry(layer).or_default().picture,
            };
            picture.effects.entry(effect).or_default();
        }
        Ok(())
    }

    fn record_raw(&mut self, modifier: &Modifier) {
        let slot = modifier.name.to_ascii_lowercase();
        let (name, value) = (modifier.name.as_str(), modifier.value.clone());
        self.record(Scope::Comp, &slot, State::Ignored, modifier, name, value, true);
    }

    fn record(
        &mut self,
        scope: Scope,
        slot: &str,
        state: State,
        modifier: &Modifier,
        name: &str,
        value: String,
        is_encoded: bool,
    ) {
        let command = MergedCommand {
            scope,
            name: name.to_owned(),
            value,
            is_encoded,
            origin: modifier.origin,
            macro_name: modifier.macro_name.clone(),
            state,
        };
        let key = Key { scope, slot: slot.to_owned(), state };
        self.winners.insert(key, (self.position, command));
    }

    fn finish(self) -> Result<Request, Error> {
        let mut request = self.request;
        request.layers.retain(|_, layer| *layer != LayerCommands::default());
        let mut winners: Vec<(usize, MergedCommand)> = self.winners.into_values().collect();
        winners.sort_by_key(|(position, command)| (command.scope.order(), *position));
        request.merged = winners.into_iter().map(|(_, command)| command).collect();
        if !self.is_record_only {
            check(&request, self.role)?;
        }
        Ok(request)
    }
}

/// The decoded argument of `layer=` and `effect=`, where variables are not allowed (requests.md 9.1).
fn segment_argument(value: &str) -> Result<String, Error> {
    let value = decode_value(value)?;
    match value.contains('$') {
        true => Err(unexpected(&value, "an argument without variables")),
        false => Ok(value),
    }
}

/// Conflicts that the text alone shows (requests.md 10.5).
fn check(request: &Request, role: Role) -> Result<(), Error> {
    let refuse = |detail: &str| Err(Error::new(Kind::Syntax, detail));
    let req = request.attributes.req_or_default().kind;
    if request.view.fit.is_some() {
        if req == ReqType::Tmb {
            return refuse("fit given, which req=tmb does not allow");
        }
        if request.view.wid.is_none() && request.view.hei.is_none() {
            return refuse("fit given without wid and hei, expected at least one");
        }
    }
    let fmt = request.attributes.fmt.unwrap_or_default();
    let is_mac = request.attributes.quantize.as_ref().is_some_and(|q| q.palette == Palette::Mac);
    if is_mac && fmt.format.has_alpha() {
        return refuse(&format!("quantize is mac, which fmt={} does not allow", fmt.format.word()));
    }
    if req == ReqType::Mask && fmt.pixel_type == Some(PixelType::Cmyk) {
        return refuse("fmt is of pixel type cmyk, which req=mask does not allow");
    }
    let layer_0 = request.layers.get(&0);
    let is_normalized =
        layer_0.is_some_and(|layer| matches!(layer.size, Some(SizeArg::Normalized { .. })));
    if is_normalized && role != Role::Watermark {
        return refuse("sizeN given for layer 0, expected size");
    }
    check_effects(&request.composite, "comp")?;
    for (number, layer) in &request.layers {
        check_effects(&layer.picture, &format!("layer {number}"))?;
        if layer.text_path.is_some() && layer.text_flow_path.is_some() {
            return refuse(&format!("layer {number} has textPath and textFlowPath, expected one"));
        }
    }
    Ok(())
}

fn check_effects(picture: &PictureCommands, of: &str) -> Result<(), Error> {
    match picture.effects.iter().find(|(_, effect)| effect.color.is_none()) {
        Some((number, _)) => {
            Err(Error::new(Kind::Syntax, format!("effect {number} of {of} has no color")))
        }
        None => Ok(()),
    }
}
