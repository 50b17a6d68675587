//! Catalog attribute files: text in, typed and inherited attributes out.

use super::*;

fn attributes(ini: &str) -> (imprint::catalog::Attributes, Vec<String>) {
    let folder = Folder::new(&[("default.ini", ini)]);
    let (catalogs, faults) = folder.load();
    (catalogs.default_catalog().unwrap().attributes.clone(), faults)
}

#[test]
fn the_shipped_default_catalog_holds_the_built_in_values() {
    let text = include_str!("../../conf/default.ini");
    let folder = Folder::new(&[("default.ini", text)]);
    let mut faults = Vec::new();
    let catalogs = Catalogs::load(folder.path(), None, &mut faults);
    assert_eq!(shown(&faults, folder.path()), Vec::<String>::new());
    let shipped = &catalogs.default_catalog().unwrap().attributes;
    let (mut built_in, _) = attributes("");
    built_in.time_stamp_ms = shipped.time_stamp_ms;
    assert_eq!(*shipped, built_in);
    assert_eq!(shipped.save_path, None);
    assert_eq!(shipped.expiration, Expiration::Hours(10.0));
    assert_eq!((shipped.jpeg_quality, shipped.jpeg_chroma), (80, Chroma::Halved));
}

#[test]
fn attribute_files_are_read_as_documented() {
    let mut count = 0;
    for (name, text, jpeg, info) in [
        ("S-01 names without case", "jPEGquality=7", 7, None),
        ("S-02 the last one counts", "JpegQuality=5\nJpegQuality=7", 7, None),
        ("S-03 comment, blank, unknown", "# JpegQuality=5\n\n  \t\n #x\nFoo=1\n", 80, None),
        ("S-04 LF", "JpegQuality=7\nPublishInfo=a\n", 7, Some("a")),
        ("S-04 CR", "JpegQuality=7\rPublishInfo=a\r", 7, Some("a")),
        ("S-04 CR LF", "JpegQuality=7\r\nPublishInfo=a\r\n", 7, Some("a")),
        ("S-05 escaped newline", "PublishInfo=a\\\nb\nJpegQuality=7", 7, Some("a\nb")),
        ("S-05 escaped CR LF", "PublishInfo=a\\\r\nb", 80, Some("a\nb")),
        ("S-05 other backslashes stay", "PublishInfo=a\\b\\\\c", 80, Some("a\\b\\\\c")),
        ("S-06 UTF-8 behind the mark", "\u{feff}PublishInfo=é", 80, Some("é")),
        ("S-06 ISO-8859-1 without it", "PublishInfo=é", 80, Some("Ã©")),
        ("only the first = separates", "PublishInfo=a=b=c", 80, Some("a=b=c")),
        ("white space around tokens", "  PublishInfo  =  a b  ", 80, Some("a b")),
        (
            "K-15 doubled quotes",
            "PublishInfo='This month''s Special'",
            80,
            Some("This month's Special"),
        ),
        ("double quotes", "PublishInfo=\" a \"\"b\"\" \"", 80, Some(" a \"b\" ")),
        ("sections are ignored", "[x]\nJpegQuality=7", 7, None),
        ("malformed counts as undefined", "JpegQuality=101", 80, None),
    ] {
        let (attributes, _) = attributes(text);
        assert_eq!(attributes.jpeg_quality, jpeg, "{name}");
        assert_eq!(attributes.publish_info.as_deref(), info, "{name}");
        count += 1;
    }
    assert_eq!(count, 17);
}

