//! What request text means: targets, splitting, decoding, values, scopes, conflicts. Long, for it is mostly tables;
//! rows name the checklist they are of.

use imprint::color::{Color, ColorSpace, ColorValue};
use imprint::error::{Error, Kind};
use imprint::geometry::{Rect, Size};
use imprint::request::*;

fn parsed(query: &str) -> Result<Request, Error> {
    parse(&[SourceText::url(&query_text(query.as_bytes()))], &Options::default())
}

fn typed(query: &str) -> Request {
    parsed(query).unwrap_or_else(|error| panic!("?{query}: {error}"))
}

/// Everything but the list of commands, which keeps how they were written.
fn meaning(query: &str) -> Request {
    Request { merged: Vec::new(), ..typed(query) }
}

fn located(target: &str) -> Result<Located, Error> {
    let target = Target::Raw(target.as_bytes().to_vec());
    split_target(&target, &Prefixes::default(), &TextLimits::default())
}

/// Object and query of a target, or why it is refused.
type Found = Result<(&'static str, Option<&'static str>), Kind>;

#[test]
fn targets_are_split_before_they_are_decoded() {
    let rows: &[(&str, &str, Found)] = &[
        ("RQ-001", "/is/image/cat/id?wid=1", Ok(("cat/id", Some("wid=1")))),
        ("RQ-002 unknown", "/xfl/flash/x", Err(Kind::UnknownContext)),
        ("RQ-002 other", "/is/imagex/x", Err(Kind::UnknownContext)),
        ("RQ-003", "/is/image", Ok(("", None))),
        ("RQ-003 slash", "/is/image/?", Ok(("", Some("")))),
        ("RQ-005 plain", "/is/image/a/b", Ok(("a/b", None))),
        ("RQ-005 encoded", "/is/image/a%2Fb", Ok(("a/b", None))),
        ("RQ-007", "/is/image/Abc", Ok(("Abc", None))),
        ("RQ-009", "/is/image/a+b%20c", Ok(("a+b c", None))),
        ("RQ-010 utf-8", "/is/image/%C3%A9", Ok(("é", None))),
        ("RQ-010 latin", "/is/image/%E9", Ok(("é", None))),
        ("RQ-011 path", "/is/image/%zz", Err(Kind::Syntax)),
        ("RQ-011 cut", "/is/image/a%2", Err(Kind::Syntax)),
        ("RQ-019", "/is/image/a,b", Err(Kind::Syntax)),
        ("RQ-019 encoded", "/is/image/a%2Cb", Err(Kind::Syntax)),
        ("RQ-020", "/is/image/a/../b", Err(Kind::Syntax)),
        ("RQ-020 encoded", "/is/image/%2e%2E/b", Err(Kind::Syntax)),
        ("RQ-020 in an element", "/is/image/a%2f..%2fb", Err(Kind::Syntax)),
        ("G-11 encoded slash", "/is/image/pub/..%2fpriv/x", Err(Kind::Syntax)),
        ("G-11 dot", "/is/image/./x", Err(Kind::Syntax)),
        ("G-11 double slash", "//is///image//a//b/", Ok(("a/b", None))),
        ("G-11 parameter", "/is/image/a;x=1", Ok(("a;x=1", None))),
        ("G-11 backslash", "/is/image/a%5cb", Err(Kind::Syntax)),
        ("G-11 absolute", "HTTP://h:80/is/image/a?b", Ok(("a", Some("b")))),
        ("G-11 absolute without path", "http://h?x", Err(Kind::UnknownContext)),
        ("G-11 fragment", "/is/image/a?b=1#c", Ok(("a", Some("b=1")))),
        ("G-11 encoded question mark", "/is/image/a%3fb", Err(Kind::Syntax)),
        ("G-11 first question mark", "/is/image/a?b?c", Ok(("a", Some("b?c")))),
        ("G-12 nul", "/is/image/a%00", Err(Kind::Syntax)),
        ("G-12 newline", "/is/image/a%0d%0ab", Err(Kind::Syntax)),
        ("N-2 twice encoded", "/is/image/%252e%252e/x", Ok(("%2e%2e/x", None))),
    ];
    let mut count = 0;
    for (name, target, expected) in rows {
        let found = located(target)
            .map(|l| (l.object.id(), l.query.map(|q| String::from_utf8_lossy(&q).into_owned())))
            .map_err(|error| error.kind());
        let expected =
            expected.map(|(object, query)| (object.to_owned(), query.map(str::to_owned)));
        assert_eq!(found, expected, "{name}: {target}");
        count += 1;
    }
    assert_eq!(count, 31);
}

#[test]
fn an_encoded_slash_names_a_record_but_no_file() {
    let encoded = located("/is/image/a%2Fb").unwrap();
    assert!(!encoded.object.is_path());
    assert_eq!(encoded.object.elements(), ["a/b"]);
    assert_eq!(encoded.object_encoded, "a%2Fb");
    assert!(located("/is/image/a/b").unwrap().object.is_path());
    assert!(located("/is/image").unwrap().is_banner());
    assert!(located("/is/image/?").unwrap().is_banner());
    assert!(!located("/is/image/?wid=1").unwrap().is_banner());
    assert!(!located("/is/image/cat").unwrap().is_banner());
}

#[test]
fn the_target_is_bounded() {
    let long = |n: usize| "a".repeat(n);
    for (name, target, expected) in [
        ("query at the limit", format!("/is/image/x?{}", long(65536)), None),
        ("query beyond", format!("/is/image/x?{}", long(65537)), Some(Kind::TargetTooLong)),
        ("path at the limit", format!("/is/image/{}", long(4096)), None),
        ("path beyond", format!("/is/image/{}", long(4097)), Some(Kind::TargetTooLong)),
        ("path far beyond", format!("/is/image/{}", long(1 << 20)), Some(Kind::TargetTooLong)),
        ("path counts decoded", format!("/is/image/{}", "%61".repeat(4096)), None),
    ] {
        assert_eq!(located(&target).err().map(|e| e.kind()), expected, "{name}");
    }
    let query = |n: usize| vec!["wid=1"; n].join("&");
    assert!(parsed(&query(2000)).is_ok());
    assert_eq!(parsed(&query(2001)).map_err(|e| e.kind()), Err(Kind::Syntax));
}

#[test]
fn a_decoded_target_is_taken_as_it_is() {
    let target = Target::Decoded { path: b"/is/image/a%2Cb c".to_vec(), query: b"wid=1".to_vec() };
    let found = split_target(&target, &Prefixes::default(), &TextLimits::default()).unwrap();
    assert_eq!(found.object.id(), "a%2Cb c");
    assert_eq!(found.object_encoded, "a%252Cb%20c");
    let dots = Target::Decoded { path: b"/is/image/../x".to_vec(), query: Vec::new() };
    assert!(split_target(&dots, &Prefixes::default(), &TextLimits::default()).is_err());
}

