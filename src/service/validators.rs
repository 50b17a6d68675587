//! Versions and ETags: hashes of what a reply is made from, so that nothing has to be rendered to compare them.

use crate::catalog::ImageRecord;
use crate::plan::Plan;
use crate::reply::property::{Properties, PropertyStyle};
use crate::source::SourceFile;

use super::prepare::Prepared;
use super::scene::Picture;

/// `metadata.version` of objects without metadata (`U-version`).
const NO_METADATA: &str = "0";

/// FNV-1a of 128 bits: short, the same on every host and in every build.
struct Hash(u128);

impl Hash {
    fn new() -> Hash {
        // A build that draws differently must not confirm what another drew.
        let mut hash = Hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        hash.add(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes());
        hash
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 ^= u128::from(byte);
            self.0 = self.0.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    fn text(&self) -> String {
        format!("{:032x}", self.0)
    }
}

/// Size and modification time; not the inode, which differs from host to host.
fn add_source(hash: &mut Hash, source: &SourceFile) {
    let identity = source.identity();
    hash.add(&identity.bytes.to_le_bytes());
    hash.add(&identity.modified_ns.to_le_bytes());
}

/// The sources and record fields of a scene, of its nested requests and of its watermark.
fn add_scene(hash: &mut Hash, prepared: &Prepared<'_>) {
    prepared.for_all_layers(&mut |layer| {
        hash.add(&layer.number.to_le_bytes());
        hash.add(layer.info.version_text.as_bytes());
        for picture in layer.pictures() {
            match picture {
                Picture::File(file, _) => add_source(hash, file),
                Picture::Nested(_) => hash.add(b"nested"),
            }
        }
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
    let text = hash.text();
    text.get(..12).unwrap_or_default().to_owned()
}

/// The strong ETag of an image: its sources and its whole plan, which holds every decision (`U-etag`).
pub(super) fn etag(prepared: &Prepared<'_>, plan: &Plan) -> String {
    let mut hash = Hash::new();
    add_scene(&mut hash, prepared);
    add_nested_plans(&mut hash, prepared);
    hash.add(format!("{plan:?}").as_bytes());
    format!("\"{}\"", hash.text())
}

/// `metadata.version`: `Map`, `Targets`, `UserData` and `ImageSet` of the path's record (`U-version`).
pub(super) fn metadata_version(record: Option<&ImageRecord<'_>>) -> String {
    let metadata = record.map(|r| (r.map, r.targets, r.user_data, r.image_set));
    match metadata {
        None | Some((None, None, None, None)) => NO_METADATA.to_owned(),
        Some(metadata) => {
            let mut hash = Hash::new();
            hash.add(format!("{metadata:?}").as_bytes());
            hash.text().get(..12).unwrap_or_default().to_owned()
        }
    }
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
