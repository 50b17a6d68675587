//! Image maps: areas in, areas out, through the library; what a request makes of the areas that it finds.

mod matrices;

use imprint::service::Service;

use crate::support::pictures::{png, textured};
use crate::support::site::{FIXTURE_INI, Site, get, text};

/// Size of the source that all records show.
const SOURCE: (u32, u32) = (400, 300);

/// The map of the record `lake`.
const LAKE: &str = "<AREA SHAPE=RECT COORDS=\"10,20,110,120\" HREF=one.html> \
                    <area shape='poly' coords='200,100,300,100,250,200' alt='a > b' nohref/>";

fn site() -> Site {
    let site = Site::with("", FIXTURE_INI);
    site.image("a.png", png(&textured(SOURCE.0, SOURCE.1)));
    let ini = "RootId=shop\nCatalogFile=shop.txt\nMacroFile=macros.txt\nMaxPix=2000,2000\n";
    site.write("catalogs/shop.ini", format!("{ini}DefaultPix=200,200\n"));
    site.write("catalogs/macros.txt", "Name\tDefinition\ninfo\treq=map\nsmall\twid=40\n");
    let map = |text: &str| text.replace('"', "\"\"");
    let records = [
        ("lake", "a.png", "", "", map(LAKE)),
        ("plain", "a.png", "", "", String::new()),
        ("modified", "a.png", "crop=0,0,100,100", "2.5", map(LAKE)),
        ("template", "", "layer=0&color=ff0000&size=50,40", "", map("<AREA HREF=x>")),
        ("circle", "a.png", "", "-1", map("<AREA SHAPE=circle COORDS=50,50,40>")),
        ("gone", "nowhere.png", "", "", map(LAKE)),
        (
            "frame",
            "",
            "$logo=plain&layer=0&src=lake&scale=0.5&layer=1&src=$logo$",
            "",
            map("<area alt=unused>"),
        ),
        (
            "evil",
            "a.png",
            "",
            "0",
            map("<AREA ALT=\"</script>'\u{2028}&eacute;&amp;\" HREF=\u{e9}>"),
        ),
    ];
    let mut table = "\u{feff}Id\tPath\tModifier\tExpiration\tMap\n".to_owned();
    for (id, path, modifier, expiration, map) in records {
        table.push_str(&format!("{id}\t{path}\t{modifier}\t{expiration}\t\"{map}\"\n"));
    }
    site.write("catalogs/shop.txt", table);
    site
}

/// Everything but letters and digits by number.
fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |out, byte| match byte.is_ascii_alphanumeric() {
        true => out + &char::from(byte).to_string(),
        false => out + &format!("%{byte:02X}"),
    })
}

/// The map that a request answers.
fn map(service: &Service, target: &str) -> String {
    let reply = get(service, target);
    assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
    text(&reply)
}

/// `shop/plain` with a map for layer 0.
fn of_layer(service: &Service, area: &str, commands: &str) -> String {
    let commands = if commands.is_empty() { String::new() } else { format!("&{commands}") };
    map(service, &format!("shop/plain?req=map&scl=1&layer=0&map={}{commands}", encoded(area)))
}

#[test]
fn a_plain_request_answers_the_map_of_the_record() {
    let site = site();
    let service = site.service();
    for (name, target, expected) in [
        ("RQ-105", "shop/lake?req=map", LAKE),
        ("RQ-105 U-map-other id", "shop/lake?id=7&handler=h&locale=de&cache=on&req=map", LAKE),
        ("RQ-105 comment", "shop/lake?.x=1&req=map&", LAKE),
        ("RQ-105 macro", "shop/lake?$info$", LAKE),
        ("RQ-105 the Modifier does not count", "shop/modified?req=map", LAKE),
        ("RQ-105 the source is not looked at", "shop/gone?req=map", LAKE),
        ("no map", "shop/plain?req=map", ""),
        ("a file", "a.png?req=map", ""),
        ("template", "shop/template?req=map", "<AREA HREF=x>"),
    ] {
        assert_eq!(map(&service, target), expected, "{name}: {target}");
    }
    for (name, target) in [
        ("unknown object", "shop/nobody?req=map"),
        ("unknown file", "nobody.png?req=map"),
        ("no object", "shop?req=map"),
        ("unreadable source", "shop/gone?req=map&wid=10"),
        ("syntax", "shop/lake?req=map&wid=x"),
        ("a perspective", "shop/lake?req=map&layer=0&perspective=0,0,9,0,9,9,0,9"),
        ("MaxPix", "shop/lake?req=map&wid=3000"),
    ] {
        assert_eq!(get(&service, target).status, 403, "{name}: {target}");
    }
}

