//! Plans: request and header in, sizes, paths and costs out; every fast path against the plain one (`commands.md` 3).

use imprint::catalog::{Attributes, Catalogs};
use imprint::codec::{self, Chroma, Encoding, Header, Input, Scans};
use imprint::error::Error;
use imprint::geometry::Size;
use imprint::limits::Limits;
use imprint::plan::{self, Inputs, LayerFacts, Paths, Plan, PlanSettings, Purpose, RecordFields};
use imprint::raster::{Alpha, Canvas, Model, Pixels};
use imprint::render::{self, LayerSources, Origin, Source, Sources};
use imprint::request::{Options, SourceText, parse};

use crate::support::pictures::{file, unhurried};
use crate::support::site::FIXTURE_INI;

mod facts;
mod paths;

/// A source in memory with its header.
struct Picture {
    name: String,
    bytes: Vec<u8>,
    header: Header,
}

impl Picture {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Picture {
        let deadline = unhurried();
        let probed = codec::probe(&mut Input::new(&bytes, &deadline), &Limits::default());
        let name = name.into();
        let header = probed.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        Picture { name, bytes, header }
    }
}

/// What a plan is made from beside request and source.
struct Table {
    attributes: Attributes,
    settings: PlanSettings,
}

impl Table {
    fn new() -> Table {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ini = format!("{FIXTURE_INI}Resolution=100\n");
        std::fs::write(folder.path().join("default.ini"), ini).expect("a new file");
        let catalogs = Catalogs::load(folder.path(), None, &mut Vec::new());
        let attributes =
            catalogs.default_catalog().expect("default.ini is there").attributes.clone();
        Table { attributes, settings: PlanSettings::default() }
    }

    fn planned(
        &self,
        picture: Option<&Picture>,
        query: &str,
        purpose: Purpose,
        paths: Paths,
    ) -> Result<Plan, Error> {
        let request = parse(&[SourceText::url(query)], &Options::default())?;
        let facts = LayerFacts {
            number: 0,
            attributes: &self.attributes,
            record: RecordFields::default(),
            source: picture.map(|picture| &picture.header),
            mask: None,
        };
        let inputs = Inputs {
            request: &request,
            attributes: &self.attributes,
            layers: &[facts],
            settings: &self.settings,
            purpose,
            paths,
        };
        plan::resolve(&inputs, &mut |_, _| Ok(None))
    }

    fn rendered(&self, picture: Option<&Picture>, plan: &Plan) -> Result<Pixels, Error> {
        let image = picture.map(|p| Source { origin: Origin::Bytes(&p.bytes), header: &p.header });
        let layers = vec![LayerSources { number: 0, image, mask: None }];
        let sources = Sources { layers, watermark: None };
        render::pixels(plan, &sources, &self.settings.limits, &unhurried())
    }

    /// A reply's plan and pixels; both have to succeed.
    fn drawn(&self, picture: &Picture, query: &str, paths: Paths) -> (Plan, Pixels) {
        let drawn = self.planned(Some(picture), query, Purpose::Reply, paths).and_then(|plan| {
            let pixels = self.rendered(Some(picture), &plan)?;
            Ok((plan, pixels))
        });
        let (plan, pixels) =
            drawn.unwrap_or_else(|error| panic!("{}?{query} {paths:?}: {error:?}", picture.name));
        assert_eq!(pixels.size(), plan.reply(), "{}?{query} {paths:?}", picture.name);
        (plan, pixels)
    }
}

/// A value of 20 to 235 that grows by the position.
fn ramp(at: f64, length: u32) -> f64 {
    20.0 + 215.0 * at / f64::from(length)
}

/// Slopes in every direction, steep enough to show a shift of a quarter pixel, smooth enough for every filter.
/// About `scale` pixels of the picture for one of the full one of `size`, which it shows wholly.
fn slopes(size: Size, model: Model, alpha: Alpha, scale: f64) -> Canvas {
    let small = Size::new(
        (f64::from(size.width) * scale).ceil() as u32,
        (f64::from(size.height) * scale).ceil() as u32,
    );
    let across_scale = f64::from(small.width) / f64::from(size.width);
    let down_scale = f64::from(small.height) / f64::from(size.height);
    let mut data = Vec::new();
    for y in 0..small.height {
        for x in 0..small.width {
            let x = (f64::from(x) + 0.5) / across_scale;
            let y = (f64::from(y) + 0.5) / down_scale;
            let across = ramp(x, size.width);
            let down = ramp(y, size.height);
            let sum = ramp(x + y, size.width + size.height);
            let values = [across, down, 255.0 - sum, 255.0 - across / 2.0 - down / 2.0];
            let own = match model {
                Model::Gray => vec![sum],
                Model::Rgb => values[..3].to_vec(),
                Model::Cmyk => values.to_vec(),
            };
            data.extend(own.iter().map(|v| v.round().clamp(0.0, 255.0) as u8));
            if alpha != Alpha::Opaque {
                data.push(ramp(y, size.height).round() as u8);
            }
        }
    }
    Canvas { size: small, model, alpha, data }
}

/// The JPEG with an EXIF orientation.
fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn jpeg_of(size: Size, model: Model, chroma: Chroma, progressive: Option<Scans>) -> Vec<u8> {
    let canvas = slopes(size, model, Alpha::Opaque, 1.0);
    file(&canvas, &Encoding::Jpeg { quality: 97, chroma, progressive, limit_bytes: None })
}

/// An uncompressed TIFF whose pages are ever smaller versions of the first.
fn pyramid(pages: &[Canvas], orientation: u8) -> Vec<u8> {
    let mut out = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for (index, page) in pages.iter().enumerate() {
        let strip = out.len() as u32;
        out.extend(&page.data);
        out.resize(out.len().next_multiple_of(2), 0);
        let channels = page.channels() as u32;
        let bits = out.len() as u32;
        for _ in 0..channels {
            out.extend(8u16.to_le_bytes());
        }
        let start = out.len() as u32;
        out[link..link + 4].copy_from_slice(&start.to_le_bytes());
        let tags: [(u16, u16, u32, u32); 11] = [
            (254, 4, 1, u32::from(index > 0)),
            (256, 4, 1, page.size.width),
            (257, 4, 1, page.size.height),
            (258, 3, channels, bits),
            (259, 3, 1, 1),
            (262, 3, 1, 2),
            (273, 4, 1, strip),
            (274, 3, 1, u32::from(orientation)),
            (277, 3, 1, channels),
            (278, 4, 1, page.size.height),
            (279, 4, 1, page.data.len() as u32),
        ];
        out.extend((tags.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in tags {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(count.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        link = out.len();
        out.extend([0; 4]);
    }
    out
}
