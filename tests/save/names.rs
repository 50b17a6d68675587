//! What `name=` accepts: N-1 to N-8, N-12, RQ-125, RQ-126.

use std::fs;

use imprint::save::{INVALID_NAME, SaveName, SuffixRules, Suffixes};

use super::{QUICK, Scene, save, title};

#[test]
fn names_that_lead_elsewhere_or_hide_are_refused() {
    let long = "x".repeat(256);
    let name_1025 =
        ["y".repeat(255), "y".repeat(255), "y".repeat(255), "y".repeat(255), "y".into()].join("/");
    assert_eq!(name_1025.len(), 1025);
    let wide = format!("{}xx", "\u{ff0e}".repeat(85));
    let cases = [
        ("N-1", "../x.jpg"),
        ("N-1", "a/../../x.jpg"),
        ("N-1", ".."),
        ("N-1", "."),
        ("N-1", "./x.jpg"),
        ("N-1", "a/./x.jpg"),
        ("N-1", "a//x.jpg"),
        ("N-1 RQ-125", "/etc/x.jpg"),
        ("N-1", "//x"),
        ("N-1", "\\x"),
        ("N-1 RQ-125", "a\\..\\x.jpg"),
        ("N-1", "C:x.jpg"),
        ("N-1", "a/.."),
        ("N-1", "x/"),
        ("N-2 decoded once", "..\\x"),
        ("N-3 %e0%80%ae as Latin-1 holds a control character", "\u{e0}\u{80}\u{ae}"),
        ("N-4 RQ-125", "x.jpg\0.png"),
        ("N-4", "x\n.jpg"),
        ("N-4", "x\r\nSet-Cookie:a=b.jpg"),
        ("N-4", "x\u{1b}[2J.jpg"),
        ("N-4", "x\u{7f}"),
        ("N-4", "x\u{85}"),
        ("N-5 RQ-125", ".htaccess"),
        ("N-5", ".user.ini"),
        ("N-5", "a/.hidden.jpg"),
        ("N-5", ".hidden/a.jpg"),
        ("N-5", "web.config"),
        ("N-5 RQ-126", "x.php"),
        ("N-5", "x.PHP"),
        ("N-5", "x.php.jpg"),
        ("N-5", "x.PhP.a.jpg"),
        ("N-5", "x.pHp5"),
        ("N-5", "x.jsp"),
        ("N-5", "x.cgi"),
        ("N-5", "x.shtml"),
        ("N-5", "x.html"),
        ("N-5", "x.svg"),
        ("N-5", "x.js"),
        ("N-5", "x.so"),
        ("N-5", "x.jpg."),
        ("N-5", "x.jpg "),
        ("N-5", "x.jpg::$DATA"),
        ("N-5", "x.jpg.tmp"),
        ("N-5", " x.jpg"),
        ("N-5", "a /x.jpg"),
        ("N-5", "a./x.jpg"),
        ("N-6 element of 256", long.as_str()),
        ("N-6 name of 1025", name_1025.as_str()),
        ("N-6 element of 257 in 87 characters", wide.as_str()),
        ("N-8 RQ-125", ""),
        ("N-8", " "),
        ("N-8", "../b.jpg"),
        ("N-8", "../b"),
    ];
    let scene = Scene::new();
    for (label, folder) in scene.folders(QUICK) {
        for (id, text) in cases {
            let result = save(&folder, "out", text, b"x");
            assert_eq!(title(&result), INVALID_NAME, "{label}, {id}: {text:?}");
            let error = result.expect_err(id);
            assert_eq!(error.public_text(1), INVALID_NAME, "{id}: {text:?}");
            assert!(!error.public_text(2).contains(char::is_control), "{id}: {text:?}");
            scene.check(id);
        }
    }
    let missing = SaveName::new(None, &SuffixRules::default());
    assert_eq!(missing.map_err(|e| e.title()), Err(INVALID_NAME), "N-8 no name");
    assert_eq!(fs::read_dir(scene.out()).expect("out").count(), 1, "only the sub-folder");
}

