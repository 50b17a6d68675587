//! Mirrors and quarter turns as exact permutations of pixels, and placing a picture in a larger rectangle.

use crate::error::Error;
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::raster::{Canvas, Plane};

/// One of the eight ways a rectangle maps to itself: an optional mirror left to right, then quarter turns clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Whether columns are mirrored first.
    pub is_mirrored: bool,
    /// Quarter turns clockwise after it, 0 to 3.
    pub quarters: u8,
}

impl Turn {
    /// Nothing.
    pub const NONE: Turn = Turn { is_mirrored: false, quarters: 0 };
    /// Mirrored left to right.
    pub const MIRROR: Turn = Turn { is_mirrored: true, quarters: 0 };
    /// Mirrored top to bottom.
    pub const FLIP: Turn = Turn { is_mirrored: true, quarters: 2 };

    /// Clockwise quarter turns, any whole number.
    pub fn quarters(count: i64) -> Turn {
        Turn { is_mirrored: false, quarters: count.rem_euclid(4) as u8 }
    }

    /// This turn, then `next`.
    pub fn then(self, next: Turn) -> Turn {
        let own = if next.is_mirrored { 4 - self.quarters } else { self.quarters };
        Turn {
            is_mirrored: self.is_mirrored != next.is_mirrored,
            quarters: (own + next.quarters) % 4,
        }
    }

    /// The turn that undoes this one.
    pub fn inverse(self) -> Turn {
        let quarters = if self.is_mirrored { self.quarters } else { (4 - self.quarters) % 4 };
        Turn { is_mirrored: self.is_mirrored, quarters }
    }

    /// Whether width and height change places.
    pub fn transposes(self) -> bool {
        self.quarters % 2 == 1
    }

    /// The size of a picture of `size` after the turn.
    pub fn of_size(self, size: Size) -> Size {
        if self.transposes() { size.transposed() } else { size }
    }

    /// Where `rect` of a picture of `size` lies after the turn.
    pub fn of_rect(self, rect: Rect, size: Size) -> Rect {
        let (mut rect, mut size) = (rect, size);
        if self.is_mirrored {
            let width = i64::from(size.width);
            (rect.left, rect.right) = (width - rect.right, width - rect.left);
        }
        for _ in 0..self.quarters {
            let height = i64::from(size.height);
            rect = Rect {
                left: height - rect.bottom,
                right: height - rect.top,
                top: rect.left,
                bottom: rect.right,
            };
            size = size.transposed();
        }
        rect
    }

    /// Where pixel (x, y) of the turned picture comes from, as start and steps in pixels of the source.
    fn walk(self, size: Size) -> (i64, i64, i64) {
        let (width, height) = (i64::from(size.width), i64::from(size.height));
        let at = |x: i64, y: i64| {
            // Backwards: undo the quarter turns, then the mirror.
            let (mut x, mut y) = (x, y);
            let mut turned = self.of_size(size);
            for _ in 0..self.quarters {
                (x, y) = (y, i64::from(turned.width) - 1 - x);
                turned = turned.transposed();
            }
            if self.is_mirrored {
                x = width - 1 - x;
            }
            y * width + x
        };
        let start = at(0, 0);
        let _ = height;
        (start, at(1, 0) - start, at(0, 1) - start)
    }
}

/// The picture turned; pixels are moved, never changed.
pub fn turned(
    canvas: Canvas,
    turn: Turn,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    if turn == Turn::NONE {
        return Ok(canvas);
    }
    let size = turn.of_size(canvas.size);
    let mut out = Canvas::zeroed(size, canvas.model, canvas.alpha, limits)?;
    let walk = turn.walk(canvas.size);
    match canvas.channels() {
        1 => permute::<1>(&canvas.data, &mut out.data, size, walk, deadline)?,
        2 => permute::<2>(&canvas.data, &mut out.data, size, walk, deadline)?,
        3 => permute::<3>(&canvas.data, &mut out.data, size, walk, deadline)?,
        4 => permute::<4>(&canvas.data, &mut out.data, size, walk, deadline)?,
        _ => permute::<5>(&canvas.data, &mut out.data, size, walk, deadline)?,
    }
    Ok(out)
}

