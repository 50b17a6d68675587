//! The image map of a reply (requests.md 19): the areas of each layer moved as its image is, cut where it is cut, and
//! stacked front to back. Reads and writes no text; `area.rs` does.

use super::Inputs;
use super::area::{Area, Outline, Shape};
use super::composite::{is_drawn, layer_inputs};
use super::layer::{self, LayerGeometry, Rotation};
use super::view::{self, View};
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size, rnd};
use crate::raster::turn::Turn;
use crate::request::{LayerCommands, LayerSource, PictureCommands, SourceExpr};

/// What the coordinates of a map are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Pixels of the unmodified source in full resolution (`catalog::Map`, `mapA=`); of the composite, before `flip=`.
    Source,
    /// Pixels of the layer's rectangle once `rotate=` and `extend=` are done (`map=`); of the composite, after `flip=`.
    Layer,
}

/// The map of a layer and how its image is moved.
#[derive(Clone, Debug, PartialEq)]
pub struct MapLayer {
    /// Its areas, front to back.
    pub areas: Vec<Area>,
    /// What they are measured in.
    pub space: Space,
    /// The rectangle of the layer after each step.
    pub geometry: LayerGeometry,
    /// Its place in the canvas.
    pub top_left: (i64, i64),
}

/// The maps of all layers and the way from the canvas to the reply.
#[derive(Clone, Debug)]
pub struct MapInputs<'a> {
    /// Layers from the front.
    pub layers: Vec<MapLayer>,
    /// The map of `layer=comp`, behind all others.
    pub composite: Vec<Area>,
    /// What it is measured in.
    pub composite_space: Space,
    /// Size of the composite.
    pub canvas: Size,
    /// `flip=` of the composite.
    pub flip: Turn,
    /// Composite to reply.
    pub view: &'a View,
}

/// Which text is the map of a layer: `map=` ▸ `mapA=` ▸ `catalog::Map`; an empty one means none.
pub fn chosen<'t>(picture: &'t PictureCommands, of_record: Option<&'t str>) -> (&'t str, Space) {
    match (&picture.map, &picture.map_a) {
        (Some(map), _) => (map, Space::Layer),
        (None, Some(map)) => (map, Space::Source),
        (None, None) => (of_record.unwrap_or_default(), Space::Source),
    }
}

/// The elements of the reply, front to back; those of which nothing is left are not among them.
pub fn composite(inputs: &MapInputs<'_>) -> String {
    let mut out = String::new();
    let view = to_reply(inputs.view);
    let canvas = Rect::of(inputs.canvas);
    let flip = Step { window: canvas, motion: Motion::turned(inputs.flip, inputs.canvas) };
    for layer in &inputs.layers {
        let geometry = &layer.geometry;
        let own = Rect::of(geometry.size);
        let (left, top) = layer.top_left;
        let placed = Step { window: own, motion: Motion::moved(left as f64, top as f64) };
        let of_layer: Vec<Step> = [placed, flip].into_iter().chain(view).collect();
        let of_source: Vec<Step> =
            std::iter::once(to_layer(geometry)).chain(of_layer.iter().copied()).collect();
        let steps = match layer.space {
            Space::Source => &of_source,
            Space::Layer => &of_layer,
        };
        for area in &layer.areas {
            add(&mut out, area, own, steps, &of_layer);
        }
    }
    // The view starts with the canvas, so a map that is not flipped needs no step before it.
    let flipped: Vec<Step> = std::iter::once(flip).chain(view).collect();
    let as_seen: Vec<Step> =
        std::iter::once(Step { window: canvas, motion: Motion::NONE }).chain(view).collect();
    let steps = match inputs.composite_space {
        Space::Source => &flipped,
        Space::Layer => &as_seen,
    };
    for area in &inputs.composite {
        add(&mut out, area, canvas, steps, steps);
    }
    out
}

/// A layer in its place, as the image has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Its number.
    pub number: u32,
    /// Its rectangle after each step.
    pub geometry: LayerGeometry,
    /// Its place in the canvas.
    pub top_left: (i64, i64),
}