#[test]
fn further_commands_move_the_areas() {
    let site = site();
    let service = site.service();
    let scaled = "<AREA SHAPE=RECT COORDS=\"5,10,55,60\" HREF=one.html>\
                  <area shape='poly' coords='100,50,150,50,125,100' alt='a > b' nohref/>";
    let untouched = LAKE.replace("> <", "><");
    let corner = "<AREA SHAPE=RECT COORDS=\"0,0,50,50\" HREF=one.html>";
    let none = "shop/lake?req=map&scl=1&layer=0&map=";
    let of_comp = "shop/lake?req=map&scl=1&map=%3Carea%3E&layer=0&map=%3Carea%20alt=b%3E";
    let rows = [
        ("RQ-106 scl", "shop/lake?req=map&scl=2", scaled),
        ("RQ-106 wid", "shop/lake?req=map&wid=200", scaled),
        ("RQ-106 macro", "shop/lake?$info$&$small$&wid=200", scaled),
        ("DefaultPix counts with further commands", "shop/lake?req=map&fmt=png", scaled),
        ("identity", "shop/lake?req=map&scl=1", &untouched),
        ("unknown commands are commands", "shop/lake?req=map&foo=1", scaled),
        ("RQ-106 empty areas vanish", "shop/lake?req=map&scl=1&crop=10,20,50,50", corner),
        ("the Modifier counts", "shop/modified?req=map&scl=1&rgn=10,20,50,50", corner),
        ("empty map= means none", none, ""),
        (
            "map= overrides the record",
            &format!("{none}%3Carea%3E"),
            "<area SHAPE=\"RECT\" COORDS=\"0,0,400,300\">",
        ),
        ("map= beats mapA=", "shop/lake?req=map&scl=1&layer=0&mapA=%3Carea%20alt=a%3E&map=", ""),
        (
            "mapA= beats the record",
            "shop/lake?req=map&scl=1&crop=100,100,50,50&layer=0&mapA=%3Carea%20alt=a%20shape=rect%20coords=0,0,120,120%3E",
            "<area alt=a shape=rect coords=0,0,20,20>",
        ),
        (
            "RQ-107 the map of comp comes last",
            of_comp,
            "<area SHAPE=\"RECT\" COORDS=\"0,0,400,300\" alt=b><area SHAPE=\"RECT\" COORDS=\"0,0,400,300\">",
        ),
        (
            "a solid color layer",
            "shop/template?req=map&size=60,50&layer=0&map=%3Carea%3E",
            "<area SHAPE=\"RECT\" COORDS=\"0,0,60,50\">",
        ),
        (
            "a circle that nothing moves",
            "shop/circle?req=map&scl=1",
            "<AREA SHAPE=circle COORDS=50,50,40>",
        ),
    ];
    for (name, target, expected) in rows {
        assert_eq!(map(&service, target), expected, "{name}: {target}");
    }
    let moved = map(&service, "shop/circle?req=map&scl=2");
    assert!(moved.starts_with("<AREA SHAPE=POLY COORDS=45,25,"), "U-map-shape: {moved}");
    assert_eq!(moved.matches(',').count(), 63, "U-map-shape 32 corners: {moved}");
}

