//! Which type a reply has, by `AssetType`, by the text of the set and by the tables; and what its items hold.

use imprint::request::Method;

use super::*;
use crate::support::pictures::unhurried;
use crate::support::site::{answer, get, property, request};

/// Sets of the catalog `cat`.
const SETS: &str = "\
plain\ta,b,c
swatches\ta;sw,b;{0xff8000Orange},c
spin2d\ta,{b,c}
spinref\ta,frames
frames\ta,b\tSPINSET
frames2\ta;b;c\tSPINSET
rows\tframes,{b;c},a\tSPINSET2D
pages\ta,b:c,a:b:c
media\ta;sw,frames;sw;spin,swatches;b;img_set,clip;sw;video,pages;;ecat,{a,b};sw;spin,doc;;static
films\tclip,clip2\tVIDEOSET
asimages\ta,b,c\tIMAGESET
asecat\ta,b\tECATALOG
asmedia\ta,b\tMEDIASET
aslower\ta,b\tmediaset
asunknown\ta,b:c\tIMAGE
colors\tfirst;{0x112233},{frames;{0x445566Turn}},{frames;sw}
first\ta
pairs\t{frames;sw},{first;sw}
hidden\t\tIMAGESET
sets\tmedia;;img,frames;;video,frames;;basic,frames;;nonsense,a;;img_set
videos\tclip,film.mp4,b
bothset\tboth
";

#[test]
fn each_asset_type_and_each_rule_gives_its_type() {
    let site = site(SETS);
    for (name, target, expected) in [
        ("RQ-108 MEDIASET", "cat/asmedia", "media_set(a b)"),
        ("RQ-108 SPINSET", "cat/frames", "spin(a b)"),
        ("RQ-108 SPINSET with ;", "cat/frames2", "spin(a b c)"),
        ("RQ-108 SPINSET2D", "cat/rows", "spin(spin(a b)|frames spin(b c) a)"),
        ("RQ-108 VIDEOSET", "cat/films", "video_set(video:media/clip.mp4 video:media/clip 2.mp4)"),
        ("RQ-108 IMAGESET", "cat/asimages", "img_set(a b c)"),
        ("RQ-108 ECATALOG", "cat/asecat", "ecat(a b)"),
        ("U-enum-case", "cat/aslower", "media_set(a b)"),
        ("RQ-108 another AssetType", "cat/asunknown", "ecat(a img_set(b c))"),
        ("RQ-108 rule 1 colon", "cat/pages", "ecat(a img_set(b c) img_set(a b c))"),
        (
            "RQ-108 rule 1 two semicolons",
            "cat/media",
            "media_set(a|sw spin(a b)|sw img_set(a|sw b|#ff8000 c)|b video:media/clip.mp4|sw \
             ecat(a img_set(b c) img_set(a b c))|pages spin(a b)|sw static:doc)",
        ),
        ("RQ-108 rule 1 one semicolon", "cat/swatches", "img_set(a|sw b|#ff8000 c)"),
        ("RQ-108 rule 1 inline set", "cat/spin2d", "spin(a spin(b c))"),
        ("RQ-108 rule 1 referenced set", "cat/spinref", "spin(a spin(a b)|frames)"),
        ("RQ-108 rule 1 unknown set", "cat/plain", "img_set(a b c)"),
        (
            "hierarchical swatch set",
            "cat/colors",
            "img_set(img_set(a)|#112233 spin(a b)|#445566 spin(a b)|sw)",
        ),
        ("sets in brackets with swatches", "cat/pairs", "img_set(spin(a b)|sw img_set(a)|sw)"),
        ("RQ-108 rule 2 video", "cat/both", "video(video:media/both.mp4)"),
        ("RQ-108 rule 3 video", "cat/clip", "video(video:media/clip.mp4)"),
        ("RQ-108 rule 3 static", "cat/doc", "static(static:doc)"),
        ("RQ-108 rule 4 image", "cat/a", "img(a)"),
        ("RQ-108 rule 5 file-based video", "film.mp4", "video(video:film.mp4)"),
        ("RQ-108 rule 5 in a catalog", "cat/film.mp4", "video(video:cat/film.mp4)"),
        ("RQ-108 rule 5 file-based image", "b.png", "img(b.png)"),
        ("file in a catalog", "cat/b.png", "img(b.png)"),
        (
            "items without AssetType are sorted one by one",
            "cat/videos",
            "img_set(video:media/clip.mp4 video:cat/film.mp4 b)",
        ),
        ("rule 2 within a set", "cat/bothset", "img_set(video:media/both.mp4)"),
        (
            "RQ-108 types of items; others are found out",
            "cat/sets",
            "media_set(media spin(a b)|frames frames spin(a b)|frames a)",
        ),
        ("AssetType without a set", "cat/hidden", "empty()"),
        ("CX-67 RQ-110", "cat?imageSet={a,b,c}", "img_set(a b c)"),
        ("RQ-110 replaces that of the record", "cat/media?imageSet={a,b}", "img_set(a b)"),
        ("RQ-110 AssetType stays", "cat/frames?imageSet={c,a}", "spin(c a)"),
        ("RQ-110 of an image", "cat/a?imageSet={b;sw}", "img_set(b|sw)"),
        ("without braces", "cat?imageSet=a,b", "img_set(a b)"),
        ("in parentheses", "cat?imageSet=(a,b)", "img_set(a b)"),
        ("no path at all", "?imageSet={cat/a,cat/b.png;cat/sw}", "img_set(a b.png|sw)"),
        ("a leading slash", "cat?imageSet={/b.png,/cat/a}", "img_set(b.png a)"),
        ("U-set-default pages", "cat?imageSet={a:b,c}", "ecat(img_set(a b) c)"),
        ("U-set-missing empty", "cat?imageSet={}", "empty()"),
        ("empty for a record", "cat/media?imageSet={}", "empty()"),
        ("an empty value is none", "cat/plain?imageSet=", "img_set(a b c)"),
        ("an inline media set", "cat?imageSet={{a;b};sw;}", "media_set(img_set(a|b)|sw)"),
        ("in another case", "cat/a?IMAGESET={b}", "img_set(b)"),
        ("by a variable", "cat?$s=b,c&imageSet={a,$s$}", "img_set(a b c)"),
        ("a row with one frame", "cat?imageSet={{a},{b,c},a}", "spin(spin(a) spin(b c) a)"),
    ] {
        assert_eq!(brief(&set_of(&site, target)), expected, "{name}: {target}");
    }
}

