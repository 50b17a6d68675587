//! Property replies in every documented format, read back by parsers that are not ours, and the request types that
//! answer from the texts of a record. Rows name the checklist and cases of the protocol's specification.

mod errors;
mod formats;
mod readers;
mod records;
mod xmp;

use imprint::reply::Reply;

use crate::support::pictures::{png, textured};
use crate::support::site::{FIXTURE_INI, Site};

/// Records of the catalog `shop`.
const RECORDS: &str = "\
Id\tPath\tModifier\tExpiration\tImageSet\tTargets\tUserData
lake\ta.png\tqlt=60\t2.5\t{shop/a,shop/b},{shop/c;;0xff00aa}\tTarget.1.rect=1,2,30,40??Target.1.label=Left = right??\
junk??Target.2.frame=1??Target.2.rect=5,6,7,8\tcolor=red??a.b.size = 10 ??col:or=x??=nothing??color=blue
plain\ta.png\t\t\t\t\tjust a note??of two lines
quoted\ta.png\t\t-1\t\t\"Target.1.rect=1,1,2,2\r\nTarget.1.label=what??\"\t\"one=1\r\ntwo=a??b\r\n\"
bare\ta.png\t\t\t\t\t
gone\tnowhere.png\t\t\tshop/x\tTarget.1.rect=0,0,1,1\tk=v
outside\t../../x.png\t\t\tshop/y\t\t
";

/// A site with `a.png` (40x30) and the catalog `shop`; `default` and `shop` are further attributes, `settings` further
/// settings.
fn shop_with(settings: &str, default: &str, shop: &str) -> Site {
    let site = Site::with(settings, &format!("{FIXTURE_INI}{default}"));
    site.image("a.png", png(&textured(40, 30)));
    site.write("catalogs/shop.txt", RECORDS);
    site.write("catalogs/shop.ini", format!("RootId=shop\nCatalogFile=shop.txt\n{shop}"));
    site
}

fn shop() -> Site {
    shop_with("", "ErrorDetail=2\n", "")
}

/// The headers that every property reply has right, in the order type, sniffing.
fn assert_typed(reply: &Reply, content_type: &str, name: &str) {
    assert_eq!(reply.header("Content-Type"), Some(content_type), "RQ-088 U-xml-mime {name}");
    assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "U-xml-mime {name}");
}
