//! What a client sees through each web server: rows G6 to G10 and G18 of the gateway tests, saving, methods, names.

use std::fs;

use imprint::reply::Reply;
use imprint::request::{Method, RawRequest, Target};
use imprint::service::Service;

use crate::support::http::{Answer, Client, request};
use crate::support::pictures::{png, textured};
use crate::support::servers::{Backend, Front, Way, site};
use crate::support::site::{self, Site};

/// A web server, imprint behind it, and the library beside them as the oracle.
struct Stage {
    front: Front,
    backend: Option<Backend>,
    alone: Option<Site>,
    service: Service,
}

impl Stage {
    fn new(way: Way) -> Stage {
        let site = site("");
        site.image("wide.png", png(&textured(1300, 1100)));
        let service = site.service();
        let (backend, alone) = match way.starts_imprint() {
            true => (None, Some(site)),
            false => (Some(Backend::start(site)), None),
        };
        let tcp = backend.as_ref().map_or(0, |backend| backend.port);
        let site = backend.as_ref().map(|backend| &backend.site).or(alone.as_ref());
        let front = Front::start(way, site.expect("a site"), tcp, &[]);
        Stage { front, backend, alone, service }
    }

    fn site(&self) -> &Site {
        let site = self.backend.as_ref().map(|backend| &backend.site).or(self.alone.as_ref());
        site.expect("a site")
    }

    fn saved(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.site().path(&format!("saved/web/{name}"))).ok()
    }

    /// What the library answers to the same GET.
    fn direct(&self, target: &[u8]) -> Reply {
        let raw = RawRequest {
            target: Target::Raw(target.to_vec()),
            ..site::request(Method::Get, "/is/image")
        };
        site::answer(&self.service, &raw, &crate::support::pictures::unhurried())
    }

    fn is_same(&self, answer: &Answer, target: &[u8]) -> bool {
        let direct = self.direct(target);
        answer.status == direct.status && (direct.status != 200 || answer.body == *direct.body)
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn behaves(way: Way) {
    let stage = Stage::new(way);
    saves_what_it_shows(&stage);
    answers_every_method(&stage);
    keeps_status_length_and_body(&stage);
    never_mixes_up_names(&stage);
    never_loses_parameters_behind_raw_bytes(&stage);
    guards_saves(&stage);
    if let Some(backend) = &stage.backend {
        assert_eq!(backend.workers().len(), 2);
        assert!(!backend.log().contains("ERROR"), "{}", backend.log());
    }
}

fn saves_what_it_shows(stage: &Stage) {
    let image = stage.front.get("/is/image/shop/photo?wid=120&fmt=png");
    assert_eq!((image.status, image.header("Content-Type")), (200, Some("image/png")), "RQ-001");
    let save = "/is/image/shop/photo?wid=120&req=saveToFile&name=shop.png&fmt=png";
    let reply = stage.front.get(save);
    let text = reply.text();
    assert!(reply.status == 200 && text.starts_with("#S7Z OK"), "{}: {text}", reply.status);
    assert!(text.contains("status=done"), "{text}");
    assert_eq!(stage.saved("shop.png"), Some(image.body), "the saved file is the image");
    let post = stage.front.ask(
        "POST",
        "/is/image/shop/photo?wid=120",
        &[("Content-Type", b"application/x-www-form-urlencoded")],
        b"req=saveToFile&name=posted.png&fmt=png",
    );
    assert!(post.status == 200 && post.text().contains("status=done"), "POST: {}", post.text());
    assert_eq!(stage.saved("posted.png"), stage.saved("shop.png"), "POST saves the same");
    let refused = stage.front.get("/is/image/shop/photo?req=saveToFile&name=../x.png");
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("status=failed"), "{}", refused.text());
    assert_eq!(refused.length(), Some(refused.body.len()), "length of a failed save");
}

fn answers_every_method(stage: &Stage) {
    let front = &stage.front;
    let target = "/is/image/shop/photo?wid=80&fmt=png";
    let get = front.get(target);
    let head = front.ask("HEAD", target, &[], &[]);
    assert_eq!(head.status, 200, "RQ-004");
    assert_eq!((head.length(), head.body.len()), (Some(get.body.len()), 0), "RQ-004 HEAD");
    for name in ["Content-Type", "ETag", "Cache-Control", "Last-Modified"] {
        assert!(get.header(name).is_some(), "{name} of GET: {get:?}");
        assert_eq!(head.header(name), get.header(name), "RQ-004 {name} of HEAD");
    }
    for method in ["PUT", "DELETE"] {
        let refused = front.ask(method, target, &[], &[]);
        assert_eq!(refused.status, 405, "RQ-004 {method}");
        assert_eq!(refused.header("Allow"), Some("GET, HEAD, POST"), "RQ-004 {method}");
    }
    let options = front.ask("OPTIONS", target, &[], &[]);
    assert_eq!(options.status, 204, "W-2 OPTIONS: {options:?}");
    let save = "/is/image/shop/photo?wid=80&req=saveToFile&name=head.png&fmt=png";
    assert_eq!(front.ask("HEAD", save, &[], &[]).status, 405, "RQ-135");
    assert_eq!(front.ask("OPTIONS", save, &[], &[]).status, 204, "W-2");
    assert_eq!(stage.saved("head.png"), None, "RQ-135 nothing is written");
}

