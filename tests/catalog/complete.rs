//! The sample catalog in `complete/`: every attribute and every field of every table once, each with its type.
//!
//! Structures are written out in full, so that a new attribute or field does not compile here; names are compared with
//! those that the reader knows, so that one without a sample fails.

use std::collections::BTreeSet;

use super::*;
use imprint::catalog::{
    AccessType, Align, Attributes, CacheValidationPolicy, DefaultImageMode, DigimarcId,
    DirectAccess, FontRecord, ImageRecord, RecordKind, RenderIntent, ResMode, RuleContext,
    StaticRecord, ThumbType, attribute_names, table_fields,
};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalog/complete")
}

fn loaded() -> (Catalogs, Vec<String>) {
    let mut faults = Vec::new();
    let catalogs = Catalogs::load(&sample(), None, &mut faults);
    faults.retain(|fault| fault.severity != Severity::Note);
    (catalogs, shown(&faults, &sample()))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(sample().join(name)).unwrap()
}

/// The value of an attribute of the sample, as it stands there.
fn value(name: &str) -> Option<String> {
    let text = read("full.ini");
    let mut lines = text.lines().filter_map(|line| line.split_once(" = "));
    lines.find(|(own, _)| *own == name).map(|(_, value)| value.to_owned())
}

#[test]
fn every_attribute_and_field_has_a_sample() {
    let text = read("full.ini");
    let own: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
        .collect();
    let known: BTreeSet<&str> = attribute_names().iter().copied().collect();
    assert_eq!(own, known);
    assert_eq!(known.len(), 69);
    let mut count = 0;
    for (attribute, fields) in table_fields() {
        let table = read(&value(attribute).unwrap());
        let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<&str>>());
        let header = lines.next().unwrap();
        let row = lines.next().unwrap();
        for field in fields {
            let place = header.iter().position(|name| name == field);
            let text = place.and_then(|place| row.get(place));
            assert!(text.is_some_and(|text| !text.is_empty()), "{attribute} {field}");
            count += 1;
        }
    }
    assert_eq!(count, 62);
}

#[test]
fn the_sample_loads_with_the_documented_warning_alone() {
    let (catalogs, faults) = loaded();
    assert_eq!(
        faults,
        ["full.ini:14: warning: DigimarcId is set, but this server embeds no marks"]
    );
    assert_eq!(catalogs.all().len(), 2);
}

#[test]
fn every_attribute_of_the_sample_has_its_type() {
    let (catalogs, _) = loaded();
    let own = &catalogs.named("full").unwrap().unwrap().attributes;
    let text = |text: &str| Some(text.to_owned());
    let (loopback, faults) = AddressFilter::parse("127.0.0.0/8,::1");
    assert_eq!(faults, Vec::<String>::new());
    let expected = Attributes {
        root_id: "full".to_owned(),
        root_path: "pictures".to_owned(),
        catalog_files: vec!["images.txt".to_owned()],
        svg_catalog_files: vec!["svg.txt".to_owned()],
        static_content_catalog_files: vec!["static.txt".to_owned()],
        static_content_root_path: "files".to_owned(),
        font_map_file: text("fonts.txt"),
        macro_file: text("macros.txt"),
        icc_profile_map_file: text("profiles.txt"),
        rule_set_file: text("rules.xml"),
        save_path: text("web"),
        full_match: true,
        digimarc_id: Some(DigimarcId {
            creator_id: 101_001,
            creator_pin: 123_456,
            durability: 3,
            is_chroma: true,
        }),
        publish_info: text("sample, of everything"),
        cache_validation_policy: CacheValidationPolicy::Catalog,
        use_last_modified: true,
        synthesize_font_styles: false,
        allow_direct_access: DirectAccess::Include(vec![AccessType::Image, AccessType::Svg]),
        max_pix: Some((2000, 1000).into()),
        allow_direct_urls: true,
        root_url: text("https://images.example.com/is/image/"),
        request_obfuscation: true,
        request_lock: true,
        watermark: text("mark"),
        error_image: text("error"),
        error_detail: 2,
        trusted_domains: vec!["a.example.com".to_owned(), "b.example.com".to_owned()],
        default_expiration: Expiration::Hours(0.5),
        non_img_expiration: Expiration::Hours(0.25),
        // Their own values are compared below.
        locale_map: own.locale_map.clone(),
        locale_str_map: own.locale_str_map.clone(),
        default_image_mode: DefaultImageMode::Layer,
        client_address_filter: loopback,
        apply_effect_mask: false,
        bfc: true,
        default_ext: text(".tif"),
        default_font: text("Sample"),
        default_image: text("none"),
        default_pix: (300, 200).into(),
        default_thumb_pix: (90, 80).into(),
        bkg_color: [0x10, 0x20, 0x30],
        jpeg_quality: 75,
        jpeg_chroma: Chroma::Full,
        res_mode: ResMode::Bicub,
        default_locale: text("de"),
        icc_profile_cmyk: text("inks"),
        icc_profile_gray: text("gray"),
        icc_profile_rgb: text("screen"),
        icc_profile_src_cmyk: text("inks-in"),
        icc_profile_src_gray: text("gray-in"),
        icc_profile_src_rgb: text("screen-in"),
        icc_render_intent: RenderIntent::Saturation,
        icc_black_point_compensation: false,
        icc_dither: true,
        thumb_bkg_color: [0x40, 0x50, 0x60],
        thumb_horiz_align: Align::Start,
        thumb_vert_align: Align::End,
        thumb_type: ThumbType::Texture,
        thumb_res: 0.5,
        resolution: 150.0,
        print_resolution: 300,
        digimarc_info: [4, 5, 2001, 2002],
        expiration: Expiration::Never,
        time_stamp_ms: 1_741_079_702_000,
        http_apple_streaming_context: text("http://stream.example.com/apple"),
        http_flash_streaming_context: text("http://stream.example.com/flash"),
    };
    assert_eq!(own, &expected);
    let full = catalogs.named("full").unwrap().unwrap();
    let suffixes = |locale| full.suffixes(locale).unwrap().iter().collect::<Vec<&str>>();
    for (locale, expected) in
        [(Some("DE"), ["_D", ""].as_slice()), (Some("fr"), &["_F"]), (Some("x"), &[""])]
    {
        assert_eq!(suffixes(locale), expected, "LocaleMap {locale:?}");
    }
    assert_eq!(suffixes(None), suffixes(Some("de")), "DefaultLocale");
    assert_eq!(full.localizer(None).unwrap().string("Shoe^loc=D^Schuh"), "Schuh", "LocaleStrMap");
}