/// The plane turned.
pub fn turned_plane(
    plane: Plane,
    turn: Turn,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Plane, Error> {
    if turn == Turn::NONE {
        return Ok(plane);
    }
    let size = turn.of_size(plane.size);
    let mut data = limits.zeroed(size.pixels())?;
    permute::<1>(&plane.data, &mut data, size, turn.walk(plane.size), deadline)?;
    Ok(Plane { size, data })
}

/// Side of the square tiles in which a transposition walks both pictures, so that neither leaves the cache.
const TILE: usize = 32;

fn permute<const N: usize>(
    from: &[u8],
    to: &mut [u8],
    size: Size,
    (start, step_x, step_y): (i64, i64, i64),
    deadline: &Deadline,
) -> Result<(), Error> {
    let (width, height) = (size.width as usize, size.height as usize);
    let (from, _) = from.as_chunks::<N>();
    let (to, _) = to.as_chunks_mut::<N>();
    for top in (0..height).step_by(TILE) {
        deadline.tick()?;
        for left in (0..width).step_by(TILE) {
            for y in top..height.min(top + TILE) {
                let row = &mut to[y * width..(y + 1) * width];
                let mut source = start + step_y * y as i64 + step_x * left as i64;
                for place in &mut row[left..width.min(left + TILE)] {
                    *place = from[source as usize];
                    source += step_x;
                }
            }
        }
    }
    Ok(())
}

/// A picture of `size` with `canvas` at `left`, `top`, cut where it sticks out; the rest is transparent.
///
/// The result is premultiplied if the picture has to have alpha, that is unless `canvas` is opaque and covers it.
pub fn placed(
    canvas: Canvas,
    left: i64,
    top: i64,
    size: Size,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    let whole = Rect::of(size);
    let target = Rect::at(left, top, canvas.size);
    if target == whole {
        return Ok(canvas);
    }
    let shown = target.intersection(whole);
    let canvas = if shown == whole {
        canvas
    } else {
        let mut canvas = super::alpha::with_alpha(canvas, limits, deadline)?;
        super::alpha::premultiply(&mut canvas, deadline)?;
        canvas
    };
    let mut out = Canvas::zeroed(size, canvas.model, canvas.alpha, limits)?;
    if shown.is_empty() {
        return Ok(out);
    }
    let channels = canvas.channels();
    let (row_bytes, out_row_bytes) = (canvas.row_bytes(), out.row_bytes());
    let length = shown.width() as usize * channels;
    for y in shown.top..shown.bottom {
        if y % 256 == 0 {
            deadline.tick()?;
        }
        let from = (y - top) as usize * row_bytes + (shown.left - left) as usize * channels;
        let to = y as usize * out_row_bytes + shown.left as usize * channels;
        out.data[to..to + length].copy_from_slice(&canvas.data[from..from + length]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Alpha, Model};

    const ALL: [Turn; 8] = [
        Turn { is_mirrored: false, quarters: 0 },
        Turn { is_mirrored: false, quarters: 1 },
        Turn { is_mirrored: false, quarters: 2 },
        Turn { is_mirrored: false, quarters: 3 },
        Turn { is_mirrored: true, quarters: 0 },
        Turn { is_mirrored: true, quarters: 1 },
        Turn { is_mirrored: true, quarters: 2 },
        Turn { is_mirrored: true, quarters: 3 },
    ];

    fn picture() -> Canvas {
        Canvas {
            size: Size::new(3, 2),
            model: Model::Gray,
            alpha: Alpha::Opaque,
            data: vec![1, 2, 3, 4, 5, 6],
        }
    }

    fn turn(canvas: Canvas, by: Turn) -> Canvas {
        let deadline = Deadline::after(std::time::Duration::from_secs(60));
        turned(canvas, by, &Limits::default(), &deadline).expect("small picture")
    }

    #[test]
    fn a_quarter_turn_is_clockwise() {
        assert_eq!(turn(picture(), Turn::quarters(1)).data, [4, 1, 5, 2, 6, 3]);
        assert_eq!(turn(picture(), Turn::MIRROR).data, [3, 2, 1, 6, 5, 4]);
        assert_eq!(turn(picture(), Turn::FLIP).data, [4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn turns_compose_and_invert_as_their_pictures_do() {
        for first in ALL {
            for second in ALL {
                let one_by_one = turn(turn(picture(), first), second);
                assert_eq!(one_by_one, turn(picture(), first.then(second)), "{first:?} {second:?}");
            }
            assert_eq!(turn(turn(picture(), first), first.inverse()), picture(), "{first:?}");
        }
    }

    #[test]
    fn a_rectangle_moves_with_its_pixels() {
        let rect = Rect::at(1, 0, Size::new(2, 1));
        for by in ALL {
            let mut marked = picture();
            marked.data = vec![0, 1, 1, 0, 0, 0];
            let marked = turn(marked, by);
            let moved = by.of_rect(rect, Size::new(3, 2));
            for y in 0..i64::from(marked.size.height) {
                for x in 0..i64::from(marked.size.width) {
                    let inside = !Rect::at(x, y, Size::new(1, 1)).intersection(moved).is_empty();
                    let value = marked.data[(y * i64::from(marked.size.width) + x) as usize];
                    assert_eq!(value == 1, inside, "{by:?} at {x},{y}");
                }
            }
        }
    }
}