fn keeps_status_length_and_body(stage: &Stage) {
    let front = &stage.front;
    let cases: [(&str, &str, u16); 7] = [
        ("RQ-001 image", "/is/image/shop/photo?wid=50&fmt=png", 200),
        ("4 MB", "/is/image/wide.png?fmt=tif", 200),
        ("missing", "/is/image/shop/none?wid=50", 403),
        ("bad value", "/is/image/shop/photo?wid=x", 403),
        ("RQ-002 context", "/is/nothing/x", 404),
        ("RQ-003 banner", "/is/image/", 200),
        ("properties", "/is/image/shop/photo?req=exists", 200),
    ];
    for (name, target, status) in cases {
        let answer = front.get(target);
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(answer.length(), Some(answer.body.len()), "G8 no length is lost: {name}");
        assert!(!answer.body.is_empty(), "{name}");
        // Properties tell the time.
        let is_text = answer.text().starts_with("#S7Z");
        let direct = stage.direct(target.as_bytes());
        assert!(is_text || answer.body == *direct.body, "our own body arrives: {name}");
    }
    let big = front.get("/is/image/wide.png?fmt=tif");
    assert!(big.body.len() > 4_000_000, "{} bytes", big.body.len());
    let banner = front.get("/is/image/");
    let text = banner.text();
    assert_eq!(banner.header("Content-Type").map(|v| v.starts_with("text/plain")), Some(true));
    assert!(text.starts_with("#S7Z OK") && text.contains("\ncopyright="), "RQ-003 {text}");

    let target = "/is/image/shop/photo?wid=50&fmt=png";
    let first = front.get(target);
    let etag = first.header("ETag").expect("an ETag").to_owned();
    let modified = first.header("Last-Modified").expect("a date").to_owned();
    for (name, value) in [("If-None-Match", &etag), ("If-Modified-Since", &modified)] {
        let again = front.ask("GET", target, &[(name, value.as_bytes())], &[]);
        assert_eq!(again.status, 304, "{name}");
        assert!(again.body.is_empty() && again.header("Content-Type").is_none(), "{again:?}");
    }
    let other = front.ask("GET", target, &[("If-None-Match", b"\"other\"")], &[]);
    assert_eq!((other.status, other.body), (200, first.body));

    let long = format!("/is/image/shop/{}?wid=9", "x".repeat(5000));
    // Programs below ScriptAlias: Apache looks for a file of that name first.
    let looks = matches!(front.way, Way::ApacheFcgid | Way::ApacheCgi);
    assert_eq!(front.get(&long).status, if looks { 403 } else { 414 }, "U-limits-uri");
    let kind: (&str, &[u8]) = ("Content-Type", b"application/x-www-form-urlencoded");
    for size in [70_000, 120_000, 70_000, 900_000, 70_000] {
        let refused = front.ask("POST", "/is/image/shop/photo", &[kind], &vec![b'a'; size]);
        assert_eq!(refused.status, 413, "a body of {size} bytes");
    }
    // A body that nobody reads takes no reply with it.
    let is_lighttpd = matches!(front.way, Way::Lighttpd | Way::LighttpdStarts);
    for _ in 0..3 {
        let unread = front.ask("GET", "/is/image/shop/none", &[kind], &[b'a'; 50_000]);
        // lighttpd refuses it by itself.
        assert_eq!(unread.status, if is_lighttpd { 400 } else { 403 }, "GET with a body");
    }
    // More requests on one connection of the client, each right.
    let mut client = Client::new(front.port).expect("a connection");
    for wid in [20, 30, 40] {
        let target = format!("/is/image/shop/photo?wid={wid}&fmt=png");
        let answer = client.ask("GET", target.as_bytes(), &[], &[]).expect("an answer");
        assert!(stage.is_same(&answer, target.as_bytes()), "{target}");
    }
}

/// G7 and RQ-005: the picture of that name, or the web server's own refusal.
fn never_mixes_up_names(stage: &Stage) {
    let names: [&[u8]; 11] = [
        b"a/b",
        b"a%2Fb",
        b"a%2fb",
        b"a//b",
        b"caf%C3%A9",
        b"a%25b",
        b"a%3Fb",
        b"a;b=c",
        b"a%3Bb%3Dc",
        b"a%252Fb",
        b"./a/b",
    ];
    let mut drawn = 0;
    for name in names {
        let target = [b"/is/image/", name, b".png?wid=10&fmt=png"].concat();
        let answer = stage.front.get(&target);
        let is_same = stage.is_same(&answer, &target);
        drawn += usize::from(is_same && answer.status == 200);
        // What the web servers refuse by themselves.
        let is_refusal = !is_same && refuses(stage.front.way, name) && answer.status == 404;
        let direct = stage.direct(&target).status;
        assert!(is_same || is_refusal, "{}: {} (direct {direct})", shown(name), answer.status);
    }
    assert!(drawn >= 6, "{drawn} pictures");
}

