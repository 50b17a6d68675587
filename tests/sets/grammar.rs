//! The text of `catalog::ImageSet`: what each piece is, and what is refused by which words.

use std::time::{Duration, Instant};

use imprint::catalog::{ImageSet, SetField, SetItem, SetShape, SetType};
use imprint::error::Kind;

/// A set as text: items in `[]`, parameters between `;`, pages between `:`, sets in `{}`, colors as `#rrggbb'label'`.
fn told(set: &ImageSet) -> String {
    let field = |field: &SetField| match field {
        SetField::Empty => "-".to_owned(),
        SetField::Id(id) => id.clone(),
        SetField::Pages(pages) => pages.join(":"),
        SetField::Color { rgb: [r, g, b], label } => {
            let label = label.as_ref().map(|label| format!("'{label}'")).unwrap_or_default();
            format!("#{r:02x}{g:02x}{b:02x}{label}")
        }
        SetField::Inline(set) => format!("{{{}}}", told(set)),
    };
    let item = |item: &SetItem| {
        let fields: Vec<String> = item.fields.iter().map(field).collect();
        format!("[{}]", fields.join(";"))
    };
    set.items.iter().map(item).collect()
}

#[test]
fn each_syntax_of_the_table_is_read() {
    let cases = [
        ("empty", "", ""),
        ("blanks alone", "  ", ""),
        ("RQ-108 basic swatch set", "a,b", "[a][b]"),
        ("swatches", "a;s1,b;s2", "[a;s1][b;s2]"),
        ("color", "a;{0xff8000}", "[a;#ff8000]"),
        ("color with label", "a;{0xFF8000Dark orange},b", "[a;#ff8000'Dark orange'][b]"),
        ("color in parentheses", "a;(0X0000ffBlue)", "[a;#0000ff'Blue']"),
        ("encoded label", "a;{0x000000%7B%2C%3B%3A%7D%28%29}", "[a;#000000'{,;:}()']"),
        ("digits of a label", "a;{0x00000012}", "[a;#000000'12']"),
        ("no color", "a;{0x0000}", "[a;{[0x0000]}]"),
        ("no color in the first place", "{0xff0000}", "[{[0xff0000]}]"),
        ("hierarchical", "set;sw,{set2;{0x010203}}", "[set;sw][{[set2;#010203]}]"),
        ("basic spin set", "a,b,c", "[a][b][c]"),
        ("U-set-spin-sep", "{a;b;c}", "[{[a;b;c]}]"),
        ("2-D spin set", "a,{b,c},{d;e},s", "[a][{[b][c]}][{[d;e]}][s]"),
        ("page set", "a,b:c,d:e:f", "[a][b:c][d:e:f]"),
        (
            "media set",
            "v;s,r;s;video,i;;img,set;s;spin;x",
            "[v;s][r;s;video][i;-;img][set;s;spin;x]",
        ),
        ("inline set", "{a:b,c};s;ecat", "[{[a:b][c]};s;ecat]"),
        ("inline in inline", "{a,{b,(c)}}", "[{[a][{[b][{[c]}]}]}]"),
        ("empty inline", "{},( )", "[{}][{}]"),
        ("empty parameters", "a;;;", "[a;-;-;-]"),
        ("repetition", "a,a,a", "[a][a][a]"),
        ("paths", "/abs/x.tif,dir/y.tif", "[/abs/x.tif][dir/y.tif]"),
        ("rootId", "cat/a,cat/b", "[cat/a][cat/b]"),
        ("encoded separators", "a%2Cb,c%3bd,e%3Af,g%7b%7D,h%28%29", "[a,b][c;d][e:f][g{}][h()]"),
        ("decoded once", "a%252Cb", "[a%2Cb]"),
        ("plus is itself", "a+b", "[a+b]"),
        ("U-charset UTF-8", "caf%C3%A9,%e2%98%83", "[café][☃]"),
        ("U-charset Latin-1", "caf%E9", "[café]"),
        ("not encoded", "café", "[café]"),
        ("blanks around", " a ; s , b : c ", "[a;s][b:c]"),
        ("encoded blanks are kept", "%20a%20", "[ a ]"),
        (
            "localized label",
            "a;{0x000000Black^loc=de^Schwarz}",
            "[a;#000000'Black^loc=de^Schwarz']",
        ),
    ];
    for (name, text, expected) in cases {
        let set = ImageSet::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(told(&set), expected, "{name}: {text}");
    }
    assert_eq!(cases.len(), 33);
}

