//! How a static file is sent: type, sandbox, validators, ranges, or a word to the web server that it send the file
//! itself. Looks no item up.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::codec::input::ReadAt;
use crate::config::Sendfile;
use crate::error::{Error, Kind};
use crate::reply::body::{Body, FilePart};
use crate::reply::caching::{self, Ttl};
use crate::reply::date::http_date;
use crate::reply::{HeaderName, HeaderValue, Reply, content_type};
use crate::request::{ByteRange, Method, http_date_seconds};
use crate::source::SourceFile;

use super::content::{ContentCall, Item, modified_ms};
use super::lookup::moment;
use super::static_files::StaticFile;
use super::validators;

/// Bytes at the beginning of a text that have to be UTF-8 for its type to say so.
const PROBED_BYTES: usize = 64 << 10;

impl ContentCall<'_> {
    /// The file, a part of it, 304 or 416; or the header by which the web server sends it.
    pub(super) fn delivered(&self, item: &Item<'_>, file: StaticFile) -> Result<Reply, Error> {
        let settings = &self.service.config().imprint;
        let mime = content_type::by_name(file.name(), &settings.content_types);
        let is_sandboxed = settings.content_sandbox && content_type::is_active(mime);
        let mut reply = Reply::new(200, Vec::new(), Body::empty());
        reply.set("Content-Type", typed(mime, &file.file)?);
        reply.set("X-Content-Type-Options", "nosniff");
        if is_sandboxed {
            reply.set("Content-Security-Policy", "sandbox");
        }
        let ttl = self.ttl(self.expiration(item));
        caching::add_ttl(&mut reply, ttl, self.now);
        // A web server that sends the file drops headers that it does not know, nginx the sandbox among them.
        let path = file.path.as_deref().filter(|_| !is_sandboxed);
        if let Some((name, value)) = path.and_then(|path| self.handed_over(path)) {
            // The web server makes validators of its own and answers conditions and ranges by them.
            let is_kept =
                ttl == Ttl::Forever && validators::is_unchanged(self.raw, &reply, ttl, None);
            if is_kept {
                return Ok(caching::not_modified(reply));
            }
            reply.headers.push((name, value));
            return Ok(reply);
        }
        let modified_ms = modified_ms(item, &file);
        let etag = validators::of_file(&file.file);
        reply.set("Last-Modified", http_date(moment(modified_ms)));
        if ttl != Ttl::Never {
            reply.set("ETag", etag.as_str());
            let seconds = modified_ms.div_euclid(1000);
            if validators::is_unchanged(self.raw, &reply, ttl, Some(seconds)) {
                return Ok(caching::not_modified(reply));
            }
        }
        reply.set("Accept-Ranges", "bytes");
        let bytes = file.file.identity().bytes;
        let has_own_time =
            item.record.as_ref().is_some_and(|record| record.time_stamp_ms.is_some());
        let dated = (!has_own_time).then_some(modified_ms);
        match self.range(&etag, dated, bytes) {
            ByteRange::Whole => reply.body = part(file.file, 0, bytes),
            ByteRange::Part { start, length } => {
                let last = start.saturating_add(length).saturating_sub(1);
                reply.status = 206;
                reply.set("Content-Range", format!("bytes {start}-{last}/{bytes}"));
                reply.body = part(file.file, start, length);
            }
            ByteRange::Unsatisfiable => {
                reply = Reply::text(416, "Range not satisfiable\n");
                reply.set("Content-Range", format!("bytes */{bytes}"));
            }
        }
        Ok(reply)
    }

    /// The range that counts: of a GET, and with `If-Range` only for the very file that the client has a part of.
    ///
    /// `dated_ms` is the time of the file, where that is its `Last-Modified`: the `TimeStamp` of a record does not tell
    /// one file from the next. A date tells two states apart only when it lies a second back (RFC 9110 8.8.2.2).
    fn range(&self, etag: &str, dated_ms: Option<i64>, bytes: u64) -> ByteRange {
        let headers = &self.raw.headers;
        let Some(range) = headers.range.as_deref().filter(|_| self.raw.method == Method::Get)
        else {
            return ByteRange::Whole;
        };
        let is_same = headers.if_range.as_deref().is_none_or(|known| {
            let date = dated_ms.filter(|&ms| moment(ms.saturating_add(1000)) <= self.now);
            let seconds = date.map(|ms| ms.div_euclid(1000));
            known == etag.as_bytes() || (seconds.is_some() && http_date_seconds(known) == seconds)
        });
        if is_same { ByteRange::parse(range, bytes) } else { ByteRange::Whole }
    }

    /// The header that makes the web server send the file at `path` (`sendfile`); nothing of it comes from a request
    /// but the name of a file that was found.
    fn handed_over(&self, path: &Path) -> Option<(HeaderName, HeaderValue)> {
        let settings = &self.service.config().imprint;
        let encoded = encoded(path);
        let (name, value) = match settings.sendfile {
            Sendfile::Off => return None,
            Sendfile::XAccel => {
                let location = settings.sendfile_prefix.trim_end_matches('/');
                ("X-Accel-Redirect", format!("{location}{encoded}"))
            }
            Sendfile::XSendfile => ("X-Sendfile", encoded),
        };
        Some((name.into(), HeaderValue::new(value)))
    }
}

fn part(file: SourceFile, offset: u64, length: u64) -> Body {
    Body::File(FilePart::new(file.into_file(), offset, length))
}

/// The path with escapes for all bytes but the plainest, as nginx, lighttpd and mod_xsendfile decode it.
fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The type, for text with `charset=utf-8` if the first 64 KiB are valid UTF-8: without it browsers guess, and a wrong
/// one would be worse than none.
fn typed(mime: &str, file: &SourceFile) -> Result<String, Error> {
    if !content_type::has_charset(mime) {
        return Ok(mime.to_owned());
    }
    let mut block = vec![0; PROBED_BYTES];
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => {
                let error = Error::new(Kind::Unreadable, "static file cannot be read");
                return Err(error.with_title("Content could not be read").with_cause(cause));
            }
        }
    }
    let is_utf8 = match std::str::from_utf8(block.get(..filled).unwrap_or_default()) {
        Ok(_) => true,
        // A character may be cut at the end of the block.
        Err(error) => error.error_len().is_none() && filled == PROBED_BYTES,
    };
    Ok(if is_utf8 { format!("{mime}; charset=utf-8") } else { mime.to_owned() })
}