#[test]
fn an_item_holds_what_a_viewer_needs() {
    let site = site(SETS);
    let version = |id: &str| {
        let reply = site.get(&format!("{id}?req=props"));
        property(&reply, "image.version").unwrap_or_else(|| panic!("{id}: {}", text(&reply)))
    };
    let reply = site.get("cat/swatches?req=set,json&id=7");
    let (a, b, c) = (version("cat/a"), version("cat/b"), version("cat/c"));
    let expected = format!(
        "/*jsonp*/s7jsonResponse({{\"set\":{{\"pv\":\"1.0\",\"type\":\"img_set\",\"n\":\"cat/swatches\",\"item\":[\
         {{\"i\":{{\"n\":\"cat/a\"}},\"s\":{{\"n\":\"cat/sw\"}},\"dx\":\"40\",\"dy\":\"30\",\"iv\":\"{a}\"}},\
         {{\"i\":{{\"n\":\"cat/b\"}},\"s\":{{\"c\":\"ff8000\",\"l\":\"Orange\"}},\"dx\":\"30\",\"dy\":\"40\",\"iv\":\"{b}\"}},\
         {{\"i\":{{\"n\":\"cat/c\"}},\"s\":{{\"n\":\"cat/c\"}},\"dx\":\"20\",\"dy\":\"20\",\"iv\":\"{c}\"}}]}}}},\"7\");"
    );
    assert_eq!(text(&reply), expected, "U-set-dtd: the shape that clients know");
    assert_eq!(reply.header("Content-Type"), Some("text/javascript; charset=utf-8"));
    let reply = site.get("cat/a?req=set");
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<set pv=\"1.0\" type=\"img\" n=\"cat/a\">\
         <item dx=\"40\" dy=\"30\" iv=\"{a}\"><i n=\"cat/a\"/><s n=\"cat/a\"/></item></set>\n"
    );
    assert_eq!(text(&reply), expected, "U-set-default: XML in UTF-8");
    assert_eq!(reply.header("Content-Type"), Some("text/xml; charset=UTF-8"), "U-xml-mime");
    assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));

    let one = set_of(&site, "cat/sized");
    assert_eq!((&one["item"]["dx"], &one["item"]["dy"]), (&"4000".into(), &"3000".into()), "Size");
    assert_eq!(one["item"]["iv"], version("cat/sized").as_str(), "the version of req=props");
    let template = set_of(&site, "cat/template");
    assert_eq!(template["item"].get("dx"), None, "a template has no size of its own");
    let video = set_of(&site, "cat/clip2");
    let expected = serde_json::json!({"path": "media/clip 2.mp4", "bitrate": "1200400", "dx": "1280", "dy": "720"});
    assert_eq!(video["item"]["v"], expected, "U-set-dtd v");
    assert_eq!(set_of(&site, "cat/clip")["item"]["v"]["bitrate"], "564000");
    assert_eq!(set_of(&site, "cat/bare")["item"]["v"].get("bitrate"), None);
    let secret = set_of(&site, "cat/secret");
    assert_eq!(secret["item"]["v"]["path"], "cat/secret", "no folder of the server is told");
    assert_eq!(set_of(&site, "cat?imageSet={a}").get("n"), None, "no record, no n");
    assert_eq!(set_of(&site, "cat/b?imageSet={a}")["n"], "cat/b");
}

