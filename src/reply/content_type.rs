//! Types of static files by their suffix, and what follows from a type (`U-static-mime`). Reads no file.

/// The type of a file whose suffix is not known.
pub const UNKNOWN: &str = "application/octet-stream";

/// Suffixes in lower case, and their types.
const TYPES: &[(&str, &str)] = &[
    ("3gp", "video/3gpp"),
    ("aac", "audio/aac"),
    ("ai", "application/postscript"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bin", "application/octet-stream"),
    ("bmp", "image/bmp"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("dtd", "application/xml-dtd"),
    ("eot", "application/vnd.ms-fontobject"),
    ("eps", "application/postscript"),
    ("epub", "application/epub+zip"),
    ("f4v", "video/mp4"),
    ("flv", "video/x-flv"),
    ("gif", "image/gif"),
    ("glb", "model/gltf-binary"),
    ("gltf", "model/gltf+json"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("icc", "application/vnd.iccprofile"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar"),
    ("jpe", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4s", "video/iso.segment"),
    ("m4v", "video/mp4"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpd", "application/dash+xml"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("ps", "application/postscript"),
    ("psd", "image/vnd.adobe.photoshop"),
    ("rss", "application/rss+xml"),
    ("rtf", "application/rtf"),
    ("srt", "application/x-subrip"),
    ("svg", "image/svg+xml"),
    ("svgz", "image/svg+xml"),
    ("swf", "application/x-shockwave-flash"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("ts", "video/mp2t"),
    ("ttf", "font/ttf"),
    ("ttml", "application/ttml+xml"),
    ("txt", "text/plain"),
    ("usdz", "model/vnd.usdz+zip"),
    ("vtt", "text/vtt"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("wmv", "video/x-ms-wmv"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xht", "application/xhtml+xml"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "text/xml"),
    ("xsl", "text/xml"),
    ("xslt", "application/xslt+xml"),
    ("zip", "application/zip"),
];

/// The type of a file by the suffix of its name, compared without case; `own` (suffixes in lower case) goes before the
/// built-in table.
pub fn by_name<'a>(name: &str, own: &'a [(String, String)]) -> &'a str {
    let last = name.rsplit('/').next().unwrap_or_default();
    let Some((_, suffix)) = last.rsplit_once('.') else { return UNKNOWN };
    let suffix = suffix.to_ascii_lowercase();
    let of_site = own.iter().find(|(known, _)| *known == suffix).map(|(_, mime)| mime.as_str());
    let built_in = || TYPES.iter().find(|(known, _)| *known == suffix).map(|&(_, mime)| mime);
    of_site.or_else(built_in).unwrap_or(UNKNOWN)
}

/// Whether a browser may run scripts in a file of this type when it is opened as a page: HTML, XML of every kind (SVG
/// among it) and JavaScript. Such files are sandboxed.
pub fn is_active(mime: &str) -> bool {
    const RUN: [&str; 5] = ["html", "javascript", "ecmascript", "jscript", "livescript"];
    let mime = mime.to_ascii_lowercase();
    let subtype = mime.split_once('/').map_or("", |(_, subtype)| subtype);
    let is_xml = matches!(subtype, "xml" | "xsl" | "xml-dtd") || subtype.ends_with("+xml");
    is_xml || RUN.iter().any(|part| subtype.contains(part)) || mime.starts_with("multipart/")
}

/// Whether `charset` is part of the type: text, but not `text/xml` and `text/xsl`, which name their encoding themselves.
pub fn has_charset(mime: &str) -> bool {
    let mime = mime.to_ascii_lowercase();
    mime.starts_with("text/") && !mime.starts_with("text/x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_suffix_once_in_order() {
        let suffixes: Vec<&str> = TYPES.iter().map(|(suffix, _)| *suffix).collect();
        assert!(suffixes.windows(2).all(|pair| pair[0] < pair[1]), "{suffixes:?}");
        let is_type = |mime: &str| mime.split('/').count() == 2 && !mime.contains([' ', ';']);
        assert!(TYPES.iter().all(|(_, mime)| is_type(mime)));
    }

    #[test]
    fn the_last_suffix_decides_without_case() {
        let own = [("vtt".to_owned(), "text/plain".to_owned())];
        for (name, expected) in [
            ("a.MP4", "video/mp4"),
            ("a.tar.gz", "application/gzip"),
            ("a.b/c", UNKNOWN),
            ("a", UNKNOWN),
            ("a.", UNKNOWN),
            (".html", "text/html"),
            ("a.html.xyz", UNKNOWN),
            ("captions.vtt", "text/plain"),
        ] {
            assert_eq!(by_name(name, &own), expected, "RQ-141 {name}");
        }
    }

    #[test]
    fn what_a_browser_runs_is_active() {
        for (mime, expected) in [
            ("text/html", true),
            ("application/xhtml+xml", true),
            ("IMAGE/SVG+XML", true),
            ("text/xml", true),
            ("application/rss+xml", true),
            ("text/javascript", true),
            ("application/x-javascript", true),
            ("text/ecmascript", true),
            ("multipart/x-mixed-replace", true),
            ("application/postscript", false),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", false),
            ("image/png", false),
            ("text/css", false),
            ("application/json", false),
            (UNKNOWN, false),
        ] {
            assert_eq!(is_active(mime), expected, "R-7 {mime}");
        }
    }
}