#[test]
fn a_body_is_appended_to_the_query() {
    let limits = TextLimits::default();
    let form = Some(b"application/x-www-form-urlencoded; charset=utf-8".as_slice());
    let join = |query: Option<&str>, body: &str, kind: Option<&[u8]>| {
        append_body(query.map(|q| q.into()), body.as_bytes(), kind, &limits)
            .map(|q| q.map(|q| String::from_utf8(q).unwrap()))
            .map_err(|e| e.kind())
    };
    assert_eq!(join(Some("a=1"), "b=2\r\n", form), Ok(Some("a=1&b=2".into())));
    assert_eq!(join(None, "b=2", Some(b"Text/Plain")), Ok(Some("b=2".into())));
    assert_eq!(join(None, "", None), Ok(None));
    assert_eq!(join(None, "{}", Some(b"application/json")), Err(Kind::BadRequest));
    assert_eq!(join(None, &"a".repeat(65537), form), Err(Kind::BodyTooLarge));
}

#[test]
fn equal_requests_are_written_in_different_ways() {
    let rows = [
        ("RQ-006", "WID=10", "wid=10"),
        ("RQ-012", "wid=20&.anything(=here&hei=10", "wid=20&hei=10"),
        ("RQ-012 time stamp", "wid=200&.ts=1718&fmt=png", "wid=200&fmt=png"),
        ("RQ-013", "&&wid=20&", "wid=20"),
        ("RQ-014", "wid=20&wid=30", "wid=30"),
        ("RQ-015", "foo=1&wid=20", "wid=20"),
        ("RQ-010", "text=%C3%A9", "text=%E9"),
        ("RQ-010 raw", "text=é", "text=%E9"),
        ("RQ-009", "text=a+b", "text=a%20b"),
        ("RQ-016", "src=is(a?wid=5&hei=6)&wid=20", "src=is{a?wid=5&hei=6}&wid=20"),
        ("RQ-094", "req=img&scl=8", "scl=8&REQ=IMG"),
        ("U002 reset", "wid=20&wid=&hei=3", "hei=3"),
        ("U002 without a sign", "wid=20&wid&hei=3", "hei=3"),
        ("U003 empty argument", "fmt=tif,,lzw", "FMT=TIFF,,LZW"),
        ("U005", "origin=-0.5,-0.5", "origin=0,0"),
        ("U006", "iccEmbed=true", "iccEmbed=1"),
        ("U009", "colorize=0x306090", "op_colorize=306090"),
        ("CX-70", "quantize=adaptive,off,2,000000,ffffff", "quantize=ADAPTIVE,off,2,000000,FFFFFF"),
        ("F012", "op_brightness=500", "op_brightness=100"),
        ("F148", "op_brightness=99999999999999999999999", "op_brightness=100"),
        ("F026", "wid=9&hei=9&align=0,5", "wid=9&hei=9&align=0,1"),
        ("F027", "layer=1&text=x&wid=200", "wid=200&layer=1&text=x"),
        (
            "F102",
            "layer=1&src=A&layer=2&src=Q&layer=1&size=50,0",
            "layer=1&src=A&size=50,0&layer=2&src=Q",
        ),
        ("F105", "layer=1,logo&src=A&layer=logo&size=50,0", "layer=1&src=A&size=50,0"),
        ("F105 two names", "layer=1,a&src=A&layer=1,b&layer=b&size=5,0", "layer=1&src=A&size=5,0"),
        ("CX-74 same again", "layer=1,image&layer=1,image&src=a", "layer=1&src=a"),
        ("D64", "layer=1,image&src=a&layer=1,picture&size=1,1", "layer=1&src=a&size=1,1"),
        ("F108", "layer=1&src=A&text=x", "layer=1&text=x"),
        ("F108 reversed", "layer=1&text=x&src=A", "layer=1&src=A"),
        ("RQ-073", "text=a&textPs=b&src=c", "src=c"),
        ("F125", "effect=-1&color=0,0,0&rotate=45&size=5,5&op_hue=90", "effect=-1&color=0,0,0"),
        ("F125 malformed", "effect=-1&color=0,0,0&rotate=x", "effect=-1&color=0,0,0"),
        ("1.2 to layer 0", "crop=1,2,3,4&color=1,2,3", "layer=0&crop=1,2,3,4&color=1,2,3"),
        ("1.2 comp again", "layer=1&src=a&layer=comp&flip=lr", "flip=lr&layer=1&src=a"),
        ("1.2 ignored", "pos=50,50&wid=3", "wid=3"),
        ("U007", "anchor=1,2&anchorN=0.5,0.5", "anchorN=.5,.5"),
        ("U008", "crop=1,2,3,4&layer=0&crop=5,6,7,8", "crop=5,6,7,8"),
        (
            "U060",
            "layer=1&src=a&effect=1&color=1&effect=2&color=2",
            "layer=1&effect=2&color=2&layer=1&src=a&effect=1&color=1",
        ),
        ("D17", "cropN=0.1,0,0.8,1", "cropN=1e-1,0,8E-1,1.0"),
        ("plus sign", "rotate=+45", "rotate=45"),
        ("L-1 minus zero", "rotate=-0", "rotate=0"),
        ("2.3 example c", "&hei=400&qlt=90", "hei=400&qlt=90"),
    ];
    for (name, one, other) in rows {
        assert_eq!(meaning(one), meaning(other), "{name}: ?{one} and ?{other}");
    }
    assert_eq!(rows.len(), 42);
}

