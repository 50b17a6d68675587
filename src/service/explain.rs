//! How a request resolves, for `imprint explain`: rules, merged commands with their origin, layers, plan, limits, cost.
//! It opens sources and reads their headers; it renders, saves and caches nothing.

use std::time::SystemTime;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::geometry::Size;
use crate::limits::Deadline;
use crate::plan::{Content, Plan, Purpose, Work};
use crate::reply::ErrorStyle;
use crate::request::{
    MergedCommand, Origin, RawRequest, ReqType, Request, Scope, State, split_target,
};

use super::prepare::Prepared;
use super::scene::Picture;
use super::{Arrival, Call, Service};

/// A request, explained; where it fails, as far as it went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// The type, as `req=` names it.
    pub req: String,
    /// The main catalog: its RootId, `default` for the default catalog.
    pub catalog: String,
    /// Its attribute file.
    pub catalog_file: String,
    /// The object of the path as it is looked up after the rules; empty where there is none.
    pub object: String,
    /// Names of the rules that matched, in their order.
    pub rules: Vec<String>,
    /// The locale in force, where one is given.
    pub locale: Option<String>,
    /// The commands that count, then the defaults that fill in what nobody said.
    pub commands: Vec<ExplainedCommand>,
    /// Variables with their encoded values.
    pub variables: Vec<(String, String)>,
    /// The layers, from the bottom.
    pub layers: Vec<ExplainedLayer>,
    /// Sizes, path and cost, where there is a plan.
    pub plan: Option<ExplainedPlan>,
    /// Limits that count for it: name and value.
    pub limits: Vec<(&'static str, String)>,
    /// Why it is refused, where it is.
    pub error: Option<String>,
}

/// A merged command and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedCommand {
    /// `comp`, `layer=1`, `layer=1 effect=-1`.
    pub scope: String,
    /// Its name.
    pub name: String,
    /// Its value, decoded; nested requests as they were written.
    pub value: String,
    /// `URL`, `rule`, `macro NAME`, `Modifier`, `template`, `PostModifier`, or `default NAME` with the attribute.
    pub origin: String,
    /// Whether it has no effect in its place, or is not known.
    pub is_idle: bool,
}

/// A layer and what it draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedLayer {
    /// Its number.
    pub number: u32,
    /// The RootId of the catalog that supplies it.
    pub catalog: String,
    /// `file`, `nested request`, `color`.
    pub source: &'static str,
    /// Size of its source in full resolution, `0x0` without one.
    pub source_size: Size,
    /// Whether it has a separate mask.
    pub has_mask: bool,
    /// Size of its rectangle and its place in the canvas, where they are known.
    pub place: Option<(Size, (i64, i64))>,
}

/// A plan in words and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedPlan {
    /// The composite.
    pub composite: Size,
    /// The reply.
    pub reply: Size,
    /// Its MIME type.
    pub mime: &'static str,
    /// How the pixels come about.
    pub path: String,
    /// Bytes held at once at most.
    pub cost_bytes: u64,
    /// Pixels decoded and computed.
    pub cost_pixels: u64,
}

impl Service {
    /// Explains a request of the image context; never fails: an error is part of the explanation.
    pub fn explain(&self, raw: &RawRequest, deadline: &Deadline) -> Explanation {
        let mut explanation = Explanation { limits: self.limits(), ..Explanation::default() };
        if let Err(error) = self.explained(raw, deadline, &mut explanation) {
            explanation.error = Some(error.to_string());
        }
        explanation
    }

    fn explained(
        &self,
        raw: &RawRequest,
        deadline: &Deadline,
        out: &mut Explanation,
    ) -> Result<(), Error> {
        let located = split_target(&raw.target, &self.prefixes, &self.text_limits)?;
        let catalogs = self.catalogs.current();
        let query = located.query.as_deref();
        let asked = self.asked_of(query.unwrap_or_default());
        let arrival = Arrival {
            raw,
            located: &located,
            query,
            catalogs: &catalogs,
            deadline,
            now: SystemTime::now(),
            is_catalog_props: asked.req.kind == ReqType::CatalogProps,
        };
        let (call, _, trace) = self.arrived(arrival, &mut ErrorStyle::default())?;
        out.rules = trace.rules;
        let kind = call.asked().req.kind;
        out.req = format!("{kind:?}").to_ascii_lowercase();
        let main = call.main.catalog;
        out.catalog = catalog_name(main);
        out.catalog_file = main.file().display().to_string();
        out.object = call.located.object.id();
        let (path, parsed) = call.read()?;
        out.locale = parsed.request.attributes.locale.clone();
        out.variables.clone_from(&parsed.variables);
        let before_rules = Call { query: trace.query_before_rules, ..call.clone() };
        let own = before_rules.parsed(None).map(|parsed| parsed.request.merged).unwrap_or_default();
        out.commands = commands(&parsed.request, &own);
        let prepared =
            call.opened_scene(path, parsed).map_err(super::scene::Failure::into_error)?;
        out.commands.extend(defaults(&prepared, kind));
        out.layers = layers(&prepared, None);
        let purpose = match kind {
            ReqType::SaveToFile => Purpose::Save,
            _ => Purpose::Reply,
        };
        let plan = prepared.planned(&call, purpose)?;
        out.layers = layers(&prepared, Some(&plan));
        out.plan = Some(explained_plan(&plan));
        Ok(())
    }

    fn limits(&self) -> Vec<(&'static str, String)> {
        let settings = &self.plan_settings;
        vec![
            ("MaxRenderRgnPixels", settings.max_render_pixels.to_string()),
            ("MaxSavePixels", settings.max_save_pixels.to_string()),
            ("MaxNonDsfSize", settings.limits.source_pixels.to_string()),
            ("MaxMessageSize", self.config.is.max_message_bytes.to_string()),
            ("PhysicalMemory of this process", settings.limits.memory_bytes.to_string()),
        ]
    }
}

