//! Templates, layers, nested requests, masks and watermarks through the whole pipeline (requests.md 10, 11, 18): which
//! texts take part, and what the picture shows.

use imprint::raster::{Alpha, Canvas, Model};
use imprint::reply::Reply;

use crate::support::pictures::{decoded, drawn, flat, masked, pixel, png, quadrants};
use crate::support::site::{FIXTURE_INI, Site, get, text};

mod merge;
mod nested;
mod watermarks;

/// Records of the catalog `shop`.
const RECORDS: &str = "\
Id\tPath\tMaskPath\tModifier\tPostModifier\tAnchor
lake\tq.png\t\tqlt=60\t\t
red\tred.png\t\t\t\t
post\tred.png\t\t\tqlt=33\t
small\tred.png\t\tsize=20,20\t\t
chained\t\t\tsrc=red\t\t
card\t\t\t$img=blue&$x=0&size=100,100&color=ffffff&layer=1&src=$img$&size=40,40&pos=$x$,0\t\t
named\t\t\tsize=100,100&color=ffffff&layer=2,logo&src=red&size=20,20\tqlt=12\t
whole\t\t\tlayer=0&src=$object$&size=80,0&extend=0,10,20,10&bgColor=00ff00\t\t
blue\tblue.png\t\t\tqlt=44\t
masked\tred.png\thalf.png\t\t\t
anchored\tred.png\t\t\t\t0,0
deep\t\t\tsrc=is(shop/red?$inner$)&size=50,50\t\t
";

const MACROS: &str = "Name\tDefinition\ninner\twid=10&hei=10\n";

/// A site with flat 60x60 pictures `red.png` and `blue.png`, quadrants `q.png` of 400x300, `m.png` with alpha, the mask
/// `half.png` (white on the left, black on the right), and the catalogs `shop` and `other`.
fn site_with(shop: &str) -> Site {
    let site = Site::with("", &format!("{FIXTURE_INI}ErrorDetail=2\n"));
    site.image("red.png", png(&flat(60, 60, [255, 0, 0])));
    site.image("blue.png", png(&flat(60, 60, [0, 0, 255])));
    site.image("q.png", png(&quadrants()));
    site.image("m.png", png(&masked()));
    let half = drawn(60, 60, |x, _| if x < 30 { [255; 3] } else { [0; 3] });
    site.image("half.png", png(&half));
    site.write("catalogs/shop.txt", RECORDS);
    site.write("catalogs/macros.txt", MACROS);
    let own = "RootId=shop\nCatalogFile=shop.txt\nMacroFile=macros.txt\nJpegQuality=70,1\n";
    site.write("catalogs/shop.ini", format!("{own}{shop}"));
    site.write("catalogs/other.txt", "Id\tPath\tModifier\nred\tblue.png\t\nbig\tq.png\twid=400\n");
    site.write(
        "catalogs/other.ini",
        "RootId=other\nCatalogFile=other.txt\nMaxPix=50,50\nDefaultPix=30,30\n",
    );
    site
}

fn site() -> Site {
    site_with("")
}

/// The picture of a reply that has to succeed.
fn picture(reply: &Reply, name: &str) -> Canvas {
    assert_eq!(reply.status, 200, "{name}: {}", text(reply));
    decoded(&reply.body)
}

/// Whether a pixel of a PNG is that color (and alpha, where it is given).
fn assert_pixel(canvas: &Canvas, (x, y): (u32, u32), expected: &[u8], name: &str) {
    let found = pixel(canvas, x, y);
    let found = found.get(..expected.len()).unwrap_or(found);
    assert_eq!(found, expected, "{name}: pixel {x},{y} of {}", canvas.size);
}