#[test]
fn malformed_attributes_are_told_with_their_lines() {
    let (_, faults) = attributes(
        "RootId=x\nJpegQuality=0\nFullMatch=yes\nBkgColor=red\nFoo=1\nno value\n[s]\nMaxPix=0,5\nSavePath=../x\n\
         ClientAddressFilter=10.0.0.0/8, x\nAllowDirectAccess=exclude:IMG\nTimeStamp=yesterday\nRootPath=a/../b\n\
         RootUrl=ftp://x/\nExpiration=-2\n",
    );
    assert_eq!(
        faults,
        [
            "default.ini:6: warning: found no value, expected name=value; ignored",
            "default.ini:7: warning: found section [s], expected name=value; ignored",
            "default.ini:5: warning: attribute Foo is not known; ignored",
            "default.ini:2: warning: JpegQuality is 0, expected a quality from 1 to 100, then 0 or 1; ignored",
            "default.ini:12: warning: TimeStamp is yesterday, expected milliseconds since 1970, mm/dd/yyyy hh:mm:ss zone or mm/dd/yyyy hh:mm:ss GMT offset; ignored",
            "default.ini:13: warning: RootPath is a/../b, expected a folder without ..; ignored",
            "default.ini:9: error: SavePath is ../x, expected a relative folder without .., drive letter or control characters; saving is disabled",
            "default.ini:3: warning: FullMatch is yes, expected 0 or 1; ignored",
            "default.ini:11: warning: AllowDirectAccess names img, expected SVG, IS, STATIC, FXG, FLA, IR_VNT or IR_MAT",
            "default.ini:8: warning: MaxPix is 0,5, expected 0,0 or two whole numbers above 0; ignored",
            "default.ini:14: warning: RootUrl is ftp://x/, expected an absolute http or https URL; ignored",
            "default.ini:10: warning: ClientAddressFilter: address x matches nothing, expected an IPv4 or IPv6 address, optionally with /bits",
            "default.ini:4: warning: BkgColor is red, expected six hexadecimal digits, RRGGBB; ignored",
            "default.ini:15: warning: Expiration is -2, expected hours, 0 or more, or -1; ignored",
            "default.ini:1: warning: RootId is set, expected none in default.ini; ignored",
        ]
    );
}

