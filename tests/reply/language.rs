//! The request language through the whole pipeline: what two spellings have in common, where objects are found, which
//! text wins.

use imprint::codec::Chroma;

use super::*;
use crate::support::pictures::{decoded, flat, jpeg, pixel};
use crate::support::site::{get, property};

#[test]
fn spellings_of_one_request_give_one_image() {
    let site = shop();
    site.image("a+b c.png", png(&textured(60, 50)));
    site.image("my$image$file.tif", png(&textured(70, 50)));
    let service = site.service();
    for (name, one, other) in [
        ("RQ-006", "a.png?WID=40&Fmt=PNG", "a.png?wid=40&fmt=png"),
        ("RQ-009 plus in the path", "a+b%20c.png?wid=20", "%61+b%20c.png?wid=20"),
        ("RQ-012", "a.png?wid=20&.anything(=here&hei=10", "a.png?wid=20&hei=10"),
        ("RQ-013", "a.png?&&wid=20&", "a.png?wid=20"),
        ("RQ-014", "a.png?wid=20&wid=30", "a.png?wid=30"),
        ("RQ-015", "a.png?foo=1&wid=20", "a.png?wid=20"),
        ("RQ-005 record", "shop/a%2Fb?wid=20", "shop/a/b?wid=20"),
        ("RQ-050", "shop/a.png?$small$", "shop/a.png?wid=40"),
        ("RQ-051 after wins", "shop/a.png?$small$&wid=30", "shop/a.png?wid=30"),
        ("RQ-051 before loses", "shop/a.png?wid=30&$small$", "shop/a.png?wid=40"),
        ("RQ-052", "shop/a.png?$SMALL$", "shop/a.png?$small$"),
        ("RQ-056", "a.png?$a=50&wid=$a$", "a.png?wid=50"),
        ("RQ-056 case", "a.png?$Width=50&wid=$wIDTH$", "a.png?wid=50"),
        ("RQ-061", "shop/lake?src=$object$&wid=20", "shop/lake?src=shop/lake&wid=20"),
        ("RQ-062", "shop/a.png?$object=q.png&src=$object$&wid=20", "shop?src=q.png&wid=20"),
        ("CX-08 RQ-057", "shop?src=my$image$file.tif&wid=20", "my$image$file.tif?wid=20&qlt=70,1"),
        ("CX-45 RQ-094", "a.png?scl=8", "a.png?req=img&scl=8"),
        ("empty req=", "a.png?req=&wid=20", "a.png?wid=20"),
        ("extra =", "a.png?id=a=b=c&wid=20", "a.png?wid=20"),
        ("RQ-154 CX-42 one layer", "shop?layer=0&src=lake&wid=20", "shop/lake?wid=20"),
        ("absolute form", "http://h/is/image/a.png?wid=20", "a.png?wid=20"),
        ("fragment", "a.png?wid=20#hei=5", "a.png?wid=20"),
    ] {
        let target = match one.starts_with("http") {
            true => {
                let mut raw = crate::support::site::request(imprint::request::Method::Get, "/");
                raw.target = imprint::request::Target::Raw(one.as_bytes().to_vec());
                crate::support::site::answer(&service, &raw, &unhurried())
            }
            false => get(&service, one),
        };
        let expected = get(&service, other);
        assert_eq!(target.status, 200, "{name}: {}", text(&target));
        assert_eq!(expected.status, 200, "{name}: {}", text(&expected));
        assert!(target.body == expected.body, "{name}: {one} equals {other}");
    }
}

