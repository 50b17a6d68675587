//! `imprint explain`: where each command of a request comes from, and what the plan makes of them.

use std::process::Command;

use serde_json::Value;

use crate::support::pictures::{flat, png};
use crate::support::site::{FIXTURE_INI, Site, get, request, text};

const RECORDS: &str = "\
Id\tPath\tModifier\tPostModifier
lake\ta.png\tresMode=bilin&wid=5\tqlt=44
card\t\tsize=40,30&color=ffffff&layer=1&src=lake&size=10,10\t
";

const RULES: &str = "<?xml version=\"1.0\"?><ruleset>\
    <rule Name=\"large\" OnMatch=\"continue\"><expression>_hg(?=\\?|$)</expression>\
    <substitution></substitution></rule>\
    <rule Name=\"sharp\"><substitution>&amp;fmt=png</substitution></rule></ruleset>";

fn site() -> Site {
    let site = Site::with("", &format!("{FIXTURE_INI}ErrorDetail=2\nDefaultPix=30,30\n"));
    site.image("a.png", png(&flat(60, 40, [255, 0, 0])));
    site.write("catalogs/shop.txt", RECORDS);
    site.write("catalogs/macros.txt", "Name\tDefinition\nsmall\twid=20&bgc=ff0000\n");
    site.write("catalogs/rules.xml", RULES);
    site.write(
        "catalogs/shop.ini",
        "RootId=shop\nCatalogFile=shop.txt\nMacroFile=macros.txt\nRuleSetFile=rules.xml\n",
    );
    site
}

fn run(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_imprint"))
        .args(["explain", "-c"])
        .arg(site.path("imprint.conf"))
        .args(arguments)
        .env_remove("GATEWAY_INTERFACE")
        .output()
        .expect("the program starts");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn explained(site: &Site, target: &str) -> Value {
    let (_, json) = run(site, &["--json", target]);
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// `name=value origin` of the commands that count.
fn commands(explained: &Value) -> Vec<String> {
    let word = |command: &Value, name: &str| {
        command.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let list = explained.get("commands").and_then(Value::as_array).expect("commands");
    list.iter()
        .filter(|command| command.get("idle") == Some(&Value::Bool(false)))
        .map(|command| {
            let scope = word(command, "scope");
            let (name, value) = (word(command, "name"), word(command, "value"));
            format!("{scope} {name}={value} from {}", word(command, "origin"))
        })
        .collect()
}

#[test]
fn every_command_is_told_with_its_origin() {
    let site = site();
    for (target, expected) in [
        ("shop/lake?wid=20", "comp wid=20 from URL"),
        ("shop/lake", "comp wid=5 from Modifier"),
        ("shop/lake?qlt=90", "comp qlt=44 from PostModifier"),
        ("shop/lake?$small$", "comp wid=20 from macro small (URL)"),
        ("shop/lake_hg?wid=9", "comp fmt=png from rule"),
        ("shop/lake_hg?wid=9", "comp wid=9 from URL"),
        ("shop/x?template=card", "layer=0 size=40,30 from template"),
        ("shop/x?template=card", "layer=1 src=lake from template"),
        ("shop?src=lake", "comp qlt=44 from PostModifier"),
        ("a.png", "comp fmt=jpeg from default"),
        ("a.png", "comp qlt=80 from default JpegQuality"),
        ("a.png", "comp bgc=ffffff from default BkgColor"),
        ("a.png", "comp size of the reply at most=30,30 from default DefaultPix"),
        ("a.png?req=tmb", "comp size of the thumbnail=100,100 from default DefaultThumbPix"),
        ("a.png?foo=1&wid=2", "comp wid=2 from URL"),
    ] {
        let found = commands(&explained(&site, target));
        assert!(
            found.iter().any(|command| command == expected),
            "{target}: {expected}\n{found:#?}"
        );
    }
    let ruled = explained(&site, "shop/lake_hg?wid=9");
    assert_eq!(ruled.get("rules"), Some(&serde_json::json!(["large", "sharp"])));
    assert_eq!(ruled.get("object").and_then(Value::as_str), Some("shop/lake"));
}

#[test]
fn the_plan_that_is_told_is_the_one_that_is_drawn() {
    let site = site();
    let service = site.service();
    for (target, reply, layers) in [
        ("shop/lake?wid=20", [20, 13], 1),
        ("shop/x?template=card", [30, 23], 2),
        ("shop?src=is(shop/lake)&wid=12", [12, 7], 1),
        ("a.png?req=tmb&wid=8&hei=8", [8, 8], 1),
        ("shop?size=9,9&color=0", [9, 9], 1),
    ] {
        let told = explained(&site, target);
        let plan = told.get("plan").expect("a plan");
        assert_eq!(plan.get("reply"), Some(&serde_json::json!(reply)), "{target}: {told:#}");
        assert_eq!(told.get("layers").and_then(Value::as_array).map(Vec::len), Some(layers));
        let drawn = get(
            &service,
            &format!("{target}{}fmt=png", if target.contains('?') { '&' } else { '?' }),
        );
        let size = crate::support::pictures::decoded(&drawn.body).size;
        assert_eq!([size.width, size.height], reply, "{target}");
    }
}

#[test]
fn a_refused_request_is_explained_as_far_as_it_goes() {
    let site = site();
    for (target, word, has_commands) in [
        ("shop/nowhere?wid=20", "Image not found", true),
        ("shop/lake?wid=x", "Invalid request", false),
        ("shop/lake?$nosuch$", "macro", false),
        ("a.png?wid=5000&hei=5000", "MaxRenderRgnPixels", true),
        ("a.png?op_blur=3", "op_blur", true),
        ("http://h/elsewhere/a.png", "Not found", false),
    ] {
        let (status, shown) = run(&site, &[target]);
        assert_eq!(status, Some(1), "{target}: {shown}");
        let refused = shown.lines().find(|line| line.starts_with("refused"));
        assert!(refused.is_some_and(|line| line.contains(word)), "{target}: {shown}");
        let told = explained(&site, target);
        assert_eq!(!commands(&told).is_empty(), has_commands, "{target}: {told:#}");
    }
}

#[test]
fn explaining_saves_and_changes_nothing_and_passes_no_control_characters_on() {
    let site = site();
    let (status, shown) = run(&site, &["shop/lake?req=saveToFile&name=a.jpg"]);
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("savetofile"), "{shown}");
    let saved = std::fs::read_dir(site.path("saved/web")).expect("the folder").count();
    assert_eq!(saved, 0);
    let (_, shown) = run(&site, &["shop/lake?$a=%1b[2J&text=%1b[2J%0d"]);
    assert!(!shown.contains(['\u{1b}', '\r']), "{shown:?}");
    let library = site.service().explain(
        &request(imprint::request::Method::Get, "shop/lake?wid=20"),
        &crate::support::pictures::unhurried(),
    );
    assert_eq!(library.error, None, "{}", text(&site.get("shop/lake?wid=20")));
}