#[test]
fn attributes_are_typed() {
    use imprint::catalog::{AccessType, Attributes, DirectAccess, ResMode, ThumbType};
    use imprint::geometry::Size;
    type Check = fn(&Attributes) -> bool;
    let mut count = 0;
    let rows: &[(&str, &str, Check)] = &[
        ("K-14 color with 0x", "BkgColor=0x80ff00", |a| a.bkg_color == [128, 255, 0]),
        ("K-14 color", "BkgColor=80ff00", |a| a.bkg_color == [128, 255, 0]),
        ("K-12 DigimarcId", "DigimarcId=404407,32,,,4", |a| {
            a.digimarc_id.is_some_and(|d| {
                (d.creator_id, d.creator_pin, d.durability, d.is_chroma) == (404_407, 32, 4, false)
            })
        }),
        ("K-13 DigimarcInfo basic", "DigimarcInfo=1,5,0,0", |a| a.digimarc_info == [1, 5, 0, 0]),
        ("K-13 DigimarcInfo id", "DigimarcInfo=2,0,4567,0", |a| a.digimarc_info == [2, 0, 4567, 0]),
        ("K-13 DigimarcInfo transaction", "DigimarcInfo=3,2,56483,0", |a| {
            a.digimarc_info == [3, 2, 56_483, 0]
        }),
        ("K-13 DigimarcInfo years", "DigimarcInfo=4,0,1998,2001", |a| {
            a.digimarc_info == [4, 0, 1998, 2001]
        }),
        ("K-10 CX-37 include", "AllowDirectAccess=include:IS,STATIC", |a| {
            let access = &a.allow_direct_access;
            access.allows(AccessType::Image)
                && access.allows(AccessType::Static)
                && !access.allows(AccessType::Svg)
        }),
        ("K-10 CX-37 without keyword", "AllowDirectAccess=IS,STATIC", |a| {
            a.allow_direct_access.allows(AccessType::Image)
                && !a.allow_direct_access.allows(AccessType::Svg)
        }),
        ("K-10 CX-38 exclude", "AllowDirectAccess=exclude:IS,STATIC", |a| {
            !a.allow_direct_access.allows(AccessType::Image)
                && a.allow_direct_access.allows(AccessType::Svg)
        }),
        ("K-10 CX-39 include nothing", "AllowDirectAccess=include:", |a| {
            !a.allow_direct_access.allows(AccessType::Image)
        }),
        ("K-10 CX-39 empty", "AllowDirectAccess=", |a| {
            !a.allow_direct_access.allows(AccessType::Image)
        }),
        ("K-10 CX-40 exclude nothing", "AllowDirectAccess=exclude:", |a| {
            a.allow_direct_access.allows(AccessType::Svg)
        }),
        ("U-ada-default", "", |a| a.allow_direct_access == DirectAccess::Exclude(Vec::new())),
        ("a mistyped exclusion closes", "AllowDirectAccess=exclude:IMG", |a| {
            !a.allow_direct_access.allows(AccessType::Image)
                && !a.allow_direct_access.allows(AccessType::Svg)
        }),
        ("S-31 MaxPix unlimited", "MaxPix=0,0", |a| a.max_pix.is_none()),
        ("S-31 MaxPix", "MaxPix=10, 20", |a| a.max_pix == Some(Size::new(10, 20))),
        ("S-32 open side", "DefaultPix=0,300", |a| a.default_pix == Size::new(0, 300)),
        ("S-33 JpegQuality", "JpegQuality=95,1", |a| {
            (a.jpeg_quality, a.jpeg_chroma) == (95, Chroma::Full)
        }),
        ("S-33 ResMode", "ResMode=3", |a| a.res_mode == ResMode::Bicub),
        ("S-33 ResMode 1 is 4", "ResMode=1", |a| a.res_mode == ResMode::Sharp2),
        ("S-34 ThumbType", "ThumbType=3", |a| a.thumb_type == ThumbType::Texture),
        ("S-35 never", "Expiration=-1", |a| a.expiration == Expiration::Never),
        ("S-35 at once", "Expiration=0", |a| a.expiration == Expiration::Hours(0.0)),
        ("real with exponent", "Resolution=1.5e2", |a| a.resolution == 150.0),
        ("no infinite numbers", "Resolution=inf", |a| a.resolution == 72.0),
        ("S-85 K-24 zone", "TimeStamp=07/25/2014 17:28:32 PDT", |a| {
            a.time_stamp_ms == 1_406_334_512_000
        }),
        ("S-85 K-24 offset", "TimeStamp=07/25/2014 17:28:32 GMT -7", |a| {
            a.time_stamp_ms == 1_406_334_512_000
        }),
        ("S-85 offset with minutes", "TimeStamp=07/26/2014 05:58:32 GMT +5:30", |a| {
            a.time_stamp_ms == 1_406_334_512_000
        }),
        ("S-85 milliseconds", "TimeStamp=1406334512000", |a| a.time_stamp_ms == 1_406_334_512_000),
        ("S-85 leap day", "TimeStamp=02/29/2000 00:00:00 UTC", |a| {
            a.time_stamp_ms == 951_782_400_000
        }),
        ("S-85 no such day", "TimeStamp=02/29/2001 00:00:00 UTC", |a| {
            a.time_stamp_ms == 1_400_000_001_000
        }),
        ("S-85 no zone", "TimeStamp=02/20/2001 00:00:00", |a| a.time_stamp_ms == 1_400_000_001_000),
        ("S-85 unknown zone", "TimeStamp=02/20/2001 00:00:00 XYZ", |a| {
            a.time_stamp_ms == 1_400_000_001_000
        }),
        ("lists keep quoted commas", "TrustedDomains=a.example, \"b,c\" ,,d", |a| {
            a.trusted_domains == ["a.example", "b,c", "d"]
        }),
        ("S-60 filter", "ClientAddressFilter=10.0.0.0/8", |a| {
            !a.client_address_filter.allows([11, 0, 0, 1].into())
                && a.client_address_filter.allows([10, 0, 0, 1].into())
        }),
        ("K-09 everyone is IPv6 too", "ClientAddressFilter=0.0.0.0/0", |a| {
            a.client_address_filter.allows("2001:db8::1".parse().unwrap())
        }),
        ("a filter of bad entries lets nobody in", "ClientAddressFilter=nonsense", |a| {
            !a.client_address_filter.allows([127, 0, 0, 1].into())
        }),
        ("S-61 lock", "RequestLock=1", |a| a.request_lock),
        ("S-62 obfuscation", "RequestObfuscation=1", |a| a.request_obfuscation),
    ];
    for (name, ini, check) in rows {
        let (attributes, faults) = attributes(ini);
        assert!(check(&attributes), "{name}: {ini}: {faults:?}");
        count += 1;
    }
    assert_eq!(count, 40);
}

