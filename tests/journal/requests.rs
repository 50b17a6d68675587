//! What gateways and service tell the log of a request: one line for each, whatever becomes of it.

use std::fs;
use std::time::{Duration, SystemTime};

use imprint::cache::CacheUse;
use imprint::reply::Reply;
use imprint::reply::date::day_name;
use imprint::request::Method;

use super::Logged;
use crate::support::gateway::{PATIENCE, ask, get, obey, request_bytes, until};
use crate::support::http::Client;
use crate::support::pictures::{png, textured, unhurried};
use crate::support::servers::{Backend, Front, Way, site};
use crate::support::site::{self, FIXTURE_INI, Site};

#[test]
fn every_way_through_a_worker_writes_one_line() {
    const PATTERN: &str = "%m %U %q %s %B %{Size}r %{ProcessingStatus}r %{Exception}r %O";
    let logged = Logged::start(PATTERN, Duration::from_millis(300), obey);
    let head: &[(&str, &[u8])] = &[("REQUEST_METHOD", b"HEAD"), ("REQUEST_URI", b"/is/image/a?x")];
    let long = "9".repeat(20);
    let too_long: &[(&str, &[u8])] = &[
        ("REQUEST_METHOD", b"POST"),
        ("REQUEST_URI", b"/is/image/b"),
        ("CONTENT_LENGTH", long.as_bytes()),
    ];
    let mut count = 0;
    for (name, request, expected) in [
        ("echo", get("/is/image/a?x"), "GET /is/image/a ?x 200 7 7 0 - 1"),
        ("HEAD", request_bytes(head, &[], false), "HEAD /is/image/a ?x 200 0 8 0 - 1"),
        ("panic", get("/a?panic"), "GET /a ?panic 500 0 0 3 Internal"),
        ("deadline", get("/a?sleep=60000"), "GET /a ?sleep=60000 403 9 9 0 - 1"),
        ("no method", request_bytes(&[("REQUEST_URI", b"/c")], &[], false), "- /c - 400 "),
        ("G-6 length", request_bytes(too_long, &[], false), "POST /is/image/b - 413 "),
    ] {
        let before = if count == 0 { 0 } else { logged.lines(count).len() };
        assert_eq!(before, count, "{name}: one line for each request before");
        ask(logged.socket(), &request).unwrap_or_else(|error| panic!("{name}: {error}"));
        count += 1;
        let lines = logged.lines(count);
        let line = lines.last().expect("a line");
        let shown = match name {
            // Its body says more than the line of a panic is compared with.
            "panic" => line.replace(" 500 22 22 ", " 500 0 0 "),
            // The handler may see its deadline before the watchdog answers for it; its own text is shorter.
            "deadline" => line.replace(" 403 7 7 ", " 403 9 9 "),
            _ => line.clone(),
        };
        assert!(shown.starts_with(expected), "{name}: {line}");
    }
    // The preview: a request, and bytes that are none.
    let mut client = Client::new(logged.server.port).expect("connects");
    client.ask("GET", b"/is/image/p", &[], &[]).expect("a reply");
    assert!(logged.lines(count + 1)[count].starts_with("GET /is/image/p - 200 "));
    let mut client = Client::new(logged.server.port).expect("connects");
    client.send(b"nonsense\r\n\r\n").expect("sent");
    assert_eq!(client.answer(false).expect("a reply").status, 400);
    assert!(logged.lines(count + 2)[count + 1].starts_with("- - - 400 "));
    assert_eq!(logged.lines(count + 2).len(), 8);
}

#[test]
fn hostile_variables_are_cut_and_escaped() {
    let logged = Logged::start("%R|%{X-Big}i|%a", PATIENCE, obey);
    let big = [b"\x1b\r\n\"'\xff ".as_slice(), &[b'h'; 65_536]].concat();
    let uri = [b"/is/image/\xff\x1b".as_slice(), &[b'u'; 65_536]].concat();
    let params: &[(&str, &[u8])] = &[
        ("REQUEST_METHOD", b"GET"),
        ("REQUEST_URI", &uri),
        ("SERVER_PROTOCOL", b"HTTP/1.1\nx"),
        ("REMOTE_ADDR", b"127.0.0.1"),
        ("HTTP_X_BIG", &big),
        ("HTTP_X_OTHER", b"not wanted"),
    ];
    ask(logged.socket(), &request_bytes(params, &[], false)).expect("a reply");
    let lines = logged.lines(1);
    let [line] = lines.as_slice() else { panic!("L-9: {} lines", lines.len()) };
    assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "L-9 printable: {line}");
    assert!(line.starts_with("GET /is/image/%FF%1Buuu"), "L-9: {line}");
    assert!(line.contains("... HTTP/1.1%0Ax|%1B%0D%0A%22%27%FF%20hhh"), "L-9: {line}");
    assert!(line.ends_with("...|127.0.0.1"), "L-9: {line}");
    assert!(line.len() < 10_000, "L-9: {} bytes", line.len());
}

