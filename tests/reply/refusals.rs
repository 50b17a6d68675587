//! What is part of the protocol and not carried out yet: each is refused by name and never gives an image.

use super::*;
use crate::support::site::{get, property};

/// Command, and the word that the message has to hold.
const COMMANDS: &[(&str, &str)] = &[
    ("op_blur=2", "op_blur"),
    ("op_brightness=10", "op_brightness"),
    ("op_colorbalance=10,0,-10", "op_colorbalance"),
    ("op_colorize=ff0000", "op_colorize"),
    ("colorize=ff0000", "op_colorize"),
    ("op_contrast=10", "op_contrast"),
    ("op_grow=2", "op_grow"),
    ("op_hue=30", "op_hue"),
    ("op_invert=1", "op_invert"),
    ("op_noise=10", "op_noise"),
    ("op_saturation=-50", "op_saturation"),
    ("op_sharpen=1", "op_sharpen"),
    ("op_usm=1,2", "op_usm"),
    ("op_usmR=1,2", "op_usmR"),
    ("layer=0&op_blur=2", "op_blur"),
    ("op_growMask=2", "op_growMask"),
    ("op_growMaskR=2", "op_growMask"),
    ("clipPath=M0,0,L50,0,50,50,Z", "clipPath"),
    ("layer=0&clipPath=M0,0,L50,0,50,50,Z", "clipPath"),
    ("perspective=0,0,99,0,99,99,0,90", "perspective"),
    ("perspectiveN=0,0,1,0,1,1,0,.9", "perspective"),
    ("effect=1&color=000000&pos=3,3", "effect"),
    ("layer=0&effect=-1&color=000000", "effect"),
    ("layer=1&text=a", "layer"),
    ("text=a", "text"),
    ("textPs=a", "textPs"),
    ("src=ir(a?b)", "src=ir()"),
    ("mask=ir(a?b)", "mask=ir()"),
    ("layer=1&src=ir(a?b)", "src=ir()"),
    ("layer=1&src=a.png&op_blur=2", "op_blur"),
    ("src=is(a.png?op_blur=2)", "op_blur"),
    ("mask=is(a.png?text=a)", "text="),
    ("src=fxg(a?b)", "src=fxg()"),
    ("icc=sRGB", "icc"),
    ("fmt=avif", "fmt=avif"),
    ("fmt=avif-alpha", "fmt=avif"),
    ("fmt=jpeg2000", "fmt=jpeg2000"),
    ("fmt=jpeg2000-alpha", "fmt=jpeg2000"),
    ("fmt=jpegxr", "fmt=jpegxr"),
    ("fmt=jpegxr-alpha", "fmt=jpegxr"),
    ("fmt=heic", "fmt=heic"),
    ("fmt=eps", "fmt=eps"),
    ("fmt=pdf", "fmt=pdf"),
    ("fmt=swf", "fmt=swf"),
    ("fmt=swf-alpha", "fmt=swf"),
    ("fmt=swf3", "fmt=swf3"),
    ("fmt=swf3-alpha", "fmt=swf3"),
    ("fmt=f4m", "fmt=f4m"),
    ("fmt=m3u8", "fmt=m3u8"),
];

#[test]
fn a_command_that_is_not_carried_out_never_gives_an_image() {
    let site = shop();
    let service = site.service();
    for (command, word) in COMMANDS {
        for query in [format!("wid=20&{command}"), format!("{command}&.x")] {
            let reply = get(&service, &format!("m.png?{query}"));
            let message = property(&reply, "error.message").unwrap_or_else(|| text(&reply));
            assert_eq!(reply.status, 403, "?{query}: {message}");
            assert_eq!(mime(&reply), "text/plain", "?{query}");
            assert!(message.starts_with("Not supported"), "?{query}: {message}");
            let is_named = message.to_ascii_lowercase().contains(&word.to_ascii_lowercase());
            assert!(is_named, "?{query} names {word}: {message}");
        }
        // Nor is one saved, or told as properties of an image that would not come.
        if !command.contains("req=") {
            let props = get(&service, &format!("m.png?req=props&{command}"));
            assert_eq!(props.status, 403, "props of ?{command}");
            let save = format!("m.png?req=saveToFile&name=a.jpg&{command}");
            assert_eq!(get(&service, &save).status, 403, "save of ?{command}");
        }
    }
    assert_eq!(std::fs::read_dir(site.path("saved/web")).expect("the folder").count(), 0);
    assert!(!COMMANDS.is_empty());
}

#[test]
fn a_command_of_a_record_that_is_not_carried_out_is_refused_too() {
    let site = shop();
    site.write(
        "catalogs/shop.txt",
        "Id\tPath\tMaskPath\tModifier\tPostModifier\n\
        blur\ta.png\t\top_blur=3\t\npost\ta.png\t\t\top_invert=1\n\
        thumb\ta.png\t\treq=tmb\t\nsave\ta.png\t\treq=saveToFile&name=a.jpg\t\n\
        props\ta.png\t\treq=props\t\n",
    );
    let service = site.service();
    for (id, word) in [("blur", "op_blur"), ("post", "op_invert")] {
        let reply = get(&service, &format!("shop/{id}?wid=20"));
        let message = text(&reply).to_ascii_lowercase();
        assert_eq!(reply.status, 403, "{id}: {message}");
        assert!(message.contains(&word.to_ascii_lowercase()), "{id}: {message}");
    }
    assert_eq!(size(&get(&service, "shop/thumb?wid=20")), Size::new(20, 100), "req= of a Modifier");
    let image = get(&service, "shop/thumb?req=img&wid=20");
    assert_eq!(size(&image), Size::new(20, 15), "the URL wins");
    assert_eq!(mime(&get(&service, "shop/save?wid=20")), "image/jpeg", "RQ-137");
    assert_eq!(mime(&get(&service, "shop/props?wid=20")), "text/plain", "req= of a Modifier");
    let src = get(&service, "shop?src=blur&wid=20");
    assert_eq!(src.status, 403, "Modifier of a record in src=: {}", text(&src));
    assert_eq!(std::fs::read_dir(site.path("saved/web")).expect("the folder").count(), 0);
}

#[test]
fn commands_at_a_value_that_changes_nothing_are_carried_out() {
    let site = shop();
    let service = site.service();
    let plain = get(&service, "a.png?wid=20");
    for query in [
        "op_blur=0",
        "op_brightness=0",
        "op_contrast=0",
        "op_usm=0",
        "op_invert=0",
        "opac=100",
        "hide=0",
        "maskUse=norm",
        "op_blur=",
        "icc=",
        "template=",
        "layer=1&pos=5,5",
        "layer=1&hide=1&src=a.png",
        "effect=1&opac=0&color=000000",
        "blendMode=mult",
        "defaultImage=q.png",
        "foo=1",
        "op_noise=0",
    ] {
        let reply = get(&service, &format!("a.png?wid=20&{query}"));
        assert_eq!(reply.status, 200, "?{query}: {}", text(&reply));
        assert!(reply.body == plain.body, "?{query} changes nothing");
    }
}

#[test]
fn a_catalog_does_not_go_live_without_its_rules() {
    let broken = shop_with("", "", "RuleSetFile=nowhere.xml\n");
    assert_eq!(broken.get("shop/lake").status, 503, "a catalog without its rules does not go live");
    let off = shop_with("", "Watermark=mark\n", "Watermark=\n");
    assert_eq!(off.get("shop/lake?wid=20").status, 200, "an empty value switches off");
}
