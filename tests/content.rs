//! Static content, `/is/content` (requests.md 21): items, types, conditions, ranges, and how files are sent.

use std::fs;

use imprint::reply::Reply;
use imprint::request::{Method, RawRequest, RequestHeaders};
use imprint::service::Service;

use crate::support::pictures::unhurried;
use crate::support::site::{FIXTURE_INI, Site, answer, get, property, request, text};

mod commands;
mod conditions;
mod items;
mod sending;
mod through;

/// The time of every file of a site, Tue, 04 Mar 2025 09:15:02 GMT, and as HTTP says it.
const MODIFIED: u64 = 1_741_079_702;
const MODIFIED_TEXT: &str = "Tue, 04 Mar 2025 09:15:02 GMT";

/// A site with the catalog `cat` and a static root that holds `cat/` of it; more settings, attributes of `cat`.
fn site(settings: &str, attributes: &str) -> Site {
    let site = Site::with(settings, FIXTURE_INI);
    for folder in ["static-content", "static-content/cat", "static-content/free"] {
        fs::create_dir(site.path(folder)).expect("a new folder");
    }
    site.write(
        "catalogs/cat.ini",
        format!(
            "RootId=cat\nStaticContentCatalogFile=static.txt\nCatalogFile=images.txt\n\
             StaticContentRootPath=cat\nExpiration=3\n{attributes}"
        ),
    );
    site.write("catalogs/images.txt", "Id\tPath\nfilm\tfilm.png\nonlyImage\tfilm.png\n");
    site.write(
        "catalogs/static.txt",
        "Id\tPath\tExpiration\tTimeStamp\tUserType\tUserData\n\
         film\tfilm.mp4\t2\t\tswf\ta=1??b:c=2??d=3\n\
         plain\tnotes.txt\t\t\t\tjust words\n\
         stamped\tnotes.txt\t-1\t1000000000000\t\t\n\
         gone\tgone.bin\t\t\t\t\n\
         bare\t\t\t\t\tx=1\n\
         a/b\tfilm.mp4\t\t\t\t\n",
    );
    file(&site, "cat/film.mp4", b"0123456789");
    file(&site, "cat/notes.txt", "Grüße".as_bytes());
    file(&site, "free/page.html", b"<script>1</script>");
    site
}

/// Writes a static file with the time [`MODIFIED`].
fn file(site: &Site, name: &str, bytes: &[u8]) {
    site.write(&format!("static-content/{name}"), bytes);
    dated(site, name);
}

fn dated(site: &Site, name: &str) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(MODIFIED);
    let path = site.path(&format!("static-content/{name}"));
    let opened = fs::File::options().write(true).open(path).expect("a file of the site");
    opened.set_modified(time).expect("a time");
}

/// A request with headers: `Range`, `If-Range`, `If-None-Match`, `If-Modified-Since`.
fn with(method: Method, target: &str, headers: &[(&str, &str)]) -> RawRequest {
    let mut own = RequestHeaders::default();
    for (name, value) in headers {
        let slot = match *name {
            "Range" => &mut own.range,
            "If-Range" => &mut own.if_range,
            "If-None-Match" => &mut own.if_none_match,
            "If-Modified-Since" => &mut own.if_modified_since,
            other => panic!("a header of a test: {other}"),
        };
        *slot = Some(value.as_bytes().to_vec());
    }
    RawRequest { headers: own, ..request(method, target) }
}

fn asked(service: &Service, target: &str, headers: &[(&str, &str)]) -> Reply {
    answer(service, &with(Method::Get, target, headers), &unhurried())
}

/// All bytes of a reply, those of a file among them.
fn bytes(reply: &Reply) -> Vec<u8> {
    let mut all = Vec::new();
    reply.body.write_to(&mut all).expect("the file is as long as it was");
    assert_eq!(all.len() as u64, reply.body.len(), "the length announced");
    all
}
