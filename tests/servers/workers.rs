//! Through nginx with kept connections: workers that die, limits of time, clients that leave, too many headers
//! (G2, G3, G4, G11, G12, G19), and overload.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imprint::gateway::Settings;
use rustix::process::Signal;

use crate::support::gateway::{Server, connect, handlers, obey, read_reply, request_bytes, until};
use crate::support::http::{Client, request};
use crate::support::pictures::{png, textured};
use crate::support::servers::{Backend, Front, Way, signal, site, used_cpu};

/// Takes longer than any limit of these tests when nobody stops it.
const ENDLESS: &str =
    "/is/image/big.png?rotate=1&wid=4000&hei=4000&fit=stretch&resMode=sharp2&fmt=png";
/// Settings under which that may run.
const ROOMY: &str = "[IS]\nMaxRenderRgnPixels = 400\nMaxSavePixels = 400\nMaxMessageSize = 2000\nPhysicalMemory = 80%\n";

fn stage(settings: &str, more: &[(&str, &str)]) -> (Front, Backend) {
    let site = site(settings);
    site.image("big.png", png(&textured(900, 900)));
    let backend = Backend::start(site);
    let front = Front::start(Way::Nginx, &backend.site, backend.port, more);
    (front, backend)
}

fn used(workers: &BTreeSet<u32>) -> u64 {
    workers.iter().map(|&worker| used_cpu(worker)).sum()
}

/// Waits until the workers render.
fn busy(workers: &BTreeSet<u32>) {
    let before = used(workers);
    until("a render runs", || used(workers) >= before + 20);
}

/// Waits until the workers use no processor time any more.
fn idle(workers: &BTreeSet<u32>) {
    until("the processors are free", || {
        let before = used(workers);
        thread::sleep(Duration::from_millis(300));
        used(workers) <= before + 1
    });
}