#[test]
fn what_is_no_set_is_refused_with_the_item() {
    let cases = [
        ("nothing between commas", "a,,b", "item 2 of", "is empty"),
        ("nothing behind a comma", "a,", "item 2 of", "is empty"),
        ("a swatch alone", ";s", "item 1 of", "is empty"),
        ("four pages", "x,a:b:c:d", "item 2 of", "has 4 pages"),
        ("a page without id", "a::b", "item 1 of", "has a page without id"),
        ("a page missing", "a:", "item 1 of", "has a page without id"),
        ("S-43 open", "a,{b", "item 2.1 of", "has an open bracket"),
        ("S-43 closed", "a},b", "item 1 of", "has a } that nothing opens"),
        ("S-43 crossed", "{a,(b})", "item 1.2.1 of", "has a } that nothing opens"),
        ("bracket within an id", "a{b}", "item 1 of", "has { within an id"),
        ("text behind a bracket", "{a}b", "item 1 of", "has 'b' behind a bracket"),
        ("two groups", "{a}{b}", "item 1 of", "has '{' behind a bracket"),
        ("pages behind a bracket", "{a}:b", "item 1 of", "has ':' behind a bracket"),
        ("inner item", "a,{b,{c,,d}}", "item 2.2.2 of", "is empty"),
        ("bad escape", "a,b%zz", "item 2 of", "has a bad escape"),
        ("cut escape", "a%4", "item 1 of", "has a bad escape"),
        ("NUL", "a%00b", "item 1 of", "has a bad escape"),
        ("color with a separator", "a;{0xff0000Red;x}", "item 1 of", "has a color without }"),
        ("color closed by the other", "a;{0xff0000Red)", "item 1 of", "has a color without }"),
    ];
    for (name, text, place, what) in cases {
        let error = ImageSet::parse(text).expect_err(name);
        assert_eq!(error.kind(), Kind::Syntax, "{name}: {error}");
        let detail = error.detail();
        assert!(detail.starts_with(place) && detail.contains(what), "{name}: {detail}");
    }
    assert_eq!(cases.len(), 19);
}

#[test]
fn separators_show_what_a_set_is() {
    let cases = [
        ("RQ-108 colon", "a,b:c", SetShape::Pages),
        ("colon before semicolons", "a;;x,b:c", SetShape::Pages),
        ("two semicolons", "a,b;;", SetShape::Media),
        ("three semicolons", "a;s;img;", SetShape::Media),
        ("one semicolon", "a,b;s", SetShape::Swatches),
        ("empty swatch", "a;", SetShape::Swatches),
        ("color in brackets", "{set;{0x000000}}", SetShape::Swatches),
        ("inline", "a,{b,c}", SetShape::Groups),
        ("inline with semicolons", "{a;b},{c;d;e}", SetShape::Groups),
        ("pages within brackets do not count", "{a:b};s;ecat", SetShape::Media),
        ("plain", "a,b", SetShape::Plain),
    ];
    for (name, text, shape) in cases {
        let set = ImageSet::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(set.shape(), shape, "{name}: {text}");
    }
}

#[test]
fn words_for_types_are_those_of_the_tables() {
    use SetType::{Ecat, Img, ImgSet, MediaSet, Spin, Static, Video, VideoSet};
    for (word, kind) in [
        ("MEDIASET", Some(MediaSet)),
        ("SPINSET", Some(Spin)),
        ("SPINSET2D", Some(Spin)),
        ("VIDEOSET", Some(VideoSet)),
        ("IMAGESET", Some(ImgSet)),
        ("ECATALOG", Some(Ecat)),
        ("ecatalog", Some(Ecat)),
        ("IMAGE", None),
        ("", None),
    ] {
        assert_eq!(SetType::of_asset(word), kind, "RQ-108 {word}");
    }
    for (word, kind) in [
        ("img", Some(Img)),
        ("basic", Some(Img)),
        ("advanced_image", Some(Img)),
        ("img_set", Some(ImgSet)),
        ("advanced_image_set", Some(ImgSet)),
        ("advanced_imageset", Some(ImgSet)),
        ("advanced_swatchset", Some(ImgSet)),
        ("spin", Some(Spin)),
        ("video", Some(Video)),
        ("video_set", Some(VideoSet)),
        ("static", Some(Static)),
        ("ecat", Some(Ecat)),
        ("media_set", None),
        ("recut", None),
    ] {
        assert_eq!(SetType::of_item(word), kind, "U-set-imageset-spelling {word}");
    }
}

#[test]
fn hostile_text_ends_soon() {
    let deep = |levels: usize, open: &str, close: &str| {
        format!("{}a{}", open.repeat(levels), close.repeat(levels))
    };
    assert!(ImageSet::parse(&deep(99, "{", "}")).is_ok(), "99 levels of brackets");
    for (name, text, what) in [
        ("1,000 deep", deep(1_000, "{", "}"), "levels"),
        ("1,000 deep in parentheses", deep(1_000, "(", ")"), "levels"),
        ("1,000,000 deep", deep(1_000_000, "{", "}"), "levels"),
        ("1,000,000 open", "{".repeat(1_000_000), "levels"),
        ("deep in the second place", deep(1_000, "a;{", "}"), "levels"),
        ("100,000 items", "a,".repeat(100_000), "10000 items"),
        ("100,000 inner items", format!("{{{}a}}", "a,".repeat(100_000)), "10000 items"),
        ("10,001 sets of one", "{a},".repeat(10_001) + "a", "10000 items"),
        ("100,000 parameters", "a;".repeat(100_000), "40000 parameters"),
        ("100,000 pages", "a:".repeat(100_000) + "a", "40000 parameters"),
    ] {
        let start = Instant::now();
        let error = ImageSet::parse(&text).expect_err(name);
        let took = start.elapsed();
        assert_eq!(error.kind(), Kind::TooLarge, "{name}: {error}");
        assert!(error.detail().contains(what), "{name}: {error}");
        assert!(took < Duration::from_millis(200), "{name} took {took:?}");
    }
    let most = vec!["a;b;c;d"; 10_000].join(",");
    assert_eq!(ImageSet::parse(&most).map(|set| set.items.len()).ok(), Some(10_000));
    let long = "x".repeat(4_000_000);
    assert!(ImageSet::parse(&long).is_ok(), "one long id");
}
