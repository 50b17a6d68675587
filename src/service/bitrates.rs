//! `req=mbrSet`: addresses and bit rates of the videos of a set (`requests.md` 16.8, `U-mbr`). Opens no file.

use crate::catalog::{Attributes, ImageSet, SetField, StaticRecord};
use crate::error::{Error, Kind, shown};
use crate::reply::set::Element;
use crate::reply::xml::charset;
use crate::reply::{HeaderValue, Reply};
use crate::request::{PropertyFormat, ReplyFormat, Request, XmlEncoding};

use super::Call;
use super::prepare::ttl;
use super::set_objects::{SetImage, SetObject, set_text, suffix};
use super::{guard, validators};

/// The two kinds of list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manifest {
    M3u8,
    F4m,
}

/// A video with the rate of its stream.
struct Stream {
    path: String,
    /// Bits in a second.
    bit_rate: u64,
}

/// The rate of the whole stream in bit/s, else that of video and sound together; `None` where no rate is known.
pub(super) fn bit_rate(record: &StaticRecord<'_>) -> Option<u64> {
    let parts = [record.video_bit_rate, record.audio_bit_rate];
    let sum = || {
        let known = parts.iter().flatten();
        known.copied().map(u64::from).reduce(|sum, rate| sum + rate)
    };
    record.total_stream_bit_rate.map(u64::from).or_else(sum)
}

impl<'a> Call<'a> {
    /// The list of the set in the path.
    pub(super) fn mbr_set(&self) -> Result<Reply, Error> {
        let path = self.path_object().ok().flatten();
        let request = self.parsed(path.as_ref())?.request;
        let manifest = manifest_of(&request)?;
        let attributes = guard::attributes(self.effective_main(path.as_ref()), &self.overrides);
        let prefix = prefix_of(manifest, &attributes)?;
        let streams = preferred(self.streams()?, manifest);
        let (body, name) = match manifest {
            Manifest::M3u8 => (m3u8(prefix, &streams).into_bytes(), charset(XmlEncoding::Utf8)),
            Manifest::F4m => {
                let encoding = request.attributes.req_or_default().encoding;
                (f4m(prefix, &streams, encoding), charset(encoding))
            }
        };
        let content_type = match (manifest, request.attributes.fmt.is_some()) {
            (Manifest::M3u8, true) => "application/vnd.apple.mpegurl".to_owned(),
            (Manifest::M3u8, false) => format!("text/plain; charset={name}"),
            (Manifest::F4m, true) => format!("application/f4m+xml; charset={name}"),
            (Manifest::F4m, false) => format!("text/xml; charset={name}"),
        };
        let mut reply = Reply::text(200, body);
        reply.headers.retain(|(name, _)| name.as_str() != "Content-Type");
        reply.headers.insert(0, ("Content-Type".into(), HeaderValue::new(content_type)));
        let etag = validators::of_bytes(&reply.body);
        Ok(self.kept(reply, &etag, ttl(attributes.non_img_expiration)))
    }

    /// The videos that have a rate; items of the set that are none are passed over.
    fn streams(&self) -> Result<Vec<Stream>, Error> {
        let missing = || Error::new(Kind::NotFound, "no video set specified");
        let (catalog, record) = match self.set_of_path()?.ok_or_else(missing)? {
            SetObject::Video { record, .. } => {
                return Ok(record.and_then(|(_, record)| stream(&record)).into_iter().collect());
            }
            SetObject::Image(SetImage { record: None, name, .. }) => {
                return Err(Error::new(Kind::NotFound, format!("no record {}", shown(&name))));
            }
            SetObject::Image(_) | SetObject::Static { .. } => return Ok(Vec::new()),
            SetObject::Set { catalog, record, .. } => (catalog, record),
        };
        let text = self.localizer()?.image_set(set_text(&record).unwrap_or_default());
        let set = ImageSet::parse(&text)?;
        let suffixes = catalog.suffixes(self.locale.as_deref())?;
        let mut streams = Vec::new();
        for item in &set.items {
            self.deadline.tick()?;
            let Some(SetField::Id(id)) = item.fields.first() else { continue };
            let found = self.catalogs.resolve_static_object(catalog, id, &suffixes)?;
            streams.extend(found.and_then(|(_, record)| stream(&record)));
        }
        Ok(streams)
    }
}

