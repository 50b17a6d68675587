//! Banner and property requests: `props`, `imageprops`, `exists`, `validate`, `resolve`.

use imprint::raster::{Alpha, Canvas, Model};

use super::*;
use crate::support::pictures::{decoded, jpeg};
use crate::support::site::{get, property};

#[test]
fn the_banner_answers_an_empty_request() {
    let site = shop();
    let service = site.service();
    for (name, target) in
        [("RQ-003 CX-01", "/is/image"), ("slash", "/is/image/"), ("empty query", "/is/image?")]
    {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{name}");
        assert_head(&reply, "#S7Z OK", name);
        assert_eq!(names(&reply), ["copyright"], "{name}");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name} U-banner");
    }
    site.write("catalogs/default.ini", "ClientAddressFilter=10.0.0.1\n");
    assert_eq!(site.get("/is/image").status, 200, "U-banner: a health check needs no catalog");
}

#[test]
fn props_lists_its_properties_in_order() {
    let site = shop_with("", "BkgColor=0a141e\n", "PrintResolution=150\n");
    let service = site.service();
    let reply = get(&service, "shop/lake?wid=200&req=props");
    assert_head(&reply, "#S7Z OK", "RQ-097");
    let expected = [
        "image.bgc",
        "image.height",
        "image.iccEmbed",
        "image.iccProfile",
        "image.length",
        "image.mask",
        "image.pixTyp",
        "image.pathEmbed",
        "image.printRes",
        "image.quality",
        "image.type",
        "image.width",
        "image.xmpEmbed",
        "image.version",
        "metadata.version",
    ];
    assert_eq!(names(&reply), expected, "RQ-097 U-prop-order");
    for (name, value) in [
        ("image.bgc", "0a141e"),
        ("image.height", "150"),
        ("image.iccEmbed", "0"),
        ("image.length", "0"),
        ("image.mask", "0"),
        ("image.pixTyp", "RGB"),
        ("image.pathEmbed", "0"),
        ("image.printRes", "150.0"),
        ("image.quality", "60"),
        ("image.type", "image/jpeg"),
        ("image.width", "200"),
        ("image.xmpEmbed", "0"),
    ] {
        assert_eq!(property(&reply, name).as_deref(), Some(value), "RQ-097 {name}");
    }
    for (name, query, property_name, value) in [
        ("gray", "fmt=jpeg,gray", "image.pixTyp", "BW"),
        ("cmyk", "fmt=tif,cmyk", "image.pixTyp", "CMYK"),
        ("type", "fmt=png-alpha", "image.type", "image/png"),
        ("alpha", "fmt=png-alpha", "image.mask", "1"),
        ("U-props-quality", "fmt=png&qlt=44", "image.quality", "44"),
        ("printRes", "printRes=300", "image.printRes", "300.0"),
        ("background", "bgc=1,2,3", "image.bgc", "010203"),
    ] {
        let reply = get(&service, &format!("m.png?{query}&req=props"));
        assert_eq!(property(&reply, property_name).as_deref(), Some(value), "{name}");
    }
    let missing = get(&service, "shop/gone?req=props");
    assert_eq!(missing.status, 403, "U-props-quality: no default image");
}

#[test]
fn props_tells_the_size_of_the_delivered_image() {
    let site = shop();
    let service = site.service();
    let mut count = 0;
    for query in [
        "",
        "wid=100",
        "hei=77",
        "wid=100&hei=50",
        "wid=100&hei=50&fit=constrain",
        "wid=101&hei=50&fit=crop",
        "wid=100&hei=33&fit=wrap",
        "wid=100&hei=50&fit=stretch",
        "wid=100&hei=99&fit=hfit",
        "wid=100&hei=99&fit=vfit",
        "wid=900&hei=900&fit=fit,1",
        "scl=3",
        "scl=0.7",
        "rgn=10,20,111,93",
        "rgn=10,20,111,93&wid=50",
        "wid=300&rect=10,10,55,44",
        "scl=1&rect=390,290,50,50",
        "wid=101&dpr=on,2",
        "wid=55&hei=44&dpr=on,1.5",
        "rotate=30",
        "rotate=90&wid=70",
        "crop=10,10,200,33&wid=90",
        "size=123,45",
        "extend=5,6,7,8",
        "flip=lr&wid=3",
        "wid=1",
    ] {
        let separator = if query.is_empty() { "" } else { "&" };
        let image = size(&get(&service, &format!("a.png?{query}")));
        let reply = get(&service, &format!("a.png?{query}{separator}req=props"));
        let told = (property(&reply, "image.width"), property(&reply, "image.height"));
        let expected = (Some(image.width.to_string()), Some(image.height.to_string()));
        assert_eq!(told, expected, "RQ-097 ?{query}");
        count += 1;
    }
    assert_eq!(count, 26);
}