fn refuses(way: Way, name: &[u8]) -> bool {
    let is_apache = matches!(way, Way::ApacheProxy | Way::ApacheFcgid | Way::ApacheCgi);
    is_apache && name.to_ascii_lowercase().windows(3).any(|three| three == b"%2f")
}

/// G6: 400 or the right answer, never another picture.
fn never_loses_parameters_behind_raw_bytes(stage: &Stage) {
    let targets: [&[u8]; 5] = [
        b"/is/image/shop/photo?wid=40&fmt=png&$v=\xff",
        b"/is/image/shop/photo?$v=\xff&wid=40&fmt=png",
        b"/is/image/shop/photo?wid=\xff40&fmt=png",
        b"/is/image/shop/ph\xffoto?wid=40&fmt=png",
        b"/is/image/caf\xff.png?wid=40&fmt=png",
    ];
    for target in targets {
        let mut client = Client::new(stage.front.port).expect("a connection");
        let answer = client.ask("GET", target, &[], &[]).expect("an answer");
        let is_right = answer.status == 400 || stage.is_same(&answer, target);
        let direct = stage.direct(target).status;
        assert!(is_right, "G6 {}: {} (direct {direct})", shown(target), answer.status);
    }
    let target = b"/is/image/shop/photo?wid=40&fmt=png";
    for header in ["Referer", "User-Agent", "Accept", "X-Any", "If-None-Match", "Cookie"] {
        let mut client = Client::new(stage.front.port).expect("a connection");
        client.send(&request("GET", target, &[(header, b"http://x/\xff\xfe")], &[])).expect("sent");
        let answer = client.answer(false).expect("an answer");
        let is_right = answer.status == 400 || stage.is_same(&answer, target);
        assert!(is_right, "G6 {header}: {}", answer.status);
    }
}

/// W-1 to W-3 through the web server: what protects a save must reach imprint.
fn guards_saves(stage: &Stage) {
    let save =
        |name: &str| format!("/is/image/shop/photo?wid=9&fmt=png&req=saveToFile&name={name}");
    let refused: [(&str, &[u8]); 7] = [
        ("Sec-Fetch-Site", b"cross-site"),
        ("Origin", b"http://other.example"),
        ("Origin", b"null"),
        ("Referer", b"http://other.example/page"),
        ("Referer", b"http://localhost.other.example/\xff"),
        ("Sec-Purpose", b"prefetch"),
        ("Purpose", b"prefetch"),
    ];
    for (name, value) in refused {
        let target = save("w.png");
        let answer = stage.front.ask("GET", target, &[(name, value)], &[]);
        let case = format!("W-1, W-2 {name}: {}", shown(value));
        assert!(matches!(answer.status, 403 | 400), "{case}: {}", answer.status);
        assert_eq!(stage.saved("w.png"), None, "{case}");
    }
    let allowed: [(&str, &[u8]); 7] = [
        ("Origin", b"http://localhost"),
        ("Referer", b"http://localhost/page"),
        ("Sec-Fetch-Site", b"same-origin"),
        ("If-None-Match", b"*"),
        ("If-Modified-Since", b"Fri, 01 Jan 2100 00:00:00 GMT"),
        ("Range", b"bytes=0-3"),
        ("X-Forwarded-For", b"203.0.113.9"),
    ];
    for (at, (name, value)) in allowed.into_iter().enumerate() {
        let file = format!("w{at}.png");
        let answer = stage.front.ask("GET", save(&file), &[(name, value)], &[]);
        let case = format!("W-3 {name}");
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
        assert!(answer.text().contains("status=done"), "{case}: {}", answer.text());
        assert!(answer.header("Cache-Control").is_some_and(|v| v.contains("no-store")), "{case}");
        assert!(stage.saved(&file).is_some(), "{case}");
    }
}

#[test]
fn nginx_over_a_kept_unix_socket() {
    behaves(Way::Nginx);
}

#[test]
fn nginx_over_kept_tcp_connections() {
    behaves(Way::NginxTcp);
}

#[test]
fn nginx_with_the_minimal_settings() {
    behaves(Way::NginxMinimal);
}

#[test]
fn apache_by_proxy_fcgi() {
    behaves(Way::ApacheProxy);
}

#[test]
fn apache_by_fcgid() {
    behaves(Way::ApacheFcgid);
}

#[test]
fn apache_by_cgi() {
    behaves(Way::ApacheCgi);
}

#[test]
fn lighttpd_over_a_unix_socket() {
    behaves(Way::Lighttpd);
}

#[test]
fn lighttpd_that_starts_the_program() {
    behaves(Way::LighttpdStarts);
}