#[test]
fn malformed_and_conflicting_commands_are_refused() {
    let rows = [
        ("RQ-011", "wid=%zz"),
        ("RQ-011 unknown command", "foo=%zz"),
        ("RQ-017", "src=is(a?wid=5&wid=20"),
        ("RQ-017 mask", "mask=(http://h/a"),
        ("U-unbalanced set", "imageSet={a&wid=5"),
        ("U-split after the bracket", "src=is(a)b&wid=1"),
        ("RQ-019", "src=a,b"),
        ("RQ-019 encoded", "src=a%2Cb"),
        ("RQ-020", "src=a/../b"),
        ("RQ-020 encoded", "src=%2e%2e/b"),
        ("RQ-020 mask", "mask=../b"),
        ("RQ-055", "$nosuch$"),
        ("CX-09", "wid=$number$"),
        ("RQ-059", "layer=$n$"),
        ("RQ-059 name", "$n=1&layer=1,$n$"),
        ("CX-74 two layers", "layer=1,image&layer=2,image"),
        ("CX-74 unknown", "layer=1,image&layer=picture"),
        ("CX-74 variable", "layer=$image$"),
        ("F105 comp", "layer=comp,comp"),
        ("F105 comp of 1", "layer=1,comp"),
        ("F105 nope", "layer=nope"),
        ("10.4 number as a name", "layer=1,5"),
        ("10.4 empty", "layer="),
        ("10.4 negative", "layer=-1"),
        ("10.4 large", "layer=4294967296"),
        ("F016 alone", "fit=crop"),
        ("F016 tmb", "req=tmb&fit=fit&wid=50&hei=50"),
        ("F016 mode", "wid=200&hei=200&fit=fill"),
        ("U044", "scl=1&fit=crop"),
        ("F022", "scl=0"),
        ("F022 negative", "scl=-1"),
        ("F022 text", "scl=abc"),
        ("F022 wid", "wid=0"),
        ("F022 variable", "wid=$n$"),
        ("U005 wid", "wid=200.5"),
        ("U005 qlt", "qlt=80.5"),
        ("U003", "qlt=80,0,1"),
        ("F028", "dpr=on,0"),
        ("F033", "rgn=0,0,0,10"),
        ("F049 five", "color=1,2,3,4,5"),
        ("F049 letters", "color=zz"),
        ("F049 range", "color=300,0,0"),
        ("F049 digits", "color=80808k"),
        ("F055", "crop=0,0,0,10"),
        ("F061", "sizeN=.5,.5"),
        ("F061 layer 0", "layer=0&sizeN=.5,.5"),
        ("F101", "anchor=3000000000,0"),
        ("F101 normalized", "posN=3e9,0&layer=1&posN=3e9,0"),
        ("F122 zero", "effect=0"),
        ("F122 color", "effect=-1&op_grow=3"),
        ("F122 text", "effect=x"),
        ("F122 layer", "layer=3&src=a&effect=1"),
        ("F139 gray", "op_colorize=50g"),
        ("F139 cmyk", "op_colorize=1,2,3,4k"),
        ("F152", "resMode=best"),
        ("F155", "pscan=7"),
        ("F157", "fmt=png,cmyk"),
        ("F159", "fmt=tif-alpha,,jpeg"),
        ("F160", "fmt=webp,gray"),
        ("F163 jpeg", "fmt=jpeg,,lzw"),
        ("F163 png", "fmt=png,,zip"),
        ("F163 webp", "fmt=webp,,none"),
        ("F163 bmp", "fmt=bmp"),
        ("U084", "fmt=jp2"),
        ("U087", "req=mask&fmt=tif,cmyk"),
        ("F166", "jpegSize=-1"),
        ("F168 1", "quantize=adaptive,off,1"),
        ("F168 257", "quantize=adaptive,off,257"),
        ("F168 prefix", "quantize=adaptive,off,2,0xffffff"),
        ("F168 mac", "fmt=gif-alpha&quantize=mac"),
        ("RQ-087", "handler=a.b"),
        ("RQ-087 empty", "handler="),
        ("U-req-unknown", "req=nothing"),
        ("U-req-unknown option", "req=set,text"),
        ("U-save-timeout", "timeout=0"),
        ("U-save-timeout text", "timeout=abc"),
        ("F-13", "timeout=1e9"),
        ("U067", "layer=1&perspective=0,0,1,1,0,1,1,0"),
        ("path letter", "clipPath=M0,0,X1"),
        ("path numbers", "clipPath=M0,0,L1"),
        ("path start", "clipPath=L1,1"),
        ("pathAttr", "pathAttr=norm,1"),
        ("text paths", "layer=1&textPs=x&textPath=M0,0,L1,1&textFlowPath=M0,0,L1,1,1,0"),
        ("textAttr", "textAttr=0"),
        ("%00", "text=a%00b"),
        ("RQ-019 template", "template=a,b"),
    ];
    for (name, query) in rows {
        let found = parsed(query).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(found, Err(Kind::Syntax), "{name}: ?{query}");
    }
    assert_eq!(rows.len(), 86);
}

#[test]
fn a_message_says_what_was_found_and_what_was_expected() {
    for (query, detail) in [
        ("wid=abc", "wid is abc, expected a whole number"),
        ("wid=0", "wid is 0, expected 1 to 2147483647"),
        ("pscan=7", "pscan is 7, expected one of auto 3 4 5"),
        ("fmt=png,cmyk", "fmt format png does not offer cmyk"),
        ("layer=nope", "layer is nope, expected a number, comp or a name given before"),
        ("qlt=1,2,3", "qlt is 1,2,3, expected 1 to 2 arguments, not 3"),
    ] {
        assert_eq!(parsed(query).map_err(|e| e.detail().to_owned()), Err(detail.to_owned()));
    }
}

#[test]
fn values_are_decoded_once_and_split_without_brackets() {
    let text = |query: &str| match typed(query).layers.get(&0).and_then(|l| l.source.clone()) {
        Some(LayerSource::Text(text)) => text,
        other => panic!("{query}: {other:?}"),
    };
    for (name, query, expected) in [
        ("RQ-008", "text=%2541", "%41"),
        ("RQ-009", "text=a+b", "a b"),
        ("RQ-018 smiley", "text=:-)", ":-)"),
        ("RQ-018 rtf", "text={\\fonttbl&wid=3", "{\\fonttbl"),
        ("U-extra-equals", "text=a=b", "a=b"),
        ("U-dollar", "text=5$ or 6$", "5$ or 6$"),
        ("CX-02", "text=rate%26weight%3D85%25%2027%23", "rate&weight=85% 27#"),
        ("RQ-058", "text=x%26wid%3D9&wid=20", "x&wid=9"),
        ("L-6 amp", "text=a&amp;wid=1", "a"),
        ("empty", "text=", ""),
    ] {
        assert_eq!(text(query), expected, "{name}: {query}");
    }
    let typed_72 = typed(
        "fmt=png&size=300,50&bgc=f0f0f0&text={\\fonttbl{\\f0\\fcharset0%20Arial;}}\\f0\\fs50%20Arial",
    );
    assert_eq!(typed_72.attributes.fmt.map(|fmt| fmt.format), Some(ReplyFormat::Png), "CX-72");
}