#[test]
fn tiles_of_a_version_join() {
    let site = shop();
    let data = (0..60_u32 * 72).flat_map(|i| [i as u8, (i / 60 * 3) as u8, 90, 10]).collect();
    let cmyk = Canvas { size: Size::new(60, 72), model: Model::Cmyk, alpha: Alpha::Opaque, data };
    site.image("imageId.jpg", jpeg(&cmyk, 95, codec::Chroma::Full));
    let service = site.service();
    let commands = "imageId.jpg?scl=1&bgc=ffffff";
    let props = get(&service, &format!("{commands}&req=props"));
    assert_eq!(property(&props, "image.width").as_deref(), Some("60"), "CX-54");
    assert_eq!(property(&props, "image.height").as_deref(), Some("72"), "CX-54");
    let version = property(&props, "image.version").expect("CX-54");
    assert!(!version.is_empty() && version.bytes().all(|b| b.is_ascii_alphanumeric()), "{version}");
    let whole = decoded(&get(&service, &format!("{commands}&fmt=png")).body);
    let mut joined = Vec::new();
    for top in [0, 18, 36, 54] {
        let target = format!("{commands}&fmt=png&id={version}&rect=0,{top},60,18");
        let tile = decoded(&get(&service, &target).body);
        assert_eq!(tile.size, Size::new(60, 18), "CX-55");
        joined.extend(tile.data);
    }
    assert!(joined == whole.data, "CX-55: the tiles join without seams");
}

#[test]
fn a_version_changes_with_the_file_and_not_with_the_view() {
    let site = shop();
    let service = site.service();
    let version = |target: &str| {
        let reply = get(&service, &format!("{target}req=props"));
        property(&reply, "image.version").unwrap_or_else(|| panic!("{target}: {}", text(&reply)))
    };
    let first = version("a.png?");
    for query in ["wid=50&", "rect=0,0,10,10&", "fmt=png&", "id=x&", "scl=2&", "qlt=3&"] {
        assert_eq!(version(&format!("a.png?{query}")), first, "RQ-099 U-version {query}");
    }
    assert_ne!(version("q.png?"), first, "another file");
    assert_ne!(version("shop/lake?"), version("shop/late?"), "record fields that change pixels");
    site.image("a.png", png(&textured(401, 300)));
    assert_ne!(version("a.png?"), first, "RQ-099 the file changed");
    let reply = get(&service, "q.png?req=props");
    assert!(property(&reply, "metadata.version").is_some_and(|v| !v.is_empty()), "U-version");
}