#[test]
fn attributes_inherit_by_their_class() {
    let default = "JpegQuality=61\nDefaultImage=none\nCatalogFile=d.txt\nSavePath=def\nRootPath=droot\nFullMatch=1\n\
                   RequestLock=1\nClientAddressFilter=10.0.0.0/8\nLocaleMap=en,_E\n";
    type Check = fn(&imprint::catalog::Attributes) -> bool;
    let mut count = 0;
    let rows: &[(&str, &str, Check)] = &[
        ("S-13 A undefined", "", |a| a.jpeg_quality == 61),
        ("S-13 A empty", "JpegQuality=", |a| a.jpeg_quality == 61),
        ("A malformed", "JpegQuality=x", |a| a.jpeg_quality == 61),
        ("A own", "JpegQuality=9", |a| a.jpeg_quality == 9),
        ("S-14 B undefined", "", |a| a.default_image.as_deref() == Some("none")),
        ("S-14 B empty", "DefaultImage=", |a| a.default_image.is_none()),
        ("B root undefined", "", |a| a.root_path == "droot"),
        ("B root empty", "RootPath=", |a| a.root_path.is_empty()),
        ("S-16 C", "", |a| a.catalog_files.is_empty() && a.rule_set_file.is_none()),
        ("RQ-122 SavePath undefined", "", |a| a.save_path.as_deref() == Some("def")),
        ("RQ-122 SavePath empty disables", "SavePath=", |a| a.save_path.is_none()),
        ("RQ-122 SavePath own", "SavePath=own/x", |a| a.save_path.as_deref() == Some("own/x")),
        ("N-11 SavePath with ..", "SavePath=../out", |a| a.save_path.is_none()),
        ("N-11 SavePath with inner ..", "SavePath=a/../../out", |a| a.save_path.is_none()),
        ("N-11 SavePath absolute", "SavePath=/abs", |a| a.save_path.is_none()),
        ("N-11 SavePath with a drive", "SavePath=C:out", |a| a.save_path.is_none()),
        ("N-11 SavePath with backslash", "SavePath=a\\b", |a| a.save_path.is_none()),
        ("N-11 SavePath with NUL", "SavePath=a\0b", |a| a.save_path.is_none()),
        ("U-save-savepath-bad . is valid", "SavePath=.", |a| a.save_path.as_deref() == Some(".")),
        ("FullMatch inherits", "FullMatch=", |a| a.full_match),
        ("a malformed lock inherits", "RequestLock=on", |a| a.request_lock),
        ("a malformed filter does not inherit", "ClientAddressFilter=x", |a| {
            !a.client_address_filter.allows([10, 0, 0, 1].into())
        }),
        ("an empty filter inherits", "ClientAddressFilter=", |a| {
            a.client_address_filter.allows([10, 0, 0, 1].into())
                && !a.client_address_filter.allows([9, 0, 0, 1].into())
        }),
        ("LocaleMap empty switches off", "LocaleMap=", |a| a.locale_map.is_none()),
    ];
    for (name, own, check) in rows {
        let own = format!("RootId=cat\n{own}\n");
        let folder =
            Folder::new(&[("default.ini", default), ("cat.ini", &own), ("d.txt", "Id\nx\n")]);
        let (catalogs, faults) = folder.load();
        let catalog = catalogs.named("cat").unwrap().unwrap();
        assert!(check(&catalog.attributes), "{name}: {faults:?}");
        count += 1;
    }
    assert_eq!(count, 24);
}