/// Asks again and again on connections that stay open; the value is how many replies came, and those that are wrong.
fn under_load(front: &Front, act: impl FnOnce(&dyn Fn(usize))) -> (usize, Vec<String>) {
    let (ends, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let wrong = thread::scope(|scope| {
        let load = || {
            let mut wrong = Vec::new();
            let mut client = Client::new(front.port).expect("a connection");
            let target = b"/is/image/shop/photo?wid=16&fmt=png";
            while !ends.load(Ordering::SeqCst) {
                match client.ask("GET", target, &[], &[]) {
                    Ok(answer) if answer.status == 200 => {}
                    Ok(answer) => wrong.push(format!("{} {}", answer.status, answer.text())),
                    Err(error) => {
                        wrong.push(error.to_string());
                        client = Client::new(front.port).expect("a connection");
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
            wrong
        };
        let threads = [scope.spawn(load), scope.spawn(load), scope.spawn(load)];
        let more = |wanted: usize| {
            let from = count.load(Ordering::SeqCst);
            until("requests are answered", || count.load(Ordering::SeqCst) >= from + wanted);
        };
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(&more)));
        ends.store(true, Ordering::SeqCst);
        let wrong: Vec<String> =
            threads.into_iter().flat_map(|thread| thread.join().expect("load")).collect();
        if let Err(panic) = acted {
            std::panic::resume_unwind(panic);
        }
        wrong
    });
    (count.load(Ordering::SeqCst), wrong)
}

#[test]
fn no_request_is_lost_when_workers_are_killed() {
    let (front, backend) = stage("", &[]);
    let (count, wrong) = under_load(&front, |more| {
        for kill in
            [Signal::KILL, Signal::KILL, Signal::KILL, Signal::KILL, Signal::KILL, Signal::TERM]
        {
            // So many that all connections of nginx have been used before, and are kept.
            more(100);
            let before = backend.settled_workers();
            let first = *before.first().expect("a worker");
            signal(first, kill);
            until("the worker is replaced", || {
                let now = backend.workers();
                now.len() == 2 && !now.contains(&first)
            });
        }
        more(100);
    });
    assert!(wrong.is_empty(), "G11: {} of {count}: {wrong:?}\n{}", wrong.len(), backend.log());
}

#[test]
fn no_request_is_lost_when_the_settings_are_read_anew() {
    let (front, backend) = stage("", &[]);
    let (count, wrong) = under_load(&front, |more| {
        for _ in 0..2 {
            more(100);
            let before = backend.settled_workers();
            signal(backend.process.id(), Signal::HUP);
            until("all workers are new", || {
                let now = backend.workers();
                now.len() == 2 && now.is_disjoint(&before)
            });
        }
        more(100);
    });
    assert!(wrong.is_empty(), "G11: {} of {count}: {wrong:?}\n{}", wrong.len(), backend.log());
}

#[test]
fn a_client_that_leaves_frees_the_processor() {
    let (front, backend) = stage(&format!("renderTimeout = 600000\n{ROOMY}"), &[]);
    let workers = backend.settled_workers();
    let mut client = Client::new(front.port).expect("a connection");
    client.send(&request("GET", ENDLESS.as_bytes(), &[], &[])).expect("sent");
    busy(&workers);
    drop(client);
    let start = Instant::now();
    idle(&workers);
    assert!(start.elapsed() < Duration::from_secs(10), "G12");
    assert_eq!(front.get("/is/image/shop/photo?wid=9").status, 200);
    assert_eq!(backend.workers(), workers, "G12 no worker had to be replaced");
}

/// G19: an image that nobody waits for is cancelled; a save goes on (`U-save-abort`).
#[test]
fn the_web_server_that_gives_up_cancels_an_image_and_no_save() {
    let (front, backend) = stage(
        &format!("renderTimeout = 600000\n{ROOMY}"),
        &[("fastcgi_read_timeout 610s", "fastcgi_read_timeout 400ms")],
    );
    let workers = backend.settled_workers();
    assert_eq!(front.get(ENDLESS).status, 504, "G19");
    idle(&workers);
    let save = "/is/image/big.png?rotate=1&wid=1000&hei=1000&fit=stretch&resMode=sharp2&fmt=png\
                &req=saveToFile&name=late.png";
    let file = backend.site.path("saved/web/late.png");
    assert_eq!(front.get(save).status, 504, "G19");
    assert!(!file.exists(), "the save takes longer than nginx waits");
    until("the save goes on", || file.exists());
    until("it is logged", || backend.log().contains("name=late.png"));
    let names = fs::read_dir(backend.site.path("saved/web")).expect("a folder").count();
    assert_eq!(names, 1, "nothing but the file");
    assert_eq!(backend.workers(), workers);
}

#[test]
fn a_deadline_is_a_403_through_the_web_server() {
    let (front, backend) = stage(&format!("renderTimeout = 300\n{ROOMY}"), &[]);
    let workers = backend.settled_workers();
    let answer = front.get(ENDLESS);
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.length() > Some(0));
    let save = format!("{ENDLESS}&req=saveToFile&name=never.png&timeout=300");
    let answer = front.get(&save);
    assert!(answer.status == 403 && answer.text().contains("status=timeout"), "{}", answer.text());
    idle(&workers);
    assert!(!backend.site.path("saved/web/never.png").exists(), "nothing after a 403");
    assert_eq!(backend.workers(), workers);
}

#[test]
fn more_renders_than_may_wait_are_503() {
    let settings =
        format!("queue = 0\nworkers = 1\nrenderTimeout = 600000\n{ROOMY}WorkerThreads = 1\n");
    let site = site(&settings);
    site.image("big.png", png(&textured(900, 900)));
    let backend = Backend::start_workers(site, 1);
    let front = Front::start(Way::Nginx, &backend.site, backend.port, &[]);
    let workers = backend.workers();
    let mut client = Client::new(front.port).expect("a connection");
    client.send(&request("GET", ENDLESS.as_bytes(), &[], &[])).expect("sent");
    busy(&workers);
    let answer = front.get("/is/image/big.png?wid=800&fmt=png");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("Retry-After").is_some(), "{answer:?}");
    assert_eq!(answer.length(), Some(answer.body.len()));
    drop(client);
    until("there is room", || front.get("/is/image/big.png?wid=800&fmt=png").status == 200);
}

