//! AREA elements: what is printed reads back, lies in the picture, and is well-formed XML.

use imprint::geometry::{Rect, Size};
use imprint::plan::area::{self, Area, Shape};
use imprint::plan::layer::{self, LayerInputs};
use imprint::plan::map::{MapInputs, MapLayer, Space, composite};
use imprint::plan::view::{self, ViewInputs};
use imprint::raster::turn::Turn;
use imprint::reply::map::elements;
use imprint::request::Crop;

use super::fuzz;

/// What an area keeps whatever happens to its shape.
fn others(area: &Area) -> Vec<(String, Option<String>)> {
    let is_other = |name: &str| !["shape", "coords"].iter().any(|n| n.eq_ignore_ascii_case(name));
    let attributes = area.attributes().into_iter().filter(|(name, _)| is_other(name));
    attributes.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect()
}

fn check(areas: Vec<Area>, rotate_deg: f64, scl: f64) {
    let source = Size::new(400, 300);
    let geometry = layer::geometry(&LayerInputs {
        source,
        crop: Some(Crop::Pixels(Rect::at(-10, 20, Size::new(350, 200)))),
        size: None,
        scale: Some(1.5),
        res: None,
        resolution: 1.0,
        flip: None,
        rotate_deg,
        extend: None,
        anchor: None,
        origin: None,
        canvas: None,
        thumbnail: None,
    })
    .expect("a plain layer");
    let view = view::view(&ViewInputs {
        composite: geometry.size,
        rgn: None,
        wid: None,
        hei: None,
        scl: Some(scl),
        fit: None,
        align: (0.0, 0.0),
        rect: None,
        dpr: 1.0,
        default_pix: Size::default(),
        max_pix: Size::default(),
        default_upscale: false,
    })
    .expect("a plain view");
    let kept: Vec<_> = areas.iter().map(others).collect();
    let printed = composite(&MapInputs {
        layers: vec![MapLayer { areas, space: Space::Source, geometry, top_left: (0, 0) }],
        composite: Vec::new(),
        composite_space: Space::Layer,
        canvas: geometry.size,
        flip: Turn::NONE,
        view: &view,
    });
    let again = area::parse(&printed).expect("what is printed can be read");
    let size = view.reply();
    let mut left = kept.iter();
    for area in &again {
        let is_known = left.any(|kept| *kept == others(area));
        assert!(is_known, "{} is none of the input", area.text());
        let points: Vec<[f64; 2]> = match area.shape() {
            Shape::Rect([left, top, right, bottom]) => vec![[*left, *top], [*right, *bottom]],
            Shape::Poly(corners) => corners.clone(),
            shape @ (Shape::Whole | Shape::Circle(_) | Shape::Nothing) => {
                panic!("{shape:?} in {}", area.text())
            }
        };
        let is_inside = |[x, y]: [f64; 2]| {
            (0.0..=f64::from(size.width)).contains(&x)
                && (0.0..=f64::from(size.height)).contains(&y)
        };
        assert!(points.into_iter().all(is_inside), "{} beyond {size}", area.text());
    }
}

#[test]
fn areas() {
    fuzz("area", 2000, |bytes| {
        let Ok(areas) = area::parse(&String::from_utf8_lossy(bytes)) else { return };
        let xml = elements(&areas);
        let mut reader = quick_xml::Reader::from_str(&xml);
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => break,
                Ok(quick_xml::events::Event::Empty(tag) | quick_xml::events::Event::Start(tag)) => {
                    for attribute in tag.attributes() {
                        attribute.unwrap_or_else(|error| panic!("{error} in {xml}"));
                    }
                }
                Ok(_) => {}
                Err(error) => panic!("{error} in {xml}"),
            }
        }
        // A small factor would let small areas vanish, a large one none.
        check(areas.clone(), 0.0, 0.5);
        check(areas, 33.0, 0.5);
    });
}