#[test]
fn layers_are_stacked_front_to_back() {
    let site = site();
    let service = site.service();
    let whole = LAKE.replace("> <", "><");
    let small = "<AREA SHAPE=RECT COORDS=\"153,118,178,143\" HREF=one.html>\
                 <area shape='poly' coords='200,138,225,138,213,163' alt='a > b' nohref/>";
    let half = "<AREA SHAPE=RECT COORDS=\"5,10,55,60\" HREF=one.html>\
                <area shape='poly' coords='100,50,150,50,125,100' alt='a > b' nohref/>";
    let area = "map=%3Carea%20alt=t%3E";
    let two = "layer=0&src=plain&layer=1&src=plain&size=100,75";
    let stacked = format!("{small}{whole}");
    let rows = [
        (
            "RQ-107 the front layer first",
            "shop?layer=1&src=lake&size=100,75&layer=0&src=lake".to_owned(),
            stacked.as_str(),
        ),
        (
            "RQ-107 the map of comp last",
            format!("shop?{area}&layer=0&src=lake&layer=1&src=plain"),
            &format!("{whole}<area SHAPE=\"RECT\" COORDS=\"0,0,400,300\" alt=t>"),
        ),
        (
            "RQ-107 by number, not by position",
            format!("shop?layer=7&src=plain&size=2,0&{area}7&layer=3&src=plain&size=4,0&{area}3&layer=0&src=plain")
                .replace("%3E7", "7%3E")
                .replace("%3E3", "3%3E"),
            "<area SHAPE=\"RECT\" COORDS=\"199,149,201,151\" alt=t7>\
             <area SHAPE=\"RECT\" COORDS=\"198,149,202,152\" alt=t3>",
        ),
        (
            "cut at the canvas",
            format!("shop?{two}&pos=200,0&{area}"),
            "<area SHAPE=\"RECT\" COORDS=\"350,113,400,188\" alt=t>",
        ),
        ("beside the canvas", format!("shop?{two}&pos=300,0&{area}"), ""),
        (
            "flip of the composite",
            format!("shop?flip=lr&{two}&pos=-100,0&{area}"),
            "<area SHAPE=\"RECT\" COORDS=\"250,113,350,188\" alt=t>",
        ),
        ("a hidden layer is no part of the picture", format!("shop?{two}&hide=1&{area}"), ""),
        (
            "CX-73",
            "shop/plain?layer=1&text=Scene7&size=100,50&map=%3Carea%20alt=Scene7%20href=www.scene7.com%3E"
                .to_owned(),
            "<area SHAPE=\"RECT\" COORDS=\"150,125,250,175\" alt=Scene7 href=www.scene7.com>",
        ),
        ("text without a size is left out", format!("shop/plain?layer=1&text=a&{area}"), ""),
        ("open height", format!("shop/plain?layer=1&text=a&size=50,0&{area}"), ""),
        ("template", "shop/plain?template=frame".to_owned(), half),
        (
            "template, another layer",
            "shop/plain?template=frame&$logo=circle&layer=1&size=40,30&pos=-80,0".to_owned(),
            "<AREA SHAPE=POLY COORDS=",
        ),
        ("nested", "shop?src=is(shop/lake?scl=2)".to_owned(), half),
        (
            "nested, with a map of its own layer",
            format!("shop?layer=0&src=is(shop/lake?scl=2)&{area}"),
            "<area SHAPE=\"RECT\" COORDS=\"0,0,200,150\" alt=t>",
        ),
        (
            "nested in a scaled layer",
            "shop?layer=0&src=is(shop/lake?scl=1)&size=200,0".to_owned(),
            half,
        ),
    ];
    for (name, target, expected) in rows {
        let found = map(&service, &format!("{target}&req=map&scl=1"));
        match expected.ends_with('=') {
            true => assert!(found.starts_with(expected), "{name}: {target}: {found}"),
            false => assert_eq!(found, expected, "{name}: {target}"),
        }
    }
    for target in [
        "shop?layer=0&src=plain&layer=1&src=lake&perspective=0,0,9,0,9,9,0,9",
        "shop?layer=0&src=plain&layer=1&src=gone",
        "shop?layer=0&src=ir(a?b)&size=9,9",
        "shop?layer=0&text=a",
    ] {
        assert_eq!(get(&service, &format!("{target}&req=map")).status, 403, "{target}");
    }
}

