//! The view transform in numbers: which part of the composite, how large, where in the reply (`commands.md` 4).

use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size, dim, dim_ratio, rnd};
use crate::raster::resample::{AxisMap, Mapping};
use crate::request::{Fit, FitMode, ViewRect};

/// What decides the view: commands, catalog attributes and the size of the composite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewInputs {
    /// Size of the composite.
    pub composite: Size,
    /// `rgn=`, in pixels of the composite; it may reach beyond it.
    pub rgn: Option<Rect>,
    /// `wid=`.
    pub wid: Option<u32>,
    /// `hei=`.
    pub hei: Option<u32>,
    /// `scl=`, the inverse factor, above 0.
    pub scl: Option<f64>,
    /// `fit=`.
    pub fit: Option<Fit>,
    /// `align=`, each -1.0..=1.0.
    pub align: (f64, f64),
    /// `rect=`.
    pub rect: Option<ViewRect>,
    /// `dpr=`, above 0; 1.0 when off.
    pub dpr: f64,
    /// `attribute::DefaultPix`; 0 is open.
    pub default_pix: Size,
    /// `attribute::MaxPix`; 0 is open (`U032`).
    pub max_pix: Size,
    /// Whether the view may enlarge when `fit=` is absent and both sides are given (`U022`).
    pub default_upscale: bool,
}

/// The view of a composite, in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// The whole view, before `rect=` cuts it; its scale is folded in.
    pub size: Size,
    /// Size of the scaled region.
    pub scaled: Size,
    /// Composite coordinates to view coordinates.
    pub mapping: Mapping,
    /// The reply within the view.
    pub window: Rect,
}

impl View {
    /// The part of the window that lies within the view; beyond it the reply is uncovered (`commands.md` 4.4).
    pub fn shown(&self) -> Rect {
        self.window.intersection(Rect::of(self.size))
    }

    /// Size of the reply.
    pub fn reply(&self) -> Size {
        self.window.size()
    }
}

/// Computes the view. Fails with `TooLarge` past `MaxPix`.
pub fn view(inputs: &ViewInputs) -> Result<View, Error> {
    let plain = at_dpr(inputs, 1.0)?;
    if inputs.dpr == 1.0 {
        check(inputs, plain.reply())?;
        return Ok(plain);
    }
    let dense = at_dpr(inputs, inputs.dpr)?;
    if inputs.dpr < 1.0 || fits(inputs.max_pix, dense.reply()) {
        check(inputs, dense.reply())?;
        return Ok(dense);
    }
    // A density that MaxPix does not allow is lowered, not refused (`commands.md` 4.5).
    check(inputs, plain.reply())?;
    let reply = plain.reply();
    let ratio = |limit: u32, length: u32| match limit {
        0 => f64::INFINITY,
        limit => f64::from(limit) / f64::from(length.max(1)),
    };
    let lowered = ratio(inputs.max_pix.width, reply.width)
        .min(ratio(inputs.max_pix.height, reply.height))
        .min(inputs.dpr)
        .max(1.0);
    let view = at_dpr(inputs, lowered)?;
    check(inputs, view.reply())?;
    Ok(view)
}

fn fits(max_pix: Size, reply: Size) -> bool {
    (max_pix.width == 0 || reply.width <= max_pix.width)
        && (max_pix.height == 0 || reply.height <= max_pix.height)
}

fn check(inputs: &ViewInputs, reply: Size) -> Result<(), Error> {
    if fits(inputs.max_pix, reply) {
        return Ok(());
    }
    let limit = inputs.max_pix;
    Err(Error::new(Kind::TooLarge, format!("reply of {reply} exceeds MaxPix {limit}")))
}

/// Scaled region and view size, before `rect=`.
struct Fitted {
    scaled: Size,
    view: Size,
}

fn at_dpr(inputs: &ViewInputs, dpr: f64) -> Result<View, Error> {
    let region = inputs.rgn.unwrap_or(Rect::of(inputs.composite));
    let fitted = fitted(inputs, region.size(), dpr);
    let offset = |view: u32, scaled: u32, align: f64| {
        ((f64::from(view) - f64::from(scaled)) * (1.0 + align) / 2.0).trunc()
    };
    let (align_x, align_y) = inputs.align;
    let offset_x = offset(fitted.view.width, fitted.scaled.width, align_x);
    let offset_y = offset(fitted.view.height, fitted.scaled.height, align_y);
    // `rect=` scales the view again, in the same resampling (`commands.md` 4.4).
    // Beyond any size that a limit lets pass, and far from where products are infinite.
    let zoom = inputs.rect.map_or(1.0, |rect| rect.scale.min(1e12));
    let axis = |scaled: u32, length: u32, start: i64, offset: f64| {
        let scale = f64::from(scaled) / f64::from(length.max(1)) * zoom;
        AxisMap { scale, origin: offset * zoom - start as f64 * scale }
    };
    let mapping = Mapping {
        x: axis(fitted.scaled.width, region.width(), region.left, offset_x),
        y: axis(fitted.scaled.height, region.height(), region.top, offset_y),
    };
    let scaled_view = |length: u32| dim(f64::from(length) * zoom);
    let size = Size::new(scaled_view(fitted.view.width), scaled_view(fitted.view.height));
    let window = match inputs.rect {
        Some(rect) => rect.rect,
        None => Rect::of(size),
    };
    Ok(View { size, scaled: fitted.scaled, mapping, window })
}

