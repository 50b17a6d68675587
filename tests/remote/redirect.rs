//! Redirect on error between two sites: S-79, requests.md 23.5, `U-redirect`.

use imprint::gateway::{Front, raw_request};
use imprint::reply::Reply;
use imprint::request::Method;
use imprint::service::Service;

use super::*;
use crate::support::pictures::{decoded, jpeg};
use crate::support::site::{FIXTURE_INI, Site, answer, get, request, text};

const SHOP: &str = "RootId=shop\nCatalogFile=shop.txt\nErrorDetail=2\n";
/// Records whose files the primary has, lacks, and has broken.
const RECORDS: &str = "Id\tPath\nhere\there.png\nmissing\tmissing.png\nbroken\tbroken.jpg\nbar|x\tmissing.png\nempty\tempty.png\n";

/// A site with the records above; the secondary has all the files.
fn site(settings: &str) -> Site {
    let site = Site::with(settings, FIXTURE_INI);
    site.write("catalogs/shop.ini", SHOP);
    site.write("catalogs/shop.txt", RECORDS);
    site.image("here.png", picture());
    site
}

fn secondary() -> (Site, Arc<Service>) {
    let site = site("");
    for name in ["missing.png", "empty.png", "loose.jpg", "uncataloged.png"] {
        site.image(name, png(&flat(40, 30, [1, 2, 3])));
    }
    site.image("broken.jpg", png(&flat(40, 30, [9, 9, 9])));
    let service = Arc::new(site.service());
    (site, service)
}

/// Serves a service by HTTP, one request a connection.
fn served(service: Arc<Service>) -> Origin {
    Origin::new(move |head, stream| {
        let (raw, length) = heard(head);
        let mut raw = raw;
        raw.body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut raw.body).expect("the body");
        let answer = answer(&service, &raw, &unhurried());
        let mut headers = String::new();
        for (name, value) in &answer.headers {
            headers += &format!("{}: {}\r\n", name.as_str(), value.as_str());
        }
        headers += "Set-Cookie: a=b\r\nX-Inner: c\r\n";
        let _ = stream.write_all(&reply(&answer.status.to_string(), &headers, &answer.body));
    })
}

/// The request that a head makes, by the names that gateways use.
fn heard(head: &str) -> (imprint::request::RawRequest, Option<usize>) {
    let mut lines = head.lines();
    let mut first = lines.next().expect("a request line").split(' ');
    let mut pairs = vec![
        ("REQUEST_METHOD".to_owned(), first.next().expect("a method").to_owned()),
        ("REQUEST_URI".to_owned(), first.next().expect("a target").to_owned()),
    ];
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = name.to_ascii_uppercase().replace('-', "_");
        let name = if name.starts_with("CONTENT_") { name } else { format!("HTTP_{name}") };
        pairs.push((name, value.to_owned()));
    }
    let pairs = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    raw_request(pairs, &Front::default()).expect("a request")
}

/// A primary that asks the server at `port`.
fn primary(port: u16) -> Site {
    let settings = format!(
        "errorRedirect.rootUrl = http://127.0.0.1:{port}\nerrorRedirect.connectTimeout = 500\n\
         errorRedirect.socketTimeout = 2000\n"
    );
    let site = site(&settings);
    let mut broken = jpeg(&flat(64, 64, [1, 1, 1]), 90, imprint::codec::Chroma::Full);
    let middle = broken.len() / 2;
    broken.truncate(middle);
    site.image("broken.jpg", &broken[..20]);
    site.image("loose.jpg", &broken[..20]);
    site.image("empty.png", b"");
    site
}

fn size(reply: &Reply) -> (u32, u32) {
    let size = decoded(&reply.body).size;
    (size.width, size.height)
}

#[test]
fn s_79_missing_files_of_records_and_corrupt_images_come_from_the_second_server() {
    let (_folder, second) = secondary();
    let origin = served(second);
    let site = primary(origin.port);
    let service = site.service();
    let mut count = 0;
    for (name, target, is_asked, status) in [
        ("S-79 in a catalog but not on disk", "shop/missing?fmt=png", true, 200),
        ("S-79 by src=", "shop/here?src=missing&fmt=png", true, 200),
        ("S-79 corrupt", "shop/broken?fmt=png", true, 200),
        ("S-79 corrupt, no picture at all", "shop/empty?fmt=png", true, 200),
        ("S-79 corrupt, without record", "loose.jpg?fmt=png", true, 200),
        ("S-79 properties", "shop/missing?req=props", true, 200),
        ("S-79 image properties", "shop/missing?req=imageprops", true, 200),
        ("S-79 an encoded bar", "shop/bar%7Cx", false, 403),
        ("S-79 no record, no file", "shop/uncataloged.png?fmt=png", false, 403),
        ("S-79 no record in the default catalog", "uncataloged.png?fmt=png", false, 403),
        ("S-79 an unknown id", "shop/nobody?fmt=png", false, 403),
        ("a good image", "shop/here?fmt=png", false, 200),
        ("a bad command", "shop/missing?wid=x", false, 403),
        ("S-79 a save", "shop/missing?req=saveToFile&name=a.png", false, 403),
        ("S-79 a corrupt save", "shop/broken?req=saveToFile&name=a.png", false, 403),
        ("a bar in the path", "shop/bar|x", false, 403),
    ] {
        let before = origin.count();
        let reply = get(&service, target);
        let shown = text(&reply);
        assert_eq!(origin.count() - before, usize::from(is_asked), "{name}: {shown}");
        assert_eq!(reply.status, status, "{name}: {shown}");
        if is_asked && target.contains("fmt=png") {
            assert_eq!(size(&reply), (40, 30), "{name}");
            assert_eq!(reply.header("Content-Type"), Some("image/png"), "{name}");
        }
        for header in ["Set-Cookie", "X-Inner", "Content-Length", "Connection"] {
            assert_eq!(reply.header(header), None, "{name}: {header}");
        }
        count += 1;
    }
    assert_eq!(count, 16);
    assert!(!site.path("saved/web/a.png").exists());
    for head in origin.heads() {
        assert!(head.to_ascii_lowercase().contains("\r\nx-imprint-redirect: 1\r\n"), "{head}");
    }
}

