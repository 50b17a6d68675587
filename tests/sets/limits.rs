//! Sets that name themselves, sets within sets, and sets without end.

use std::time::{Duration, Instant};

use super::*;
use crate::support::site::get;

/// `s1` holds `s2`, and so on; the last holds an image.
fn chain(length: usize) -> String {
    let mut sets = String::new();
    for level in 1..length {
        sets.push_str(&format!("s{level}\ts{};\tIMAGESET\n", level + 1));
    }
    sets + &format!("s{length}\ta;\tIMAGESET\n")
}

#[test]
fn sets_within_sets_end_at_the_limit() {
    for (name, settings, length, is_allowed) in [
        ("RQ-109 10 by default", "", 10, true),
        ("RQ-109 11 by default", "", 11, false),
        ("RQ-109 set to 2", "[PS]\nfvctx.nestingLimit = 2\n", 2, true),
        ("RQ-109 beyond 2", "[PS]\nfvctx.nestingLimit = 2\n", 3, false),
        ("RQ-109 100", "[PS]\nfvctx.nestingLimit = 100\n", 100, true),
        ("RQ-109 beyond 100", "[PS]\nfvctx.nestingLimit = 100\n", 101, false),
    ] {
        let site = site_with(&chain(length), settings, "");
        let reply = site.get("cat/s1?req=set");
        let body = text(&reply);
        match is_allowed {
            true => {
                assert_eq!(reply.status, 200, "{name}: {body}");
                assert_eq!(body.matches("<set ").count(), length, "{name}");
            }
            false => {
                assert_eq!(reply.status, 403, "{name}");
                assert!(body.contains("fvctx.nestingLimit"), "{name}: {body}");
            }
        }
    }
    let site = site("");
    for (levels, status) in [(9, 200), (10, 403), (200, 403)] {
        let set = format!("{}a{}", "{".repeat(levels), "}".repeat(levels));
        let reply = site.get(&format!("cat?imageSet={{{set}}}&req=set"));
        assert_eq!(reply.status, status, "RQ-109 {levels} brackets: {}", text(&reply));
    }
}

#[test]
fn a_media_set_within_a_media_set_is_refused() {
    let sets = "inner\ta;b;img\nouter\ta;;,inner;;\nmiddle\tinner;\tIMAGESET\nthrough\tmiddle;;\n\
        spun\ta,inner\tSPINSET\nasimage\ta;;,inner;;img\nstated\tinner;;img_set\tMEDIASET\n";
    let site = site(sets);
    let service = site.service();
    for (name, target, is_allowed) in [
        ("RQ-109 by reference", "cat/outer", false),
        ("RQ-109 through another set", "cat/through", false),
        ("RQ-109 inline", "cat?imageSet={{a;;};;,b;;}", false),
        ("RQ-109 in the request", "cat?imageSet={inner;;}", false),
        ("alone", "cat/inner", true),
        ("within a spin set", "cat/spun", true),
        ("as an image", "cat/asimage", true),
    ] {
        let separator = if target.contains('?') { '&' } else { '?' };
        let reply = get(&service, &format!("{target}{separator}req=set"));
        assert_eq!(reply.status == 200, is_allowed, "{name}: {}", text(&reply));
        let is_named = text(&reply).contains("media set within a media set");
        assert_eq!(is_named, !is_allowed, "{name}: {}", text(&reply));
    }
    // The item says that the inner set is one of images, and then its second `;` is one too many.
    let reply = get(&service, "cat/stated?req=set");
    assert!(text(&reply).contains("has 3 parameters"), "{}", text(&reply));
}

#[test]
fn cycles_and_crowds_end_soon() {
    let crowd = "self;,".repeat(1_000) + "a;";
    let plain = vec!["a"; 10_001].join(",");
    let ring = "ring1\tring2;\tIMAGESET\nring2\tring3;\tIMAGESET\nring3\tring1;\tIMAGESET\n";
    let sets = format!(
        "loop\tloop;\tIMAGESET\nself\t{crowd}\tIMAGESET\n{ring}many\t{plain}\nfew\t{}\n\
         ten\t{}\nhundred\t{}\nthousand\t{}\ntoomany\t{}\n",
        vec!["a"; 10_000].join(","),
        ["a"; 10].join(","),
        ["ten;"; 10].join(","),
        ["hundred;"; 10].join(","),
        ["thousand;"; 10].join(","),
    );
    let site = site(&sets);
    let service = site.service();
    for (name, target, what) in [
        ("RQ-109 a set that holds itself", "cat/loop?req=set", "fvctx.nestingLimit"),
        ("RQ-109 a ring", "cat/ring1?req=set", "fvctx.nestingLimit"),
        ("a crowd of itself", "cat/self?req=set", "Media set too large"),
        ("10,001 items", "cat/many?req=set", "10000 items"),
        ("items of sets add up", "cat/toomany?req=set", "10000 items"),
    ] {
        let start = Instant::now();
        let reply = get(&service, target);
        let took = start.elapsed();
        assert_eq!(reply.status, 403, "{name}: {}", text(&reply));
        assert!(text(&reply).contains(what), "{name}: {}", text(&reply));
        assert!(took < Duration::from_secs(5), "{name} took {took:?}");
    }
    let reply = get(&service, "cat/few?req=set");
    assert_eq!(text(&reply).matches("<item ").count(), 10_000, "a set may name an image often");
    let reply = get(&service, "cat/thousand?req=set");
    assert_eq!(reply.status, 200, "1110 items of sets within sets: {}", text(&reply));
}

#[test]
fn text_of_records_cannot_fill_the_memory() {
    let site = site_with("", "[IS]\nMaxMessageSize = 1\n", "");
    let label = "x".repeat(100_000);
    let records = format!("Id\tPath\tUserData\na\ta.png\tlabel={label}\n");
    site.write("catalogs/cat.txt", records);
    let service = site.service();
    let few = get(&service, "cat?imageSet={a,a,a}&req=set&labelkey=label");
    assert_eq!(few.status, 200, "{}", text(&few));
    let set = vec!["a"; 5_000].join(",");
    let many = get(&service, &format!("cat?imageSet={{{set}}}&req=set&labelkey=label"));
    assert_eq!(many.status, 403);
    assert!(text(&many).contains("exceeds MaxMessageSize"), "{}", text(&many));
    let plain = get(&service, &format!("cat?imageSet={{{set}}}&req=set"));
    assert_eq!(plain.status, 200, "without labels it is small enough");
}