/// The cases of `commands.md` 4.2.
fn fitted(inputs: &ViewInputs, region: Size, dpr: f64) -> Fitted {
    let denser = |length: u32| dim(f64::from(length) * dpr);
    let wid = inputs.wid.map(denser);
    let hei = inputs.hei.map(denser);
    if let Some(inverse) = inputs.scl {
        let scale = dpr / inverse;
        let scaled = scaled_by(region, scale);
        let view = Size::new(wid.unwrap_or(scaled.width), hei.unwrap_or(scaled.height));
        return Fitted { scaled, view };
    }
    match (wid, hei) {
        (None, None) => {
            let scaled = by_default(inputs, region, dpr);
            Fitted { scaled, view: scaled }
        }
        (Some(wid), None) => {
            let limited = inputs.fit.is_some_and(|fit| !fit.may_enlarge) && wid > region.width;
            let scaled = if limited { region } else { by_width(region, wid) };
            Fitted { scaled, view: scaled }
        }
        (None, Some(hei)) => {
            let limited = inputs.fit.is_some_and(|fit| !fit.may_enlarge) && hei > region.height;
            let scaled = if limited { region } else { by_height(region, hei) };
            Fitted { scaled, view: scaled }
        }
        (Some(wid), Some(hei)) => {
            let fit = inputs
                .fit
                .unwrap_or(Fit { mode: FitMode::Fit, may_enlarge: inputs.default_upscale });
            by_mode(fit, region, wid, hei)
        }
    }
}

fn by_mode(fit: Fit, region: Size, wid: u32, hei: u32) -> Fitted {
    // wid / region.width <= hei / region.height, without division.
    let width_decides =
        u64::from(wid) * u64::from(region.height) <= u64::from(hei) * u64::from(region.width);
    let limited = |scaled: Size, grows: bool| match grows && !fit.may_enlarge {
        true => region,
        false => scaled,
    };
    let across = limited(by_width(region, wid), wid > region.width);
    let down = limited(by_height(region, hei), hei > region.height);
    let view = Size::new(wid, hei);
    match fit.mode {
        FitMode::Fit => Fitted { scaled: if width_decides { across } else { down }, view },
        FitMode::Constrain => {
            let scaled = if width_decides { across } else { down };
            Fitted { scaled, view: scaled }
        }
        FitMode::Crop => Fitted { scaled: if width_decides { down } else { across }, view },
        FitMode::Wrap => {
            let scaled = if width_decides { down } else { across };
            let view = Size::new(wid.max(scaled.width), hei.max(scaled.height));
            Fitted { scaled, view }
        }
        FitMode::Stretch => {
            let side = |view: u32, own: u32| if fit.may_enlarge { view } else { view.min(own) };
            Fitted { scaled: Size::new(side(wid, region.width), side(hei, region.height)), view }
        }
        FitMode::Hfit => Fitted { scaled: across, view },
        FitMode::Vfit => Fitted { scaled: down, view },
    }
}

/// Case A: neither `wid`, `hei` nor `scl`; `DefaultPix` limits, `dpr` multiplies where it does not.
fn by_default(inputs: &ViewInputs, region: Size, dpr: f64) -> Size {
    let limit = |side: u32| if side == 0 { 0 } else { dim(f64::from(side) * dpr) };
    let limits = Size::new(limit(inputs.default_pix.width), limit(inputs.default_pix.height));
    let too_wide = limits.width != 0 && limits.width < region.width;
    let too_high = limits.height != 0 && limits.height < region.height;
    let width_decides = u64::from(limits.width) * u64::from(region.height)
        <= u64::from(limits.height) * u64::from(region.width);
    match (too_wide, too_high) {
        (false, false) if dpr == 1.0 || limits != Size::default() => region,
        (false, false) => scaled_by(region, dpr),
        (true, true) if width_decides => by_width(region, limits.width),
        (true, false) => by_width(region, limits.width),
        (true, true) | (false, true) => by_height(region, limits.height),
    }
}

fn scaled_by(region: Size, scale: f64) -> Size {
    Size::new(dim(f64::from(region.width) * scale), dim(f64::from(region.height) * scale))
}

fn by_width(region: Size, wid: u32) -> Size {
    Size::new(wid, dim_ratio(region.height, wid, region.width))
}

fn by_height(region: Size, hei: u32) -> Size {
    Size::new(dim_ratio(region.width, hei, region.height), hei)
}

/// `rnd` of a length that may be negative, for offsets of layers.
pub fn rounded(length: f64) -> i64 {
    rnd(length) as i64
}
