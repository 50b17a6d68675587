//! Which addresses are connected to: only those that were checked, and only public ones or those of listed hosts.

use super::*;

fn fixed(addresses: &[&str]) -> (Resolver, Arc<AtomicUsize>) {
    let addresses: Vec<IpAddr> =
        addresses.iter().map(|address| address.parse().expect("an address")).collect();
    let asked = Arc::<AtomicUsize>::default();
    let count = asked.clone();
    let resolver = move |_: &str| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(addresses.clone())
    };
    (Arc::new(resolver), asked)
}

#[test]
fn rq_082_no_spelling_of_an_inner_address_is_connected_to() {
    // A port without a server would do; one with a server shows that nobody comes.
    let origin = Origin::saying(reply("200 OK", "ETag: \"a\"\r\n", &picture()));
    let remote = remote_with(settings(&[&format!("127.0.0.1:{}", origin.port)]));
    let mut count = 0;
    for (text, what) in [
        ("http://127.0.0.1/", "loopback"),
        ("http://127.1/", "loopback"),
        ("http://0/", "unspecified"),
        ("http://0.0.0.0/", "unspecified"),
        ("http://0x7f000001/", "loopback"),
        ("http://0x7f.1/", "loopback"),
        ("http://017700000001/", "loopback"),
        ("http://0177.0.0.1/", "loopback"),
        ("http://2130706433/", "loopback"),
        ("http://127.0.0.1./", "loopback"),
        ("http://%31%32%37.0.0.1/", "loopback"),
        ("http://127。0。0。1/", "loopback"),
        ("http://①②⑦.⓪.⓪.①/", "loopback"),
        ("https://127.0.0.1/", "loopback"),
        ("HTTP://127.0.0.1/", "loopback"),
        ("http://127.0.0.1:80/", "loopback"),
        ("http://[::1]/", "loopback"),
        ("http://[::]/", "unspecified"),
        ("http://[::ffff:127.0.0.1]/", "IPv4-mapped"),
        ("http://[::ffff:7f00:1]/", "IPv4-mapped"),
        ("http://[::127.0.0.1]/", "IPv4-compatible"),
        ("http://[64:ff9b::7f00:1]/", "of NAT64"),
        ("http://[2002:7f00:1::]/", "of 6to4"),
        ("http://[fe80::1]/", "link-local"),
        ("http://[fd00::1]/", "unique-local"),
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://100.64.0.1/", "of a carrier's network"),
        ("http://10.0.0.1/", "private"),
        ("http://172.16.0.1/", "private"),
        ("http://192.168.0.1/", "private"),
        ("http://198.18.0.1/", "for benchmarks"),
        ("http://224.0.0.1/", "multicast"),
        ("http://255.255.255.255/", "broadcast"),
        ("http://127.0.0.1:81/", "port 81, expected 80 or 443"),
        ("http://127.0.0.2:8080/", "port 8080, expected 80 or 443"),
    ] {
        let (kind, detail) = failure(fetch(&remote, text));
        assert_eq!(kind, Kind::Refused, "{text}: {detail}");
        assert!(detail.contains(what), "{text}: {detail}");
        count += 1;
    }
    assert_eq!(count, 35);
    assert_eq!(origin.count(), 0);
    let (_, detail) = failure(fetch(&remote, "http://10.0.0.1/"));
    assert!(detail.starts_with("Request refused: "), "{detail}");
    let error = fetch(&remote, "http://10.0.0.1/").expect_err("it is refused");
    assert_eq!(error.public_text(1), "Request refused", "addresses are not told below level 2");
    assert_eq!(fetch(&remote, &origin.url("/")).map(|image| bytes(&image)).ok(), Some(picture()));
}