/// G3: every header becomes a parameter with these settings.
#[test]
fn thousands_of_headers_end_no_worker() {
    let backend = Backend::start(site(""));
    let front = Front::start(Way::NginxMinimal, &backend.site, backend.port, &[]);
    let workers = backend.settled_workers();
    for count in [900, 1_100, 8_170] {
        let mut bytes = b"GET /is/image/shop/photo?wid=9&hei=8 HTTP/1.1\r\nHost: x\r\n".to_vec();
        bytes.extend(b"a:\r\n".repeat(count));
        bytes.extend(b"\r\n");
        let mut client = Client::new(front.port).expect("a connection");
        client.send(&bytes).expect("sent");
        let status = client.answer(false).expect("an answer").status;
        assert!(matches!(status, 200 | 400 | 431), "G3 {count}: {status}");
    }
    assert_eq!(front.get("/is/image/shop/photo?wid=9&hei=8").status, 200);
    assert_eq!(backend.workers(), workers, "G3");
}

/// G4 without a clock: a connection over TCP is good for many requests.
#[test]
fn one_kept_connection_serves_three_hundred_requests() {
    let backend = Backend::start(site(""));
    let front = Front::start(Way::NginxTcp, &backend.site, backend.port, &[]);
    let mut client = Client::new(front.port).expect("a connection");
    for number in 0..300 {
        let answer = client.ask("GET", b"/is/image/shop/photo?wid=9&fmt=png", &[], &[]);
        assert_eq!(answer.expect("an answer").status, 200, "G4 {number}");
    }
}

/// G2: more slow requests than there are descriptors and places.
#[test]
fn more_requests_than_descriptors_are_all_answered() {
    let site = site("");
    site.image("wide.png", png(&textured(900, 600)));
    let mut command = std::process::Command::new("sh");
    let limited = "ulimit -n 64; exec \"$0\" \"$@\"";
    command.args(["-c", limited, crate::support::servers::IMPRINT]);
    let backend = Backend::start_with(site, command);
    let front = Front::start(Way::Nginx, &backend.site, backend.port, &[]);
    let workers = backend.settled_workers();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = |number: usize| {
            front.get(format!("/is/image/wide.png?wid={}&fmt=png", 300 + number)).status
        };
        let threads: Vec<_> = (0..90).map(|number| scope.spawn(move || ask(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a reply")).collect()
    });
    let unexpected = statuses.iter().filter(|&&status| !matches!(status, 200 | 503)).count();
    assert_eq!(unexpected, 0, "G2 {statuses:?}\n{}", backend.log());
    assert_eq!(front.get("/is/image/wide.png?wid=9").status, 200);
    assert_eq!(backend.workers(), workers, "G2");
}

/// G9: mod_proxy_fcgi would show half an answer as a good one.
#[test]
fn a_panic_is_a_500_through_the_web_server() {
    let settings = Settings { socket_mode: 0o666, ..Settings::default() };
    let server = Server::start(&settings, handlers(obey));
    fs::set_permissions(server.folder(), Permissions::from_mode(0o755)).expect("mode");
    let site = site("");
    let ours = site.path("run/imprint.sock").display().to_string();
    let theirs = server.socket.display().to_string();
    for way in [Way::ApacheProxy, Way::Nginx, Way::Lighttpd] {
        let front = Front::start(way, &site, 0, &[(ours.as_str(), theirs.as_str())]);
        let answer = front.get("/is/image/x?panic");
        assert_eq!(answer.status, 500, "G9 {way:?}");
        assert_eq!(answer.length(), Some(answer.body.len()), "G9 {way:?}");
        let big = front.get("/is/image/x?big");
        assert_eq!((big.status, big.length(), big.body.len()), (200, Some(4 << 20), 4 << 20));
    }
}

/// G5: that a web server closes what it kept is no news.
#[test]
fn closed_connections_are_not_logged() {
    let backend = Backend::start(site(""));
    let socket = backend.site.path("run/imprint.sock");
    let params: [(&str, &[u8]); 2] = [("REQUEST_METHOD", b"GET"), ("REQUEST_URI", b"/is/image")];
    let ask = request_bytes(&params, &[], true);
    // That a worker starts and has its catalogs is news, whenever it comes.
    let news = || -> Vec<String> {
        let log = backend.log();
        let lines = log
            .lines()
            .filter(|line| !line.ends_with("starts") && !line.contains("catalogs loaded"));
        lines.map(str::to_owned).collect()
    };
    let before = news();
    for _ in 0..5 {
        let mut kept = Vec::new();
        for _ in 0..200 {
            let mut stream = connect(&socket).expect("a connection");
            stream.write_all(&ask).expect("sent");
            read_reply(&mut stream).expect("a reply");
            kept.push(stream);
        }
    }
    assert_eq!(news(), before, "G5");
}
