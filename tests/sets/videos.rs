//! `req=mbrSet`: which videos are listed, at which rate, and in which form.

use super::*;
use crate::support::site::get;

const SETS: &str = "\
films\tclip,clip2,flash,bare,doc,nobody\tVIDEOSET
flashes\tflash,bare\tVIDEOSET
none\tbare,doc\tVIDEOSET
plain\tclip,flash
";

const CONTEXTS: &str = "HttpAppleStreamingContext=http://stream.example/hls/\n\
    HttpFlashStreamingContext=http://stream.example/hds\n";

const CLIPS: &str = "#EXTM3U\n\
    #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=564000\n\
    http://stream.example/hls/media/clip.mp4.m3u8\n\
    #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=1200400\n\
    http://stream.example/hls/media/clip%202.mp4.m3u8\n";

const CLIP: &str = "#EXTM3U\n\
    #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=564000\n\
    http://stream.example/hls/media/clip.mp4.m3u8\n";

const FLASH: &str = "#EXTM3U\n\
    #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=300000\n\
    http://stream.example/hls/media/clip.f4v.m3u8\n";

fn f4m(media: &[(&str, u32)], encoding: &str) -> String {
    let media: String = media
        .iter()
        .map(|(path, rate)| {
            format!("<media href=\"http://stream.example/hds/{path}.f4m\" bitrate=\"{rate}\"/>")
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"{encoding}\" ?>\n\
         <manifest xmlns=\"http://ns.adobe.com/f4m/2.0\">{media}</manifest>\n"
    )
}

#[test]
fn valid_videos_are_listed_with_their_rates() {
    let site = site_with(SETS, "", CONTEXTS);
    let service = site.service();
    let flash = f4m(&[("media/clip.f4v", 300)], "UTF-8");
    let clip = f4m(&[("media/clip.mp4", 564)], "UTF-8");
    let latin = f4m(&[("media/clip.f4v", 300)], "ISO-8859-1");
    let (plain, xml) = ("text/plain; charset=UTF-8", "text/xml; charset=UTF-8");
    let (apple, adobe) = ("application/vnd.apple.mpegurl", "application/f4m+xml; charset=UTF-8");
    for (name, target, mime, body) in [
        ("RQ-112 mp4 before f4v", "cat/films?req=mbrSet", plain, CLIPS),
        ("RQ-112 text", "cat/films?req=mbrset,text", plain, CLIPS),
        ("RQ-112 f4v where there is no mp4", "cat/flashes?req=mbrSet", plain, FLASH),
        ("RQ-112 no valid entry", "cat/none?req=mbrSet", plain, ""),
        ("RQ-112 xml", "cat/films?req=mbrSet,xml", xml, &flash),
        ("RQ-112 mp4 where there is no f4v", "cat/clip?req=mbrSet,xml", xml, &clip),
        ("RQ-112 xml without valid entry", "cat/none?req=mbrSet,xml", xml, ""),
        ("RQ-112 fmt=m3u8", "cat/films?req=mbrSet&fmt=m3u8", apple, CLIPS),
        ("RQ-112 fmt=f4m", "cat/films?req=mbrSet&fmt=f4m", adobe, &flash),
        ("fmt decides", "cat/films?req=mbrSet,xml&fmt=m3u8", apple, CLIPS),
        ("fmt decides, as text", "cat/films?req=mbrSet,text&fmt=F4M", adobe, &flash),
        (
            "RQ-112 encoding",
            "cat/films?req=mbrSet,xml,ISO-8859-1",
            "text/xml; charset=ISO-8859-1",
            &latin,
        ),
        ("without AssetType", "cat/plain?req=mbrSet", plain, CLIP),
        ("an image is no set of videos", "cat/a?req=mbrSet", plain, ""),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        assert_eq!(text(&reply), body, "{name}");
        assert_eq!(reply.header("Content-Type"), Some(mime), "{name}");
        assert_eq!(reply.header("Cache-Control"), Some("public, max-age=360"), "{name}");
        assert!(reply.header("ETag").is_some(), "{name}");
    }
}

#[test]
fn a_list_needs_a_set_and_a_context() {
    let site = site_with(SETS, "", "");
    let apple = site_with(SETS, "", "HttpAppleStreamingContext=http://s/\n");
    for (name, site, target, what) in [
        ("RQ-112 U-mbr no prefix", &site, "cat/films?req=mbrSet", "HttpAppleStreamingContext"),
        ("no prefix for xml", &apple, "cat/films?req=mbrSet,xml", "HttpFlashStreamingContext"),
        ("another format", &apple, "cat/films?req=mbrSet&fmt=jpeg", "expected f4m or m3u8"),
        ("no such record", &apple, "cat/nobody?req=mbrSet", "nobody"),
        ("no record", &apple, "cat?req=mbrSet", "no video set specified"),
        ("no such option", &apple, "cat/films?req=mbrSet,json", ""),
        ("only for this type", &apple, "cat/a?fmt=m3u8", "fmt=m3u8"),
        ("only for this type", &apple, "cat/a?fmt=f4m&req=props", "fmt=f4m"),
    ] {
        let reply = site.get(target);
        assert_eq!(reply.status, 403, "{name}: {}", text(&reply));
        assert!(text(&reply).contains(what), "{name}: {}", text(&reply));
    }
}