#[test]
fn nested_requests_stay_encoded() {
    let source = |query: &str| typed(query).layers.get(&0).and_then(|l| l.source.clone());
    let nested = |text: &str| Some(LayerSource::Image(SourceExpr::Nested(text.into())));
    assert_eq!(source("src=is(a?wid=5&hei=6)&wid=20"), nested("a?wid=5&hei=6"));
    assert_eq!(source("src=is{a%29?src=is{b}}"), nested("a%29?src=is{b}"));
    assert_eq!(
        source("src=(http://h/a%20b?x=(1)&y)"),
        Some(LayerSource::Image(SourceExpr::Foreign("http://h/a%20b?x=(1)&y".into())))
    );
    assert_eq!(source("src=ir(a)"), Some(LayerSource::Image(SourceExpr::RenderNested("a".into()))));
    // U-prefix-case: `src=` minds the case of its prefix, `mask=` does not.
    let Some(LayerSource::Image(SourceExpr::Object(object))) = source("src=IS(a)&wid=1") else {
        panic!("an object")
    };
    assert_eq!(object.id(), "IS(a)");
    let mask = typed("mask=IS(a&b)&wid=1").layers.get(&0).and_then(|l| l.mask.clone());
    assert_eq!(mask, Some(SourceExpr::Nested("a&b".into())));
    let sets = [
        ("imageSet={a,b;x=1&y=2}&wid=1", "a,b;x=1&y=2"),
        ("imageSet={a},{b}&wid=1", "{a},{b}"),
        ("imageSet={a&b},c&wid=1", "{a&b},c"),
        ("imageSet=a,b&wid=1", "a,b"),
    ];
    for (query, expected) in sets {
        let found = typed(query);
        assert_eq!(found.attributes.image_set.as_deref(), Some(expected), "CX-67 {query}");
        assert_eq!(found.view.wid, Some(1));
    }
    let slash = typed("src=/catB//img").layers.get(&0).and_then(|l| l.source.clone());
    let Some(LayerSource::Image(SourceExpr::Object(object))) = slash else { panic!("an object") };
    assert!(object.has_leading_slash());
    assert_eq!(object.id(), "catB/img", "CX-44");
}