#[test]
fn layers_lie_where_their_origins_meet() {
    let site = site();
    let service = site.service();
    let base = "shop?size=100,100&color=ffffff&fmt=png";
    // Query behind a white canvas of 100x100; pixels that are red and pixels that are white.
    type Spots = &'static [(u32, u32)];
    let rows: [(&str, &str, Spots, Spots); 12] = [
        ("centered", "layer=1&src=small", &[(40, 40), (59, 59)], &[(39, 40), (60, 59), (40, 60)]),
        ("pos moves", "layer=1&src=small&pos=10,-5", &[(50, 35), (69, 54)], &[(49, 35), (70, 54)]),
        ("posN in sizes of layer 0", "layer=1&src=small&posN=0.1,0", &[(50, 40)], &[(49, 40)]),
        ("origin of the layer", "layer=1&src=small&origin=0,0", &[(50, 50), (69, 69)], &[(49, 50)]),
        ("originN corner", "layer=1&src=small&originN=0.5,0.5", &[(30, 30), (49, 49)], &[(50, 50)]),
        (
            "origin of layer 0",
            "origin=0,0&layer=1&src=small&origin=0,0",
            &[(0, 0), (19, 19)],
            &[(20, 0)],
        ),
        ("anchor is scaled", "layer=1&src=red&size=20,20&anchor=60,60", &[(30, 30)], &[(50, 50)]),
        ("catalog::Anchor", "layer=1&src=anchored&size=20,20", &[(50, 50), (69, 69)], &[(49, 49)]),
        ("anchor is flipped", "layer=1&src=anchored&size=20,20&flip=lr", &[(30, 50)], &[(50, 50)]),
        ("sizeN", "layer=1&src=red&sizeN=0.5,0.5", &[(25, 25), (74, 74)], &[(24, 25), (75, 74)]),
        ("cut at the canvas", "layer=1&src=small&pos=45,45", &[(99, 99), (85, 85)], &[(84, 84)]),
        ("solid", "layer=1&color=ff0000&size=20,20", &[(40, 40), (59, 59)], &[(39, 40), (60, 60)]),
    ];
    for (name, query, red, white) in rows {
        let canvas = picture(&get(&service, &format!("{base}&{query}")), name);
        for spot in red {
            assert_pixel(&canvas, *spot, &[255, 0, 0], name);
        }
        for spot in white {
            assert_pixel(&canvas, *spot, &[255, 255, 255], name);
        }
    }
}

#[test]
fn layers_are_blended_as_their_modes_say() {
    let site = site();
    let service = site.service();
    for (name, query, expected) in [
        ("norm", "layer=1&color=804020&size=9,9", [128, 64, 32]),
        ("opac", "layer=1&color=000000&size=9,9&opac=50", [100, 50, 25]),
        ("fillOpacity", "layer=1&color=000000&size=9,9&opac=50,50", [150, 75, 38]),
        ("alpha of color", "layer=1&color=0,0,0,128&size=9,9", [100, 50, 25]),
        ("mult", "layer=1&color=808080&size=9,9&blendMode=mult", [100, 50, 25]),
        ("screen", "layer=1&color=808080&size=9,9&blendMode=screen", [228, 178, 153]),
        ("lighten", "layer=1&color=804080&size=9,9&blendMode=lighten", [200, 100, 128]),
        ("darken", "layer=1&color=804080&size=9,9&blendMode=darken", [128, 64, 50]),
        ("layer 0 has no mode", "layer=0&blendMode=mult", [200, 100, 50]),
        ("hidden", "layer=1&color=000000&size=9,9&hide=1", [200, 100, 50]),
        (
            "order by number",
            "layer=2&color=000000&size=9,9&layer=1&color=ffffff&size=9,9",
            [0, 0, 0],
        ),
    ] {
        let target = format!("shop?size=9,9&color=200,100,50&fmt=png&{query}");
        let canvas = picture(&get(&service, &target), name);
        let found = pixel(&canvas, 4, 4);
        let apart = found.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(apart <= Some(1), "{name}: {found:?}, expected {expected:?}");
    }
    // A pattern that is the same in every request, whole pixels, and about as many as alpha says (U093).
    let target = "shop?size=100,100&color=ffffff&fmt=png&layer=1&color=0,0,0,128&size=100,100&blendMode=dissolve";
    let canvas = picture(&get(&service, target), "dissolve");
    let black = canvas.data.chunks_exact(3).filter(|pixel| *pixel == [0, 0, 0]).count();
    let white = canvas.data.chunks_exact(3).filter(|pixel| *pixel == [255; 3]).count();
    assert_eq!(black + white, 10_000, "whole pixels");
    assert!((4700..5300).contains(&black), "{black} of 10000");
    assert_eq!(get(&service, target).body, get(&service, target).body);
    let composite =
        picture(&get(&service, "shop?size=9,9&color=ff0000&opac=50&fmt=png-alpha"), "comp");
    assert_pixel(&composite, (4, 4), &[255, 0, 0, 128], "opac of comp");
}

