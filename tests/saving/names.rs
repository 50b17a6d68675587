//! `name=` as it comes in a URL: N-1 to N-5, N-8, N-9, N-12, RQ-125 to RQ-127, RQ-134. The rules are in tests/save.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Scene, assert_done};
use crate::support::site::{FIXTURE_INI, text};

const BAD: &str = "Invalid file name";

#[test]
fn bad_names_are_refused_however_they_are_written() {
    let scene = Scene::new();
    fs::create_dir(scene.saved("a")).expect("a folder");
    let mut count = 0;
    for (id, name) in [
        ("N-1", "../x.jpg"),
        ("N-1", "a/../../x.jpg"),
        ("N-1", ".."),
        ("N-1", "./x.jpg"),
        ("N-1", "a//x.jpg"),
        ("N-1", "/etc/x.jpg"),
        ("N-1", "//x"),
        ("N-1", "\\x"),
        ("N-1", "a\\..\\x.jpg"),
        ("N-1", "C:x.jpg"),
        ("N-2", "%2e%2e%2fx.jpg"),
        ("N-2", "%2E%2E/x.jpg"),
        ("N-2", "a%2f%2e%2e%2f..%2fx.jpg"),
        ("N-2", "..%5cx.jpg"),
        ("N-2", "%2fetc%2fx.jpg"),
        ("N-2", "..%2fx"),
        ("N-3", "%e0%80%ae"),
        ("N-4", "x%0a.jpg"),
        ("N-4", "x%0d%0aSet-Cookie:a=b.jpg"),
        ("N-4", "x%1b[2J.jpg"),
        ("N-4", "x%7f"),
        ("N-4", "x%c2%85"),
        ("N-5", ".htaccess"),
        ("N-5", "a/.hidden.jpg"),
        ("N-5 RQ-126", "x.php"),
        ("N-5", "x.php.jpg"),
        ("N-5", "x.svg"),
        ("N-5", "x.html"),
        ("N-5", "x.jpg%20"),
        ("N-5", "x.jpg+"),
        ("N-5", "x.jpg."),
        ("N-5", "x.jpg::$DATA"),
        ("N-8", ""),
        ("N-8", "%20"),
        ("N-8", "a.jpg&name=../b.jpg"),
        ("N-8", "a.jpg&NAME=../b.jpg"),
        ("N-8", "a.jpg&name="),
        ("W-7", "x.<script>alert(1)<"),
    ] {
        let id = format!("{id} {name:?}");
        scene.refuses(&id, &format!("photo.png?wid=9&req=saveToFile&name={name}"), BAD);
        count += 1;
    }
    assert_eq!(count, 38);
    scene.refuses("N-8 RQ-125 none", "photo.png?req=saveToFile", BAD);
    scene.refuses("N-4 NUL", "photo.png?req=saveToFile&name=x.jpg%00.png", "Invalid request");
    scene.refuses("N-2 escape", "photo.png?req=saveToFile&name=x%zz.jpg", "Invalid request");
}

#[test]
fn decoded_once_and_ordinary_names_are_files_of_that_name() {
    let scene = Scene::new();
    for (id, name, file) in [
        ("N-2 twice encoded", "%252e%252e%252fx.jpg", "%2e%2e%2fx.jpg"),
        ("N-3 overlong", "%c0%ae%c0%ae%c0%afx.jpg", "\u{c0}\u{ae}\u{c0}\u{ae}\u{c0}\u{af}x.jpg"),
        ("N-3 full width", "%EF%BC%8E%EF%BC%8Ex.jpg", "\u{ff0e}\u{ff0e}x.jpg"),
        ("N-7 option", "-rf.jpg", "-rf.jpg"),
        ("N-7 shell", "$(id);`id`|x*.jpg", "$(id);`id`|x*.jpg"),
        ("N-7 device", "con.jpg", "con.jpg"),
        ("N-8 last one", "../b.jpg&name=c.jpg", "c.jpg"),
        ("N-8 names are not decoded", "d.jpg&%6eame=../b.jpg", "d.jpg"),
        ("a blank inside", "e+f.jpg", "e f.jpg"),
        ("RQ-126 no suffix", "plain", "plain"),
        ("U-save-name bytes of UTF-8", "\u{e4}.jpg", "\u{e4}.jpg"),
    ] {
        scene.saves(id, &format!("photo.png?wid=9&req=saveToFile&name={name}"), file);
    }
}