#[test]
fn malformed_requests_are_refused() {
    let site = shop();
    let service = site.service();
    for (name, target) in [
        ("RQ-007", "shop/abc"),
        ("RQ-011", "a.png?wid=%zz"),
        ("U-bad-escape NUL", "a.png?id=%00"),
        ("RQ-017", "a.png?src=is(a?wid=5&wid=20"),
        ("RQ-019", "a,b.png"),
        ("RQ-019 encoded", "a%2Cb.png"),
        ("RQ-019 src", "shop?src=a,b.png"),
        ("RQ-019 src encoded", "shop?src=a%2Cb.png"),
        ("RQ-020 CX-75 path", "x/../a.png"),
        ("RQ-020 encoded", "x/%2e%2e/a.png"),
        ("RQ-020 src", "shop?src=x/../a.png"),
        ("RQ-020 src encoded", "shop?src=x/%2E%2E/a.png"),
        ("RQ-020 mask", "a.png?mask=../m.png"),
        ("RQ-020 name", "a.png?req=saveToFile&name=%2e%2e/a.jpg"),
        ("RQ-055", "a.png?$nosuch$"),
        ("RQ-057 CX-09", "a.png?wid=$number$"),
        ("RQ-059", "a.png?$n=1&layer=$n$"),
        ("RQ-072 CX-74", "a.png?layer=1,image&layer=2,image"),
        ("CX-74 unknown name", "a.png?layer=1,image&layer=picture"),
        ("RQ-083 int", "a.png?wid=1.5"),
        ("RQ-083 text", "a.png?wid=x"),
        ("RQ-083 negative", "a.png?hei=-5"),
        ("RQ-083 overflow", "a.png?wid=99999999999999999999"),
        ("RQ-083 real", "a.png?scl=NaN"),
        ("RQ-083 inf", "a.png?scl=inf"),
        ("RQ-083 zero", "a.png?scl=0"),
        ("RQ-083 coord", "a.png?crop=1,2"),
        ("RQ-083 size", "a.png?size=0,5,6"),
        ("RQ-083 rect", "a.png?rect=0,0,0,0,0"),
        ("RQ-083 color", "a.png?bgc=nocolor"),
        ("RQ-083 flag", "a.png?iccEmbed=maybe"),
        ("RQ-083 enum", "a.png?fit=nosuch&wid=5"),
        ("10.5 fit", "a.png?fit=crop"),
        ("U-rootid-only RQ-154", "shop"),
        ("U-rootid-only slash", "shop/"),
        ("U-rootid-only with commands", "shop?wid=20"),
        ("no object, default catalog", "/is/image?wid=20"),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 403, "{name}: {}", text(&reply));
        assert_eq!(mime(&reply), "text/plain", "{name}");
    }
    let told = text(&get(&service, "shop?wid=20"));
    assert!(told.contains("no image specified"), "U-rootid-only: {told}");
    assert!(text(&get(&service, "shop")).contains("no image specified"), "U-rootid-only");
}

/// A catalog file: attributes and records `Id Path Modifier PostModifier`, separated by blanks in `records`.
fn catalog(site: &Site, root_id: &str, attributes: &str, records: &[[&str; 4]]) {
    let mut table = "Id\tPath\tModifier\tPostModifier\n".to_owned();
    for record in records {
        table.push_str(&format!("{}\n", record.join("\t")));
    }
    site.write(&format!("catalogs/{root_id}.txt"), table);
    let id = if root_id == "default" { String::new() } else { format!("RootId={root_id}\n") };
    let own = format!("{FIXTURE_INI}ErrorDetail=2\n{id}CatalogFile={root_id}.txt\n{attributes}");
    site.write(&format!("catalogs/{root_id}.ini"), own);
}

