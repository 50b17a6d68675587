//! The ways in: FastCGI, CGI and preview bytes to a request, and replies back to bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use imprint::error::Kind;
use imprint::gateway::{Front, Settings, answer_cgi, raw_request};
use imprint::request::{Method, RawRequest, Target};

use crate::support::gateway::{
    PATIENCE, Server, ask, connect, get, handlers, obey, query, read_reply, request_bytes, text,
};

/// The announced length of a body, or the refusal.
type Length = Result<Option<usize>, Kind>;
type Pairs<'a> = &'a [(&'a str, &'a [u8])];

fn parsed(pairs: Pairs<'_>) -> Result<(RawRequest, Option<usize>), Kind> {
    let pairs = pairs.iter().map(|(name, value)| (name.as_bytes(), *value));
    raw_request(pairs, &Front::default()).map_err(|error| error.kind())
}

#[test]
fn the_target_is_the_raw_one_where_there_is_one() {
    let raw = |text: &[u8]| Ok(Target::Raw(text.to_vec()));
    let decoded = |path: &[u8], query: &[u8]| {
        Ok(Target::Decoded { path: path.to_vec(), query: query.to_vec() })
    };
    let uri: &[u8] = b"/is/image/a%2Fb?wid=1";
    let cases: [(&str, Pairs<'_>, Result<Target, Kind>); 12] = [
        (
            "raw-uri",
            &[("REQUEST_URI", uri), ("SCRIPT_NAME", b"/is/image"), ("PATH_INFO", b"/a/b")],
            raw(uri),
        ),
        (
            "absolute form",
            &[("REQUEST_URI", b"http://h/is/image/a"), ("PATH_INFO", b"/x")],
            raw(b"http://h/is/image/a"),
        ),
        (
            "prefix alone",
            &[("REQUEST_URI", b"/is/image?req=x"), ("PATH_INFO", b"/x")],
            raw(b"/is/image?req=x"),
        ),
        ("non-UTF-8", &[("REQUEST_URI", b"/is/image/\xff")], raw(b"/is/image/\xff")),
        (
            "G-11 disagreeing query",
            &[("REQUEST_URI", uri), ("QUERY_STRING", b"req=other")],
            raw(uri),
        ),
        (
            "rewritten by the site",
            &[
                ("REQUEST_URI", b"/pic/a"),
                ("SCRIPT_NAME", b"/is/image"),
                ("PATH_INFO", b"/a"),
                ("QUERY_STRING", b"wid=1"),
            ],
            decoded(b"/is/image/a", b"wid=1"),
        ),
        (
            "prefix is a whole segment",
            &[
                ("REQUEST_URI", b"/is/images/a"),
                ("SCRIPT_NAME", b"/is/image"),
                ("PATH_INFO", b"/b"),
            ],
            decoded(b"/is/image/b", b""),
        ),
        (
            "constant script name says nothing",
            &[("REQUEST_URI", b"/pic/a"), ("SCRIPT_NAME", b"/is/image")],
            raw(b"/pic/a"),
        ),
        (
            "G-7 no REQUEST_URI",
            &[("SCRIPT_NAME", b"/is/image"), ("PATH_INFO", b"/a b"), ("QUERY_STRING", b"q")],
            decoded(b"/is/image/a b", b"q"),
        ),
        (
            "G-7 empty REQUEST_URI",
            &[("REQUEST_URI", b""), ("SCRIPT_NAME", b"/is/image")],
            decoded(b"/is/image", b""),
        ),
        (
            "twice: the last",
            &[("REQUEST_URI", b"/is/image/a"), ("REQUEST_URI", b"/is/image/b")],
            raw(b"/is/image/b"),
        ),
        ("G-7 no path at all", &[("QUERY_STRING", b"a")], Err(Kind::BadRequest)),
    ];
    for (name, pairs, expected) in cases {
        let pairs = [&[("REQUEST_METHOD", b"GET".as_slice())], pairs].concat();
        assert_eq!(parsed(&pairs).map(|(raw, _)| raw.target), expected, "{name}");
    }
}

#[test]
fn lengths_and_methods_are_checked_before_anything_is_read() {
    let twice: Pairs<'_> = &[("CONTENT_LENGTH", b"1"), ("CONTENT_LENGTH", b"2")];
    let cases: [(&str, Pairs<'_>, Length); 13] = [
        ("absent", &[], Ok(None)),
        ("empty", &[("CONTENT_LENGTH", b"")], Ok(None)),
        ("zero", &[("CONTENT_LENGTH", b"0")], Ok(Some(0))),
        ("leading zeros", &[("CONTENT_LENGTH", b"0000000000000000000000000012")], Ok(Some(12))),
        ("limit", &[("CONTENT_LENGTH", b"65536")], Ok(Some(65536))),
        ("G-6 above", &[("CONTENT_LENGTH", b"65537")], Err(Kind::BodyTooLarge)),
        (
            "G-6 huge",
            &[("CONTENT_LENGTH", b"999999999999999999999999999")],
            Err(Kind::BodyTooLarge),
        ),
        ("G-6 negative", &[("CONTENT_LENGTH", b"-1")], Err(Kind::BadRequest)),
        ("G-6 word", &[("CONTENT_LENGTH", b"abc")], Err(Kind::BadRequest)),
        ("G-6 float", &[("CONTENT_LENGTH", b"1e3")], Err(Kind::BadRequest)),
        ("G-6 two values", twice, Err(Kind::BadRequest)),
        ("G-6 the same twice", &[("CONTENT_LENGTH", b"7"), ("CONTENT_LENGTH", b"7")], Ok(Some(7))),
        ("G-7 two methods", &[("REQUEST_METHOD", b"POST")], Err(Kind::BadRequest)),
    ];
    let given: Pairs<'_> = &[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", b"/is/image/a")];
    for (name, pairs, expected) in cases {
        let found = parsed(&[given, pairs].concat()).map(|(_, length)| length);
        assert_eq!(found, expected, "{name}");
    }
    let uri: Pairs<'_> = &[("REQUEST_URI", b"/is/image/a")];
    assert_eq!(parsed(uri).map(drop), Err(Kind::BadRequest), "G-7 no method");
    assert_eq!(parsed(&[]).map(drop), Err(Kind::BadRequest), "G-7 nothing");
}

#[test]
fn only_the_headers_that_are_read_reach_the_request() {
    let pairs: Pairs<'_> = &[
        ("REQUEST_METHOD", b"DELETE"),
        ("REQUEST_URI", b"/is/image/a"),
        ("REMOTE_ADDR", b"::ffff:192.0.2.7"),
        ("HTTP_PROXY", b"http://127.0.0.1:9/"),
        ("IMPRINT_CONFIG", b"/tmp/x"),
        ("SaveDirectory", b"/"),
        ("LD_PRELOAD", b"/tmp/x.so"),
        ("HTTP_IF_NONE_MATCH", b"\"a\""),
        ("HTTP_IF_NONE_MATCH", b"\"b\""),
        ("HTTP_SEC_FETCH_SITE", b"cross-site"),
        ("HTTP_ACCEPT", b""),
        ("HTTP_X_FORWARDED_FOR", b"\xff"),
    ];
    let (raw, _) = parsed(pairs).expect("request");
    assert_eq!(raw.method, Method::Other);
    assert_eq!(raw.peer, Some("192.0.2.7".parse().expect("address")));
    assert_eq!(raw.headers.if_none_match.as_deref(), Some(b"\"a\", \"b\"".as_slice()));
    assert_eq!(raw.headers.forwarded_for.as_deref(), Some(b"\xff".as_slice()));
    assert_eq!(raw.headers.accept, None);
    let shown = format!("{raw:?}");
    for foreign in ["127.0.0.1:9", "/tmp/x"] {
        assert!(!shown.contains(foreign), "G-8, G-9: {foreign} in {shown}");
    }
    let twice = [pairs, &[("HTTP_SEC_FETCH_SITE", b"none".as_slice())]].concat();
    assert_eq!(parsed(&twice).map(drop), Err(Kind::BadRequest), "contradicting header");
    for (text, expected) in [
        ("192.0.2.7", Some("192.0.2.7")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("fe80::1%eth0", Some("fe80::1")),
        ("unix:", None),
        ("", None),
        ("1.2.3", None),
    ] {
        let pairs = [&pairs[..2], &[("REMOTE_ADDR", text.as_bytes())]].concat();
        let (raw, _) = parsed(&pairs).expect("request");
        assert_eq!(raw.peer, expected.map(|e| e.parse().expect("address")), "{text}");
    }
}

fn answering(raw: &RawRequest) -> imprint::reply::Reply {
    let mut reply = text(200, "hello");
    match query(raw).as_str() {
        "304" => reply.status = 304,
        "204" => reply.status = 204,
        "405" => reply.status = 405,
        "bare" => reply.headers.clear(),
        "twice" => {
            reply.headers.push(("Content-Length".into(), imprint::reply::HeaderValue::new("99")))
        }
        _ => {}
    }
    reply
}

#[test]
fn a_reply_has_status_headers_length_and_one_body() {
    let server = Server::start(&Settings::default(), handlers(|raw, _| answering(raw)));
    let typed = "Content-Type: text/plain\r\n";
    let cases = [
        ("GET", "", format!("Status: 200 OK\r\n{typed}Content-Length: 5\r\n\r\nhello")),
        ("HEAD", "", format!("Status: 200 OK\r\n{typed}Content-Length: 5\r\n\r\n")),
        ("GET", "304", "Status: 304 Not Modified\r\n\r\n".to_owned()),
        ("GET", "204", "Status: 204 No Content\r\n\r\n".to_owned()),
        ("GET", "405", format!("Status: 405 Method Not Allowed\r\n{typed}Allow: GET, HEAD, POST\r\nContent-Length: 5\r\n\r\nhello")),
        ("GET", "bare", "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello".to_owned()),
        ("GET", "twice", format!("Status: 200 OK\r\n{typed}Content-Length: 5\r\n\r\nhello")),
    ];
    for (method, query, expected) in cases {
        let uri = format!("/is/image/a?{query}");
        let pairs: Pairs<'_> =
            &[("REQUEST_METHOD", method.as_bytes()), ("REQUEST_URI", uri.as_bytes())];
        let reply = ask(&server.socket, &request_bytes(pairs, &[], false));
        assert_eq!(reply.expect("reply"), expected, "{method} {query}");
    }
}

#[test]
fn a_panic_is_a_500_and_the_next_request_is_served() {
    let server = Server::start(&Settings::default(), handlers(obey));
    for round in 0..3 {
        let reply = ask(&server.socket, &get("/is/image/a?panic")).expect("reply");
        assert!(reply.starts_with("Status: 500 Internal Server Error\r\n"), "G9 {round}: {reply}");
        assert!(reply.contains("text/plain") && !reply.contains("asked to"), "{reply}");
        let reply = ask(&server.socket, &get("/is/image/a?x")).expect("reply");
        assert!(reply.ends_with("\r\n\r\nGet x 0"), "{round}: {reply}");
    }
}

#[test]
fn a_post_brings_its_body_and_bad_ones_are_refused() {
    let settings =
        Settings { front: Front { body_limit: 1000, ..Front::default() }, ..Settings::default() };
    let server = Server::start(&settings, handlers(obey));
    let long = [b'a'; 1001];
    let cases: [(&str, &[u8], Option<&str>, &str); 8] = [
        ("whole", b"wid=1", Some("5"), "Status: 200"),
        ("without a length", b"wid=1", None, "Status: 200"),
        ("empty", b"", Some("0"), "Status: 200"),
        ("G-6 shorter than said", b"wid=1", Some("9"), "Status: 400"),
        ("G-6 longer than said", b"wid=1", Some("2"), "Status: 400"),
        ("G-6 not a number", b"wid=1", Some("abc"), "Status: 400"),
        ("G-6 said to be too long", b"wid=1", Some("999999999"), "Status: 413"),
        ("too long", &long, None, "Status: 413"),
    ];
    for (name, body, length, expected) in cases {
        let mut pairs =
            vec![("REQUEST_METHOD", b"POST".as_slice()), ("REQUEST_URI", b"/is/image/a?x")];
        pairs.extend(length.map(|length| ("CONTENT_LENGTH", length.as_bytes())));
        let reply = ask(&server.socket, &request_bytes(&pairs, body, false)).expect(name);
        assert!(reply.starts_with(expected), "{name}: {reply}");
        if expected == "Status: 200" {
            assert!(reply.ends_with(&format!("Post x {}", body.len())), "{name}: {reply}");
        }
    }
}

#[test]
fn a_kept_connection_serves_again() {
    let server = Server::start(&Settings::default(), handlers(obey));
    let mut stream = connect(&server.socket).expect("connection");
    let pairs: Pairs<'_> = &[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", b"/is/image/a?again")];
    for _ in 0..20 {
        stream.write_all(&request_bytes(pairs, &[], true)).expect("written");
        let reply = read_reply(&mut stream).expect("reply");
        assert!(reply.ends_with(b"Get again 0"));
    }
}

fn http(port: u16, name: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.write_all(request).expect("written");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap_or_else(|e| panic!("{name}: not closed: {e}"));
    String::from_utf8_lossy(&reply).into_owned()
}

#[test]
fn the_preview_speaks_http() {
    let server = Server::start(&Settings::default(), handlers(obey));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(17 << 10));
    let cases: [(&str, &str, &str, &str); 18] = [
        (
            "get",
            "GET /is/image/a?q HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n",
            "Get q 0",
        ),
        (
            "head",
            "HEAD /is/image/a?q HTTP/1.1\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200",
            "Content-Length: 8\r\n\r\n",
        ),
        ("1.0 closes", "GET /is/image/a?q HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "Get q 0"),
        ("lines of LF", "GET /is/image/a?q HTTP/1.0\n\n", "HTTP/1.1 200", "Get q 0"),
        (
            "post",
            "POST /is/image/a?q HTTP/1.0\r\nContent-Length: 5\r\n\r\nwid=1",
            "HTTP/1.1 200",
            "Post q 5",
        ),
        (
            "body of a get",
            "GET /is/image/a?q HTTP/1.0\r\nContent-Length: 5\r\n\r\nwid=1",
            "HTTP/1.1 200",
            "Get q 0",
        ),
        (
            "expecting",
            "POST /is/image/a?q HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200",
            "Post q 0",
        ),
        (
            "two in one write",
            "GET /?a HTTP/1.1\r\n\r\nGET /?b HTTP/1.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type",
            "Get b 0",
        ),
        (
            "foreign host",
            "GET /is/image/a HTTP/1.0\r\nHost: evil.example\r\n\r\n",
            "HTTP/1.1 403",
            "\n",
        ),
        ("own address", "GET /?a HTTP/1.0\r\nHost: [::1]:8080\r\n\r\n", "HTTP/1.1 200", "Get a 0"),
        (
            "chunked",
            "POST /?a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 400",
            "\n",
        ),
        (
            "two lengths",
            "POST /?a HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 400",
            "\n",
        ),
        (
            "huge length",
            "POST /?a HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 413",
            "\n",
        ),
        ("space before the colon", "GET /?a HTTP/1.0\r\nHost : a\r\n\r\n", "HTTP/1.1 400", "\n"),
        ("folded header", "GET /?a HTTP/1.0\r\nAccept: a\r\n b\r\n\r\n", "HTTP/1.1 400", "\n"),
        ("no HTTP", "hello\r\n\r\n", "HTTP/1.1 400", "\n"),
        ("another version", "GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 400", "\n"),
        ("head too long", &long, "HTTP/1.1 414", "\n"),
    ];
    for (name, request, start, end) in cases {
        let reply = http(server.port, name, request.as_bytes());
        assert!(reply.starts_with(start), "{name}: {reply}");
        assert!(reply.ends_with(end), "{name}: {reply}");
    }
    let reply = http(server.port, "panic", b"GET /?panic HTTP/1.0\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 500"), "panic: {reply}");
}

/// Not a test of its own: the CGI program of the test below.
#[test]
fn cgi_program() {
    if std::env::var_os("IMPRINT_TEST_CGI").is_none() {
        return;
    }
    let settings = Settings { deadline: std::time::Duration::from_secs(1), ..Settings::default() };
    let status = answer_cgi(&settings, handlers(obey)).unwrap_or(1);
    std::process::exit(i32::from(status));
}

#[test]
fn cgi_answers_from_environment_and_standard_input() {
    let cases: [(&str, Pairs<'_>, &[u8], &str, &str); 7] = [
        (
            "get",
            &[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", b"/is/image/a?q")],
            b"",
            "Status: 200 OK\r\n",
            "Get q 0",
        ),
        (
            "G-10 query like an option",
            &[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", b"/is/image/a?-s")],
            b"",
            "Status: 200",
            "Get -s 0",
        ),
        (
            "post",
            &[
                ("REQUEST_METHOD", b"POST"),
                ("REQUEST_URI", b"/is/image/a?q"),
                ("CONTENT_LENGTH", b"3"),
            ],
            b"abcdef",
            "Status: 200",
            "Post q 3",
        ),
        (
            "G-6 short body",
            &[("REQUEST_METHOD", b"POST"), ("REQUEST_URI", b"/a"), ("CONTENT_LENGTH", b"9")],
            b"abc",
            "Status: 400",
            "\n",
        ),
        ("G-7 nothing", &[], b"", "Status: 400", "\n"),
        (
            "deadline",
            &[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", b"/a?spin")],
            b"",
            "Status: 403",
            "timed out",
        ),
        (
            "panic",
            &[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", b"/a?panic")],
            b"",
            "Status: 500",
            "\n",
        ),
    ];
    for (name, variables, body, start, end) in cases {
        let mut command = Command::new(std::env::current_exe().expect("own program"));
        command
            .args(["--exact", "fastcgi::cgi_program", "--nocapture"])
            .envs([("IMPRINT_TEST_CGI", "1"), ("RUST_BACKTRACE", "0")]);
        for (name, value) in variables {
            command.env(name, std::ffi::OsStr::from_bytes(value));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("started");
        let _ = child.stdin.take().expect("pipe").write_all(body);
        let output = child.wait_with_output().expect("ended");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        // The test program itself says something first.
        let reply = output.find("Status:").and_then(|at| output.get(at..)).unwrap_or(&output);
        assert!(reply.starts_with(start), "{name}: {output}");
        assert!(reply.ends_with(end), "{name}: {output}");
    }
}