#[test]
fn the_service_tells_what_it_found_out() {
    let site = Site::with("", FIXTURE_INI);
    site.image("a.png", png(&textured(40, 30)));
    site.image("broken.png", &png(&textured(40, 30))[..60]);
    site.write("catalogs/shop.ini", "RootId=shop\nCatalogFile=shop.txt\nErrorImage=lake\n");
    site.write("catalogs/shop.txt", "Id\tPath\nlake\ta.png\n");
    let service = site.service();
    let mut count = 0;
    for (name, method, target, expected) in [
        ("by path", Method::Get, "a.png?wid=10", ("IMG", "", 0, true)),
        ("by record", Method::Get, "shop/lake?wid=10", ("IMG", "shop", 0, false)),
        ("S-84 missing", Method::Get, "nosuch.png?wid=10", ("IMG", "", 1, true)),
        ("S-84 unreadable", Method::Get, "broken.png?wid=10", ("IMG", "", 1, true)),
        ("S-84 bad command", Method::Get, "a.png?wid=x", ("IMG", "", 2, true)),
        ("S-84 behind an error image", Method::Get, "shop/lake?wid=x", ("IMG", "shop", 2, false)),
        ("type", Method::Get, "shop/lake?req=exists", ("EXISTS", "shop", 0, false)),
        ("save", Method::Get, "a.png?req=savetofile&name=../x", ("SAVETOFILE", "", 2, true)),
        ("no context", Method::Get, "/nowhere", ("", "", 2, false)),
        ("method", Method::Other, "a.png", ("", "", 2, false)),
    ] {
        let reply = site::answer(&service, &site::request(method, target), &unhurried());
        let facts = &reply.facts;
        let found =
            (facts.req_type.as_str(), facts.root_id.as_str(), facts.processing, facts.is_by_path);
        assert_eq!(found, expected, "{name}: {facts:?}");
        assert_eq!(facts.exception.is_empty(), facts.processing == 0, "{name}: {facts:?}");
        count += 1;
    }
    assert_eq!(count, 10);
    let reply = site::get(&service, "shop/lake?wid=10&$x$=1");
    assert_eq!(reply.facts.context, "/is/image");
    assert_eq!(reply.facts.cache_use, CacheUse::Ignored);
    assert!(
        reply.facts.transformed_url.starts_with("/is/image/shop/lake?wid=10"),
        "{}",
        reply.facts.transformed_url
    );
}

#[test]
fn a_message_has_an_empty_reply_that_nobody_keeps() {
    let site = Site::with("", FIXTURE_INI);
    site.write("catalogs/shop.ini", "RootId=shop\n");
    let service = site.service();
    for (name, target) in [
        ("CX-48", "shop?req=message&message=This%20is%20the%20message"),
        ("U-message without text", "shop?req=message"),
        ("RQ-113 line ends", "shop?req=message&message=a%0d%0ab"),
        ("an object that does not exist", "shop/nosuch?req=message&message=x"),
    ] {
        let reply: Reply = site::get(&service, target);
        assert_eq!((reply.status, reply.body.len()), (200, 0), "RQ-113 {name}");
        let content_type = reply.header("Content-Type").unwrap_or_default();
        assert!(content_type.starts_with("text/plain"), "RQ-113 {name}: {content_type}");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "RQ-113 {name}");
    }
}

