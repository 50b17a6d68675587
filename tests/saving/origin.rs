//! Where `req=saveToFile` may come from: N-10, RQ-137, 17.9.4, U-save-origin.

use super::{Scene, assert_done};
use crate::support::site::{FIXTURE_INI, text};

fn scene() -> Scene {
    let files = [
        ("catalogs/cat.ini", "RootId=cat\nCatalogFile=cat.txt\nMacroFile=macros.txt\n"),
        (
            "catalogs/cat.txt",
            "Id\tPath\tModifier\tPostModifier\n\
             mod\tphoto.png\treq=saveToFile&name=mod.jpg\t\n\
             post\tphoto.png\t\treq=saveToFile&name=post.jpg\n\
             macro\tphoto.png\t$save$&name=macro.jpg\t\n\
             postmacro\tphoto.png\t\t$save$&name=macro.jpg\n\
             kept\tphoto.png\t\treq=img\n\
             props\tphoto.png\treq=props\t\n\
             plain\tphoto.png\t\t\n",
        ),
        (
            "catalogs/macros.txt",
            "Name\tDefinition\nsave\treq=saveToFile\nouter\t$save$&name=outer.jpg\nword\treq=$w$\n",
        ),
    ];
    Scene::with("", FIXTURE_INI, &files)
}

#[test]
fn a_record_or_nested_request_cannot_save() {
    let scene = scene();
    let before = scene.files();
    for (id, target) in [
        ("N-10 RQ-137 Modifier", "cat/mod"),
        ("N-10 RQ-137 PostModifier", "cat/post"),
        ("N-10 macro of the Modifier", "cat/macro"),
        ("N-10 macro of the PostModifier", "cat/postmacro"),
        ("N-10 Modifier, name of the URL", "cat/mod?name=a.jpg"),
        ("N-10 Modifier of a source", "?src=cat/mod&name=a.jpg"),
        ("N-10 PostModifier of a source", "?src=cat/post&name=a.jpg"),
        ("N-10 the command after the URL's", "cat/post?req=img&name=a.jpg"),
        ("N-10 variable", "cat/plain?$req=saveToFile&name=a.jpg"),
        ("N-10 layer", "cat/plain?layer=1&name=a.jpg"),
        ("N-10 encoded name", "cat/plain?%72eq=saveToFile&name=a.jpg"),
        ("N-10 default image", "none?defaultImage=cat/mod&name=a.jpg"),
    ] {
        let reply =
            scene.get(&format!("{target}{}wid=9", if target.contains('?') { "&" } else { "?" }));
        let is_image = reply.header("Content-Type") == Some("image/jpeg");
        assert!(is_image || reply.status == 403, "{id}: {}", text(&reply));
        assert_eq!(scene.files(), before, "{id}");
    }
    for (id, target) in [
        ("N-10 U-save-nested", "?src=is{cat/plain?req=saveToFile%26name=a.jpg}"),
        ("N-10 U-save-nested", "?src=is(cat/plain?req=saveToFile&name=a.jpg)&wid=9"),
        ("N-10 mask", "cat/plain?mask=is{cat/plain?req=saveToFile&name=a.jpg}"),
        ("N-10 template", "cat/plain?template=cat/mod"),
    ] {
        let reply = scene.get(target);
        assert_ne!(reply.status, 500, "{id}");
        assert_eq!(scene.files(), before, "{id}");
    }
}

#[test]
fn a_macro_or_variable_in_the_url_saves() {
    let scene = scene();
    for (id, target, name) in [
        ("17.9.4 macro", "cat/plain?$save$&name=a.jpg", "a.jpg"),
        ("17.9.4 macro in a macro", "cat/plain?$outer$", "outer.jpg"),
        ("17.1 variable", "cat/plain?$w=saveToFile&req=$w$&name=b.jpg", "b.jpg"),
        ("17.1 variable in a macro", "cat/plain?$w=saveToFile&$word$&name=c.jpg", "c.jpg"),
        ("17.1 encoded value", "cat/plain?req=save%54oFile&name=d.jpg", "d.jpg"),
        ("10.3 the URL before the Modifier", "cat/props?req=saveToFile&name=e.jpg", "e.jpg"),
        ("U-repeat last one", "cat/plain?req=img&req=saveToFile&name=f.jpg", "f.jpg"),
        ("a foreign one is as none", "cat/post?req=saveToFile", "post.jpg"),
    ] {
        scene.saves(id, target, name);
    }
    // An error of a macro's save has the form of a save.
    scene.refuses("17.7 macro", "cat/plain?$save$&name=../a.jpg", "Invalid file name");
}

#[test]
fn a_later_req_takes_the_save_back() {
    let scene = scene();
    let before = scene.files();
    for (id, target, mime) in [
        ("10.3 PostModifier", "cat/kept?req=saveToFile&name=a.jpg&wid=9", "image/jpeg"),
        ("U-repeat last one", "cat/plain?req=saveToFile&req=img&name=a.jpg&wid=9", "image/jpeg"),
        ("10.3 Modifier", "cat/props", "text/plain; charset=utf-8"),
    ] {
        let reply = scene.get(target);
        assert_eq!((reply.status, reply.header("Content-Type")), (200, Some(mime)), "{id}");
        assert_eq!(scene.files(), before, "{id}");
    }
    assert_done("that it could", &scene.get("cat/plain?req=saveToFile&name=a.jpg&wid=9"));
}