#[test]
fn objects_are_found_in_the_documented_order() {
    let site = Site::new();
    for (name, width) in [
        ("one", 11),
        ("two", 12),
        ("three", 13),
        ("file", 14),
        ("folder/deep", 15),
        ("cat/own", 16),
        ("second/x", 17),
        ("second/own", 18),
        ("b", 19),
    ] {
        let path = site.path(&format!("images/{name}.png"));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, png(&flat(width, 10, [9, 9, 9]))).expect("a file");
    }
    catalog(
        &site,
        "default",
        "JpegQuality=10\n",
        &[
            ["x", "one.png", "", ""],
            ["shared", "two.png", "", ""],
            ["full/onlydefault", "three.png", "", ""],
        ],
    );
    catalog(
        &site,
        "cat",
        "JpegQuality=20\nDefaultExt=.png\nRootPath=cat\n",
        &[["a/b", "/../one.png", "", ""], ["x", "own.png", "", ""], ["noext", "own", "", ""]],
    );
    catalog(
        &site,
        "a",
        "JpegQuality=30\nRootPath=\n",
        &[["b", "two.png", "", ""], ["x", "three.png", "", ""]],
    );
    catalog(
        &site,
        "main",
        "JpegQuality=40\n",
        &[["a/b", "three.png", "", ""], ["x", "b.png", "", ""]],
    );
    catalog(&site, "second", "JpegQuality=50\nRootPath=second\nFullMatch=0\n", &[]);
    catalog(&site, "full", "JpegQuality=60\nRootPath=second\nFullMatch=1\n", &[]);
    let service = site.service();
    for (name, target, width, quality) in [
        ("RQ-035 default catalog", "x?", 11, "10"),
        ("RQ-034 main catalog by path", "cat/x?", 16, "20"),
        ("RQ-036 id of the main catalog first", "main?src=a/b&", 13, "40"),
        ("RQ-036 another catalog else", "second?src=a/b&", 12, "50"),
        ("RQ-037 leading slash", "main?src=/x&", 11, "40"),
        ("RQ-037 without it", "main?src=x&", 19, "40"),
        ("CX-44 leading slash, other catalog", "main?src=/a/x&", 13, "40"),
        ("U-leading-slash not needed", "main?src=a/x&", 13, "40"),
        ("RQ-038 default catalog behind", "cat/shared?", 12, "20"),
        ("U-lookup-order whole path", "full/onlydefault?", 13, "60"),
        ("RQ-039 CX-43 file of the catalog", "second/x.png?", 17, "50"),
        ("RQ-039 FullMatch=1", "full/x.png?", 0, ""),
        ("RQ-039 FullMatch=1 keeps the path", "second/own.png?", 18, "50"),
        ("file of the default catalog", "file.png?", 14, "10"),
        ("file in a folder", "folder/deep.png?", 15, "10"),
        ("RQ-040 DefaultExt", "cat/own?", 16, "20"),
        ("RQ-040 of a record", "cat/noext?", 16, "20"),
        ("RQ-040 not elsewhere", "folder/deep?", 0, ""),
        ("path of a record that leaves", "cat/a/b?", 0, ""),
    ] {
        let reply = get(&service, &format!("{target}req=props"));
        if width == 0 {
            assert_eq!(reply.status, 403, "{name}: {}", text(&reply));
            continue;
        }
        let width = width.to_string();
        assert_eq!(property(&reply, "image.width"), Some(width), "{name}: {}", text(&reply));
        assert_eq!(property(&reply, "image.quality").as_deref(), Some(quality), "{name}");
        let separator = target.trim_end_matches(['?', '&']);
        assert_eq!(get(&service, separator).status, 200, "{name}: as an image");
    }
    // FullMatch=1: the RootId is a folder of the default RootPath.
    std::fs::create_dir_all(site.path("images/full")).expect("a folder");
    site.image("full/x.png", png(&flat(22, 10, [9, 9, 9])));
    let reply = get(&service, "full/x.png?req=props");
    assert_eq!(property(&reply, "image.width").as_deref(), Some("22"), "RQ-039: {}", text(&reply));
    assert_eq!(
        property(&reply, "image.quality").as_deref(),
        Some("10"),
        "RQ-039: default attributes"
    );
}