/// The layers that are drawn, from the bottom, and the view of them, also for what `resolve` does not draw. Text above
/// layer 0 without a `size=` of both sides has no rectangle here and is left out.
///
/// Fails as `resolve` does; `Unsupported` for what moves areas in a way that this build does not carry out.
pub fn placed(inputs: &Inputs<'_>) -> Result<(Vec<Placed>, View), Error> {
    check(inputs)?;
    let no_commands = LayerCommands::default();
    let layer_0 = inputs.request.layers.get(&0).unwrap_or(&no_commands);
    let inputs_0 = layer_inputs(layer_0, &inputs.facts(0), None, None)?;
    let bottom = layer::geometry(&inputs_0)?;
    let canvas = bottom.size;
    let mut placed = vec![Placed { number: 0, geometry: bottom, top_left: (0, 0) }];
    for (&number, commands) in inputs.request.layers.range(1..) {
        if !is_drawn(commands) || is_open_text(commands, canvas)? {
            continue;
        }
        let own = layer_inputs(commands, &inputs.facts(number), Some(canvas), None)?;
        let geometry = layer::geometry(&own)?;
        let top_left = layer::top_left(&geometry, &bottom, commands.pos);
        placed.push(Placed { number, geometry, top_left });
    }
    let view = view::view(&super::view_inputs(inputs, canvas, None))?;
    Ok((placed, view))
}

/// Whether the rectangle of a layer follows from its text.
fn is_open_text(commands: &LayerCommands, canvas: Size) -> Result<bool, Error> {
    if !matches!(commands.source, Some(LayerSource::Text(_) | LayerSource::TextPs(_))) {
        return Ok(false);
    }
    let size = layer::box_of(commands.size, Some(canvas))?;
    Ok(size.is_none_or(|size| size.width == 0 || size.height == 0))
}

fn check(inputs: &Inputs<'_>) -> Result<(), Error> {
    let request = inputs.request;
    let layers = || request.layers.iter().filter(|(number, l)| **number == 0 || is_drawn(l));
    let crops = |picture: &PictureCommands, number: u32| {
        let source = inputs.facts(number).source;
        let known = source.map(|header| header.path_names.as_slice()).unwrap_or_default();
        picture.crop_path_e.iter().flatten().any(|name| known.contains(name))
    };
    let is_rendered = |layer: &LayerCommands| match &layer.source {
        Some(LayerSource::Image(SourceExpr::RenderNested(_) | SourceExpr::Fxg(_))) => true,
        Some(LayerSource::Image(_) | LayerSource::Text(_) | LayerSource::TextPs(_)) | None => false,
    };
    let missing = [
        ("src=ir() or src=fxg()", layers().any(|(_, layer)| is_rendered(layer))),
        ("perspective=", layers().any(|(_, layer)| layer.perspective.is_some())),
        (
            "cropPathE=",
            crops(&request.composite, 0) || layers().any(|(n, layer)| crops(&layer.picture, *n)),
        ),
    ];
    match missing.into_iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((what, _)) => {
            let message = format!("{what} is not carried out by this build");
            Err(Error::new(Kind::Unsupported, message))
        }
    }
}

/// One part of the way: what lies outside of `window` is cut, the rest is moved.
#[derive(Clone, Copy, Debug)]
struct Step {
    window: Rect,
    motion: Motion,
}

/// From the source to the rectangle of its layer.
fn to_layer(geometry: &LayerGeometry) -> Step {
    let crop = geometry.crop;
    let (scaled, frame) = (geometry.scaled, geometry.frame);
    let ratio = |to: u32, from: u32| f64::from(to) / f64::from(from.max(1));
    let rotation = match geometry.rotation {
        Rotation::Quarters(turn) => Motion::turned(turn, frame),
        Rotation::Angle(angle_deg) => Motion::rotated(angle_deg, frame, geometry.rotated),
    };
    let (right, down) = geometry.shift;
    let (in_frame_x, in_frame_y) = geometry.frame_shift;
    let motion = Motion::moved(-(crop.left as f64), -(crop.top as f64))
        .then(Motion::scaled(
            ratio(scaled.width, crop.width()),
            ratio(scaled.height, crop.height()),
        ))
        .then(Motion::moved(in_frame_x as f64, in_frame_y as f64))
        .then(Motion::turned(geometry.flip, frame))
        .then(rotation)
        .then(Motion::moved(right as f64, down as f64));
    Step { window: crop, motion }
}

/// From the composite to the reply. Nothing of the composite lies outside of it, so its own window is that of the step
/// before.
fn to_reply(view: &View) -> [Step; 2] {
    let (x, y) = (view.mapping.x, view.mapping.y);
    let everywhere = Rect { left: i64::MIN, top: i64::MIN, right: i64::MAX, bottom: i64::MAX };
    let scaled = Motion::scaled(x.scale, y.scale).then(Motion::moved(x.origin, y.origin));
    let (left, top) = (view.window.left as f64, view.window.top as f64);
    [
        Step { window: everywhere, motion: scaled },
        Step { window: view.shown(), motion: Motion::moved(-left, -top) },
    ]
}

