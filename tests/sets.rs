//! Media sets: the text of `ImageSet` in, its structure out; requests of `req=set` and `req=mbrSet` in, replies out.

mod grammar;
mod limits;
mod readers;
mod types;
mod videos;

use imprint::reply::Reply;
use serde_json::Value;

use crate::support::pictures::{png, textured};
use crate::support::site::{FIXTURE_INI, Site, text};

/// Records of the catalog `cat`; sets are added by each test.
const RECORDS: &str = "\
Id\tPath\tSize\tImageSet\tAssetType\tMap\tUserData\tTimeStamp\tModifier
a\ta.png\t\t\t\t<AREA HREF=\"x\">\tlabel=Alpha??color=Rot\t03/04/2025 09:15:02 GMT\tqlt=60
b\tb.png\t\t\t\t\tlabel=Beta\t03/05/2025 09:15:02 GMT\t
c\tc.png\t\t\t\t\t\t\t
sized\ta.png\t4000,3000\t\t\t\t\t\t
sw\ts.png\t\t\t\t\tlabel=Swatch\t\t
template\t\t\t\t\t\t\t\tsize=50,50&color=ff0000
gone\tnowhere.png\t\t\t\t\t\t\t
both\ta.png\t\t\t\t\t\t\t
";

/// Records of the static content of `cat`.
const STATICS: &str = "\
Id\tPath\tVideoBitRate\tAudioBitRate\tTotalStreamBitRate\tVideoSize\tUserData\tTimeStamp
clip\tmedia/clip.mp4\t500000\t64000\t\t640,360\tlabel=Film\t03/06/2025 09:15:02 GMT
clip2\tmedia/clip 2.mp4\t500000\t64000\t1200400\t1280,720\t\t
flash\tmedia/clip.f4v\t300000\t\t\t\t\t
bare\tmedia/bare.mp4\t\t\t\t\t\t
secret\t/srv/films/one.mp4\t\t\t700\t\t\t
doc\tpapers/terms.pdf\t\t\t\t\tlabel=Terms\t
both\tmedia/both.mp4\t\t\t\t\t\t
";

/// A site with the catalog `cat` and four pictures: `a.png` 40x30, `b.png` 30x40, `c.png` 20x20, `s.png` 8x8. `sets`
/// are lines of `id<TAB>ImageSet<TAB>AssetType`, `settings` and `ini` further settings and attributes.
fn site_with(sets: &str, settings: &str, ini: &str) -> Site {
    let site = Site::with(settings, &format!("{FIXTURE_INI}ErrorDetail=2\n"));
    for (name, width, height) in [("a", 40, 30), ("b", 30, 40), ("c", 20, 20), ("s", 8, 8)] {
        site.image(&format!("{name}.png"), png(&textured(width, height)));
    }
    site.image("film.mp4", b"no film");
    let mut records = RECORDS.to_owned();
    for line in sets.lines() {
        let (id, rest) = line.split_once('\t').expect("id and set");
        let (set, asset) = rest.split_once('\t').unwrap_or((rest, ""));
        records.push_str(&format!("{id}\ta.png\t\t{set}\t{asset}\t\t\t\t\n"));
    }
    site.write("catalogs/cat.txt", records);
    site.write("catalogs/static.txt", STATICS);
    let own = format!(
        "RootId=cat\nCatalogFile=cat.txt\nStaticContentCatalogFile=static.txt\nErrorDetail=2\n{ini}"
    );
    site.write("catalogs/cat.ini", own);
    site
}

fn site(sets: &str) -> Site {
    site_with(sets, "", "")
}

/// The object of a JSONP reply, taken apart as clients do it: handler, object, id.
fn parts(reply: &Reply) -> (String, Value, String) {
    let body = text(reply);
    let body = body.strip_prefix("/*jsonp*/").unwrap_or_else(|| panic!("no JSONP: {body}"));
    let (handler, rest) = body.split_once('(').expect("a call");
    let rest = rest.strip_suffix("\");").unwrap_or_else(|| panic!("no id: {body}"));
    let (json, id) = rest.rsplit_once(",\"").expect("an id");
    let value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    (handler.to_owned(), value, id.to_owned())
}

/// The `set` of a reply to `target`, with `req=set,json` added.
fn set_of(site: &Site, target: &str) -> Value {
    let separator = if target.contains('?') { '&' } else { '?' };
    let reply = site.get(&format!("{target}{separator}req=set,json"));
    assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
    let (handler, value, _) = parts(&reply);
    assert_eq!(handler, "s7jsonResponse", "{target}: {value}");
    value.get("set").unwrap_or_else(|| panic!("{target}: {value}")).clone()
}

/// A set in short: `type(item item)`, an item as `name`, `name|swatch`, `type(…)` or `video:path`.
fn brief(set: &Value) -> String {
    let kind = set["type"].as_str().expect("a type");
    let items: Vec<String> = list(&set["item"]).iter().map(|item| brief_item(item)).collect();
    format!("{kind}({})", items.join(" "))
}

fn brief_item(item: &Value) -> String {
    let name = |part: &Value| {
        let color = part["c"].as_str().map(|color| format!("#{color}"));
        color.or(part["n"].as_str().map(|name| name.trim_start_matches("cat/").to_owned()))
    };
    let main = match (item.get("set"), item["v"]["path"].as_str()) {
        (Some(set), _) => {
            assert_eq!(item["type"], set["type"], "an item says what it holds: {item}");
            brief(set)
        }
        (None, Some(path)) => format!("video:{path}"),
        (None, None) => match item["type"].as_str() {
            Some(kind) => format!("{kind}:{}", name(&item["i"]).expect("an id")),
            None => name(&item["i"]).expect("an id"),
        },
    };
    match name(&item["s"]) {
        Some(swatch) if swatch != main => format!("{main}|{swatch}"),
        _ => main,
    }
}

/// Elements of one name: none, one or several.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => {
            assert!(values.len() > 1, "a single element is no array: {value}");
            values.iter().collect()
        }
        other => vec![other],
    }
}
