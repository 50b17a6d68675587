//! Files on their way: through the gateways, in bounded memory, cut short, and to clients that do not read.

use std::io::Write;
use std::os::unix::fs::FileExt;

use super::*;
use crate::support::gateway::{connect, read_reply, request_bytes, until};
use crate::support::heap::most_held;
use crate::support::servers::{Backend, site as served};

/// A file of 3 GiB that takes no room on the disk, with a mark at its end.
fn video(site: &Site) -> u64 {
    let length: u64 = 3 << 30;
    let file = fs::File::create(site.path("static-content/video.mp4")).expect("a file");
    file.set_len(length).expect("a sparse file");
    file.write_all_at(b"the end", length - 7).expect("a mark");
    length
}

fn param(name: &'static str, value: &'static str) -> (&'static str, &'static [u8]) {
    (name, value.as_bytes())
}

#[test]
fn a_large_file_is_never_in_memory() {
    let site = site("", "");
    let length = video(&site);
    let service = site.service();
    let (held, last) = most_held(|| {
        let reply = asked(&service, "/is/content/video.mp4", &[("Range", "bytes=-7")]);
        (reply.header("Content-Range").map(str::to_owned), bytes(&reply))
    });
    let range = format!("bytes {}-{}/{length}", length - 7, length - 1);
    assert_eq!(last, (Some(range), b"the end".to_vec()), "a range at the end");
    assert!(held < 1 << 20, "{held} bytes held for a range");
    let (held, sent) = most_held(|| {
        let reply = asked(&service, "/is/content/video.mp4", &[("Range", "bytes=0-99999999")]);
        let mut sink = Counted(0);
        reply.body.write_to(&mut sink).expect("written");
        sink.0
    });
    assert_eq!(sent, 100_000_000);
    assert!(held < 1 << 20, "{held} bytes held while 100 MB were sent");
}

struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The highest memory of a process in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX)
}

fn backend() -> Backend {
    let site = served("");
    fs::create_dir(site.path("static-content")).expect("a folder");
    let pattern: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    site.write("static-content/pattern.bin", pattern);
    video(&site);
    Backend::start(site)
}

#[test]
fn the_gateway_streams_files_whole_in_part_and_not_at_all() {
    let backend = backend();
    let socket = backend.site.path("run/imprint.sock");
    let ask = |method: &'static str, uri: &'static str, range: Option<&'static str>| {
        let mut params = vec![param("REQUEST_METHOD", method), param("REQUEST_URI", uri)];
        params.extend(range.map(|range| param("HTTP_RANGE", range)));
        let mut stream = connect(&socket).expect("a connection");
        stream.write_all(&request_bytes(&params, &[], false)).expect("sent");
        let output = read_reply(&mut stream).expect("a reply");
        let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let (head, body) = output.split_at(end);
        (String::from_utf8_lossy(head).into_owned(), body.to_vec())
    };
    let pattern = fs::read(backend.site.path("static-content/pattern.bin")).expect("a file");
    let (head, body) = ask("GET", "/is/content/pattern.bin", None);
    assert!(head.starts_with("Status: 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Length: 800000\r\n") && body == pattern, "whole: {head}");
    let (head, body) = ask("GET", "/is/content/pattern.bin", Some("bytes=1000-599999"));
    assert!(head.starts_with("Status: 206 Partial Content\r\n"), "{head}");
    assert!(body == pattern[1000..600_000], "a part over several records: {head}");
    let (head, body) = ask("HEAD", "/is/content/video.mp4", None);
    assert!(head.contains("Content-Length: 3221225472\r\n") && body.is_empty(), "HEAD: {head}");
    let (head, body) = ask("GET", "/is/content/video.mp4", Some("bytes=-7"));
    assert!(head.contains("Content-Range: bytes 3221225465-3221225471/3221225472\r\n"), "{head}");
    assert_eq!(body, b"the end", "a range at the end");
    let (_, body) = ask("GET", "/is/content/video.mp4", Some("bytes=0-199999999"));
    assert_eq!(body.len(), 200_000_000);
    for worker in backend.workers() {
        let peak = peak_kib(worker);
        assert!(peak < 100_000, "{peak} KiB after 200 MB were sent");
    }
}

#[test]
fn a_file_that_is_cut_short_ends_the_connection() {
    let backend = backend();
    let socket = backend.site.path("run/imprint.sock");
    let params = [param("REQUEST_METHOD", "GET"), param("REQUEST_URI", "/is/content/video.mp4")];
    let mut stream = connect(&socket).expect("a connection");
    stream.write_all(&request_bytes(&params, &[], true)).expect("sent");
    // Reading one byte of the reply means that its length was announced.
    let mut first = [0; 1];
    std::io::Read::read_exact(&mut stream, &mut first).expect("the reply has begun");
    let video = fs::File::options().write(true).open(backend.site.path("static-content/video.mp4"));
    video.and_then(|video| video.set_len(1000)).expect("a shorter file");
    let mut rest = Vec::new();
    let outcome = std::io::Read::read_to_end(&mut stream, &mut rest);
    assert!(outcome.is_ok() || outcome.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock));
    assert!((rest.len() as u64) < 1 << 28, "{} bytes of a file of 1000", rest.len());
    let end = [1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(!rest.ends_with(&end), "the request does not end as if it were whole");
    let mut next = connect(&socket).expect("a connection");
    let params = [param("REQUEST_METHOD", "GET"), param("REQUEST_URI", "/is/content/pattern.bin")];
    next.write_all(&request_bytes(&params, &[], false)).expect("sent");
    assert!(read_reply(&mut next).expect("the next request").len() > 800_000);
}

#[test]
fn a_client_that_leaves_in_the_middle_costs_nothing() {
    let backend = backend();
    let socket = backend.site.path("run/imprint.sock");
    let descriptors = || -> usize {
        let folder = |id| fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count);
        backend.workers().into_iter().map(folder).sum()
    };
    // A worker that is only starting would make the number grow by itself.
    backend.settled_workers();
    let (mut before, mut equal) = (0, 0);
    until("the workers have started", || {
        let now = descriptors();
        equal = if now == before { equal + 1 } else { 0 };
        before = now;
        equal > 40
    });
    for _ in 0..20 {
        let params =
            [param("REQUEST_METHOD", "GET"), param("REQUEST_URI", "/is/content/video.mp4")];
        let mut stream = connect(&socket).expect("a connection");
        stream.write_all(&request_bytes(&params, &[], true)).expect("sent");
        let mut first = [0; 100];
        std::io::Read::read_exact(&mut stream, &mut first).expect("the reply has begun");
    }
    // A worker that still reads its catalogs holds some more; 20 connections with their files would be 40.
    until("all files and connections are closed", || descriptors() < before + 10);
}