#[test]
fn imageprops_lists_its_properties_in_order() {
    let site = shop_with("", "", "PrintResolution=150\n");
    let service = site.service();
    let expected = [
        "image.anchor",
        "image.expiration",
        "image.height",
        "image.iccProfile",
        "image.embeddedIccProfile",
        "image.embeddedPhotoshopPaths",
        "image.embeddedXmpData",
        "image.mask",
        "image.modifier",
        "image.photoshopPathNames",
        "image.pixTyp",
        "image.postModifier",
        "image.printRes",
        "image.resolution",
        "image.timeStamp",
        "image.thumbRes",
        "image.thumbType",
        "image.width",
        "image.translatedId",
    ];
    let record: &[(&str, &str)] = &[
        ("image.anchor", "7,9"),
        ("image.expiration", "2.5"),
        ("image.height", "300"),
        ("image.embeddedIccProfile", "0"),
        ("image.mask", "0"),
        ("image.modifier", "qlt=60"),
        ("image.pixTyp", "RGB"),
        ("image.postModifier", ""),
        ("image.printRes", "150.0"),
        ("image.resolution", "150.0"),
        ("image.timeStamp", "03/04/2025 09:15:02 GMT"),
        ("image.thumbRes", "1.0"),
        ("image.thumbType", "1"),
        ("image.width", "400"),
        ("image.translatedId", "shop/lake"),
    ];
    let file: &[(&str, &str)] = &[
        ("image.anchor", "100,100"),
        ("image.expiration", "10.0"),
        ("image.height", "200"),
        ("image.mask", "2"),
        ("image.modifier", ""),
        ("image.postModifier", ""),
        ("image.resolution", "72.0"),
        ("image.thumbType", "2"),
        ("image.width", "200"),
        ("image.translatedId", ""),
    ];
    let template: &[(&str, &str)] = &[
        ("image.anchor", "0,0"),
        ("image.height", "0"),
        ("image.width", "0"),
        ("image.pixTyp", ""),
        ("image.iccProfile", ""),
        ("image.modifier", "size=50,50&color=ff0000"),
        ("image.translatedId", "shop/template"),
    ];
    let never: &[(&str, &str)] = &[("image.expiration", "-1.0"), ("image.width", "400")];
    for (name, target, values) in [
        ("RQ-100 record", "shop/lake?req=imageprops", record),
        (
            "RQ-100 others ignored",
            "shop/lake?req=imageprops&wid=%zz&fit=nope&op_blur=9&layer=x",
            record,
        ),
        ("CX-49 file", "m.png?req=imageprops", file),
        ("U-imageprops-detail template", "shop/template?req=imageprops", template),
        ("never expires", "shop/never?req=imageprops", never),
    ] {
        let reply = get(&service, target);
        assert_head(&reply, "#S7Z OK", name);
        assert_eq!(names(&reply), expected, "{name}");
        for (property_name, value) in values {
            let found = property(&reply, property_name);
            assert_eq!(found.as_deref(), Some(*value), "{name}: {property_name}");
        }
    }
    for target in ["shop/gone?req=imageprops", "nowhere.png?req=imageprops", "shop?req=imageprops"]
    {
        assert_eq!(get(&service, target).status, 403, "{target}");
    }
}