#[test]
fn ordinary_names_are_files_of_exactly_that_name() {
    let scene = Scene::new();
    let longest = format!("{}.jpg", "x".repeat(251));
    let wide = "\u{ff0e}".repeat(85);
    let deep = vec!["d"; 60].join("/");
    fs::create_dir_all(scene.out().join(&deep)).expect("folders");
    let deep = format!("{deep}/x.jpg");
    let name_1024 = ["y".repeat(255), "y".repeat(255), "y".repeat(255), "y".repeat(250)].join("/");
    fs::create_dir_all(scene.out().join(&name_1024)).expect("folders");
    let name_1024 = format!("{name_1024}/x.jpg");
    assert_eq!(name_1024.len(), 1024);
    fs::create_dir(scene.out().join("~root")).expect("a folder");
    for (label, folder) in scene.folders(QUICK) {
        for (id, text) in [
            ("RQ-126", "x.jpg"),
            ("RQ-126 no suffix", "x"),
            ("RQ-126 case", "x.JPEG"),
            ("RQ-126 unknown inner part", "x.2024.v1..png"),
            ("RQ-126 the part before the first dot is no suffix", "php.jpg"),
            ("RQ-126 a part that only contains a denied one", "x.phps.jpg"),
            ("N-1 a tilde", "~root/x.jpg"),
            ("N-2 what is encoded twice is literal", "%2e%2e%2fx"),
            ("N-2", "..%2fx.jpg".trim_start_matches('.')),
            ("N-3 overlong, as Latin-1", "\u{c0}\u{ae}\u{c0}\u{ae}\u{c0}\u{af}x"),
            ("N-3 not UTF-8, as Latin-1", "\u{ff}\u{fe}"),
            ("N-3 full-width dots and slash", "\u{ff0e}\u{ff0e}\u{ff0f}x.jpg"),
            ("N-3 look-alikes", "\u{2024}\u{2024}\u{2215}x.jpg"),
            ("N-6 element of 255", longest.as_str()),
            ("N-6 element of 255 in 85 characters", wide.as_str()),
            ("N-6 name of 1024", name_1024.as_str()),
            ("N-6 60 folders", deep.as_str()),
            ("N-7", "-rf.jpg"),
            ("N-7", "--help.png"),
            ("N-7", "$(id).jpg"),
            ("N-7", "`id`.jpg"),
            ("N-7", "a;b.jpg"),
            ("N-7", "*.jpg"),
            ("N-7", "|x.png"),
            ("N-7", "con.jpg"),
            ("N-7", "aux"),
            ("N-7", "nul.png"),
            ("N-7", "com1"),
            ("N-7", "a b 'c' \"d\".jpg"),
        ] {
            let bytes = format!("{label} {text}");
            let result = save(&folder, "out", text, bytes.as_bytes());
            assert_eq!(title(&result), "saved", "{label}, {id}: {text:?}");
            let found = fs::read(scene.out().join(text)).expect(id);
            assert_eq!(found, bytes.as_bytes(), "{label}, {id}: {text:?}");
            scene.check(id);
        }
    }
}

#[test]
fn suffix_rules_are_configurable() {
    let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let any = SuffixRules { allowed: Suffixes::Any, denied_inside: list(&["php"]) };
    let one = SuffixRules { allowed: Suffixes::Listed(list(&["dat"])), denied_inside: list(&[]) };
    for (id, rules, text, is_accepted) in [
        ("U-save-suffix any", &any, "x.html", true),
        ("U-save-suffix any, inner part", &any, "x.php.html", false),
        ("U-save-suffix listed", &one, "x.DAT", true),
        ("U-save-suffix not listed", &one, "x.jpg", false),
        ("U-save-suffix no inner rule", &one, "x.php.dat", true),
        ("U-save-suffix none", &one, "x", true),
    ] {
        assert_eq!(SaveName::new(Some(text), rules).is_ok(), is_accepted, "{id}: {text}");
    }
}

#[test]
fn a_refused_name_tells_nothing_of_what_exists() {
    let scene = Scene::new();
    let folder = &scene.folders(QUICK)[0].1;
    let texts: Vec<String> = ["../../etc/x.jpg", "../../nowhere/x.jpg", "../outside/secret.jpg"]
        .iter()
        .map(|text| save(folder, "out", text, b"x").map_err(|e| e.public_text(1)))
        .map(|result| result.expect_err("N-12"))
        .collect();
    assert!(texts.iter().all(|text| text == INVALID_NAME), "N-12: {texts:?}");
}
