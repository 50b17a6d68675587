//! How long foreign images are kept in memory and how they are confirmed: S-76, requests.md 11.

use super::*;

/// A server that answers the requests in turn; the last answer again and again.
fn in_turn(answers: Vec<Vec<u8>>) -> Origin {
    let turn = AtomicUsize::new(0);
    Origin::new(move |_, stream| {
        let at = turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let _ = stream.write_all(&answers[at]);
    })
}

fn ok(headers: &str) -> Vec<u8> {
    reply("200 OK", headers, &picture())
}

fn unchanged(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 304 Not Modified\r\n{headers}\r\n").into_bytes()
}

const TAG: &str = "ETag: \"a\"\r\n";
const DATE: &str = "Last-Modified: Tue, 04 Mar 2025 09:15:02 GMT\r\n";

#[test]
fn s_76_images_are_asked_for_again_as_their_headers_say() {
    let with = |headers: &str, more: &str| ok(&format!("{headers}{more}"));
    let (long, none) = ("Cache-Control: max-age=1000\r\n", "Cache-Control: max-age=0\r\n");
    let past = "Expires: Tue, 04 Mar 2025 09:15:02 GMT\r\n";
    let mut count = 0;
    for (name, answers, requests) in [
        ("S-76 no validators", vec![ok("")], 4),
        ("S-76 no validators, max-age", vec![ok(long)], 4),
        ("S-76 no validators, Expires", vec![ok("Expires: Tue, 04 Mar 2045 09:15:02 GMT\r\n")], 4),
        ("ETag, default expiration", vec![ok(TAG)], 1),
        ("Last-Modified, default expiration", vec![ok(DATE)], 1),
        ("ETag and max-age", vec![with(TAG, long)], 1),
        ("no-store", vec![with(TAG, "Cache-Control: no-store\r\n")], 4),
        ("max-age=0", vec![with(TAG, none)], 4),
        ("Expires in the past", vec![with(TAG, past)], 4),
        ("confirmed each time", vec![with(TAG, none), unchanged("")], 2),
        ("confirmed for long", vec![with(TAG, none), unchanged(long)], 2),
        ("confirmed for no time", vec![with(TAG, none), unchanged(none)], 4),
        (
            "confirmed, then not to be kept",
            vec![with(TAG, none), unchanged("Cache-Control: no-store\r\n"), ok("")],
            4,
        ),
    ] {
        let origin = in_turn(answers);
        let remote = remote();
        for _ in 0..4 {
            let image = fetch(&remote, &origin.url("/a.png"));
            let image = image.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(bytes(&image), picture(), "{name}");
        }
        assert_eq!(origin.count(), requests, "{name}: {:?}", origin.heads());
        count += 1;
    }
    assert_eq!(count, 13);
}