#[test]
fn exists_tells_of_records_only() {
    let site = shop_with("", "CatalogFile=default.txt\n", "");
    site.write("catalogs/default.txt", "Id\tPath\nonly\ta.png\n");
    let service = site.service();
    for (name, target, expected) in [
        ("RQ-102 CX-52 record", "shop/lake?req=exists", "1"),
        ("RQ-102 CX-52 none", "shop/nobody?req=exists", "0"),
        ("default catalog", "only?req=exists", "1"),
        ("RQ-038 through a catalog", "shop/only?req=exists", "1"),
        ("a record whose file is missing", "shop/gone?req=exists", "1"),
        ("RQ-007 case", "shop/abc?req=exists", "0"),
        ("U-exists files are not probed", "a.png?req=exists", "0"),
        ("U-exists nor in a catalog", "shop/a.png?req=exists", "0"),
        ("catalog alone", "shop?req=exists", "0"),
        ("others ignored", "shop/lake?req=exists&wid=%zz&fit=nope", "1"),
        ("text by name", "shop/lake?req=EXISTS,Text", "1"),
        ("by macro", "shop/lake?$check$", "1"),
        ("by variable", "shop/lake?$r=exists&req=$r$", "1"),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        assert_head(&reply, "#S7Z OK", name);
        assert_eq!(names(&reply), ["catalogRecord.exists"], "{name}");
        assert_eq!(property(&reply, "catalogRecord.exists").as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn validate_looks_at_no_image() {
    let site = shop();
    let service = site.service();
    for (name, query, is_valid) in [
        ("RQ-116 CX-53", "shop/lake?wid=20&req=validate", true),
        ("unknown object", "shop/nobody?wid=20&req=validate", true),
        ("missing file", "shop/gone?req=validate", true),
        ("broken file", "bad.png?wid=20&req=validate", true),
        ("no object", "shop?req=validate", true),
        ("not carried out, but valid", "a.png?op_blur=2&text=a&layer=1&src=b&req=validate", true),
        ("U-validate reference", "a.png?wid=$w$&req=validate", true),
        ("reference beside a fault", "a.png?wid=$w$&hei=x&req=validate", false),
        ("unknown command", "a.png?foo=1&req=validate", true),
        ("type", "a.png?wid=x&req=validate", false),
        ("range", "a.png?wid=-1&req=validate", false),
        ("conflict", "a.png?fit=crop&req=validate", false),
        ("RQ-055 macro", "a.png?$nosuch$&req=validate", false),
        ("escape", "a.png?wid=%zz&req=validate", false),
    ] {
        let reply = get(&service, query);
        assert_eq!(reply.status == 200, is_valid, "{name}: {}", text(&reply));
        assert_head(&reply, if is_valid { "#S7Z OK" } else { "#S7Z ERROR" }, name);
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name}");
        let told = property(&reply, "request.isValid");
        assert_eq!(told.as_deref(), is_valid.then_some("1"), "{name}");
    }
}

#[test]
fn resolve_prints_the_merged_request() {
    let site = shop();
    let service = site.service();
    for (name, target, expected) in [
        (
            "RQ-115 overridden",
            "shop/lake?wid=20&qlt=90&wid=30&req=resolve",
            "shop/lake?qlt=90&wid=30",
        ),
        ("RQ-064 modifier", "shop/lake?req=resolve", "shop/lake?qlt=60"),
        ("RQ-065 PostModifier", "shop/late?qlt=90&req=resolve", "shop/late?qlt=33"),
        ("unknown object", "nobody?wid=20&req=resolve", "nobody?wid=20"),
        (
            "CX-05",
            "shop/8243?$view$&wid=480&req=resolve",
            "shop/8243?fmt=jpeg&qlt=85&op_usm=5,2&bgc=200,200,200&align=-1,-1&wid=480",
        ),
        (
            "CX-06",
            "shop/8243?wid=480&$view$&req=resolve",
            "shop/8243?wid=240&fmt=jpeg&qlt=85&op_usm=5,2&bgc=200,200,200&align=-1,-1",
        ),
        (
            "CX-07",
            "x?$var2=apple&$var1=my$var2$tree&text=$var1$&req=resolve",
            "x?layer=0&text=my%24var2%24tree",
        ),
        ("RQ-008", "x?foo=%2541&req=resolve", "x?foo=%2541"),
        ("RQ-009", "x?text=a+b&req=resolve", "x?layer=0&text=a%20b"),
        ("RQ-010 utf-8", "x?text=%C3%A9&req=resolve", "x?layer=0&text=%C3%A9"),
        ("RQ-010 latin", "x?text=%E9&req=resolve", "x?layer=0&text=%C3%A9"),
        (
            "RQ-016",
            "x?src=is(a?wid=5&hei=6)&wid=20&req=resolve",
            "x?wid=20&layer=0&src=is(a?wid=5&hei=6)",
        ),
        (
            "RQ-016 braces",
            "x?src=is{a?wid=5&hei=6}&wid=20&req=resolve",
            "x?wid=20&layer=0&src=is{a?wid=5&hei=6}",
        ),
        ("RQ-018", "x?text=:-)&wid=20&req=resolve", "x?wid=20&layer=0&text=:-%29"),
        (
            "RQ-058 injection",
            "x?$a=x%26wid%3D9&text=$a$&wid=20&req=resolve",
            "x?wid=20&layer=0&text=x%26wid%3D9",
        ),
        (
            "RQ-070 segments",
            "x?layer=1&src=a&layer=2&src=b&layer=1&size=5,5&req=resolve",
            "x?layer=1&src=a&size=5,5&layer=2&src=b",
        ),
        ("comments", "x?.ts=5&wid=20&.x(&req=resolve", "x?wid=20"),
        ("nothing", "x?req=resolve", "x"),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        assert_eq!(text(&reply), expected, "{name}");
        assert_eq!(mime(&reply), "text/plain", "{name}");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name}");
    }
    let same = |one: &str, other: &str, name: &str| {
        assert_eq!(text(&get(&service, one)), text(&get(&service, other)), "{name}");
    };
    same(
        "shop/1345?$view$&req=resolve",
        "shop/1345?wid=240&fmt=jpeg&qlt=85&op_usm=5,2&bgc=200,200,200&align=-1,-1&req=resolve",
        "CX-04",
    );
    same("shop/1345?$VIEW$&req=resolve", "shop/1345?$view$&req=resolve", "RQ-052");
    same(
        "a/b?layer=3&src=is{x?src=$object$}&req=resolve",
        "a/b?layer=3&src=is{x?src=a/b}&req=resolve",
        "CX-10",
    );
}
