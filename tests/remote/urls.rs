//! Which URLs a catalog allows, before any name is looked up.

use super::*;

fn parsed(ini: &str, text: &str) -> Result<String, Kind> {
    let url = RemoteUrl::parse(text, &attributes(ini));
    url.map(|url| url.as_str().to_owned()).map_err(|error| error.kind())
}

#[test]
fn s_78_catalogs_gate_absolute_and_relative_urls() {
    const ROOT: &str = "RootUrl=http://root.example/images\n";
    const BOTH: &str = "AllowDirectUrls=1\nRootUrl=https://root.example:8443/images/\n";
    const TRUSTED: &str =
        "AllowDirectUrls=1\nRootUrl=http://root.example/\nTrustedDomains=a.example,*.b.example\n";
    let refused = || Err(Kind::Refused);
    let url = |text: &str| Ok(text.to_owned());
    let mut count = 0;
    for (name, ini, text, expected) in [
        ("RQ-080 direct off", "", "http://a.example/b.jpg", refused()),
        ("RQ-080 direct off, with a root", ROOT, "http://a.example/b.jpg", refused()),
        ("RQ-080 the root itself is no exception", ROOT, "http://root.example/images/b", refused()),
        (
            "RQ-080 direct on",
            "AllowDirectUrls=1\n",
            "http://a.example/b.jpg",
            url("http://a.example/b.jpg"),
        ),
        (
            "https",
            "AllowDirectUrls=1\n",
            "https://a.example/b?c=d&e=(f)",
            url("https://a.example/b?c=d&e=(f)"),
        ),
        (
            "R-4 upper-case scheme",
            "AllowDirectUrls=1\n",
            "HTTP://A.Example/B",
            url("http://a.example/B"),
        ),
        ("R-4 upper-case scheme, direct off", ROOT, "HTTP://a.example/b", refused()),
        ("RQ-080 no root", "", "b.jpg", refused()),
        ("RQ-080 S-78 no root, direct on", "AllowDirectUrls=1\n", "b.jpg", refused()),
        ("RQ-080 below the root", ROOT, "b.jpg", url("http://root.example/images/b.jpg")),
        ("a slash in front", ROOT, "/c/b.jpg", url("http://root.example/images/c/b.jpg")),
        (
            "a root with slash and port",
            BOTH,
            "c/b.jpg?d",
            url("https://root.example:8443/images/c/b.jpg?d"),
        ),
        ("an escape stays", ROOT, "a%20b.jpg", url("http://root.example/images/a%20b.jpg")),
        ("dots leave", ROOT, "../b.jpg", refused()),
        ("dots within", ROOT, "c/../b.jpg", url("http://root.example/images/b.jpg")),
        ("dots behind the root", ROOT, "c/../../b.jpg", refused()),
        ("dots to the root's own name", ROOT, "../images-of-others/b.jpg", refused()),
        ("encoded dots", ROOT, "%2e%2E/b.jpg", refused()),
        ("encoded slash", ROOT, "c%2f..%2f..%2fb.jpg", refused()),
        ("twice encoded dots", ROOT, "%252e%252e/b.jpg", refused()),
        ("twice encoded slash", ROOT, "..%252f..%252fb.jpg", refused()),
        ("encoded backslash", ROOT, "..%5c..%5cb.jpg", refused()),
        ("another host", ROOT, "//a.example/b.jpg", refused()),
        ("another host behind a slash", ROOT, "///a.example/b.jpg", refused()),
        (
            "a user in the path is none",
            ROOT,
            "@a.example/b",
            url("http://root.example/images/@a.example/b"),
        ),
        ("a relative name with a colon", ROOT, "b:c.jpg", refused()),
        ("trusted", TRUSTED, "http://a.example/b", url("http://a.example/b")),
        ("trusted below", TRUSTED, "http://x.y.a.example/b", url("http://x.y.a.example/b")),
        ("trusted with a star", TRUSTED, "http://x.b.example/b", url("http://x.b.example/b")),
        ("trusted without case", TRUSTED, "http://A.EXAMPLE/b", url("http://a.example/b")),
        ("not trusted", TRUSTED, "http://c.example/b", refused()),
        ("the end of a name is no domain", TRUSTED, "http://evil-a.example/b", refused()),
        ("a domain in front", TRUSTED, "http://a.example.evil.example/b", refused()),
        ("the root needs no trust", TRUSTED, "b", url("http://root.example/b")),
    ] {
        assert_eq!(parsed(ini, text), expected, "{name}: {text}");
        count += 1;
    }
    assert_eq!(count, 34);
}

#[test]
fn r_4_spellings_that_readers_understand_differently_are_refused() {
    let long = format!("http://a.example/{}", "b".repeat(9000));
    let mut count = 0;
    for (name, text) in [
        ("U-foreign-schemes", "ftp://a.example/b"),
        ("file", "file:///etc/passwd"),
        ("file of a host", "file://a.example/b"),
        ("gopher", "gopher://a.example:80/_GET"),
        ("data", "data:image/png;base64,AAAA"),
        ("javascript", "javascript:alert(1)"),
        ("web socket", "ws://a.example/b"),
        ("user", "http://user@a.example/b"),
        ("user and password", "http://user:word@a.example/b"),
        ("empty user", "http://@a.example/b"),
        ("user with a slash that is none", "http://a.example@b.example/c"),
        ("fragment", "http://a.example/b#c"),
        ("host#@x", "http://a.example#@b.example/"),
        ("host\\@x", "http://a.example\\@b.example/"),
        ("backslash", "http://a.example\\b"),
        ("backslashes", "http:\\\\a.example/b"),
        ("no slashes", "http:a.example/b"),
        ("one slash", "http:/a.example/b"),
        ("three slashes", "http:///a.example/b"),
        ("no host", "http:///"),
        ("no host but a port", "http://:80/b"),
        ("a dot for a host", "http://./b"),
        ("port 0", "http://a.example:0/b"),
        ("a port beyond", "http://a.example:65536/b"),
        ("a port of letters", "http://a.example:80a/b"),
        ("two ports", "http://a.example:80:81/b"),
        ("blank in front", " http://a.example/b"),
        ("blank within", "http://a.example/b c"),
        ("tab in the scheme", "ht\ttp://a.example/b"),
        ("line feed in the host", "http://a.exa\nmple/b"),
        ("line feed in the path", "http://a.example/b\r\nX: y"),
        ("NUL", "http://a.example/\0"),
        ("next line", "http://a.example/\u{85}"),
        ("a broken address", "http://[::1/b"),
        ("an address with a zone", "http://[fe80::1%25eth0]/b"),
        ("a number that is no address", "http://1.2.3.4.5/b"),
        ("an address beyond", "http://4294967296/b"),
        ("an escaped host of nothing", "http://%/b"),
        ("an escaped @", "http://a%40b.example/c"),
        ("an escaped slash in the host", "http://a%2fb.example/c"),
        ("empty", ""),
        ("too long", long.as_str()),
    ] {
        let found = parsed("AllowDirectUrls=1\nRootUrl=http://root.example/\n", text);
        assert_eq!(found, Err(Kind::Refused), "{name}: {text:?}");
        count += 1;
    }
    assert_eq!(count, 42);
}