#[test]
fn behind_nginx_each_request_has_its_line_and_messages_are_traced() {
    let site = site("\n[TC]\ndirectory = logs\n");
    fs::create_dir(site.path("logs")).expect("a folder");
    let backend = Backend::start(site);
    let front = Front::start(Way::Nginx, &backend.site, backend.port, &[]);
    let started = SystemTime::now();
    let image = front.get("/is/image/shop/photo?wid=20&fmt=png");
    assert_eq!(image.status, 200);
    let etag = image.header("ETag").expect("an ETag").to_owned();
    let unchanged = front.ask(
        "GET",
        "/is/image/shop/photo?wid=20&fmt=png",
        &[("If-None-Match", etag.as_bytes())],
        &[],
    );
    assert_eq!(unchanged.status, 304);
    assert_eq!(front.ask("HEAD", "/is/image/shop/photo?wid=20&fmt=png", &[], &[]).status, 200);
    assert_eq!(front.get("/is/image/shop/none").status, 403);
    assert_eq!(front.get("/is/image/shop/photo?wid=x").status, 403);
    let message = "/is/image/shop?req=message&message=This%20is%0aERROR%20the%20message";
    assert_eq!(front.get(message).status, 200);

    let day = day_name(started);
    let log = |prefix: &str| {
        let path = backend.site.path(&format!("logs/{prefix}-{day}.log"));
        fs::read_to_string(path).unwrap_or_default()
    };
    // A test that runs over midnight finds the rest in the file of the next day.
    if day_name(SystemTime::now()) != day {
        return;
    }
    // The first requests are those that asked whether imprint serves, before nginx had started.
    let asked = || -> String {
        let text = log("access");
        let whole = text.rfind('\n').map_or("", |at| &text[..at]);
        whole
            .lines()
            .filter(|line| line.contains(" localhost "))
            .map(|l| format!("{l}\n"))
            .collect()
    };
    until("six lines", || asked().lines().count() >= 6);
    let text = asked();
    let written: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(written.len(), 6, "one line for each request\n{text}");
    // A line is written after its reply is sent, so that of the next request may come first.
    let rows: Vec<Vec<&str>> = [
        ("GET", "200", "photo?wid=20"),
        ("GET", "304", "photo?wid=20"),
        ("HEAD", "200", "photo?wid=20"),
        ("GET", "403", "none"),
        ("GET", "403", "wid=x"),
        ("GET", "200", "req=message"),
    ]
    .into_iter()
    .map(|(method, status, part)| {
        let is_it = |row: &&Vec<&str>| {
            row.get(14) == Some(&method)
                && row.get(4) == Some(&status)
                && row.get(15).is_some_and(|uri| uri.contains(part))
        };
        written.iter().find(is_it).cloned().unwrap_or_else(|| panic!("no {method} {part}: {text}"))
    })
    .collect();
    let field = |row: usize, position: usize| rows[row].get(position - 1).copied().unwrap_or("");
    for (row, status, processing, size) in [
        (0, "200", "0", image.body.len()),
        (1, "304", "0", 0),
        (2, "200", "0", image.body.len()),
        (5, "200", "0", 0),
    ] {
        assert_eq!(field(row, 5), status, "{text}");
        assert_eq!(field(row, 6), processing, "{text}");
        assert_eq!(field(row, 7), size.to_string(), "{text}");
    }
    assert_eq!((field(3, 5), field(3, 6)), ("403", "1"), "S-84 {text}");
    assert_eq!((field(4, 5), field(4, 6)), ("403", "2"), "S-84 {text}");
    assert_eq!(field(0, 16), "/is/image/shop/photo?wid=20&fmt=png", "S-81 {text}");
    assert_eq!((field(2, 15), field(2, 17)), ("HEAD", "HTTP/1.1"), "S-81 {text}");
    assert_eq!(field(0, 25), etag.trim_matches('"'), "S-81 {text}");
    assert_eq!(field(1, 22).replace("%22", "\""), etag, "%{{If-None-Match}}i {text}");
    assert!(field(0, 27).parse::<u16>().is_ok(), "local port: {text}");
    assert_eq!(field(5, 12), "MESSAGE", "{text}");

    let trace = log("trace");
    let line = trace.lines().find(|line| line.contains("the message"));
    let line = line.unwrap_or_else(|| panic!("CX-48: no message in\n{trace}"));
    assert!(line.contains("client=127.0.0.1 This is\\nERROR the message"), "RQ-113 {line}");
    let words: Vec<&str> = line.splitn(5, ' ').collect();
    assert_eq!((words[0], words[2]), (day.as_str(), "INFO"), "{line}");
    assert!(words[3].starts_with('[') && words[3].ends_with(']'), "{line}");
    assert!(trace.lines().any(|line| line.contains("worker ")), "start of workers\n{trace}");
}
