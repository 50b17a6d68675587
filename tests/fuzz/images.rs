//! Image headers: small pictures of every format, cut and changed, are probed within small limits.

use std::time::Duration;

use imprint::codec::{self, Chroma, Encoding, Input, TiffCompression};
use imprint::limits::{Deadline, Limits};

use crate::support::pictures::{file, jpeg, masked, png, textured};

use super::fuzz_seeds;

#[test]
fn image_headers() {
    let limits = Limits { source_pixels: 1 << 20, memory_bytes: 64 << 20, ..Limits::default() };
    let small = textured(9, 7);
    let mut seeds = vec![
        png(&small),
        png(&masked()),
        jpeg(&small, 80, Chroma::Full),
        jpeg(&small, 20, Chroma::Halved),
    ];
    for compression in [TiffCompression::None, TiffCompression::Lzw, TiffCompression::Jpeg] {
        let tiff = Encoding::Tiff { compression, quality: 80, chroma: Chroma::Full };
        seeds.push(file(&small, &tiff));
    }
    seeds.push(file(&small, &Encoding::WebpLossy { quality: 50 }));
    seeds.push(file(&small, &Encoding::WebpLossless));
    seeds.extend(super::corpus("image"));
    fuzz_seeds("image", &seeds, 3000, |bytes| {
        let deadline = Deadline::after(Duration::from_secs(5));
        let input = bytes.to_vec();
        let Ok(header) = codec::probe(&mut Input::new(&input, &deadline), &limits) else { return };
        let format = header.format.expect("a file has a format");
        let _ = codec::xmp_packet(&mut Input::new(&input, &deadline), format, &limits);
    });
}