/// Adds what is left of an area; `own` is the rectangle of its layer, from which `of_layer` leads to the reply.
fn add(out: &mut String, area: &Area, own: Rect, steps: &[Step], of_layer: &[Step]) {
    let (figure, steps) = match area.shape() {
        Shape::Nothing => return,
        Shape::Whole => (Figure::of_rect(own), of_layer),
        Shape::Rect([left, top, right, bottom]) => {
            (Figure::Rect { left: *left, top: *top, right: *right, bottom: *bottom }, steps)
        }
        Shape::Poly(corners) => (Figure::Poly(corners.clone()), steps),
        Shape::Circle(circle) => (circle_as_poly(*circle), steps),
    };
    let motion = steps.iter().fold(Motion::NONE, |motion, step| motion.then(step.motion));
    let is_written_anew = *area.shape() == Shape::Whole || !motion.is_none();
    let mut is_cut = false;
    let mut figure = figure;
    for step in steps {
        is_cut |= !figure.is_within(step.window);
        figure = figure.cut(step.window).moved(step.motion);
    }
    let Some(outline) = figure.outline() else { return };
    match is_written_anew || is_cut {
        true => out.push_str(&area.with(&outline)),
        false => out.push_str(area.text()),
    }
}

/// Corners of the polygon that stands for a circle (`U-map-shape`).
const CIRCLE_CORNERS: u32 = 32;

fn circle_as_poly([x, y, radius]: [f64; 3]) -> Figure {
    let corner = |index: u32| {
        let angle = f64::from(index) * std::f64::consts::TAU / f64::from(CIRCLE_CORNERS);
        [x + radius * angle.cos(), y + radius * angle.sin()]
    };
    Figure::Poly((0..CIRCLE_CORNERS).map(corner).collect())
}

/// A movement of the plane: x' = a x + b y + c, y' = d x + e y + f.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Motion([[f64; 3]; 2]);

