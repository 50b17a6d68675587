//! What servers answer, good and hostile: R-5, RQ-081, S-77, CX-76.

use super::*;
use crate::support::site::Site;

#[test]
fn an_image_arrives_whole() {
    let mut count = 0;
    let body = picture();
    let chunked = |parts: &[&[u8]]| {
        let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in parts {
            out.extend(format!("{:x}\r\n", part.len()).into_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    };
    for (name, answer) in [
        ("with its length", reply("200 OK", "Content-Type: image/png\r\n", &body)),
        ("up to the end", [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &body].concat()),
        ("HTTP/1.0", [&b"HTTP/1.0 200 OK\r\n\r\n"[..], &body].concat()),
        ("in chunks", chunked(&[&body[..7], &body[7..]])),
        ("no reason phrase", reply("200 ", "", &body)),
        ("identity", reply("200 OK", "Content-Encoding: identity\r\n", &body)),
        ("another type", reply("200 OK", "Content-Type: text/html\r\n", &body)),
        ("more than its length", [reply("200 OK", "", &body), vec![7; 1000]].concat()),
        (
            "100 first",
            [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &reply("200 OK", "", &body)].concat(),
        ),
    ] {
        let origin = Origin::saying(answer);
        let image = fetch(&remote(), &origin.url("/a.png"));
        let image = image.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(bytes(&image), body, "{name}");
        assert_eq!(image.identity().bytes, body.len() as u64, "{name}");
        assert_eq!(origin.count(), 1, "{name}");
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn the_request_tells_nothing_of_the_client_and_asks_for_no_coding() {
    let origin = Origin::saying(reply("200 OK", "", &picture()));
    fetch(&remote(), &origin.url("/a%20b.png?c=d&e=%26")).expect("the image");
    let head = origin.heads().concat().to_ascii_lowercase();
    assert!(head.starts_with("get /a%20b.png?c=d&e=%26 http/1.1\r\n"), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
    assert!(head.contains("user-agent: imprint/"), "{head}");
    for name in ["cookie", "referer", "authorization", "x-forwarded-for", "proxy", "via"] {
        assert!(!head.contains(&format!("\r\n{name}")), "{name}: {head}");
    }
}

#[test]
fn r_5_answers_that_are_no_whole_image_are_errors() {
    let body = picture();
    let many = "X-Line: y\r\n".repeat(10_000);
    let long = format!("X-Line: {}\r\n", "y".repeat(1 << 20));
    let short = reply("200 OK", "", &body);
    let unreadable = Kind::Unreadable;
    let mut count = 0;
    for (name, answer, kind, detail) in [
        ("10,000 header lines", reply("200 OK", &many, &body), unreadable, "did not answer"),
        ("a long header line", reply("200 OK", &long, &body), unreadable, "did not answer"),
        (
            "shorter than its length",
            short[..short.len() - 1].to_vec(),
            unreadable,
            "did not answer",
        ),
        (
            "no bytes of its length",
            reply("200 OK", "", &body)[..40].to_vec(),
            unreadable,
            "did not answer",
        ),
        (
            "a length beyond",
            reply("200 OK", "", &vec![7; (1 << 20) + 1]),
            Kind::TooLarge,
            "exceeds 1048576 bytes",
        ),
        (
            "an announced length beyond",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec(),
            Kind::TooLarge,
            "exceeds 1048576 bytes",
        ),
        (
            "a length that is none",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".to_vec(),
            unreadable,
            "did not answer",
        ),
        (
            "a broken chunk",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
            unreadable,
            "did not answer",
        ),
        (
            "an unfinished chunk",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc".to_vec(),
            unreadable,
            "did not answer",
        ),
        (
            "a gzip bomb",
            reply("200 OK", "Content-Encoding: gzip\r\n", &bomb()),
            unreadable,
            "coded as gzip, expected none",
        ),
        ("brotli", reply("200 OK", "Content-Encoding: br\r\n", &body), unreadable, "coded as br"),
        ("no HTTP", b"SSH-2.0-OpenSSH\r\n".to_vec(), unreadable, "did not answer"),
        ("nothing", Vec::new(), unreadable, "did not answer"),
        ("half a head", b"HTTP/1.1 200 OK\r\nETag: ".to_vec(), unreadable, "did not answer"),
        ("RQ-081 301", away(301), unreadable, "redirects with status 301"),
        ("CX-76 302", away(302), unreadable, "redirects with status 302"),
        ("RQ-081 303", away(303), unreadable, "redirects with status 303"),
        ("U-foreign-schemes 307", away(307), unreadable, "redirects with status 307"),
        ("U-foreign-schemes 308", away(308), unreadable, "redirects with status 308"),
        ("300", away(300), unreadable, "redirects with status 300"),
        (
            "304 that nobody asked for",
            b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(),
            unreadable,
            "304",
        ),
        ("404", reply("404 Not Found", "", &body), unreadable, "answers 404"),
        ("403", reply("403 Forbidden", "", &body), unreadable, "answers 403"),
        ("500", reply("500 Oops", "", &body), unreadable, "answers 500"),
        ("204", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), unreadable, "answers 204"),
        ("206", reply("206 Partial Content", "", &body), unreadable, "answers 206"),
        ("401", reply("401 Unauthorized", "WWW-Authenticate: Basic\r\n", &body), unreadable, "401"),
        ("407", reply("407 Proxy", "Proxy-Authenticate: Basic\r\n", &body), unreadable, "407"),
    ] {
        let origin = Origin::saying(answer);
        let start = Instant::now();
        let (found, text) = failure(fetch(&remote(), &origin.url("/a.png")));
        assert_eq!(found, kind, "{name}: {text}");
        assert!(text.contains(detail), "{name}: {text}");
        assert_eq!(origin.count(), 1, "{name}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
        count += 1;
    }
    assert_eq!(count, 28);
}

/// A megabyte of zeros in a thousand bytes.
fn bomb() -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(&vec![0; 1 << 20]).expect("memory");
    out.finish().expect("memory")
}

fn away(status: u16) -> Vec<u8> {
    reply(&format!("{status} Away"), "Location: /b.png\r\n", &picture())
}

#[test]
fn s_77_a_redirect_to_anywhere_is_not_followed() {
    let target = Origin::saying(reply("200 OK", "", &picture()));
    let mut count = 0;
    for to in [
        target.url("/b.png"),
        format!("//127.0.0.1:{}/b.png", target.port),
        format!("http://localhost:{}/b.png", target.port),
        format!("http://[::ffff:127.0.0.1]:{}/b.png", target.port),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let head = format!("Location: {to}\r\n");
            let origin = Origin::saying(reply(&format!("{status} Away"), &head, b""));
            let (kind, detail) = failure(fetch(&remote(), &origin.url("/a.png")));
            assert_eq!(kind, Kind::Unreadable, "{status} {to}: {detail}");
            assert_eq!(origin.count(), 1, "{status} {to}");
            count += 1;
        }
    }
    assert_eq!((count, target.count()), (20, 0));
}

#[test]
fn r_5_slow_and_endless_servers_end_with_the_time_or_the_bytes_allowed() {
    let timeout = Duration::from_millis(300);
    let mut count = 0;
    type Behavior = fn(&str, &mut TcpStream);
    let cases: [(&str, Behavior, Kind, &str); 6] = [
        ("silent", |_, stream| drop(stream.read(&mut [0])), Kind::Unreadable, "in time"),
        (
            "a header byte from time to time",
            |_, stream| drip(stream, b"HTTP/1.1 200 OK\r\nETag: \"", b"a"),
            Kind::Unreadable,
            "in time",
        ),
        (
            "a header line from time to time",
            |_, stream| drip(stream, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
            Kind::Unreadable,
            "in time",
        ),
        (
            "a body byte from time to time",
            |_, stream| drip(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"a"),
            Kind::Unreadable,
            "in time",
        ),
        (
            "interim answers without end",
            |_, stream| drip(stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            Kind::Unreadable,
            "in time",
        ),
        (
            "a body without end",
            |_, stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&[7; 65_536]).is_ok() {}
            },
            Kind::TooLarge,
            "exceeds 1048576 bytes",
        ),
    ];
    for (name, behavior, kind, detail) in cases {
        let origin = Origin::new(behavior);
        // The body without end is bounded by its bytes; on a busy machine they may need their time.
        let timeout = if kind == Kind::TooLarge { PATIENCE } else { timeout };
        let remote = remote_with(RemoteSettings { timeout, ..settings(&["127.0.0.1"]) });
        let start = Instant::now();
        let (found, text) = failure(fetch(&remote, &origin.url("/a.png")));
        assert_eq!(found, kind, "{name}: {text}");
        assert!(text.contains(detail), "{name}: {text}");
        assert!(start.elapsed() < Duration::from_secs(5), "{name}");
        count += 1;
    }
    assert_eq!(count, 6);
}

/// Sends `first`, then `part` again and again, twenty times a second, until the other side leaves.
fn drip(stream: &mut TcpStream, first: &[u8], part: &[u8]) {
    let _ = stream.write_all(first);
    while stream.write_all(part).is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_deadline_of_the_request_counts_and_is_noticed_while_waiting() {
    let origin = Origin::new(|_, stream| drop(stream.read(&mut [0])));
    let url = direct(&origin.url("/a.png"));
    let start = Instant::now();
    let remote = remote();
    let found = remote.fetch(&url, &Deadline::after(Duration::from_millis(200)));
    assert_eq!(failure(found).0, Kind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(5));
    // A client that leaves, or a watchdog, expires the work long before its end.
    let deadline = Deadline::after(Duration::from_secs(600));
    let found = std::thread::scope(|scope| {
        let work = scope.spawn(|| remote.fetch(&url, &deadline));
        crate::support::gateway::until("the server is asked again", || origin.count() == 2);
        assert!(deadline.expire());
        work.join().expect("no panic")
    });
    assert_eq!(failure(found).0, Kind::TimedOut);
    let passed = Deadline::after(Duration::ZERO);
    assert_eq!(failure(remote.fetch(&url, &passed)).0, Kind::TimedOut);
    assert_eq!(origin.count(), 2, "nobody is asked when the time is over");
}

#[test]
fn a_port_where_nobody_listens_is_an_error_at_once() {
    let port = Origin::saying("").port;
    let start = Instant::now();
    let (kind, detail) = failure(fetch(&remote(), &format!("http://127.0.0.1:{port}/a.png")));
    assert_eq!(kind, Kind::Unreadable, "{detail}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn content_decides_the_type_and_16_bits_are_refused() {
    let mut deep = Vec::new();
    {
        let mut encoder = png::Encoder::new(&mut deep, 2, 1);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Sixteen);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&[0, 1, 2, 3]).expect("two pixels");
    }
    let site = Site::with("[imprint]\nremoteHosts = 127.0.0.1\n", "AllowDirectUrls=1\n");
    let service = site.service();
    let attributes = attributes("AllowDirectUrls=1\n");
    let mut count = 0;
    for (name, media_type, body, expected) in [
        ("a picture", "image/png", picture(), None),
        ("a picture by another name", "text/html", picture(), None),
        (
            "HTML by the name of a picture",
            "image/png",
            b"<html>".to_vec(),
            Some("unsupported format"),
        ),
        ("nothing", "image/png", Vec::new(), Some("unsupported format")),
        ("a broken header", "image/png", picture()[..20].to_vec(), Some("foreign source")),
        ("16 bits a component", "image/png", deep, Some("16 bits a component, expected at most 8")),
        (
            "SVG",
            "image/svg+xml",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            Some("unsupported format"),
        ),
    ] {
        let origin =
            Origin::saying(reply("200 OK", &format!("Content-Type: {media_type}\r\n"), &body));
        for url in [origin.url("/a.png"), origin.url("/a.png").replace("://", "%3A//")] {
            let found = service.remote_source(&url, &attributes, &unhurried());
            match (found, expected) {
                (Ok((image, header)), None) => {
                    assert_eq!((header.size.width, header.size.height), (20, 10), "{name}");
                    assert_eq!(bytes(&image), body, "{name}");
                }
                (Err(error), Some(detail)) => {
                    assert_eq!(error.kind(), Kind::Unreadable, "{name}: {error}");
                    assert!(error.to_string().contains(detail), "{name}: {error}");
                    assert!(!error.blames_source(), "{name}: no second server, no default image");
                    assert_eq!(error.kind().status(), 403, "U-status {name}");
                }
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        count += 1;
    }
    assert_eq!(count, 7);
    let off = super::attributes("");
    let found = service.remote_source("http://127.0.0.1/a.png", &off, &unhurried());
    assert_eq!(failure(found).0, Kind::Refused, "RQ-080");
    let found = service.remote_source("http%3A//127.0.0.1/a%zz", &attributes, &unhurried());
    assert_eq!(failure(found).0, Kind::Syntax);
}