#[test]
fn an_image_that_may_be_stale_is_confirmed_by_its_validators() {
    let none = "Cache-Control: no-cache\r\n";
    let mut count = 0;
    for (name, headers, sent, not_sent) in [
        ("ETag", TAG, "if-none-match: \"a\"\r\n", "if-modified-since"),
        (
            "Last-Modified",
            DATE,
            "if-modified-since: Tue, 04 Mar 2025 09:15:02 GMT\r\n",
            "if-none-match",
        ),
        ("weak", "ETag: W/\"b\"\r\n", "if-none-match: W/\"b\"\r\n", "if-modified-since"),
    ] {
        let origin = in_turn(vec![ok(&format!("{headers}{none}")), unchanged(none)]);
        let remote = remote();
        let first = fetch(&remote, &origin.url("/a.png")).expect("the image");
        let second = fetch(&remote, &origin.url("/a.png")).expect("the image again");
        assert_eq!(first.identity(), second.identity(), "{name}");
        let heads = origin.heads();
        let value = sent.split_once(": ").expect("a header").1;
        assert_eq!(heads.len(), 2, "{name}");
        assert!(!heads[0].to_ascii_lowercase().contains("\r\nif-"), "{name}: {}", heads[0]);
        let lower = heads[1].to_ascii_lowercase();
        assert!(lower.contains(&sent.to_ascii_lowercase()), "{name}: {lower}");
        assert!(heads[1].contains(value), "{name}: the value as it came");
        assert!(!lower.contains(not_sent), "{name}: {lower}");
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn a_changed_image_replaces_the_one_that_was_kept() {
    let other = png(&flat(3, 3, [1, 2, 3]));
    let none = "Cache-Control: max-age=0\r\n";
    let origin = in_turn(vec![
        ok(&format!("{TAG}{none}")),
        reply("200 OK", "ETag: \"b\"\r\nCache-Control: max-age=1000\r\n", &other),
    ]);
    let remote = remote();
    let first = fetch(&remote, &origin.url("/a.png")).expect("the image");
    let second = fetch(&remote, &origin.url("/a.png")).expect("the other image");
    let third = fetch(&remote, &origin.url("/a.png")).expect("the other image, kept");
    assert_eq!((bytes(&first), bytes(&second), bytes(&third)), (picture(), other.clone(), other));
    assert_ne!(first.identity().hash, second.identity().hash);
    assert_eq!(second.identity().etag.as_deref(), Some("\"b\""));
    assert_eq!(origin.count(), 2);
}

#[test]
fn urls_are_kept_apart_and_errors_are_not_kept() {
    let origin = in_turn(vec![reply("500 Oops", TAG, b""), ok(TAG)]);
    let remote = remote();
    assert!(fetch(&remote, &origin.url("/a.png")).is_err());
    for path in ["/a.png", "/a.png", "/a.png?b", "/a.png?b"] {
        assert!(fetch(&remote, &origin.url(path)).is_ok());
    }
    assert_eq!(origin.count(), 3);
}

#[test]
fn the_default_expiration_is_that_of_the_settings() {
    let origin = in_turn(vec![ok(TAG)]);
    let own = RemoteSettings { default_expiration: Duration::ZERO, ..settings(&["127.0.0.1"]) };
    let remote = remote_with(own);
    for _ in 0..3 {
        fetch(&remote, &origin.url("/a.png")).expect("the image");
    }
    assert_eq!(origin.count(), 3);
    let nothing = remote_with(RemoteSettings { cache_bytes: 0, ..settings(&["127.0.0.1"]) });
    for _ in 0..2 {
        fetch(&nothing, &origin.url("/a.png")).expect("the image");
    }
    assert_eq!(origin.count(), 5, "without memory nothing is kept");
}

/// Fetches at the same time; the server waits until `together` requests have come or the first has waited long enough
/// for all to have asked.
fn together(threads: usize, headers: &'static str) -> usize {
    let origin = Arc::new(Origin::new(move |_, stream| {
        std::thread::sleep(Duration::from_millis(200));
        let _ = stream.write_all(&ok(headers));
    }));
    let remote = remote();
    let url = origin.url("/a.png");
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| assert!(fetch(&remote, &url).is_ok()));
        }
    });
    origin.count()
}

#[test]
fn requests_for_one_url_at_the_same_time_ask_once() {
    assert_eq!(together(12, TAG), 1);
    assert_eq!(together(12, "ETag: \"a\"\r\nCache-Control: no-store\r\n"), 12, "not to be shared");
}

#[test]
fn whoever_waits_is_not_let_down_by_a_request_that_ran_out_of_time() {
    let turn = AtomicUsize::new(0);
    let origin = Origin::new(move |_, stream| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => drop(stream.read(&mut [0])),
        _ => drop(stream.write_all(&ok(TAG))),
    });
    let remote = remote();
    let url = direct(&origin.url("/a.png"));
    let impatient = Deadline::after(Duration::from_secs(600));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| remote.fetch(&url, &impatient));
        crate::support::gateway::until("the server is asked", || origin.count() == 1);
        let second = scope.spawn(|| remote.fetch(&url, &unhurried()));
        assert!(impatient.expire());
        assert_eq!(failure(first.join().expect("no panic")).0, Kind::TimedOut);
        assert!(second.join().expect("no panic").is_ok());
    });
    assert_eq!(origin.count(), 2);
}

#[test]
fn only_so_many_servers_are_asked_at_once() {
    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (count, peak) = (now.clone(), most.clone());
    let origin = Origin::new(move |_, stream| {
        peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        count.fetch_sub(1, Ordering::SeqCst);
        let _ = stream.write_all(&ok(""));
    });
    let remote = remote();
    std::thread::scope(|scope| {
        for at in 0..48 {
            let (remote, url) = (&remote, origin.url(&format!("/{at}.png")));
            scope.spawn(move || assert!(fetch(remote, &url).is_ok()));
        }
    });
    assert_eq!(origin.count(), 48);
    let most = most.load(Ordering::SeqCst);
    assert!((1..=16).contains(&most), "{most} at once");
}