impl Motion {
    const NONE: Motion = Motion([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    fn moved(right: f64, down: f64) -> Motion {
        Motion([[1.0, 0.0, right], [0.0, 1.0, down]])
    }

    fn scaled(across: f64, down: f64) -> Motion {
        Motion([[across, 0.0, 0.0], [0.0, down, 0.0]])
    }

    /// A mirror and quarter turns of a rectangle of `size` at the origin; exact.
    fn turned(turn: Turn, size: Size) -> Motion {
        let mut motion = Motion::NONE;
        let mut size = size;
        if turn.is_mirrored {
            motion = Motion([[-1.0, 0.0, f64::from(size.width)], [0.0, 1.0, 0.0]]);
        }
        for _ in 0..turn.quarters {
            let height = f64::from(size.height);
            motion = motion.then(Motion([[0.0, -1.0, height], [1.0, 0.0, 0.0]]));
            size = size.transposed();
        }
        motion
    }

    /// Clockwise about the center of a rectangle of size `from`, whose center becomes that of `to`.
    fn rotated(angle_deg: f64, from: Size, to: Size) -> Motion {
        let (sin, cos) = angle_deg.to_radians().sin_cos();
        let half = |length: u32| f64::from(length) / 2.0;
        Motion::moved(-half(from.width), -half(from.height))
            .then(Motion([[cos, -sin, 0.0], [sin, cos, 0.0]]))
            .then(Motion::moved(half(to.width), half(to.height)))
    }

    /// This motion, then `next`.
    fn then(self, next: Motion) -> Motion {
        let Motion([[a, b, c], [d, e, f]]) = self;
        let row = |[p, q, r]: [f64; 3]| [p * a + q * d, p * b + q * e, p * c + q * f + r];
        Motion(next.0.map(row))
    }

    fn of_point(self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.0.map(|[a, b, c]| a * x + b * y + c)
    }

    /// Whether no point moves by more than rounding errors.
    fn is_none(self) -> bool {
        let parts = self.0.iter().flatten().zip(Motion::NONE.0.iter().flatten());
        let mut differences = parts.map(|(own, none)| (own - none).abs());
        differences.all(|difference| difference < 1e-9)
    }

    /// Whether a rectangle along the axes stays one.
    fn keeps_rects(self) -> bool {
        let Motion([[a, b, _], [d, e, _]]) = self;
        (b == 0.0 && d == 0.0) || (a == 0.0 && e == 0.0)
    }
}

/// What an area encloses on its way.
#[derive(Clone, Debug, PartialEq)]
enum Figure {
    /// Empty unless left is below right and top below bottom.
    Rect {
        left: f64,
        top: f64,
        right: f64,
        bottom: f64,
    },
    Poly(Vec<[f64; 2]>),
}

impl Figure {
    fn of_rect(rect: Rect) -> Figure {
        let [left, top, right, bottom] = sides(rect);
        Figure::Rect { left, top, right, bottom }
    }

    fn is_within(&self, window: Rect) -> bool {
        let [left, top, right, bottom] = sides(window);
        let holds = |[x, y]: [f64; 2]| x >= left && x <= right && y >= top && y <= bottom;
        match self {
            Figure::Rect { left, top, right, bottom } => {
                holds([*left, *top]) && holds([*right, *bottom])
            }
            Figure::Poly(corners) => corners.iter().copied().all(holds),
        }
    }

    fn cut(self, window: Rect) -> Figure {
        let [window_left, window_top, window_right, window_bottom] = sides(window);
        match self {
            Figure::Rect { left, top, right, bottom } => Figure::Rect {
                left: left.max(window_left),
                top: top.max(window_top),
                right: right.min(window_right),
                bottom: bottom.min(window_bottom),
            },
            Figure::Poly(corners) => {
                let corners = half(corners, |[x, _]| x - window_left);
                let corners = half(corners, |[x, _]| window_right - x);
                let corners = half(corners, |[_, y]| y - window_top);
                Figure::Poly(half(corners, |[_, y]| window_bottom - y))
            }
        }
    }

    fn moved(self, motion: Motion) -> Figure {
        match self {
            Figure::Rect { left, top, right, bottom } if left < right && top < bottom => {
                if motion.keeps_rects() {
                    let [x1, y1] = motion.of_point([left, top]);
                    let [x2, y2] = motion.of_point([right, bottom]);
                    let (left, right) = (x1.min(x2), x1.max(x2));
                    return Figure::Rect { left, right, top: y1.min(y2), bottom: y1.max(y2) };
                }
                let corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
                Figure::Poly(corners.map(|corner| motion.of_point(corner)).to_vec())
            }
            // An empty one stays empty wherever it goes.
            Figure::Rect { .. } => Figure::Poly(Vec::new()),
            Figure::Poly(corners) => {
                Figure::Poly(corners.into_iter().map(|corner| motion.of_point(corner)).collect())
            }
        }
    }

    /// In whole pixels; `None` where nothing is enclosed.
    fn outline(&self) -> Option<Outline> {
        let whole = |value: f64| rnd(value) as i64;
        match self {
            Figure::Rect { left, top, right, bottom } => {
                let [left, top, right, bottom] = [*left, *top, *right, *bottom].map(whole);
                let is_empty = left >= right || top >= bottom;
                (!is_empty).then_some(Outline::Rect([left, top, right, bottom]))
            }
            Figure::Poly(corners) => {
                let mut corners: Vec<[i64; 2]> =
                    corners.iter().map(|corner| corner.map(whole)).collect();
                corners.dedup();
                while corners.len() > 1 && corners.first() == corners.last() {
                    corners.pop();
                }
                encloses(&corners).then_some(Outline::Poly(corners))
            }
        }
    }
}

fn sides(rect: Rect) -> [f64; 4] {
    [rect.left, rect.top, rect.right, rect.bottom].map(|side| side as f64)
}

/// The part of a polygon on which `depth`, a linear function, is not negative (one side of Sutherland-Hodgman).
fn half(corners: Vec<[f64; 2]>, depth: impl Fn([f64; 2]) -> f64) -> Vec<[f64; 2]> {
    let mut kept = Vec::with_capacity(corners.len() + 4);
    let Some(mut before) = corners.last().copied() else { return kept };
    for corner in corners {
        let (from, to) = (depth(before), depth(corner));
        if (from < 0.0) != (to < 0.0) {
            let share = from / (from - to);
            let [x1, y1] = before;
            let [x2, y2] = corner;
            kept.push([x1 + (x2 - x1) * share, y1 + (y2 - y1) * share]);
        }
        if to >= 0.0 {
            kept.push(corner);
        }
        before = corner;
    }
    kept
}

/// Whether the corners do not all lie on one line.
fn encloses(corners: &[[i64; 2]]) -> bool {
    let [[x0, y0], [x1, y1], others @ ..] = corners else { return false };
    let difference = |to: i64, from: i64| i128::from(to) - i128::from(from);
    let (across, down) = (difference(*x1, *x0), difference(*y1, *y0));
    others.iter().any(|[x, y]| across * difference(*y, *y0) != down * difference(*x, *x0))
}