#[test]
fn every_field_of_the_sample_has_its_type() {
    let (catalogs, _) = loaded();
    let full = catalogs.named("full").unwrap().unwrap();
    let property = |text| Some(PropertyText { text, is_quoted: false });
    let shoe = ImageRecord {
        id: "shoe",
        kind: RecordKind::Image,
        path: Some("shoes/one.tif"),
        mask_path: Some("shoes/one_mask.tif"),
        modifier: Some("$view$&qlt=60"),
        post_modifier: Some("fmt=jpeg"),
        anchor: Some((120, -7)),
        resolution: Some(300.0),
        print_resolution: Some(600),
        size: Some((4000, 3000).into()),
        expiration: Some(Expiration::Hours(2.5)),
        time_stamp_ms: Some(1_741_079_702_000),
        thumb_type: Some(ThumbType::Crop),
        thumb_res: Some(0.25),
        digimarc_info: Some([2, 3, 17, 0]),
        icc_profile: Some("screen"),
        image_set: Some("shoe;{0xff0000Red},shoe_D"),
        asset_type: Some("IMAGESET"),
        map: Some("<AREA COORDS=\"0,0,9,9\" ALT=\"Shoe^loc=D^Schuh\">"),
        targets: property("Target.1.rect=0,0,9,9??Target.1.label=Toe"),
        user_data: property("title=Shoe^loc=D^Schuh??size=42"),
        user_type: Some("shoe"),
    };
    assert_eq!(full.image_record("shoe"), Some(shoe));
    let logo = ImageRecord {
        id: "logo",
        kind: RecordKind::Svg,
        path: Some("logos/one.svg"),
        mask_path: Some("logos/mask.tif"),
        modifier: Some("bgc=ffffff"),
        post_modifier: Some("wid=100"),
        anchor: Some((1, 2)),
        resolution: Some(72.0),
        print_resolution: Some(96),
        size: Some((64, 32).into()),
        expiration: Some(Expiration::Never),
        time_stamp_ms: Some(1_741_079_702_000),
        thumb_type: Some(ThumbType::Fit),
        thumb_res: Some(1.5),
        digimarc_info: Some([1, 0, 0, 0]),
        icc_profile: Some("gray"),
        image_set: Some("logo"),
        asset_type: Some("SPINSET"),
        map: Some("<AREA>"),
        targets: property("Target.1.rect=0,0,1,1"),
        user_data: property("plain words"),
        user_type: Some("vector"),
    };
    assert_eq!(full.image_record("logo"), Some(logo));
    let movie = StaticRecord {
        id: "movie",
        path: Some("movies/one.mp4"),
        expiration: Some(Expiration::Hours(0.0)),
        time_stamp_ms: Some(1_741_079_702_000),
        user_type: Some("mp4"),
        user_data: property("length=30"),
        video_bit_rate: Some(1_500_000),
        audio_bit_rate: Some(128_000),
        total_stream_bit_rate: Some(1_700_000),
        video_size: Some((1280, 720).into()),
    };
    assert_eq!(full.static_record("movie"), Some(movie));
    let fonts = [
        FontRecord {
            name: "Sample",
            bold: false,
            italic: false,
            font_path: "fonts/sample.ttf",
            metrics_path: Some("fonts/sample.afm"),
            ps_name: Some("Sample-Regular"),
        },
        FontRecord {
            name: "Sample",
            bold: true,
            italic: true,
            font_path: "fonts/sample-bi.ttf",
            metrics_path: Some("fonts/sample-bi.afm"),
            ps_name: Some("Sample-BoldItalic"),
        },
    ];
    assert_eq!(full.fonts().collect::<Vec<_>>(), fonts);
    assert_eq!(catalogs.macro_definition(full, "VIEW"), Some("$small$&fmt=png"));
    assert_eq!(catalogs.macro_definition(full, "small"), Some("wid=40"));
    let file = |root: Option<&str>, path: &str| {
        let root = root.map(str::to_owned);
        Profile::File(SourcePath { root, path: path.to_owned() })
    };
    let screen = file(None, "pictures/icc/screen.icc");
    assert_eq!(catalogs.profile(full, "screen").unwrap(), screen);
    let inks = file(Some("/usr/share/icc"), "inks.icc");
    assert_eq!(catalogs.profile(full, "inks").unwrap(), inks);
    let applied = full.rules().unwrap().apply("full/small/shoe", RuleContext::Image, None).unwrap();
    assert_eq!(applied.text, "full/shoe?wid=40");
}