#[test]
fn sources_override_each_other_in_order() {
    let source = |text, origin, layer| SourceText { text, origin, layer };
    let run = |sources: &[SourceText<'_>]| parse(sources, &Options::default());
    // RQ-064, RQ-065, RQ-071.
    let request = run(&[
        source("layer=2,logo & src=b & qlt=10 & wid=7", Origin::Modifier, None),
        source("qlt=20&wid=8&op_blur=3&layer=logo&size=5,5", Origin::Url, None),
        source("wid=9", Origin::PostModifier, None),
    ])
    .unwrap();
    assert_eq!(request.attributes.qlt.map(|qlt| qlt.quality.get()), Some(20));
    assert_eq!(request.view.wid, Some(9));
    assert_eq!(request.composite.operations.blur_px, Some(3.0));
    let size = SizeArg::Pixels { width: 5, height: 5 };
    assert_eq!(request.layers.get(&2).and_then(|l| l.size), Some(size));
    let origins: Vec<(String, Origin)> =
        request.merged.iter().map(|c| (c.name.clone(), c.origin)).collect();
    let expected = [
        ("qlt", Origin::Url),
        ("op_blur", Origin::Url),
        ("wid", Origin::PostModifier),
        ("src", Origin::Modifier),
        ("size", Origin::Url),
    ];
    assert_eq!(origins, expected.map(|(name, origin)| (name.to_owned(), origin)));
    // U-layer-modifier-scope.
    let request = run(&[
        source(
            "wid=7&op_blur=3&crop=1,2,3,4&layer=5&src=z&layer=0&rotate=3",
            Origin::Modifier,
            Some(2),
        ),
        source("layer=2&src=a", Origin::Url, None),
    ])
    .unwrap();
    assert_eq!(request.view.wid, None);
    assert_eq!(request.layers.keys().copied().collect::<Vec<_>>(), [2]);
    let layer = request.layers.get(&2).unwrap();
    assert_eq!(layer.picture.operations.blur_px, Some(3.0));
    assert_eq!(layer.rotate_deg, Some(3.0));
    // U-save-origin, RQ-137.
    for origin in [Origin::Modifier, Origin::Template, Origin::PostModifier] {
        let request = run(&[
            source("wid=2", Origin::Url, None),
            source("req=saveToFile&name=a.jpg", origin, None),
        ])
        .unwrap();
        assert_eq!(request.attributes.req, None, "{origin:?}");
        assert_eq!(request.attributes.name.as_deref(), Some("a.jpg"), "{origin:?}");
    }
    let template = run(&[source("template=a/b", Origin::PostModifier, None)]);
    assert_eq!(template.map_err(|e| e.kind()), Err(Kind::Syntax));
}

#[test]
fn single_commands_are_found_before_the_merge() {
    let list = split("locale=de&layer=logo&LOCALE=f%72&wid=x", Origin::Url, 9).unwrap();
    assert_eq!(last_value(&list, "locale").unwrap().as_deref(), Some("fr"));
    assert_eq!(last_value(&list, "template").unwrap(), None);
}

#[test]
fn save_commands_take_the_last_name() {
    // N-8: names of commands are never decoded.
    for (name, query, expected) in [
        ("none", "req=saveToFile", None),
        ("empty", "req=saveToFile&name=", Some("")),
        ("blank", "name=%20", Some(" ")),
        ("repeated", "name=a.jpg&name=../b.jpg", Some("../b.jpg")),
        ("case", "name=a.jpg&NAME=../b.jpg", Some("../b.jpg")),
        ("encoded name", "name=a.jpg&%6eame=../b", Some("a.jpg")),
        ("latin", "name=%c0%ae%c0%aex", Some("À®À®x")),
    ] {
        assert_eq!(typed(query).attributes.name.as_deref(), expected, "{name}");
    }
    assert_eq!(typed("timeout=99999999999999999999").attributes.timeout_ms, Some(i64::MAX as u64));
}

#[test]
fn a_nested_request_ignores_what_concerns_the_reply() {
    let options = Options { role: Role::Nested, ..Options::default() };
    let text = "fmt=png&qlt=3&iccEmbed=1&printRes=3&quantize=web&req=mask&bgc=1,2,3&name=a&timeout=3&wid=5";
    let request = parse(&[SourceText::url(text)], &options).unwrap();
    assert_eq!(request.attributes, RequestCommands::default(), "RQ-074");
    assert_eq!(request.view, ViewCommands { wid: Some(5), ..ViewCommands::default() });
    let options = Options { role: Role::Watermark, ..Options::default() };
    let record = parse(&[SourceText::url("sizeN=0.9,0.9&opac=20&wid=3&align=1,1")], &options);
    let record = record.unwrap();
    assert_eq!(record.view.wid, None, "CX-62");
    assert!(record.view.align.is_some(), "RQ-140");
}

#[test]
fn types_that_read_the_record_only_ignore_other_commands() {
    for req in ["exists", "imageprops", "catalogprops", "imageset", "targets", "userdata", "xmp"] {
        let request = typed(&format!("wid=abc&req={req}&id=7&fit=crop&layer=nope"));
        assert_eq!(request.view, ViewCommands::default(), "{req}");
        assert_eq!(request.attributes.id.as_deref(), Some("7"), "{req}");
    }
}

#[test]
fn requests_carry_their_format_option() {
    let req = |text: &str| typed(&format!("req={text}")).attributes.req_or_default();
    assert_eq!(req("").kind, ReqType::Img);
    assert_eq!(req("mbrset").kind, ReqType::MbrSet);
    assert_eq!(req("SAVETOFILE").kind, ReqType::SaveToFile);
    assert_eq!(req("imageprops,javascript").format, Some(PropertyFormat::JavaScript), "CX-51");
    assert_eq!(req("props,jsonp").format, Some(PropertyFormat::Json), "U-req-json-alias");
    assert_eq!(req("set,json,UTF-8").format, Some(PropertyFormat::Json), "U-req-unknown");
    assert_eq!(req("map,xml,utf-16le").encoding, XmlEncoding::Utf16Le, "RQ-119");
}

#[test]
fn formats_of_the_table_parse() {
    let mut count = 0;
    for (text, format, pixel_type, compression) in [
        ("jpeg", ReplyFormat::Jpeg, None, None),
        ("JPG", ReplyFormat::Jpeg, None, None),
        ("jpeg,gray", ReplyFormat::Jpeg, Some(PixelType::Gray), None),
        ("jpeg,cmyk", ReplyFormat::Jpeg, Some(PixelType::Cmyk), None),
        ("png-alpha", ReplyFormat::PngAlpha, None, None),
        ("tif,,none", ReplyFormat::Tif, None, Some(Compression::None)),
        ("tif,,jpeg", ReplyFormat::Tif, None, Some(Compression::Jpeg)),
        ("tif-alpha,cmyk", ReplyFormat::TifAlpha, Some(PixelType::Cmyk), None),
        ("webp-alpha,,lossless", ReplyFormat::WebpAlpha, None, Some(Compression::Lossless)),
        ("web-alpha", ReplyFormat::WebpAlpha, None, None),
        ("swf-alpha3", ReplyFormat::Swf3Alpha, None, None),
        ("pdf,,zip", ReplyFormat::Pdf, None, Some(Compression::Zip)),
        ("f4m", ReplyFormat::F4m, None, None),
    ] {
        let found = typed(&format!("fmt={text}")).attributes.fmt;
        assert_eq!(found, Some(Fmt { format, pixel_type, compression }), "F156 F163 U081: {text}");
        count += 1;
    }
    assert_eq!(count, 13);
    assert_eq!(ReplyFormat::Webp.default_compression(), Some(Compression::Lossy), "U085");
    assert!(ReplyFormat::Jpeg.allows(PixelType::Cmyk) && !ReplyFormat::Png.allows(PixelType::Cmyk));
}

#[test]
fn typed_values_hold_what_was_written() {
    let request = typed(
        "qlt=60,1&rgn=-5,2,30,40&rect=0,600,2000,600,.5&dpr=on,2&cache=on,off&bgc=214,245,130\
         &op_usm=.9,2&op_noise=20,,1&opac=90,70&extend=1,2,4,8&textAttr=,off&icc=p,absolute,,1\
         &layer=1&perspectiveN=0,0,.5,0,.5,1,0,1,R3T7&pathAttr=reverse,.5,1.2&op_colorize=a0b0c0,norm,50",
    );
    let qlt = request.attributes.qlt.unwrap();
    assert_eq!((qlt.quality.get(), qlt.chroma), (60, Chroma::Full));
    assert_eq!(request.view.rgn, Some(Rect::at(-5, 2, Size::new(30, 40))));
    let rect = ViewRect { rect: Rect::at(0, 600, Size::new(2000, 600)), scale: 0.5 };
    assert_eq!(request.view.rect, Some(rect));
    assert_eq!(request.attributes.dpr, Some(Dpr::On(Some(2.0))));
    let cache = CacheControl::Each { client: true, server: false };
    assert_eq!(request.attributes.cache, Some(cache));
    assert_eq!(request.view.bgc, Some(Color::rgb(214, 245, 130)));
    let usm = request.composite.operations.usm.unwrap();
    assert_eq!((usm.amount, usm.radius_px, usm.threshold, usm.is_mono), (0.9, 2.0, 0, false));
    assert!(request.composite.operations.noise.is_some_and(|noise| noise.is_monochrome));
    assert_eq!(request.composite.opac, Some(Opac { opacity_pct: 90, fill_pct: 70 }));
    let layer_0 = request.layers.get(&0).unwrap();
    assert_eq!(
        layer_0.extend,
        Some(Extend::Pixels { left: 1, top: 2, right: 4, bottom: 8 }),
        "F068 U061"
    );
    let attr = TextAttr { anti_aliasing: AntiAliasing::Off, ..TextAttr::default() };
    assert_eq!(layer_0.text_attr, Some(attr));
    let icc = request.attributes.icc.unwrap();
    assert_eq!(
        (icc.intent, icc.black_point, icc.dither),
        (Some(Intent::Absolute), None, Some(true))
    );
    let layer_1 = request.layers.get(&1).unwrap();
    let perspective = layer_1.perspective.unwrap();
    assert_eq!(perspective.sampling, PerspectiveSampling::SuperJittered(7));
    assert_eq!(perspective.unit, Unit::Normalized);
    let colorize = layer_1.picture.operations.colorize.unwrap();
    assert_eq!(colorize.mode, Colorize::Normalized { contrast_pct: 50.0 }, "D72");
}

#[test]
fn relative_paths_become_absolute() {
    let path = |text: &str| PathData::parse(text).unwrap().subpaths;
    let square = |x: f64, y: f64, is_closed| Subpath {
        start: [x, y],
        segments: vec![
            Segment::Line([x + 10.0, y]),
            Segment::Line([x + 10.0, y + 10.0]),
            Segment::Line([x, y + 10.0]),
        ],
        is_closed,
    };
    let closed = "m10,10,l10,0,0,10,-10,0z,m30,0,l10,0,0,10,-10,0z";
    assert_eq!(path(closed), [square(10.0, 10.0, true), square(40.0, 10.0, true)], "F075");
    let open = "m10,10,l10,0,0,10,-10,0,m30,0,l10,0,0,10,-10,0";
    assert_eq!(path(open), [square(10.0, 10.0, false), square(40.0, 20.0, false)], "F075 open");
    assert_eq!(path("M10 10 20 10 20 20 10 20"), [square(10.0, 10.0, false)], "U058");
    let curve = path("M1,1,c1,0,2,0,3,3");
    let expected = Segment::Curve([[2.0, 1.0], [3.0, 1.0], [4.0, 4.0]]);
    assert_eq!(curve.first().map(|s| s.segments.clone()), Some(vec![expected]));
}

fn rgb(red: u8, green: u8, blue: u8, alpha: u8) -> ColorValue {
    ColorValue::Rgb { red, green, blue, alpha }
}

fn gray(gray_pct: f64, alpha_pct: f64) -> ColorValue {
    ColorValue::Gray { gray_pct, alpha_pct }
}

fn cmyk(inks: [f64; 4], alpha_pct: f64) -> ColorValue {
    let [cyan_pct, magenta_pct, yellow_pct, black_pct] = inks;
    ColorValue::Cmyk { cyan_pct, magenta_pct, yellow_pct, black_pct, alpha_pct }
}

#[test]
fn colors_of_both_tables_parse() {
    use ColorSpace::{Output, Source};
    let hex = |v: f64| v * 100.0 / 255.0;
    let rows = [
        ("RQ-084 D35", "0,100,200", rgb(0, 100, 200, 255), Output),
        ("RQ-084 D36", "0,100,200,200rs", rgb(0, 100, 200, 200), Source),
        ("RQ-084 D37", "0x010203S", rgb(1, 2, 3, 255), Source),
        ("RQ-084 D38", "a0b1c2d3R", rgb(160, 177, 194, 211), Output),
        ("RQ-084 D39", "100S", gray(100.0, 100.0), Source),
        ("RQ-084 D40", "50,75g", gray(50.0, 75.0), Output),
        ("RQ-084 D41", "0X70G", gray(hex(112.0), 100.0), Output),
        ("RQ-084 D42", "0xddeegs", gray(hex(221.0), hex(238.0)), Source),
        ("RQ-084 D43", "94,11,50,33k", cmyk([94.0, 11.0, 50.0, 33.0], 100.0), Output),
        ("RQ-084 D44", "22,23,24,25,26KS", cmyk([22.0, 23.0, 24.0, 25.0], 26.0), Source),
        ("RQ-084 D45", "38393A3bK", cmyk([56.0, 57.0, 58.0, 59.0], 100.0), Output),
        ("RQ-084 D45 alpha", "0x0a0b0C0d0eks", cmyk([10.0, 11.0, 12.0, 13.0], 14.0), Source),
        ("2.1", "10,20,30", rgb(10, 20, 30, 255), Output),
        ("2.1", "10,20,30,40RS", rgb(10, 20, 30, 40), Source),
        ("2.1", "336699", rgb(51, 102, 153, 255), Output),
        ("2.1", "0x33669980s", rgb(51, 102, 153, 128), Source),
        ("2.1", "60", gray(60.0, 100.0), Output),
        ("2.1", "60,25g", gray(60.0, 25.0), Output),
        ("2.1", "0x80", gray(hex(128.0), 100.0), Output),
        ("2.1", "0x80ffG", gray(hex(128.0), 100.0), Output),
        ("2.1", "10,20,30,40k", cmyk([10.0, 20.0, 30.0, 40.0], 100.0), Output),
        ("2.1", "10,20,30,40,50ks", cmyk([10.0, 20.0, 30.0, 40.0], 50.0), Source),
        ("2.1 by U-color-hex-cmyk", "ff000080k", cmyk([100.0, 0.0, 0.0, 100.0], 100.0), Output),
        ("F045", "0A141ER", rgb(10, 20, 30, 255), Output),
        ("F045", "0x0a141e", rgb(10, 20, 30, 255), Output),
        ("F046", "80", gray(80.0, 100.0), Output),
        ("F047", "00ffff00k", cmyk([0.0, 100.0, 100.0, 0.0], 100.0), Output),
        ("F048", "255,0,0,128", rgb(255, 0, 0, 128), Output),
        ("U-color-hex-gray", "100000", rgb(16, 0, 0, 255), Output),
    ];
    for (name, text, value, space) in rows {
        let found = Color::parse(text).unwrap_or_else(|error| panic!("{name} {text}: {error}"));
        assert_eq!(found, Color { value, space }, "{name}: {text}");
    }
    assert_eq!(rows.len(), 29);
    let bad = [
        "",
        "s",
        "k",
        "g",
        "0x",
        "0x1",
        "0x123",
        "1,2,3,4,5",
        "zz",
        "300,0,0",
        "101",
        "80808k",
        "1,2,3,4,5,6k",
        "10,,20",
        "1,2r",
        "1,2,3g",
        "-1,2,3",
        "1.5,2,3",
        "0x336699g",
        "12345",
        "101,0,0,0k",
        "0x112233445566k",
        "1,2,3,256",
        "é",
        "0xé",
        "336699 ",
        "1234567",
    ];
    for text in bad {
        assert_eq!(Color::parse(text).map_err(|e| e.kind()), Err(Kind::Syntax), "F049: {text}");
    }
    assert_eq!(bad.len(), 27);
    assert_eq!(Color::parse_catalog("0x80ff00").ok(), Some([128, 255, 0]), "D46");
    assert_eq!(Color::parse_catalog("80ff00").ok(), Some([128, 255, 0]), "D46");
    assert!(Color::parse_catalog("80ff0").is_err());
}

#[test]
fn numbers_of_every_size_are_refused_or_clamped() {
    let digits = "9".repeat(400);
    let numbers = [
        "0",
        "-0",
        "-1",
        "2147483647",
        "2147483648",
        "4294967296",
        "9223372036854775808",
        "1e308",
        "-1e308",
        "NaN",
        "inf",
        "-inf",
        "0x10",
        "1e-300",
        "1e400",
        digits.as_str(),
        "",
        ",",
        ",,,",
        ",,,,,,,,",
        "+",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "--1",
        "1 ",
        "\u{661}",
        "1e99999999999999999999",
    ];
    let commands = [
        "wid",
        "hei",
        "scl",
        "rgn",
        "rect",
        "align",
        "fit",
        "dpr",
        "qlt",
        "jpegSize",
        "pscan",
        "quantize",
        "printRes",
        "timeout",
        "crop",
        "cropN",
        "size",
        "sizeN",
        "scale",
        "res",
        "anchor",
        "anchorN",
        "origin",
        "originN",
        "pos",
        "posN",
        "extend",
        "extendN",
        "rotate",
        "perspective",
        "perspectiveN",
        "opac",
        "op_blur",
        "op_brightness",
        "op_colorbalance",
        "op_colorize",
        "op_contrast",
        "op_grow",
        "op_hue",
        "op_noise",
        "op_saturation",
        "op_usm",
        "op_usmR",
        "op_growMask",
        "op_growMaskR",
        "textAttr",
        "pathAttr",
        "textAngle",
        "clipPath",
        "layer",
        "effect",
        "color",
        "bgc",
    ];
    let mut count = 0;
    for command in commands {
        for number in numbers {
            for arguments in 1..=9 {
                let value = vec![number; arguments].join(",");
                for prefix in ["", "layer=1&"] {
                    let query = format!("{prefix}{command}={value}");
                    match parsed(&query) {
                        Ok(request) => check_ranges(&request, &query),
                        Err(error) => assert_eq!(error.kind(), Kind::Syntax, "L-1: {query}"),
                    }
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 53 * 30 * 9 * 2);
    for query in ["wid=NaN", "scl=inf", "scl=1e400", "rotate=1e400", "wid=0x10", "wid=2147483648"] {
        assert!(parsed(query).is_err(), "L-1: {query}");
    }
}

fn check_ranges(request: &Request, query: &str) {
    let is_finite = |v: Option<f64>| v.is_none_or(f64::is_finite);
    assert!(request.view.wid != Some(0) && request.view.hei != Some(0), "{query}");
    assert!(is_finite(request.view.scl) && request.view.scl.is_none_or(|v| v > 0.0), "{query}");
    if let Some(align) = request.view.align {
        assert!((-1.0..=1.0).contains(&align.horiz) && (-1.0..=1.0).contains(&align.vert));
    }
    for layer in request.layers.values() {
        assert!(is_finite(layer.rotate_deg) && is_finite(layer.scale) && is_finite(layer.res));
        if let Some(Place::Pixels { x, y }) = layer.pos {
            assert!(x.abs() <= 1 << 31 && y.abs() <= 1 << 31, "{query}");
        }
        if let Some(Crop::Pixels(rect)) = layer.crop {
            assert!(!rect.is_empty(), "{query}");
        }
    }
}

#[test]
fn resolved_text_gives_the_same_request() {
    let query = "wid=100&foo=a b&fmt=png,gray&$x=1&.c&crop=1,2,3,4&flip=lr&layer=2&src=is(a?b=c)&opac=50\
                 &effect=1&color=1,2,3&layer=comp&effect=-3&color=0,0,0&layer=2&mask=/m&text=a%26b%2C&wid=7";
    let first = typed(query);
    let text = resolve_text(&first.merged);
    assert_eq!(
        text,
        "foo=a%20b&fmt=png,gray&flip=lr&wid=7&effect=-3&color=1,2,3".replace("1,2,3", "0,0,0")
            + "&layer=0&crop=1,2,3,4&layer=2&opac=50&mask=/m&text=a%26b,&effect=1&color=1,2,3",
        "RQ-115"
    );
    assert_eq!(resolve_text(&typed(&text).merged), text);
    assert_eq!(meaning(&text), Request { merged: Vec::new(), ..first });
}

/// A request within a site: Modifier, URL, PostModifier, macros of one table, and the object `cat/id`.
fn within(modifier: &str, url: &str, post: &str) -> Result<Parsed, Error> {
    let macros = [
        ("view", "wid=240&fmt=jpeg&qlt=85&op_usm=5,2&bgc=200,200,200&align=-1,-1"),
        ("spaced", " wid=7 &\n.c& hei=8 "),
        ("outer", "$view$&hei=9"),
        ("shadow", "color=0,0,0&opac=75&blendMode=mult&pos=3,4&op_blur=2.5"),
        ("loop", "$loop$"),
        ("twice", "$twice$&$twice$"),
        ("save", "req=saveToFile&name=a.jpg"),
        ("layered", "layer=3&src=a"),
        ("defines", "$a=5"),
    ];
    let lookup = |_: usize, name: &str| {
        macros.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
    };
    let surroundings = Surroundings { macros: &lookup, object: Some("cat/i%64"), inherited: &[] };
    let source = |text, origin| SourceText { text, origin, layer: None };
    let sources = [
        source(modifier, Origin::Modifier),
        source(url, Origin::Url),
        source(post, Origin::PostModifier),
    ];
    parse_within(&sources, &surroundings, &Options::default())
}

#[test]
fn macros_stand_for_their_commands_in_place() {
    let request = |url: &str| within("", url, "").unwrap().request;
    let without_merged = |r: Request| Request { merged: Vec::new(), ..r };
    for (name, one, other) in [
        ("CX-04", "$view$", "wid=240&fmt=jpeg&qlt=85&op_usm=5,2&bgc=200,200,200&align=-1,-1"),
        ("CX-05 RQ-051", "$view$&wid=480", "$view$&wid=480&.x"),
        ("RQ-052", "$VIEW$", "$view$"),
        ("RQ-050 nested", "$outer$", "$view$&hei=9"),
        ("U-ws", "$spaced$", "wid=7&hei=8"),
        ("U-macro-layer", "$layered$&size=1,1", "layer=3&src=a&size=1,1"),
        (
            "F131",
            "effect=-1&$shadow$&color=50,143,254",
            "effect=-1&color=50,143,254&opac=75&blendMode=mult&pos=3,4&op_blur=2.5",
        ),
        ("macro defines", "$defines$&wid=$a$", "wid=5"),
    ] {
        assert_eq!(without_merged(request(one)), without_merged(request(other)), "{name}");
    }
    assert_eq!(request("$view$&wid=480").view.wid, Some(480), "CX-05");
    assert_eq!(request("wid=480&$view$").view.wid, Some(240), "CX-06");
    for (name, url) in [("RQ-055", "$nosuch$"), ("depth", "$loop$"), ("size", "$twice$")] {
        assert_eq!(within("", url, "").map_err(|e| e.kind()), Err(Kind::Syntax), "{name}");
    }
    // RQ-137, U-save-origin: a macro counts as the string that invokes it.
    assert!(request("$save$").attributes.req.is_some());
    assert_eq!(within("$save$", "", "").unwrap().request.attributes.req, None);
    assert_eq!(within("", "", "$save$").unwrap().request.attributes.req, None);
}

#[test]
fn variables_are_substituted_by_precedence() {
    let text = |modifier: &str, url: &str, post: &str| {
        let request = within(modifier, url, post).unwrap().request;
        match request.layers.get(&0).and_then(|l| l.source.clone()) {
            Some(LayerSource::Text(text)) => text,
            Some(LayerSource::Image(SourceExpr::Object(object))) => object.id(),
            Some(LayerSource::Image(SourceExpr::Nested(text) | SourceExpr::Foreign(text))) => text,
            other => panic!("{url}: {other:?}"),
        }
    };
    for (name, modifier, url, post, expected) in [
        ("CX-07", "", "$var2=apple&$var1=my$var2$tree&text=$var1$", "", "my$var2$tree"),
        ("CX-08 RQ-057", "", "src=my$image$file.tif", "", "my$image$file.tif"),
        ("RQ-058", "", "$a=x%26wid%3D9&text=$a$&wid=20", "", "x&wid=9"),
        ("case", "", "$Ab.c-d_1=x&text=$aB.C-d_1$$ab.c-d_1$", "", "xx"),
        ("before its definition", "", "text=$a$&$a=1", "", "$a$"),
        ("nearest", "", "$a=1&text=$a$&$a=2", "", "1"),
        ("RQ-060", "$t=old&text=$t$", "$t=new", "", "new"),
        ("Modifier default", "$t=old&text=$t$", "", "", "old"),
        ("Modifier for the URL", "$t=old", "text=$t$", "", "old"),
        ("PostModifier wins", "$t=a&text=$t$", "$t=b", "$t=c", "c"),
        ("PostModifier uses the URL", "$t=a", "$t=b", "text=$t$", "b"),
        ("RQ-061", "", "src=$object$", "", "cat/id"),
        ("CX-10", "", "src=is{x?src=$object$}", "", "x?src=cat/i%64"),
        ("RQ-062", "", "$object=mine&src=$object$", "", "mine"),
        ("CX-63", "$text=default&text=$text$", "$text=about+the+image", "", "about the image"),
        ("9.3 foreign", "", "$u=a%2520b&src=(http://h/$u$)", "", "http://h/a%20b"),
        ("literal dollars", "", "$b=2&text=$a$b$", "", "$a2"),
        ("empty", "", "$b&text=x$b$y", "", "xy"),
        ("RQ-134", "", "$n=a&text=$n$%24n%24", "", "a$n$"),
    ] {
        assert_eq!(text(modifier, url, post), expected, "{name}: {modifier} ?{url} {post}");
    }
    assert_eq!(within("", "$a=50&wid=$a$", "").unwrap().request.view.wid, Some(50), "RQ-056");
    let refused = |url: &str| within("", url, "").map_err(|e| e.kind());
    assert_eq!(refused("layer=$n$").map(|_| ()), Err(Kind::Syntax), "RQ-059");
    assert_eq!(refused("$n=1&layer=$n$").map(|_| ()), Err(Kind::Syntax), "RQ-059");
    assert_eq!(refused("$n=1&effect=$n$").map(|_| ()), Err(Kind::Syntax), "9.1");
    let many: String = (0..501).map(|n| format!("$v{n}=1&")).collect();
    assert_eq!(refused(&many).map(|_| ()), Err(Kind::Syntax), "U-var-limit");
    let big = format!("$a={}&text={}", "x".repeat(32768), "$a$".repeat(33));
    assert_eq!(refused(&big).map(|_| ()), Err(Kind::Syntax), "U-var-limit");
    let variables = within("$a=1&$b=2", "$A=3", "").unwrap().variables;
    assert_eq!(variables, [("a".into(), "3".into()), ("b".into(), "2".into())], "RQ-063");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Text made of the pieces that the syntax is made of.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "&",
                "=",
                "$",
                "(",
                ")",
                "{",
                "}",
                "%",
                "%26",
                "%zz",
                "+",
                ",",
                ".",
                "-1",
                "2",
                "x",
                "é",
                "src=is(a?wid=3)",
                "mask=(u)",
                "layer=",
                "effect=1",
                "wid=",
                "imageSet={",
                "$a=",
                "$a$",
            ])
            .prop_map(str::to_owned),
            "[ -~]{0,4}",
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    /// Commands that are right for themselves, in any order and scope.
    fn commands() -> impl Strategy<Value = String> {
        let command = prop_oneof![
            6 => prop::sample::select(vec![
                "layer=comp", "layer=0", "layer=2", "layer=2,n", "effect=1&color=1,2,3", "effect=-2&color=f0f0f0s",
                "wid=7", "hei=", "hei=30", "fit=crop,1&wid=3", "crop=1,2,3,4", "cropN=0,0,.5,1", "crop=", "flip=lr",
                "opac=50", "op_usm=1,2", "op_noise=20,,1", "imageSet={a&b}", "imageSet=a", "req=props,xml",
                "fmt=png,gray", "$a=1", "size=5,5", "foo=1", "FOO=2", "src=is(a?wid=3&hei=(4))", "src=/a//b",
                "src={http://h/?a&b}", "src=", "mask=is{m}", "mask=m+1", "pos=1,2", "posN=.5,0", "text=", "map=",
                "defaultImage=", "name=", "handler=x", "cache=on,off", "blendMode=mult", "maskUse=off", "color=60",
                "clipPath=M0,0,l5,5,0,5z", "textAttr=,off", "icc=p,absolute", "resMode=sharp", "origin=-0.5,1",
            ])
            .prop_map(str::to_owned),
            1 => "[ -~é]{0,9}".prop_map(|text| format!("text={}", text.replace(['%', '&'], "."))),
            1 => "[a-zé./(){}]{1,9}".prop_map(|text| format!("id={text}")),
        ];
        prop::collection::vec(command, 0..25).prop_map(|commands| commands.join("&"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut target = b"/is/image/".to_vec();
            target.extend_from_slice(&bytes);
            let found = split_target(&Target::Raw(target), &Prefixes::default(), &TextLimits::default());
            if let Ok(located) = found {
                let text = query_text(&located.query.unwrap_or_default());
                let _ = parse(&[SourceText::url(&text)], &Options::default());
            }
            let _ = split_target(&Target::Raw(bytes), &Prefixes::default(), &TextLimits::default());
        }

        #[test]
        fn no_text_panics(text in pieces()) {
            let _ = parse(&[SourceText::url(&query_text(text.as_bytes()))], &Options::default());
            let _ = parse(&[SourceText::url(&text)], &Options::default());
        }

        #[test]
        fn resolving_keeps_the_meaning(text in commands()) {
            let text = query_text(text.as_bytes());
            let parse = |text: &str| {
                parse(&[SourceText::url(text)], &Options::default())
                    .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))
            };
            let first = parse(&text)?;
            let resolved = resolve_text(&first.merged);
            let again = parse(&resolved)?;
            prop_assert_eq!(&resolve_text(&again.merged), &resolved);
            let mut wanted = Request { merged: Vec::new(), ..first };
            wanted.attributes.req = None;
            prop_assert_eq!(Request { merged: Vec::new(), ..again }, wanted);
        }
    }
}

#[test]
fn long_input_is_read_in_bounded_time() {
    let limits = TextLimits { query_bytes: 4 << 20, ..TextLimits::default() };
    let options = Options { limits, ..Options::default() };
    let start = std::time::Instant::now();
    for (name, text) in [
        ("L-3 text", format!("text={}", "x".repeat(1 << 20))),
        ("L-3 sets", format!("imageSet={}a{}", "{".repeat(1000), "}".repeat(1000))),
        ("brackets", format!("src=is{}", "(".repeat(1 << 20))),
        ("sets in a row", "imageSet={&".repeat(2000) + &"}".repeat(2000) + "x"),
        ("dollars", format!("text={}", "$".repeat(1 << 20))),
        ("references", format!("$a=&text={}", "$a$".repeat(1 << 18))),
        ("escapes", format!("text={}", "%41".repeat(1 << 18))),
        ("commas", format!("crop={}", ",".repeat(1 << 20))),
        ("path", format!("clipPath=M0,0{}", "L1,1".repeat(1 << 16))),
        ("layers", (0..1000).map(|n| format!("layer={n}&src=a&")).collect()),
        ("effects", (1..1001).map(|n| format!("effect={n}&color=1&")).collect()),
        ("empty", "&".repeat(1 << 20)),
    ] {
        let _ = parse(&[SourceText::url(&text)], &options);
        assert!(start.elapsed().as_secs() < 20, "{name}");
    }
}
