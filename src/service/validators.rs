//! Versions and ETags: hashes of what a reply is made from, so that nothing has to be rendered to compare them.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::cache::Key;
use crate::catalog::ImageRecord;
use crate::plan::Plan;
use crate::reply::Reply;
use crate::reply::caching::{self, Ttl};
use crate::reply::property::{Properties, PropertyStyle};
use crate::request::{Method, RawRequest, http_date_seconds};
use crate::source::{Identity, SourceFile};

use super::prepare::Prepared;
use super::scene::Picture;

/// `metadata.version` of objects without metadata (`U-version`).
const NO_METADATA: &str = "0";

/// The longest tick of a kernel's clock, in nanoseconds.
const TICK_NS: i128 = 10_000_000;

/// SHA-256, for tags cut to 128 bits: the same on every host, and no client can make two requests meet (L-8).
struct Hash(Sha256);

impl Hash {
    fn new() -> Hash {
        // A build that draws differently must not confirm what another drew.
        let mut hash = Hash(Sha256::new());
        hash.add(env!("CARGO_PKG_VERSION").as_bytes());
        hash.add(env!("IMPRINT_BUILD").as_bytes());
        hash
    }

    /// Adds a part with its length, so that no two lists of parts run together to the same bytes.
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn bytes(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    fn text(self) -> String {
        self.bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Size and modification time; not the inode, which differs from host to host.
fn add_source(hash: &mut Hash, identity: Identity) {
    hash.add(&identity.bytes.to_le_bytes());
    hash.add(&identity.modified_ns.to_le_bytes());
}

/// What a picture of a layer is told apart by.
enum Drawn<'p> {
    /// A file.
    File(Identity),
    /// A foreign source, by the hash of its bytes.
    Remote(&'p [u8]),
    /// The result of a nested request, whose own layers follow.
    Nested,
}

/// The record fields of a layer, and its pictures.
fn add_layer<'p>(
    hash: &mut Hash,
    number: u32,
    version_text: &str,
    pictures: impl Iterator<Item = Drawn<'p>>,
) {
    hash.add(&number.to_le_bytes());
    hash.add(version_text.as_bytes());
    for picture in pictures {
        match picture {
            Drawn::File(identity) => add_source(hash, identity),
            Drawn::Remote(bytes) => hash.add(bytes),
            Drawn::Nested => hash.add(b"nested"),
        }
    }
}

/// The sources and record fields of a scene, of its nested requests and of its watermark.
fn add_scene(hash: &mut Hash, prepared: &Prepared<'_>) {
    prepared.for_all_layers(&mut |layer| {
        let pictures = layer.pictures().map(|picture| match picture {
            Picture::File(file, _) => Drawn::File(file.identity()),
            Picture::Remote(image, _) => Drawn::Remote(&image.identity().hash),
            Picture::Nested(_) => Drawn::Nested,
        });
        add_layer(hash, layer.number, &layer.info.version_text, pictures);
    });
}

/// The plans of nested requests, which the outer plan does not hold.
fn add_nested_plans(hash: &mut Hash, prepared: &Prepared<'_>) {
    prepared.for_all_layers(&mut |layer| {
        for picture in layer.pictures() {
            if let Picture::Nested(nested) = picture {
                hash.add(format!("{:?}", nested.plan).as_bytes());
            }
        }
    });
}

/// `image.version`: the sources and the record fields that decide pixels, not the view (`U-version`).
pub(super) fn version(prepared: &Prepared<'_>) -> String {
    let mut hash = Hash::new();
    add_scene(&mut hash, prepared);
    short(hash)
}

/// The same for an image that a set names: its file, and that of its mask.
pub(super) fn version_of(version_text: &str, files: &[Identity]) -> String {
    let mut hash = Hash::new();
    add_layer(&mut hash, 0, version_text, files.iter().copied().map(Drawn::File));
    short(hash)
}

fn short(hash: Hash) -> String {
    hash.text().get(..12).unwrap_or_default().to_owned()
}

/// The strong ETag of an image: its sources and its whole plan, which holds every decision (`U-etag`).
pub(super) fn etag(prepared: &Prepared<'_>, plan: &Plan) -> String {
    let mut hash = Hash::new();
    add_scene(&mut hash, prepared);
    add_nested_plans(&mut hash, prepared);
    hash.add(format!("{plan:?}").as_bytes());
    format!("\"{}\"", hash.text())
}

/// The key of an image in the reply cache: its ETag, and what tells its files from others on this host, for two files
/// may have one size and one time; the time of the last change of the inode, which nobody can set, is part of it.
pub(super) fn key(prepared: &Prepared<'_>, etag: &str) -> Key {
    let mut hash = Hash::new();
    hash.add(etag.as_bytes());
    for source in files(prepared) {
        let identity = source.identity();
        hash.add(&identity.device.to_le_bytes());
        hash.add(&identity.inode.to_le_bytes());
        hash.add(&identity.changed_ns.to_le_bytes());
    }
    Key::new(hash.bytes())
}

/// The key of the kept canvas of a nested request: never that of a reply, whose plan may be the same (L-8).
pub(super) fn canvas_key(prepared: &Prepared<'_>, plan: &Plan) -> Key {
    let mut hash = Hash::new();
    hash.add(b"canvas");
    hash.add(key(prepared, &etag(prepared, plan)).path().as_bytes());
    Key::new(hash.bytes())
}

/// Whether an image may be stored: its files are what they were when they were opened at `now`, and had not been written
/// within the same tick of the file system's clock, in which another write would not show.
pub(super) fn is_settled(prepared: &Prepared<'_>, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let now_ns = i128::try_from(now).unwrap_or(0);
    files(prepared).iter().all(|source| {
        let age_ns = (now_ns - source.identity().modified_ns).abs();
        age_ns > TICK_NS && source.is_unchanged()
    })
}

/// Every file that an image is drawn from.
fn files<'p>(prepared: &'p Prepared<'_>) -> Vec<&'p SourceFile> {
    let mut files = Vec::new();
    prepared.for_all_layers(&mut |layer| {
        files.extend(layer.pictures().filter_map(|picture| match picture {
            Picture::File(file, _) => Some(file),
            Picture::Remote(..) | Picture::Nested(_) => None,
        }));
    });
    files
}

/// `metadata.version`: `Map`, `Targets`, `UserData` and `ImageSet` of the path's record (`U-version`).
pub(super) fn metadata_version(record: Option<&ImageRecord<'_>>) -> String {
    let metadata = record.map(|r| (r.map, r.targets, r.user_data, r.image_set));
    match metadata {
        None | Some((None, None, None, None)) => NO_METADATA.to_owned(),
        Some(metadata) => {
            let mut hash = Hash::new();
            hash.add(format!("{metadata:?}").as_bytes());
            short(hash)
        }
    }
}

/// The strong ETag of a static file: its size and modification time.
pub(super) fn of_file(file: &SourceFile) -> String {
    let mut hash = Hash::new();
    add_source(&mut hash, file.identity());
    format!("\"{}\"", hash.text())
}

/// Whether the client's copy is still the one it would get (`requests.md` 24.2); `modified` in seconds since 1970.
pub(super) fn is_unchanged(
    raw: &RawRequest,
    reply: &Reply,
    ttl: Ttl,
    modified: Option<i64>,
) -> bool {
    let headers = &raw.headers;
    if raw.method == Method::Post {
        return false;
    }
    let is_conditional = headers.if_none_match.is_some() || headers.if_modified_since.is_some();
    if ttl == Ttl::Forever && is_conditional {
        return true;
    }
    if let Some(tags) = &headers.if_none_match {
        return reply.header("ETag").is_some_and(|etag| caching::matches_etag(tags, etag));
    }
    let since = headers.if_modified_since.as_deref().and_then(http_date_seconds);
    since.zip(modified).is_some_and(|(since, modified)| modified <= since)
}

/// The ETag of a text that is sent as it stands.
pub(super) fn of_text(text: &str) -> String {
    let mut hash = Hash::new();
    hash.add(text.as_bytes());
    format!("\"{}\"", hash.text())
}

/// The ETag of a property reply: its values and how they are printed, not its time stamp.
pub(super) fn of_properties(properties: &Properties, style: &PropertyStyle) -> String {
    let mut hash = Hash::new();
    hash.add(format!("{style:?}\n").as_bytes());
    for (name, value) in properties.pairs() {
        hash.add(name.as_bytes());
        hash.add(b"=");
        hash.add(value.as_bytes());
        hash.add(b"\n");
    }
    format!("\"{}\"", hash.text())
}

/// The ETag of a reply that is made of nothing that changes by itself: its bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    let mut hash = Hash::new();
    hash.add(bytes);
    format!("\"{}\"", hash.text())
}