#[test]
fn everything_but_shape_and_coords_stays_byte_for_byte() {
    let site = site();
    let service = site.service();
    let rows = [
        (
            "CX-73",
            "<area alt=Scene7 href=www.scene7.com>",
            "<area SHAPE=\"RECT\" COORDS=\"0,0,400,300\" alt=Scene7 href=www.scene7.com>",
        ),
        ("default", "<AREA shape=default alt=x>", "<AREA COORDS=\"0,0,400,300\" shape=RECT alt=x>"),
        (
            "default quoted",
            "<AREA shape='DEFAULT' alt=x>",
            "<AREA COORDS=\"0,0,400,300\" shape='RECT' alt=x>",
        ),
        (
            "default before a slash",
            "<AREA shape=default/>",
            "<AREA COORDS=\"0,0,400,300\" shape=RECT/>",
        ),
        (
            "empty shape",
            "<area shape='' coords='1,2'/>",
            "<area shape='RECT' coords='0,0,400,300'/>",
        ),
        ("shape alone", "<area shape coords>", "<area shape=\"RECT\" coords=\"0,0,400,300\">"),
        (
            "no value behind the sign",
            "<area shape= >",
            "<area COORDS=\"0,0,400,300\" shape= \"RECT\">",
        ),
        ("only coords", "<area coords=1,2,3,4>", "<area SHAPE=\"RECT\" coords=0,0,400,300>"),
        (
            "slash in the name",
            "<area/alt=x/>",
            "<area SHAPE=\"RECT\" COORDS=\"0,0,400,300\"/alt=x/>",
        ),
        (
            "no change",
            "<area shape=rect coords='1, 2;30 40' ALT=\"&amp;&nbsp;'>\">",
            "<area shape=rect coords='1, 2;30 40' ALT=\"&amp;&nbsp;'>\">",
        ),
        ("cut", "<area shape=rect coords=-5,-5,30,40/>", "<area shape=rect coords=0,0,30,40/>"),
        (
            "cut and spaced",
            "<area shape = \"RECTANGLE\"\n coords = '390,290,500,500' x>",
            "<area shape = \"RECTANGLE\"\n coords = '390,290,400,300' x>",
        ),
        (
            "the first of two counts",
            "<area coords=0,0,9,900 COORDS=1,1,2,2 shape=rect>",
            "<area coords=0,0,9,300 COORDS=1,1,2,2 shape=rect>",
        ),
        (
            "sides exchanged",
            "<area shape=rect coords=500,40,1,2>",
            "<area shape=rect coords=1,2,400,40>",
        ),
        (
            "an unknown word is a rectangle",
            "<area shape=star coords=-1,0,9,9>",
            "<area shape=star coords=0,0,9,9>",
        ),
        (
            "polygon at the border",
            "<area shape=poly coords=-10,0,10,0,10,20,-10,20>",
            "<area shape=poly coords=0,0,10,0,10,20,0,20>",
        ),
        ("circle at the border", "<area shape=circ coords=0,0,0.3>", ""),
        (
            "two",
            "x<area shape=rect coords=1,2,3,4> y <AREA shape=rect coords=1,2,3,4>z",
            "<area shape=rect coords=1,2,3,4><AREA shape=rect coords=1,2,3,4>",
        ),
        (
            "comment",
            "<!-- <area alt=no> --><area shape=rect coords=1,2,3,4>",
            "<area shape=rect coords=1,2,3,4>",
        ),
        (
            "within a value",
            "<a title='<area>'><area shape=rect coords=1,2,3,4></a>",
            "<area shape=rect coords=1,2,3,4>",
        ),
        ("end tag", "<area shape=rect coords=1,2,3,4></area>", "<area shape=rect coords=1,2,3,4>"),
        ("other names", "<areas><map><area-x></map>< area>", ""),
        ("not complete", "<area shape=rect coords=1,2,3,4", ""),
        ("open quote", "<area alt='><area>", ""),
        ("open comment", "<!-- <area>", ""),
        ("no numbers", "<area shape=rect>", ""),
        ("too few", "<area shape=rect coords=1,2,3>", ""),
        ("too few for a polygon", "<area shape=poly coords=1,2,3,4>", ""),
        ("percent", "<area shape=rect coords=10%,10%,50%,50%>", ""),
        ("words", "<area shape=rect coords=a,b,c,d>", ""),
        ("infinite", "<area shape=rect coords=0,0,inf,1e999>", ""),
        ("flat", "<area shape=rect coords=5,5,5,50>", ""),
        ("on a line", "<area shape=poly coords=0,0,5,5,9,9,20,20>", ""),
        ("beside the layer", "<area shape=rect coords=400,0,500,100>", ""),
        ("no radius", "<area shape=circle coords=9,9,0>", ""),
        (
            "far",
            "<area shape=rect coords=-99999999999999999999,0,99999999999999999999,9>",
            "<area shape=rect coords=0,0,400,9>",
        ),
    ];
    for (name, area, expected) in rows {
        assert_eq!(of_layer(&service, area, ""), expected, "{name}: {area}");
    }
}