fn catalog_name(catalog: &Catalog) -> String {
    match catalog.attributes.root_id.as_str() {
        "" => "default".to_owned(),
        root_id => root_id.to_owned(),
    }
}

fn scope_name(scope: Scope) -> String {
    match scope {
        Scope::Comp => "comp".to_owned(),
        Scope::CompEffect(effect) => format!("comp effect={effect}"),
        Scope::Layer(layer) => format!("layer={layer}"),
        Scope::LayerEffect(layer, effect) => format!("layer={layer} effect={effect}"),
    }
}

/// The merged commands; those of the URL that the client's own query does not give come from a rule.
fn commands(request: &Request, own: &[MergedCommand]) -> Vec<ExplainedCommand> {
    let is_own = |command: &MergedCommand| {
        own.iter().any(|other| {
            (other.scope, &other.name, &other.value)
                == (command.scope, &command.name, &command.value)
        })
    };
    let explained = request.merged.iter().map(|command| {
        let text = match command.origin {
            Origin::Url if !is_own(command) => "rule",
            Origin::Url => "URL",
            Origin::Modifier => "Modifier",
            Origin::Template => "template",
            Origin::PostModifier => "PostModifier",
        };
        ExplainedCommand {
            scope: scope_name(command.scope),
            name: command.name.clone(),
            value: command.value.clone(),
            origin: match &command.macro_name {
                Some(name) => format!("macro {name} ({text})"),
                None => text.to_owned(),
            },
            is_idle: command.state != State::Applied,
        }
    });
    explained.collect()
}

/// What the catalog's attributes fill in where no command says it.
fn defaults(prepared: &Prepared<'_>, kind: ReqType) -> Vec<ExplainedCommand> {
    let (request, attributes) = (&prepared.request, &prepared.attributes);
    let (commands, view) = (&request.attributes, &request.view);
    let is_thumbnail = kind == ReqType::Tmb;
    let pair = |size: Size| format!("{},{}", size.width, size.height);
    let color = |[red, green, blue]: [u8; 3]| format!("{red:02x}{green:02x}{blue:02x}");
    let has_size = view.wid.is_some() || view.hei.is_some() || view.scl.is_some();
    let rows = [
        (commands.fmt.is_none(), "fmt", "jpeg".to_owned(), "default"),
        (commands.qlt.is_none(), "qlt", attributes.jpeg_quality.to_string(), "default JpegQuality"),
        (
            commands.res_mode.is_none(),
            "resMode",
            format!("{:?}", attributes.res_mode).to_ascii_lowercase(),
            "default ResMode",
        ),
        (
            view.bgc.is_none() && !is_thumbnail,
            "bgc",
            color(attributes.bkg_color),
            "default BkgColor",
        ),
        (
            view.bgc.is_none() && is_thumbnail,
            "bgc",
            color(attributes.thumb_bkg_color),
            "default ThumbBkgColor",
        ),
        (
            !has_size && !is_thumbnail && attributes.default_pix != Size::default(),
            "size of the reply at most",
            pair(attributes.default_pix),
            "default DefaultPix",
        ),
        (
            is_thumbnail && (view.wid.is_none() || view.hei.is_none()),
            "size of the thumbnail",
            pair(attributes.default_thumb_pix),
            "default DefaultThumbPix",
        ),
    ];
    let used = rows.into_iter().filter(|(is_used, ..)| *is_used);
    used.map(|(_, name, value, origin)| ExplainedCommand {
        scope: "comp".to_owned(),
        name: name.to_owned(),
        value,
        origin: origin.to_owned(),
        is_idle: false,
    })
    .collect()
}

fn layers(prepared: &Prepared<'_>, plan: Option<&Plan>) -> Vec<ExplainedLayer> {
    let planned = plan.and_then(|plan| match &plan.work {
        Work::Steps(composite) => Some(&composite.layers),
        Work::Direct(_) | Work::Planes(_) | Work::Blank => None,
    });
    let explained = prepared.layers.iter().map(|layer| {
        let header = layer.image.as_ref().map(Picture::header);
        let own = planned.and_then(|layers| layers.iter().find(|own| own.number == layer.number));
        let only = plan.filter(|_| planned.is_none()).map(|plan| (plan.composite, (0, 0)));
        ExplainedLayer {
            number: layer.number,
            catalog: catalog_name(layer.catalog),
            source: match &layer.image {
                Some(Picture::File(..)) => "file",
                Some(Picture::Remote(..)) => "foreign image",
                Some(Picture::Nested(_)) => "nested request",
                None => "color",
            },
            source_size: header.map(|header| header.size).unwrap_or_default(),
            has_mask: layer.mask.is_some(),
            place: own.map(|own| (own.geometry.size, own.top_left)).or(only),
        }
    });
    explained.collect()
}

fn explained_plan(plan: &Plan) -> ExplainedPlan {
    let path = match &plan.work {
        Work::Direct(sampling) => {
            format!("one decode at level {} and one scaling", sampling.wanted.level)
        }
        Work::Planes(sampling) => format!(
            "one decode at level {} and one scaling, on luma and chroma planes",
            sampling.wanted.level
        ),
        Work::Steps(composite) => {
            let drawn =
                composite.layers.iter().filter(|layer| layer.content != Content::Empty).count();
            format!("{drawn} of {} layers, step by step", composite.layers.len())
        }
        Work::Blank => "background only".to_owned(),
    };
    ExplainedPlan {
        composite: plan.composite,
        reply: plan.reply(),
        mime: plan.output.mime,
        path,
        cost_bytes: plan.cost.bytes,
        cost_pixels: plan.cost.pixels,
    }
}