#[test]
fn labels_come_from_the_data_of_each_image() {
    let site = site(SETS);
    for (name, target, expected) in [
        ("RQ-111 i and s", "cat/a?labelkey=label", [Some("Alpha"), Some("Alpha")]),
        ("case", "cat/a?labelkey=LABEL", [Some("Alpha"), Some("Alpha")]),
        ("another key", "cat/a?labelkey=color", [Some("Rot"), Some("Rot")]),
        ("no such key", "cat/a?labelkey=price", [None, None]),
        ("no key", "cat/a", [None, None]),
        ("empty key", "cat/a?labelkey=", [None, None]),
        ("no data", "cat/c?labelkey=label", [None, None]),
        ("RQ-111 swatch", "cat?imageSet={b;sw}&labelkey=label", [Some("Beta"), Some("Swatch")]),
        ("color", "cat?imageSet={b;{0x000000Black}}&labelkey=label", [Some("Beta"), Some("Black")]),
        ("color without label", "cat?imageSet={b;{0x000000}}&labelkey=label", [Some("Beta"), None]),
        ("static", "cat/doc?labelkey=label", [Some("Terms"), None]),
    ] {
        let set = set_of(&site, target);
        let label = |part: &str| set["item"][part]["l"].as_str().map(str::to_owned);
        let expected = expected.map(|label| label.map(str::to_owned));
        assert_eq!([label("i"), label("s")], expected, "{name}: {set}");
    }
}

#[test]
fn pages_carry_their_own_data_up_to_the_limit() {
    let sets = "pages\ta,b:c,a:b,a,c\nplain\ta,b\n";
    let site = site_with(sets, "[PS]\nfvctx.brochureLimit = 2\n", "");
    let set = set_of(&site, "cat/pages");
    let items = list(&set["item"]);
    let page = |item: &Value, index: usize| list(&item["set"]["item"])[index]["i"].clone();
    let data = "label=Alpha\r\ncolor=Rot";
    let whole = serde_json::json!({"n": "cat/a", "map": "<AREA HREF=\"x\">", "userdata": data});
    assert_eq!(items[0]["i"], whole, "first brochure");
    assert_eq!(items[0]["s"], serde_json::json!({"n": "cat/a"}), "a swatch has none of it");
    let second = serde_json::json!({"n": "cat/b", "userdata": "label=Beta"});
    assert_eq!(page(items[1], 0), second, "second brochure");
    assert_eq!(page(items[1], 1), serde_json::json!({"n": "cat/c"}), "nothing to carry");
    let both = serde_json::json!({"n": "cat/a", "suppressed": "map,userdata"});
    assert_eq!(page(items[2], 0), both, "third brochure, beyond the limit");
    let data = serde_json::json!({"n": "cat/b", "suppressed": "userdata"});
    assert_eq!(page(items[2], 1), data);
    assert_eq!(items[3]["i"], both);
    assert_eq!(items[4]["i"], serde_json::json!({"n": "cat/c"}), "nothing was left out");
    assert_eq!(set_of(&site, "cat/plain")["item"][0]["i"], serde_json::json!({"n": "cat/a"}));
    let open = site_with(sets, "[PS]\nfvctx.brochureLimit = 0\n", "");
    assert_eq!(set_of(&open, "cat/pages")["item"][0]["i"], both);
}