#[test]
fn the_last_text_wins() {
    let site = shop();
    site.write(
        "catalogs/shop.txt",
        "Id\tPath\tModifier\tPostModifier\n\
        mod\ta.png\tqlt=60&wid=80\t\npost\ta.png\t\tqlt=33\nboth\ta.png\tqlt=60\tqlt=33\n\
        var\ta.png\t$w=70&wid=$w$\t\nmacro\ta.png\t$small$\t\nsrc\t\tsrc=q.png\t\n",
    );
    site.write("catalogs/default.ini", format!("{FIXTURE_INI}ErrorDetail=2\nMacroFile=dm.txt\n"));
    site.write("catalogs/dm.txt", "Name\tDefinition\nonly\twid=31\nsmall\twid=32\n");
    let service = site.service();
    for (name, target, width, quality) in [
        ("Modifier", "shop/mod?", "80", "60"),
        ("RQ-064", "shop/mod?qlt=90&", "80", "90"),
        ("RQ-064 width", "shop/mod?wid=50&", "50", "60"),
        ("RQ-065", "shop/post?qlt=90&", "400", "33"),
        ("both", "shop/both?qlt=90&", "400", "33"),
        ("RQ-060 variable default", "shop/var?", "70", "70"),
        ("RQ-060 variable of the URL", "shop/var?$w=55&", "55", "70"),
        ("macro of a Modifier", "shop/macro?", "40", "70"),
        ("RQ-053 macro of the default catalog", "shop/a.png?$only$&", "31", "70"),
        ("macros without a catalog", "a.png?$small$&", "32", "80"),
        ("src= keeps the path's Modifier", "shop/mod?src=q.png&", "80", "60"),
        ("Modifier of a record in src=", "shop?src=mod&", "80", "60"),
    ] {
        let reply = get(&service, &format!("{target}req=props"));
        assert_eq!(
            property(&reply, "image.width").as_deref(),
            Some(width),
            "{name}: {}",
            text(&reply)
        );
        assert_eq!(property(&reply, "image.quality").as_deref(), Some(quality), "{name}");
    }
    let chained = get(&service, "shop?src=src&wid=20");
    assert_eq!(chained.status, 403, "U-src-chain: {}", text(&chained));
    let macro_save = get(&service, "shop/a.png?wid=20&req=saveToFile&name=x.jpg&$small$");
    assert_eq!(macro_save.status, 200, "{}", text(&macro_save));
    site.write(
        "catalogs/macros.txt",
        "Name\tDefinition\nsave\twid=20&req=saveToFile&name=by-macro.jpg\n",
    );
    let reply = site.get("shop/a.png?$save$");
    assert_eq!(property(&reply, "status").as_deref(), Some("done"), "17.9.4: {}", text(&reply));
    assert!(site.path("saved/web/by-macro.jpg").exists(), "17.9.4: a macro of the URL saves");
}

#[test]
fn the_view_is_as_asked() {
    let site = shop_with("", "BkgColor=102030\n", "DefaultPix=100,90\nMaxPix=350,350\n");
    site.image("photo.jpg", jpeg(&textured(320, 200), 90, Chroma::Halved));
    let service = site.service();
    for (name, target, width, height) in [
        ("CX-45", "photo.jpg?scl=8", 40, 25),
        ("CX-57 width", "photo.jpg?wid=200", 200, 125),
        ("CX-57 height", "photo.jpg?hei=100", 160, 100),
        ("CX-56", "photo.jpg?wid=200&hei=200&align=1,-1", 200, 200),
        ("CX-58", "photo.jpg?wid=90&hei=200&align=0,-1", 90, 200),
        ("no DefaultPix", "photo.jpg", 320, 200),
        ("DefaultPix", "shop/photo.jpg", 100, 63),
        ("RQ-153 within MaxPix", "shop/photo.jpg?wid=320", 320, 200),
        ("CX-68", "m.png?fmt=png-alpha&wid=150", 150, 150),
    ] {
        let reply = get(&service, target);
        assert_eq!(size(&reply), Size::new(width, height), "{name}");
    }
    assert_eq!(get(&service, "shop/photo.jpg?wid=351").status, 403, "RQ-153");
    let view = decoded(&get(&service, "photo.jpg?wid=200&hei=200&align=1,-1&fmt=png").body);
    assert_eq!(pixel(&view, 100, 199), [0x10, 0x20, 0x30], "CX-56: the rest is BkgColor");
    assert_ne!(pixel(&view, 100, 60), [0x10, 0x20, 0x30], "CX-56: the image is at the top");
    let alpha = get(&service, "m.png?fmt=png-alpha&wid=150");
    assert_eq!(mime(&alpha), "image/png", "CX-68");
    let alpha = decoded(&alpha.body);
    assert_eq!(alpha.channels(), 4, "CX-68: with alpha");
    assert_eq!((pixel(&alpha, 2, 2)[3], pixel(&alpha, 75, 75)[3]), (0, 255), "CX-68");
    for (name, target, expected) in [
        ("RQ-001 default format", "a.png?wid=9", "image/jpeg"),
        ("pjpeg", "a.png?wid=9&fmt=pjpeg", "image/jpeg"),
        ("png8", "a.png?wid=9&fmt=png8", "image/png"),
        ("gif", "a.png?wid=9&fmt=gif", "image/gif"),
        ("tif", "a.png?wid=9&fmt=tif", "image/tiff"),
        ("webp", "a.png?wid=9&fmt=webp", "image/webp"),
    ] {
        assert_eq!(get(&service, target).header("Content-Type"), Some(expected), "{name}");
    }
}