#[test]
fn s_79_the_answer_is_passed_on_good_or_bad_and_asked_for_each_time() {
    let bad = reply("403 No", "Content-Type: text/plain\r\nX-Secret: y\r\n", b"not here either\n");
    let origin = Origin::saying(bad);
    let service = primary(origin.port).service();
    for _ in 0..2 {
        let reply = get(&service, "shop/missing?wid=5");
        assert_eq!((reply.status, text(&reply)), (403, "not here either\n".to_owned()));
        assert_eq!(reply.header("Content-Type"), Some("text/plain"));
        assert_eq!(reply.header("X-Secret"), None);
    }
    assert_eq!(origin.count(), 2);
    assert!(origin.heads()[0].starts_with("GET /is/image/shop/missing?wid=5 HTTP/1.1\r\n"));
}

#[test]
fn u_redirect_two_servers_that_point_at_each_other_ask_once() {
    // The server asks itself.
    let service = Arc::new(Mutex::new(None::<Arc<Service>>));
    let own = service.clone();
    let origin = Origin::new(move |head, stream| {
        let service = own.lock().expect("no panic").clone().expect("it is open");
        let (raw, _) = heard(head);
        assert!(raw.headers.is_redirected, "{head}");
        let answer = answer(&service, &raw, &unhurried());
        let _ = stream.write_all(&reply(&answer.status.to_string(), "", &answer.body));
    });
    let site = primary(origin.port);
    *service.lock().expect("no panic") = Some(Arc::new(site.service()));
    let open = service.lock().expect("no panic").clone().expect("it is open");
    let reply = get(&open, "shop/missing?wid=5");
    assert_eq!(reply.status, 403);
    assert!(text(&reply).starts_with("Image not found"), "{}", text(&reply));
    assert_eq!(origin.count(), 1);
}

#[test]
fn s_79_a_second_server_that_fails_leaves_the_text_of_the_error() {
    let closed = Origin::saying("").port;
    let silent = Origin::new(|_, stream| drop(stream.read(&mut [0])));
    let away = Origin::saying(reply("302 Away", "Location: http://127.0.0.1/\r\n", b"away"));
    let broken = Origin::saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
    let endless = Origin::saying("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    let mut count = 0;
    for (name, port) in [
        ("nobody listens", closed),
        ("silent", silent.port),
        ("a redirect", away.port),
        ("a short body", broken.port),
        ("an endless body", endless.port),
    ] {
        let service = primary(port).service();
        let start = Instant::now();
        let reply = get(&service, "shop/missing?wid=5");
        assert_eq!(reply.status, 403, "{name}");
        assert!(text(&reply).starts_with("Image not found"), "{name}: {}", text(&reply));
        let media_type = reply.header("Content-Type").unwrap_or_default();
        assert!(media_type.starts_with("text/plain"), "{name}: {media_type}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
        count += 1;
    }
    assert_eq!(count, 5);
    // Default and error images do not help (requests.md 23.5).
    let site = primary(closed);
    for mode in ["", "DefaultImageMode=1\n"] {
        let ini = format!("{SHOP}DefaultImage=here\nErrorImage=here\n{mode}");
        site.write("catalogs/shop.ini", ini);
        for target in ["shop/missing?wid=5", "shop/here?src=missing", "shop/broken?wid=5"] {
            let reply = site.get(target);
            assert_eq!(reply.status, 403, "{mode}{target}");
        }
        let reply = site.get("shop/nobody?fmt=png");
        assert_eq!((reply.status, size(&reply)), (200, (20, 10)), "{mode}: it is not redirected");
    }
    let service = primary(silent.port).service();
    let start = Instant::now();
    let raw = request(Method::Get, "shop/missing");
    let late = answer(&service, &raw, &Deadline::after(Duration::from_millis(200)));
    assert_eq!(late.status, 403);
    assert!(start.elapsed() < Duration::from_millis(1900), "the deadline of the request counts");
}

#[test]
fn a_post_is_passed_on_as_it_came_and_never_cacheable() {
    let (_folder, second) = secondary();
    let origin = served(second);
    let service = primary(origin.port).service();
    let mut raw = request(Method::Post, "shop/missing?fmt=png");
    raw.body = b"wid=4&hei=3".to_vec();
    raw.headers.content_type = Some(b"application/x-www-form-urlencoded".to_vec());
    let reply = answer(&service, &raw, &unhurried());
    assert_eq!((reply.status, size(&reply)), (200, (4, 3)), "{}", text(&reply));
    assert_eq!(reply.header("Cache-Control"), Some("no-store"));
    assert!(origin.heads()[0].starts_with("POST /is/image/shop/missing?fmt=png HTTP/1.1\r\n"));
}

#[test]
fn without_a_second_server_nothing_changes() {
    let site = site("");
    let reply = site.get("shop/missing?wid=5");
    assert_eq!(reply.status, 403);
    assert!(text(&reply).starts_with("Image not found"), "{}", text(&reply));
}