#[test]
fn what_is_not_there_and_what_does_not_fit_is_refused() {
    let sets = "broken\ta,,b\nlost\ta,nobody\nlostswatch\ta;nobody\nlostfile\ta,gone\nwide\ta;b;c\tIMAGESET\n\
        noswatch\ta;b\tVIDEOSET\nnovideo\ta\tVIDEOSET\npaged\ta:b\tIMAGESET\nspunpages\ta:b\tSPINSET\n\
        comma\ta%2Cb\ndots\t../a.png\nfive\ta;b;img;x;y\tMEDIASET\nsetswatch\ta;{b,c}\nspun\ta;b,c;d\tSPINSET\n\
        badescape\ta%zz\nlostvideo\tnone.mp4\n";
    let site = site(sets);
    let service = site.service();
    for (name, target, what) in [
        ("U-set-missing path", "cat/nobody?req=set", "nobody: no such file"),
        ("no file", "nowhere.png?req=set", "nowhere.png"),
        ("no video file", "none.mp4?req=set", "none.mp4"),
        ("a record without its file", "cat/gone?req=set", "nowhere.png"),
        ("catalog alone", "cat?req=set", "no image set"),
        ("U-set-missing item", "cat/lost?req=set", "item 2: nobody: no such file"),
        ("U-set-missing swatch", "cat/lostswatch?req=set", "item 1: "),
        ("item without its file", "cat/lostfile?req=set", "item 2: nowhere.png"),
        ("item of a video that is not there", "cat/lostvideo?req=set", "none.mp4"),
        ("grammar", "cat/broken?req=set", "item 2 of the image set is empty"),
        (
            "grammar in the request",
            "cat?imageSet={a,,b}&req=set",
            "item 2 of the image set is empty",
        ),
        ("too many parameters", "cat/wide?req=set", "has 3 parameters, expected at most 2"),
        ("swatch in a video set", "cat/noswatch?req=set", "has 2 parameters, expected at most 1"),
        ("five parameters", "cat/five?req=set", "has 5 parameters, expected at most 4"),
        ("image in a video set", "cat/novideo?req=set", "a is no video"),
        ("pages in an image set", "cat/paged?req=set", "holds pages"),
        ("pages in a spin set", "cat/spunpages?req=set", "holds pages"),
        ("lists of frames in a list", "cat/spun?req=set", "has 2 parameters, expected at most 1"),
        ("a comma in an id", "cat/comma?req=set", "','"),
        ("R-1 dots in an id", "cat/dots?req=set", "dot element"),
        ("a set as swatch", "cat/setswatch?req=set", "has a set as swatch"),
        ("bad escape", "cat/badescape?req=set", "bad escape"),
        ("colon in the path", "cat/a%3Ab?req=set", "expected no :"),
        ("U-set-default colon in a value", "cat/a?req=set&id=a:b", "id holds :"),
        ("encoded colon in a value", "cat/a?req=set&labelkey=a%3Ab", "labelkey holds :"),
        ("colon in an unknown command", "cat/a?req=set&x=a:b", "x holds :"),
        ("format", "cat/a?req=set,text", ""),
        ("U-unbalanced", "cat?imageSet={a&req=set", ""),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 403, "{name}: {}", text(&reply));
        assert!(text(&reply).contains(what), "{name}: {}", text(&reply));
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name}");
    }
    for (name, target) in
        [("comment", "cat/a?req=set&.at=10:30"), ("value of a set", "cat?imageSet={a:b}&req=set")]
    {
        assert_eq!(get(&service, target).status, 200, "U-set-default {name}");
    }
}

#[test]
fn a_set_lives_as_long_as_other_properties() {
    let site = site_with("plain\ta,clip\n", "", "NonImgExpiration=0.5\n");
    let reply = site.get("cat/plain?req=set");
    assert_eq!(reply.header("Cache-Control"), Some("public, max-age=1800"), "RQ-149");
    assert_eq!(reply.header("Last-Modified"), None, "UseLastModified is 0");
    let tag = reply.header("ETag").expect("RQ-150").to_owned();
    let mut raw = request(Method::Get, "cat/plain?req=set");
    raw.headers.if_none_match = Some(tag.clone().into_bytes());
    let again = answer(&site.service(), &raw, &unhurried());
    assert_eq!((again.status, again.body.len()), (304, 0), "RQ-150");
    site.image("a.png", png(&textured(41, 30)));
    let changed = answer(&site.service(), &raw, &unhurried());
    assert_eq!(changed.status, 200, "another picture is another reply");
    assert_ne!(changed.header("ETag"), Some(tag.as_str()));

    let ini = "UseLastModified=1\nTimeStamp=01/02/2020 03:04:05 GMT\n";
    let by_catalog = site_with("plain\tb,clip\n", "", ini);
    let reply = by_catalog.get("cat/plain?req=set");
    assert_eq!(reply.header("Last-Modified"), Some("Thu, 02 Jan 2020 03:04:05 GMT"));
    let settings = "[PS]\nfvctx.useCatalogRecordValidation = true\n";
    let by_record = site_with("plain\tclip,secret\n", settings, ini);
    let reply = by_record.get("cat/plain?req=set");
    let newest = Some("Thu, 06 Mar 2025 09:15:02 GMT");
    assert_eq!(reply.header("Last-Modified"), newest, "the newest record of the set");
}
