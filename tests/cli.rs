//! The command line through the real program: help, exit statuses, `check`, `render`, `demo`, starts by a web server,
//! settings from the environment, and what the log may hold.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::pictures::{decoded, png, textured};
use crate::support::site::{FIXTURE_INI, Site};

fn imprint(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imprint"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let is_ours =
            name.to_str().is_none_or(|name| name.starts_with("IMPRINT_") || name == "RUST_LOG");
        if is_ours || name == "GATEWAY_INTERFACE" {
            command.env_remove(name);
        }
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    imprint(arguments).output().expect("the program starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the program says for itself: standard error without the lines of the log.
fn messages(output: &Output) -> Vec<String> {
    err(output).lines().filter(|line| !line.starts_with('[')).map(str::to_owned).collect()
}

fn site() -> Site {
    let site = Site::with("", &format!("{FIXTURE_INI}ErrorDetail=2\n"));
    site.image("a.png", png(&textured(40, 30)));
    site.write("catalogs/shop.ini", "RootId=shop\nCatalogFile=shop.txt\n");
    site.write("catalogs/shop.txt", "Id\tPath\nlake\ta.png\n");
    site
}

fn conf(site: &Site) -> String {
    site.path("imprint.conf").to_str().expect("a plain path").to_owned()
}

#[test]
fn help_fits_a_screen_and_shows_an_example() {
    for (arguments, has_example) in [
        (["--help"].as_slice(), true),
        (&["-h"], true),
        (&["serve", "--help"], true),
        (&["render", "--help"], true),
        (&["check", "--help"], true),
        (&["explain", "--help"], true),
        (&["demo", "--help"], true),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", err(&output));
        let text = out(&output);
        let width = text.lines().map(|line| line.chars().count()).max();
        assert!(width <= Some(80), "{arguments:?}: {width:?} columns\n{text}");
        assert!(
            text.lines().count() <= 24,
            "{arguments:?}: {} lines\n{text}",
            text.lines().count()
        );
        assert_eq!(text.contains("Example: imprint "), has_example, "{arguments:?}\n{text}");
    }
    for command in ["serve", "render", "check", "demo"] {
        assert!(out(&run(&["--help"])).contains(&format!("\n  {command} ")), "{command}");
    }
    let version = out(&run(&["--version"]));
    assert_eq!(version.trim_end(), format!("imprint {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_status_two() {
    let site = site();
    let conf = conf(&site);
    for (name, arguments, word) in [
        ("nothing", [].as_slice(), "Usage: imprint"),
        ("unknown command", &["nosuch"], "nosuch"),
        ("unknown option", &["serve", "--nosuch"], "--nosuch"),
        ("a near miss is named", &["serve", "--worker", "1"], "--workers"),
        ("missing argument", &["render"], "REQUEST"),
        ("missing value", &["render", "x", "-o"], "--output"),
        ("no number", &["serve", "--workers", "x"], "--workers"),
        ("out of range", &["serve", "--workers", "257"], "256"),
        ("negative", &["serve", "--workers=-1"], "--workers"),
        ("bad address", &["serve", "-c", &conf, "--listen", "nowhere"], "nowhere"),
        ("bad preview", &["serve", "-c", &conf, "--http", "*"], "*"),
    ] {
        let output = run(arguments);
        let errors = err(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
        assert!(errors.contains(word), "{name}: {errors}");
        assert!(output.stdout.is_empty(), "{name}: {}", out(&output));
        if name != "nothing" {
            assert!(errors.starts_with("imprint: "), "{name}: {errors}");
        }
    }
}

#[test]
fn failures_are_status_one_and_say_why() {
    let site = site();
    let conf = conf(&site);
    let missing = site.path("nowhere.conf");
    let missing = missing.to_str().expect("a plain path");
    let unwritable = site.path("nowhere/x.jpg");
    let unwritable = unwritable.to_str().expect("a plain path");
    let bad = site.path("bad.conf");
    std::fs::write(&bad, "[IS]\nNosuch=1\nMaxSavePixels=0\n").expect("a file");
    let bad = bad.to_str().expect("a plain path");
    for (name, arguments, words) in [
        (
            "no settings file",
            ["render", "-c", missing, "a.png"].as_slice(),
            ["nowhere.conf", "cannot be read"],
        ),
        ("bad settings", &["render", "-c", bad, "a.png"], ["bad.conf:2", "bad.conf:3"]),
        ("bad settings, serve", &["serve", "-c", bad], ["bad.conf:2", "bad.conf:3"]),
        ("missing image", &["render", "-c", &conf, "nowhere.png"], ["403", "nowhere.png"]),
        ("bad value", &["render", "-c", &conf, "a.png?wid=x"], ["403", "wid"]),
        (
            "property error",
            &["render", "-c", &conf, "nowhere.png?req=props"],
            ["error.title", "error.message"],
        ),
        (
            "unwritable",
            &["render", "-c", &conf, "a.png", "-o", unwritable],
            ["nowhere/x.jpg", "No such file"],
        ),
        ("nowhere to listen", &["serve", "-c", &conf], ["listen", "listen"]),
    ] {
        let output = run(arguments);
        let told = messages(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {told:?}");
        assert!(
            !told.is_empty() && told.iter().all(|line| line.starts_with("imprint: ")),
            "{name}: {told:?}"
        );
        for word in words {
            assert!(told.iter().any(|line| line.contains(word)), "{name}: {word} in {told:?}");
        }
        assert!(output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn render_answers_objects_paths_and_urls() {
    let site = site();
    let conf = conf(&site);
    let expected = site.get("shop/lake?wid=20").body;
    for request in [
        "shop/lake?wid=20",
        "/is/image/shop/lake?wid=20",
        "http://localhost/is/image/shop/lake?wid=20",
        "HTTPS://h:8443/is/image/shop/lake?wid=20",
        "/shop/lake?wid=20",
    ] {
        let output = run(&["render", "-c", &conf, request]);
        assert_eq!(output.status.code(), Some(0), "{request}: {}", err(&output));
        assert!(output.stdout == *expected, "{request}");
        assert_eq!(messages(&output), Vec::<String>::new(), "{request}");
    }
    let file = site.path("out.png");
    let name = file.to_str().expect("a plain path");
    let output = run(&["render", "a.png?wid=20&fmt=png", "-o", name, "-c", &conf]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{}", err(&output));
    assert_eq!(decoded(&std::fs::read(&file).expect("the file")).size.width, 20);
    let props = out(&run(&["render", "-c", &conf, "a.png?req=props"]));
    assert!(props.starts_with("#S7Z OK\n") && props.contains("\nimage.width=40\n"), "{props}");
    let banner = out(&run(&["render", "-c", &conf, ""]));
    assert!(banner.contains("copyright="), "{banner}");
    let query = out(&run(&["render", "-c", &conf, "?src=a.png&req=props"]));
    assert!(query.contains("image.width=40"), "{query}");
    let save = run(&["render", "-c", &conf, "a.png?wid=9&req=saveToFile&name=cli.jpg"]);
    assert!(
        out(&save).contains("status=done") && site.path("saved/web/cli.jpg").exists(),
        "{}",
        err(&save)
    );
    let content = run(&["render", "-c", &conf, "/is/content/x"]);
    assert!(err(&content).contains("Content not found"), "{}", err(&content));
}

#[test]
fn settings_come_from_option_variable_and_overrides() {
    let site = site();
    let conf = conf(&site);
    let props = |command: &mut Command| out(&command.output().expect("the program starts"));
    let named = props(imprint(&["render", "a.png?req=props"]).env("IMPRINT_CONFIG", &conf));
    assert!(named.contains("image.width=40"), "IMPRINT_CONFIG: {named}");
    let both = props(
        imprint(&["render", "--config", &conf, "a.png?req=props"])
            .env("IMPRINT_CONFIG", "/nowhere.conf"),
    );
    assert!(both.contains("image.width=40"), "-c wins: {both}");
    let none = imprint(&["render", "a.png"]).output().expect("the program starts");
    if !Path::new("/etc/imprint/imprint.conf").exists() {
        assert_eq!(none.status.code(), Some(1), "no settings");
        assert!(err(&none).contains("give -c FILE, set IMPRINT_CONFIG"), "{}", err(&none));
    }
    let overridden = imprint(&["render", "-c", &conf, "nowhere.png"])
        .env("IMPRINT_IMPRINT_MISSINGSTATUS", "404")
        .output()
        .expect("the program starts");
    assert!(err(&overridden).contains("404"), "an override: {}", err(&overridden));
    let prefix = props(
        imprint(&["render", "-c", &conf, "/pics/a.png?req=props"])
            .env("IMPRINT_IMPRINT_PREFIX_IMAGE", "/pics"),
    );
    assert!(prefix.contains("image.width=40"), "a name with a period: {prefix}");
    for (variable, value, word) in [
        ("IMPRINT_IS_NOSUCH", "1", "IMPRINT_IS_NOSUCH"),
        ("IMPRINT_IMPRINT_QUEUE", "x", "queue is x"),
    ] {
        let output = imprint(&["render", "-c", &conf, "a.png"]).env(variable, value).output();
        let output = output.expect("the program starts");
        assert_eq!(output.status.code(), Some(1), "{variable}");
        assert!(err(&output).contains(word), "{variable}: {}", err(&output));
    }
}

/// The faults that `check` reports, and its exit status.
fn checked(site: &Site) -> (Option<i32>, String) {
    let output = run(&["check", "-c", &conf(site)]);
    assert!(output.stderr.is_empty(), "{}", err(&output));
    let root = format!("{}/", site.root().display());
    (output.status.code(), out(&output).replace(&root, ""))
}

#[test]
fn check_names_every_fault_with_its_place() {
    let (status, text) = checked(&site());
    assert_eq!(status, Some(0), "{text}");
    assert!(text.ends_with("2 catalogs, 1 records, 0 errors\n"), "{text}");
    assert!(!text.contains("error:") && !text.contains("warning:"), "{text}");

    let site = Site::with(
        "Nosuch=1\n[IS]\nMaxSavePixels=many\nRootPath=images;nowhere\n[imprint]\nusmRadiusScaling=false\ndefaultUpscale=false\n\
         missingStatus=500\n[TC]\nciphers=x\n",
        "SavePath=nowhere\nDefaultPix=x\nNosuch=1\nWatermark=mark\nRequestLock=0\nErrorImage=err\n",
    );
    site.write(
        "catalogs/a.ini",
        "RootId=a\nCatalogFile=a.txt\nLocaleMap=en,_E|\nRuleSetFile=a.xml\n",
    );
    site.write("catalogs/a.xml", "<ruleset/>");
    site.write("catalogs/a.txt", "Id\tPath\tResolution\nx\ta.png\t72\ny\tb.png\tmuch\n");
    site.write("catalogs/b.ini", "RootId=a\n");
    site.write("catalogs/c.ini", "RootId=c\nCatalogFile=nowhere.txt\n");
    let (status, text) = checked(&site);
    assert_eq!(status, Some(1), "{text}");
    let mut count = 0;
    for expected in [
        "imprint.conf:6: error: found Nosuch, expected a setting of section [PS]",
        "imprint.conf:8: error: MaxSavePixels is many, expected a whole number of millions, 1 to 1000000",
        "imprint.conf: warning: RootPath is nowhere, which is no folder; no source is found there",
        "imprint.conf:11: note: usmRadiusScaling is read, but not carried out yet",
        "imprint.conf:13: error: missingStatus is 500, expected 403 or 404",
        "imprint.conf:15: note: ciphers is not used: it belongs to the web server",
        "catalogs/default.ini:1: warning: SavePath is nowhere, which is no folder in SaveDirectory; nothing can be saved",
        "catalogs/default.ini:2: warning: DefaultPix is x, expected",
        "catalogs/default.ini:3: warning: attribute Nosuch is not known; ignored",
        "catalogs/default.ini:4: warning: Watermark names mark, which is no record; every image of the catalog gets 403",
        "catalogs/a.ini:3: warning: LocaleMap: an item is empty, expected a locale or a comma; left out",
        "catalogs/a.txt:3: warning: ",
        "catalogs/b.ini:1: error: RootId a belongs to another catalog; this one is left out",
        "catalogs/c.ini:2: error: CatalogFile names nowhere.txt, which cannot be read",
    ] {
        assert!(text.lines().any(|line| line.starts_with(expected)), "{expected}\nin\n{text}");
        count += 1;
    }
    assert_eq!(count, 14);
    assert!(!text.contains("default.ini:5"), "nor is an attribute that is off: {text}");

    let output = run(&["check", "--json", "-c", &conf(&site)]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let faults = report.get("faults").and_then(serde_json::Value::as_array).expect("faults");
    assert_eq!(faults.len(), text.lines().count() - 1, "as many as in text form");
    let first = faults.first().expect("a fault");
    assert_eq!(first.get("line").and_then(serde_json::Value::as_u64), Some(6));
    assert_eq!(first.get("severity").and_then(serde_json::Value::as_str), Some("error"));
    assert!(
        first
            .get("file")
            .and_then(serde_json::Value::as_str)
            .is_some_and(|f| f.ends_with("imprint.conf"))
    );
    assert!(
        first
            .get("message")
            .and_then(serde_json::Value::as_str)
            .is_some_and(|m| m.contains("Nosuch"))
    );
    assert_eq!(report.get("catalogs").and_then(serde_json::Value::as_u64), Some(2));
}

#[test]
fn the_shipped_files_are_checked_without_a_fault() {
    let site = Site::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    for (from, to) in [("imprint.conf", "imprint.conf"), ("default.ini", "catalogs/default.ini")] {
        std::fs::copy(shipped.join(from), site.path(to)).expect("a shipped file");
    }
    let (status, text) = checked(&site);
    assert_eq!(status, Some(0), "{text}");
    let faults: Vec<&str> = text.lines().filter(|line| line.contains(": warning:")).collect();
    assert!(faults.is_empty(), "{text}");
    assert!(!text.contains("not carried out"), "nothing is set: {text}");
}

#[test]
fn a_broken_pipe_is_not_an_error() {
    let site = site();
    let conf = conf(&site);
    // 1200x1200 uncompressed pixels are more than any pipe holds.
    for arguments in [
        ["check", "-c", &conf, "--json"].as_slice(),
        &["render", "-c", &conf, "a.png?wid=1200&hei=1200&fmt=tif"],
        &["demo", "--once"],
        &["--help"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child =
            imprint(arguments).env("TMPDIR", folder.path()).spawn().expect("the program starts");
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut errors).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    }
}

#[test]
fn the_demo_saves_an_image_and_shows_the_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let output =
        imprint(&["demo", "--once"]).env("TMPDIR", folder.path()).output().expect("it starts");
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", err(&output));
    for word in [
        "/is/image/shop/lake?wid=400&req=saveToFile&name=lake-400.jpg",
        "#S7Z OK",
        "status=done",
        "lastUpdated=",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let told = text
        .lines()
        .find_map(|line| line.trim().split_once("lake-400.jpg (").map(|(path, _)| path.to_owned()));
    let file = format!(
        "{}lake-400.jpg",
        told.unwrap_or_else(|| panic!("the saved file is named: {text}"))
    );
    let saved = decoded(&std::fs::read(&file).expect("the saved file"));
    assert_eq!(saved.size.width, 400);
    assert!(Path::new(&file).starts_with(folder.path()), "{file}");
}

/// A CGI start with `arguments`, as a web server makes them of a query without `=`.
fn cgi(site: &Site, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = imprint(arguments);
    command
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REQUEST_METHOD", "GET")
        .env("REMOTE_ADDR", "127.0.0.1");
    command.env("IMPRINT_CONFIG", site.path("imprint.conf")).envs(variables.iter().copied());
    command.output().expect("the program starts")
}

#[test]
fn a_cgi_start_ignores_its_arguments() {
    let site = site();
    let secret = site.path("secret.conf");
    std::fs::write(&secret, "root:x:0:0\n").expect("a file");
    let mut count = 0;
    for arguments in [
        [].as_slice(),
        &["--conf", "/etc/passwd"],
        &["-c", secret.to_str().expect("a plain path")],
        &["--help"],
        &["--version"],
        &["-s"],
        &["serve"],
        &["render", "a.png", "-o", "/nowhere/x"],
        &["check", "--json"],
        &["demo", "--once"],
        &["nosuch"],
    ] {
        let query = arguments.join("+");
        let uri = format!("/is/image/a.png?{query}");
        let output = cgi(&site, arguments, &[("REQUEST_URI", &uri), ("QUERY_STRING", &query)]);
        let text = out(&output);
        assert_eq!(output.status.code(), Some(0), "G-10 {arguments:?}: {}", err(&output));
        assert!(text.starts_with("Status: 200 OK\r\n"), "G-10 {arguments:?}: {text:.200}");
        assert!(
            text.contains("\r\nContent-Type: image/jpeg\r\n"),
            "G-10 {arguments:?}: {text:.200}"
        );
        count += 1;
    }
    assert_eq!(count, 11);
}

#[test]
fn the_log_holds_one_clean_line_for_each_message() {
    let site = site();
    let hostile =
        "%1b%5b31m%0d%0a%5b2099-01-01T00:00:00Z%20ERROR%20forged%5d%20%22x%22%C2%9b%E2%80%AE%ff";
    let raw = "\u{1b}[31m\"\u{9b}\u{202e}\r\nforged";
    let long = "a".repeat(60_000);
    let save = format!("/is/image/a.png?req=saveToFile&name={hostile}.jpg");
    let path = format!("/is/image/{hostile}.png");
    let value = format!("/is/image/a.png?wid={hostile}");
    let command = format!("/is/image/a.png?{hostile}={hostile}&fit={raw}&wid=2");
    let long_save = format!("/is/image/a.png?req=saveToFile&name={long}.jpg");
    let long_value = format!("/is/image/a.png?wid={long}");
    let context = format!("/{raw}{hostile}");
    for uri in [&save, &path, &value, &command, &long_save, &long_value, &context] {
        let output = cgi(
            &site,
            &[],
            &[
                ("RUST_LOG", "debug"),
                ("REQUEST_URI", uri.as_str()),
                ("HTTP_X_FORWARDED_FOR", raw),
                ("HTTP_REFERER", raw),
                ("HTTP_ORIGIN", raw),
                ("HTTP_HOST", raw),
                ("HTTP_USER_AGENT", raw),
            ],
        );
        let text = String::from_utf8(output.stderr).expect("L-9: UTF-8");
        assert!(!text.is_empty(), "L-9 {uri:.60}: something is told");
        for line in text.lines() {
            assert!(
                line.starts_with("[20") && !line.starts_with("[2099"),
                "L-9 {uri:.60}: {line:?}"
            );
            assert!(
                line.chars().count() < 2200,
                "L-9 {uri:.60}: {} characters",
                line.chars().count()
            );
        }
        let is_clean =
            |c: char| c == '\n' || (!c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c));
        assert!(text.chars().all(is_clean), "L-9 {uri:.60}: {text:?}");
    }
    // A start tells nothing that nobody asked for.
    let quiet = cgi(&site, &[], &[("REQUEST_URI", "/is/image/a.png?wid=9")]);
    assert_eq!(err(&quiet), "", "an ordinary request at the usual level");
}
