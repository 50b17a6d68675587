//! Replies of the whole pipeline, through the library: what each request type answers, in which form, for how long,
//! and what is refused. Rows name the checklist and cases of the protocol's specification.

mod access;
mod caching;
mod errors;
mod language;
mod locale;
mod properties;
mod readers;
mod refusals;

use imprint::codec::{self, Input};
use imprint::geometry::Size;
use imprint::limits::Limits;
use imprint::reply::Reply;

use crate::support::pictures::{masked, png, quadrants, textured, unhurried};
use crate::support::site::{FIXTURE_INI, Site, text};

/// Records of the catalog `shop`.
const RECORDS: &str = "\
Id\tPath\tModifier\tPostModifier\tExpiration\tTimeStamp\tAnchor\tResolution\tThumbType
lake\ta.png\tqlt=60\t\t2.5\t03/04/2025 09:15:02 GMT\t7,9\t150\t1
late\ta.png\t\tqlt=33\t\t\t\t\t
never\ta.png\t\t\t-1\t\t\t\t
always\ta.png\t\t\t0\t\t\t\t
inherits\ta.png\t\t\t-2\t\t\t\t
Abc\tq.png\t\t\t\t\t\t\t
a/b\tq.png\t\t\t\t\t\t\t
template\t\tsize=50,50&color=ff0000\t\t\t\t\t\t
gone\tnowhere.png\t\t\t\t\t\t\t
";

const MACROS: &str = "\
Name\tDefinition
view\twid=240&fmt=jpeg&qlt=85&op_usm=5,2&bgc=200,200,200&align=-1,-1
small\twid=40
info\treq=props
check\treq=exists
";

/// A site with the pictures `a.png` (400x300), `q.png` (400x300, quadrants), `m.png` (200x200, alpha), the broken
/// `bad.png`, and the catalog `shop`. `default` and `shop` are further attributes, `settings` further settings.
fn shop_with(settings: &str, default: &str, shop: &str) -> Site {
    let site = Site::with(settings, &format!("{FIXTURE_INI}{default}"));
    site.image("a.png", png(&textured(400, 300)));
    site.image("q.png", png(&quadrants()));
    site.image("m.png", png(&masked()));
    site.image("bad.png", b"\x89PNG\r\n\x1a\n and then nothing");
    let own = format!(
        "RootId=shop\nCatalogFile=shop.txt\nMacroFile=macros.txt\nJpegQuality=70,1\n{shop}"
    );
    site.write("catalogs/shop.txt", RECORDS);
    site.write("catalogs/macros.txt", MACROS);
    site.write("catalogs/shop.ini", own);
    site
}

fn shop() -> Site {
    shop_with("", "ErrorDetail=2\n", "")
}

/// The size of the image in a reply, read from its bytes.
fn size(reply: &Reply) -> Size {
    assert_eq!(reply.status, 200, "{}", text(reply));
    let deadline = unhurried();
    let bytes = reply.body.to_vec();
    let header = codec::probe(&mut Input::new(&bytes, &deadline), &Limits::default());
    header.expect("a picture").size
}

/// The type without its parameters.
fn mime(reply: &Reply) -> &str {
    reply.header("Content-Type").and_then(|value| value.split(';').next()).unwrap_or_default()
}

/// The names of a property reply, in their order.
fn names(reply: &Reply) -> Vec<String> {
    let text = text(reply);
    text.lines().skip(2).filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect()
}

/// The properties of a reply whose head is right: `head`, then a time stamp.
fn assert_head(reply: &Reply, head: &str, name: &str) {
    let text = text(reply);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(head), "{name}: {text}");
    let stamp = lines.next().unwrap_or_default();
    let words: Vec<&str> = stamp.trim_start_matches('#').split(' ').collect();
    let is_stamp = stamp.starts_with('#') && words.len() == 6 && words.get(4) == Some(&"UTC");
    assert!(is_stamp, "{name}: {stamp}");
    assert_eq!(mime(reply), "text/plain", "{name}");
    assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{name}");
}