#[test]
fn a_name_is_checked_after_variables_macros_and_records() {
    let files = [
        ("catalogs/cat.ini", "RootId=cat\nCatalogFile=cat.txt\nMacroFile=cat-macros.txt\n"),
        (
            "catalogs/cat.txt",
            "Id\tPath\tModifier\tPostModifier\n\
             bad\tphoto.png\tname=../x.jpg\t\n\
             post\tphoto.png\t\tname=..%2fx.jpg\n\
             var\tphoto.png\t$n=../x.jpg\t\n\
             good\tphoto.png\tname=good.jpg\t\n\
             slash\tphoto.png\t$s=/\t\n",
        ),
        (
            "catalogs/cat-macros.txt",
            "Name\tDefinition\nescape\tname=..%2f..%2fx.jpg\nok\tname=macro.jpg\n",
        ),
    ];
    let scene = Scene::with("", FIXTURE_INI, &files);
    for (id, target) in [
        ("N-9 RQ-134 variable", "cat/good?$n=../x.jpg&name=$n$"),
        ("N-9 encoded variable", "photo.png?$n=%2e%2e%2fx.jpg&name=$n$"),
        ("N-9 parts", "photo.png?$n=.&name=$n$$n$/x.jpg"),
        ("N-9 variable of the record", "cat/var?name=$n$"),
        ("N-9 slash of the record", "cat/slash?name=..$s$x.jpg"),
        ("N-9 macro", "cat/good?$escape$"),
        ("N-9 Modifier", "cat/bad?"),
        ("N-9 PostModifier", "cat/post?name=a.jpg"),
        ("N-9 an undefined variable is text", "photo.png?name=../$none$.jpg"),
    ] {
        scene.refuses(id, &format!("{target}&wid=9&req=saveToFile"), BAD);
    }
    scene.saves("RQ-134", "photo.png?$n=v&name=$n$.jpg&req=saveToFile", "v.jpg");
    scene.saves("17.9.4 Modifier", "cat/good?wid=9&req=saveToFile", "good.jpg");
    scene.saves("17.9.4 macro", "cat/good?wid=9&req=saveToFile&$ok$", "macro.jpg");
}

#[test]
fn a_refused_name_tells_nothing_of_what_exists() {
    let scene = Scene::new();
    scene.site.write("there.jpg", b"there");
    let body = |name: &str| {
        let reply = scene.get(&format!("photo.png?req=saveToFile&name={name}"));
        let body = text(&reply);
        let lines: Vec<String> =
            body.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        (reply.status, reply.headers.clone(), lines)
    };
    let first = body("../../there.jpg");
    for name in ["../../nowhere.jpg", "../../etc/x.jpg", "../../images/photo.png", "/etc/passwd"] {
        assert_eq!(body(name), first, "N-12 {name}");
    }
}

#[test]
fn links_that_leave_the_folder_are_refused() {
    let scene = Scene::new();
    fs::create_dir(scene.site.path("outside")).expect("a folder");
    scene.site.write("outside/secret.jpg", b"secret");
    fs::create_dir(scene.saved("inside")).expect("a folder");
    let link = |target: &str, name: &str| symlink(target, scene.saved(name)).expect("a link");
    link("../../outside/secret.jpg", "target.jpg");
    link("../../outside", "out");
    link("..", "up");
    link("inside", "in");
    link("nowhere.jpg", "dangling.jpg");
    link("/proc/self/root", "root");
    fs::create_dir(scene.saved("folder.jpg")).expect("a folder");
    let unwritten = "File could not be written";
    for (id, name, title) in [
        ("RQ-127 F-1 target", "target.jpg", unwritten),
        ("F-1 dangling", "dangling.jpg", unwritten),
        ("F-6 folder", "folder.jpg", unwritten),
        ("RQ-127 F-2 folder", "out/x.jpg", "Target folder does not exist"),
        ("F-2 magic", "root/tmp/x.jpg", "Target folder does not exist"),
        ("CX-79 RQ-124", "new/a.jpg", "Target folder does not exist"),
        ("RQ-124 a file", "target.jpg/a.jpg", "Target folder does not exist"),
    ] {
        let before = scene.files();
        let reply = scene.get(&format!("photo.png?wid=9&req=saveToFile&name={name}"));
        assert_eq!(reply.status, 403, "{id}");
        let body = text(&reply);
        assert!(
            body.contains(&format!("error.title={title}"))
                || body.contains(&format!("error.title={unwritten}")),
            "{id}: {body}"
        );
        assert_eq!(scene.files(), before, "{id}");
        assert!(!scene.saved("new").exists(), "{id}: no folder is created");
    }
    assert_done("F-2 inside", &scene.get("photo.png?wid=9&req=saveToFile&name=in/x.jpg"));
    assert!(scene.saved("inside/x.jpg").is_file(), "F-2 inside");
}