#[test]
fn hostile_maps_end_early() {
    let site = site();
    let service = site.service();
    let repeated = |start: &str, part: &str, count: usize, end: &str| {
        format!("{start}{}{end}", part.repeat(count))
    };
    for (name, area, status) in [
        ("areas", repeated("", "<area>", 2001, ""), 403),
        ("areas at the limit", repeated("", "<area>", 2000, ""), 200),
        ("attributes", repeated("<area", " a", 101, ">"), 403),
        ("coordinates", repeated("<area shape=poly coords=", "1,", 2001, ">"), 403),
        ("open tags", repeated("", "<a ", 5000, ""), 403),
        ("open comments", repeated("", "<!--", 4000, ""), 200),
        ("less-than signs", repeated("", "<", 15_000, ""), 200),
        ("quotes", repeated("<area a=", "\"'", 7000, ">"), 200),
        ("bytes", repeated("<area alt=", "x", 60_000, ">"), 200),
    ] {
        site.write("catalogs/macros.txt", format!("Name\tDefinition\nm\tmap={}\n", encoded(&area)));
        let service = site.service();
        let reply = get(&service, "shop/plain?req=map&layer=0&$m$");
        assert_eq!(reply.status, status, "{name}: {}", text(&reply));
    }
    let big = encoded(&"x".repeat(70_000));
    assert_eq!(get(&service, &format!("a.png?req=map&map={big}")).status, 414, "U-limits-uri");
}

