//! Sizes, rectangles and the rounding rules. No pixels, no limits.

use std::fmt;

/// Rounds half up: `floor(x + 0.5)`.
pub fn rnd(x: f64) -> f64 {
    (x + 0.5).floor()
}

/// A scaled dimension: rounded half up, at least 1 (`U026`). Beyond `u32` it saturates, for a limit to refuse.
pub fn dim(x: f64) -> u32 {
    let rounded = rnd(x);
    if rounded < 1.0 || rounded.is_nan() {
        1
    } else if rounded >= f64::from(u32::MAX) {
        u32::MAX
    } else {
        rounded as u32
    }
}

/// `round half up(length * numerator / denominator)` in exact integers, at least 1; saturates at `u32::MAX`.
pub fn dim_ratio(length: u32, numerator: u32, denominator: u32) -> u32 {
    let (n, d) = (u128::from(length) * u128::from(numerator), u128::from(denominator.max(1)));
    u32::try_from((2 * n + d) / (2 * d)).unwrap_or(u32::MAX).max(1)
}

/// Width and height in pixels, both at least 1 where a picture is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Size {
    /// A size of `width` times `height` pixels.
    pub const fn new(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    /// The number of pixels.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Width and height exchanged.
    pub fn transposed(self) -> Size {
        Size { width: self.height, height: self.width }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl From<(u32, u32)> for Size {
    fn from((width, height): (u32, u32)) -> Size {
        Size { width, height }
    }
}

/// A rectangle of whole pixels; right and bottom are excluded. It may lie anywhere, also left of or above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// First column.
    pub left: i64,
    /// First row.
    pub top: i64,
    /// One past the last column.
    pub right: i64,
    /// One past the last row.
    pub bottom: i64,
}

impl Rect {
    /// The rectangle with its top left corner at `left`, `top`.
    pub fn at(left: i64, top: i64, size: Size) -> Rect {
        Rect {
            left,
            top,
            right: left.saturating_add(i64::from(size.width)),
            bottom: top.saturating_add(i64::from(size.height)),
        }
    }

    /// The rectangle of a whole picture.
    pub fn of(size: Size) -> Rect {
        Rect::at(0, 0, size)
    }

    /// Width in pixels, 0 when empty; saturates at `u32::MAX`.
    pub fn width(self) -> u32 {
        u32::try_from(self.right.saturating_sub(self.left).max(0)).unwrap_or(u32::MAX)
    }

    /// Height in pixels, 0 when empty; saturates at `u32::MAX`.
    pub fn height(self) -> u32 {
        u32::try_from(self.bottom.saturating_sub(self.top).max(0)).unwrap_or(u32::MAX)
    }

    /// Width and height.
    pub fn size(self) -> Size {
        Size { width: self.width(), height: self.height() }
    }

    /// Whether it holds no pixel.
    pub fn is_empty(self) -> bool {
        self.right <= self.left || self.bottom <= self.top
    }

    /// What both rectangles cover; empty where they do not meet.
    pub fn intersection(self, other: Rect) -> Rect {
        Rect {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// The same rectangle moved by `dx` to the right and `dy` down.
    pub fn shifted(self, dx: i64, dy: i64) -> Rect {
        Rect {
            left: self.left.saturating_add(dx),
            top: self.top.saturating_add(dy),
            right: self.right.saturating_add(dx),
            bottom: self.bottom.saturating_add(dy),
        }
    }
}