#[test]
fn masks_shape_their_layer() {
    let site = site();
    let service = site.service();
    let (red, clear) = ([255u8, 0, 0, 255], [0u8, 0, 0, 0]);
    for (name, target, left, right) in [
        ("mask= of a file", "shop/red?mask=half.png", red, clear),
        ("S-42 MaskPath", "shop/masked", red, clear),
        ("mask= beats MaskPath", "shop/masked?mask=red.png&maskUse=off", red, red),
        ("MaskPath of the record that mask= names", "shop/red?mask=masked", red, clear),
        ("invert", "shop/masked?maskUse=invert", clear, red),
        ("off", "shop/masked?maskUse=off", red, red),
        ("mask= nested", "shop/red?mask=is(half.png)", red, clear),
        ("mask= nested, any case", "shop/red?mask=IS{half.png?wid=60}", red, clear),
        ("stretched U048", "shop/red?mask=is(half.png?wid=20)", red, clear),
        ("cropped with its source", "shop/masked?crop=0,0,60,30", red, clear),
        ("flipped with its source", "shop/masked?layer=0&flip=lr", clear, red),
        ("a color through a mask", "shop?color=ff0000&mask=half.png", red, clear),
        ("the same, inverted", "shop?color=ff0000&mask=half.png&maskUse=invert", clear, red),
    ] {
        let separator = if target.contains('?') { '&' } else { '?' };
        let canvas =
            picture(&get(&service, &format!("{target}{separator}fmt=png-alpha&scl=1")), name);
        let (width, height) = (canvas.size.width, canvas.size.height);
        let at = |x: u32| pixel(&canvas, x, height / 2);
        let shown = |found: Vec<u8>| if found.last() == Some(&0) { vec![0; 4] } else { found };
        assert_eq!(shown(at(width / 8).to_vec()), left, "{name}: left");
        assert_eq!(shown(at(width - width / 8 - 1).to_vec()), right, "{name}: right");
    }
    // A mask that is scaled with its source, at a reduced size.
    let canvas = picture(&get(&service, "shop/masked?wid=20&fmt=png-alpha"), "scaled");
    assert_eq!((canvas.size.width, canvas.alpha), (20, Alpha::Straight));
    assert_pixel(&canvas, (2, 10), &[255, 0, 0, 255], "scaled");
    for (name, target) in [
        ("mask= of a template", "shop/red?mask=card"),
        ("mask= that is missing", "shop/red?mask=nowhere.png"),
        ("src= and mask= of two catalogs", "shop?src=red&mask=other/red"),
    ] {
        assert_eq!(get(&service, target).status, 403, "{name}");
    }
}

#[test]
fn req_mask_shows_alpha_as_gray() {
    let site = site();
    let service = site.service();
    for (name, query, model, inside, outside) in [
        ("RQ-095 gray by default", "fmt=png", Model::Gray, 255, 0),
        ("CX-69", "fmt=tif,gray", Model::Gray, 255, 0),
        ("rgb where asked for", "fmt=png,rgb", Model::Rgb, 255, 0),
        ("palette", "fmt=png8", Model::Rgb, 255, 0),
        ("RQ-095 bgc= has no effect", "fmt=png&bgc=ff0000", Model::Gray, 255, 0),
        ("beyond the composite", "fmt=png&wid=400&hei=400&fit=fit,0", Model::Gray, 255, 0),
    ] {
        let canvas = picture(&get(&service, &format!("m.png?req=mask&{query}")), name);
        let (width, height) = (canvas.size.width, canvas.size.height);
        assert_eq!((canvas.model, canvas.alpha), (model, Alpha::Opaque), "{name}");
        assert_eq!(pixel(&canvas, width / 2, height / 2).first(), Some(&inside), "{name}");
        assert_eq!(pixel(&canvas, 0, 0).first(), Some(&outside), "{name}");
    }
    let jpeg = get(&service, "m.png?req=mask");
    assert_eq!(jpeg.header("Content-Type"), Some("image/jpeg"));
    let opaque = picture(&get(&service, "q.png?req=mask&fmt=png&wid=40"), "U-mask-none");
    assert!(opaque.data.iter().all(|sample| *sample == 255), "U-mask-none");
    let scaled = picture(&get(&service, "m.png?req=mask&scale=0.25&fmt=png"), "CX-46");
    assert_eq!(scaled.size, (50, 50).into(), "CX-46");
    let alpha = picture(&get(&service, "m.png?req=mask&fmt=png-alpha"), "U-mask-none");
    assert_eq!((alpha.model, alpha.alpha), (Model::Gray, Alpha::Straight), "U-mask-none");
    assert!(alpha.data.chunks_exact(2).all(|pixel| pixel.last() == Some(&255)), "U-mask-none");
    assert_eq!(get(&service, "m.png?req=mask&fmt=tif,cmyk").status, 403);
}