#[test]
fn every_form_escapes_what_it_must() {
    let site = site();
    let service = site.service();
    let reply = get(&service, "shop/evil?req=map,json&handler=h1&id=a%22b%3C");
    let body = text(&reply);
    let inner = body.strip_prefix("/*jsonp*/h1(").and_then(|rest| rest.strip_suffix(");"));
    let inner = inner.unwrap_or_else(|| panic!("{body}"));
    for bad in ["<", ">", "&", "\u{2028}"] {
        assert!(!inner.contains(bad), "U-json-compact {bad:?}: {body}");
    }
    let values: serde_json::Value = serde_json::from_str(&format!("[{inner}]")).expect("JSON");
    let original = "<AREA ALT=\"</script>'\u{2028}&eacute;&amp;\" HREF=\u{e9}>";
    assert_eq!(values[0]["map"], original, "U-json-plain");
    assert_eq!(values[1], "a\"b<");
    assert_eq!(reply.header("Content-Type"), Some("text/javascript; charset=utf-8"));
    let empty = text(&get(&service, "shop/plain?req=map,json"));
    assert_eq!(empty, "/*jsonp*/s7jsonResponse({\"map\":\"\"},\"\");");

    for (name, target, expected) in [
        (
            "U-map-xml",
            "shop/lake?req=map,xml",
            "<map>\n<area shape=\"RECT\" coords=\"10,20,110,120\" href=\"one.html\"/>\n\
             <area shape=\"poly\" coords=\"200,100,300,100,250,200\" alt=\"a &gt; b\" nohref=\"\"/>\n</map>\n",
        ),
        (
            "references",
            "shop/evil?req=map,xml",
            "<map>\n<area alt=\"&lt;/script&gt;'\u{2028}&amp;eacute;&amp;\" href=\"\u{e9}\"/>\n</map>\n",
        ),
        (
            "RQ-106 moved",
            "shop/lake?req=map,xml&scl=1&crop=10,20,50,50",
            "<map>\n<area shape=\"RECT\" coords=\"0,0,50,50\" href=\"one.html\"/>\n</map>\n",
        ),
        ("nothing found", "shop/plain?req=map,xml", "<map>\n<area/>\n</map>\n"),
        (
            "names",
            "shop/plain?req=map,xml&layer=0&map=%3Carea%20a:b=1%20xmlns=2%20xml:lang=de%20=x=3%203d=4%20data-x=%26%2360;%26%230;%26x%20ALT=1%20alt=2%3E",
            "<map>\n<area shape=\"RECT\" coords=\"0,0,200,150\" xml:lang=\"de\" data-x=\"&#60;&amp;#0;&amp;x\" alt=\"1\"/>\n</map>\n",
        ),
    ] {
        let reply = get(&service, target);
        let body = text(&reply);
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n";
        assert_eq!(body.strip_prefix(head), Some(expected), "{name}: {body}");
        assert_eq!(reply.header("Content-Type"), Some("text/xml; charset=UTF-8"), "{name}");
    }
    let wide = get(&service, "shop/evil?req=map,xml,UTF-16LE");
    let units: Vec<u16> =
        wide.body.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let wide_text = String::from_utf16(&units).expect("UTF-16");
    assert!(wide_text.contains("href=\"\u{e9}\""), "{wide_text}");
    assert_eq!(wide.header("Content-Type"), Some("text/xml; charset=UTF-16LE"));
    let latin = get(&service, "shop/evil?req=map,xml,ISO-8859-1");
    assert!(latin.body.windows(7).any(|part| part == b"&#8232;"), "U+2028 by number");
    assert!(latin.body.contains(&0xe9), "in one byte");
}

#[test]
fn a_map_is_kept_as_long_as_the_image() {
    let site = site();
    let service = site.service();
    for (name, target, expected) in [
        ("the attribute", "shop/lake?req=map", "public, max-age=36000"),
        ("the record's own", "shop/modified?req=map", "public, max-age=9000"),
        ("composite", "shop/modified?req=map&wid=10", "public, max-age=9000"),
        ("never", "shop/circle?req=map", "public, max-age=315360000"),
        ("always", "shop/evil?req=map,json", "no-cache, max-age=0"),
        ("cache=off", "shop/lake?req=map&cache=off", "no-store"),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.header("Cache-Control"), Some(expected), "{name}");
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{name}");
        assert_eq!(reply.header("ETag").is_some(), expected != "no-store", "{name}");
    }
    let again = |target: &str, tag: &str| {
        let mut raw = crate::support::site::request(imprint::request::Method::Get, target);
        raw.headers.if_none_match = Some(tag.as_bytes().to_vec());
        let deadline = crate::support::pictures::unhurried();
        crate::support::site::answer(&service, &raw, &deadline)
    };
    let tag = |target: &str| get(&service, target).header("ETag").expect("a tag").to_owned();
    let own = tag("shop/lake?req=map");
    let same = again("shop/lake?req=map", &own);
    assert_eq!((same.status, same.body.len()), (304, 0), "RQ-151");
    assert_eq!(again("shop/lake?req=map&scl=2", &own).status, 200, "another map");
    assert_eq!(again("shop/lake?req=map,xml", &own).status, 200, "another form");
}