#[test]
fn r_4_one_bad_address_of_a_name_refuses_all_of_them() {
    let mut count = 0;
    for (name, host, addresses, expected) in [
        ("loopback", "localhost", &["127.0.0.1"][..], Kind::Refused),
        ("with a dot", "localhost.", &["127.0.0.1"], Kind::Refused),
        ("a public one first", "rebind.test", &["192.0.43.8", "127.0.0.1"], Kind::Refused),
        ("a public one last", "rebind.test", &["10.0.0.1", "192.0.43.8"], Kind::Refused),
        ("IPv6 beside IPv4", "rebind.test", &["192.0.43.8", "::ffff:10.0.0.1"], Kind::Refused),
        ("a link-local one", "meta.test", &["169.254.169.254"], Kind::Refused),
        ("none at all", "empty.test", &[], Kind::Unreadable),
    ] {
        let (resolver, asked) = fixed(addresses);
        let remote = Remote::with_resolver(settings(&[]), resolver).expect("a client");
        let (kind, detail) = failure(fetch(&remote, &format!("http://{host}/a.png")));
        assert_eq!(kind, expected, "{name}: {detail}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{name}");
        count += 1;
    }
    assert_eq!(count, 7);
}

#[test]
fn r_4_a_name_is_looked_up_once_and_that_address_is_connected_to() {
    let origin = Origin::saying(reply("200 OK", "", &picture()));
    let host = format!("pictures.test:{}", origin.port);
    // Whoever looked up a second time would go to an address where nobody answers.
    let asked = Arc::<AtomicUsize>::default();
    let count = asked.clone();
    let resolver: Resolver = Arc::new(move |name| {
        assert_eq!(name, "pictures.test");
        let last = if count.fetch_add(1, Ordering::SeqCst) % 2 == 0 { 1 } else { 99 };
        Ok(vec![IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))])
    });
    let remote = Remote::with_resolver(settings(&[&host]), resolver).expect("a client");
    let image = fetch(&remote, &format!("http://{host}/a.png")).expect("the image");
    assert_eq!(bytes(&image), picture());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let head = origin.heads().concat();
    assert!(
        head.contains(&format!("Host: {host}\r\n")) || head.contains(&format!("host: {host}\r\n")),
        "{head}"
    );
    // The same name with another first answer is judged anew.
    let (kind, detail) = failure(fetch(&remote, "http://pictures.test/a.png"));
    assert_eq!(kind, Kind::Refused, "{detail}");
}

#[test]
fn a_listed_host_is_tried_at_each_of_its_addresses() {
    let origin = Origin::saying(reply("200 OK", "", &picture()));
    let host = format!("pictures.test:{}", origin.port);
    let (resolver, _) = fixed(&["127.0.0.99", "127.0.0.98", "127.0.0.1"]);
    let remote = Remote::with_resolver(settings(&[&host]), resolver).expect("a client");
    assert!(fetch(&remote, &format!("http://{host}/a.png")).is_ok());
}

#[test]
fn a_name_server_that_is_silent_ends_with_the_time_allowed() {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().expect("no panic");
    let asked = Arc::<AtomicUsize>::default();
    let (behind, count) = (gate.clone(), asked.clone());
    let resolver: Resolver = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let _open = behind.lock();
        Ok(Vec::new())
    });
    let timeout = Duration::from_millis(50);
    let own = RemoteSettings { timeout, ..settings(&[]) };
    let remote = Remote::with_resolver(own, resolver).expect("a client");
    // The threads that still wait are counted, also when their requests are gone.
    crate::support::gateway::until("no more names are looked up", || {
        let start = Instant::now();
        let (kind, detail) = failure(fetch(&remote, "http://slow.test/"));
        assert_eq!(kind, Kind::Unreadable, "{detail}");
        assert!(start.elapsed() < Duration::from_secs(5));
        let is_full = detail.contains("too many names are being looked up");
        assert!(is_full || detail.contains("did not answer in time"), "{detail}");
        is_full
    });
    assert_eq!(asked.load(Ordering::SeqCst), 32);
    drop(closed);
}

#[test]
fn g_9_proxies_of_the_environment_are_never_used() {
    let mut command = std::process::Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "remote::answers::an_image_arrives_whole"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        command.env(name, "http://127.0.0.1:9/");
    }
    let output = command.output().expect("the test runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