fn stream(record: &StaticRecord<'_>) -> Option<Stream> {
    // An absolute path would tell where files of the server lie.
    let path = record.path.filter(|path| !path.starts_with('/'))?;
    Some(Stream { path: path.to_owned(), bit_rate: bit_rate(record)? })
}

/// `fmt=` decides, else the format option.
fn manifest_of(request: &Request) -> Result<Manifest, Error> {
    let format = request.attributes.req_or_default().format;
    match request.attributes.fmt.map(|fmt| fmt.format) {
        Some(ReplyFormat::M3u8) => Ok(Manifest::M3u8),
        Some(ReplyFormat::F4m) => Ok(Manifest::F4m),
        Some(other) => Err(Error::new(
            Kind::Syntax,
            format!("fmt is {}, expected f4m or m3u8 with req=mbrSet", other.word()),
        )),
        None if format == Some(PropertyFormat::Xml) => Ok(Manifest::F4m),
        None => Ok(Manifest::M3u8),
    }
}

fn prefix_of(manifest: Manifest, attributes: &Attributes) -> Result<&str, Error> {
    let (name, prefix) = match manifest {
        Manifest::M3u8 => {
            ("HttpAppleStreamingContext", attributes.http_apple_streaming_context.as_deref())
        }
        Manifest::F4m => {
            ("HttpFlashStreamingContext", attributes.http_flash_streaming_context.as_deref())
        }
    };
    let prefix = prefix.map(|prefix| prefix.trim_end_matches('/'));
    prefix
        .filter(|prefix| !prefix.is_empty())
        .ok_or_else(|| Error::new(Kind::Refused, format!("the catalog does not define {name}")))
}

/// The suffix that a list is for, if any video has it, else the other one.
fn preferred(streams: Vec<Stream>, manifest: Manifest) -> Vec<Stream> {
    let order = match manifest {
        Manifest::M3u8 => ["mp4", "f4v"],
        Manifest::F4m => ["f4v", "mp4"],
    };
    let has = |stream: &Stream, wanted: &str| suffix(&stream.path).eq_ignore_ascii_case(wanted);
    let chosen = order.into_iter().find(|wanted| streams.iter().any(|stream| has(stream, wanted)));
    let is_chosen = |stream: &Stream| chosen.is_some_and(|wanted| has(stream, wanted));
    streams.into_iter().filter(is_chosen).collect()
}

/// A path in an address: bytes with a meaning there are escaped.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Empty without a video.
fn m3u8(prefix: &str, streams: &[Stream]) -> String {
    if streams.is_empty() {
        return String::new();
    }
    let mut out = String::from("#EXTM3U\n");
    for Stream { path, bit_rate } in streams {
        let path = escaped(path);
        out.push_str(&format!("#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH={bit_rate}\n"));
        out.push_str(&format!("{prefix}/{path}.m3u8\n"));
    }
    out
}

/// Empty without a video. Rates are in kbit/s, rounded half up.
fn f4m(prefix: &str, streams: &[Stream], encoding: XmlEncoding) -> Vec<u8> {
    if streams.is_empty() {
        return Vec::new();
    }
    let mut manifest = Element::new("manifest");
    manifest.attribute("xmlns", "http://ns.adobe.com/f4m/2.0");
    for Stream { path, bit_rate } in streams {
        let mut media = Element::new("media");
        media.attribute("href", format!("{prefix}/{}.f4m", escaped(path)));
        media.attribute("bitrate", ((bit_rate + 500) / 1000).to_string());
        manifest.child(media);
    }
    manifest.to_xml(encoding)
}
