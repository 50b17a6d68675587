//! Time and processes: deadlines kept by the watchdog, clients that leave, workers that die, stop and are renewed.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imprint::gateway::{Address, Ending, Protocol, Settings, open, serve};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::gateway::{
    PATIENCE, Server, ask, connect, get, handlers, obey, query, read_reply, text, until,
};

/// What a loaded machine may add to a time that is asserted.
const SLACK: Duration = Duration::from_millis(400);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn quick(deadline: Duration) -> Settings {
    Settings { deadline, grace: ms(600), stop_limit: PATIENCE, ..Settings::default() }
}

#[test]
fn the_deadline_answers_for_work_that_looks_and_goes_on() {
    let server = Server::start(&quick(ms(200)), handlers(obey));
    let start = Instant::now();
    let reply = ask(&server.socket, &get("/is/image/a?sleep=10000")).expect("reply");
    let took = start.elapsed();
    assert!(reply.starts_with("Status: 403 Forbidden\r\n"), "G13: {reply}");
    assert!(took >= ms(195) && took < ms(200) + SLACK, "G13: {took:?}");
    let reply = ask(&server.socket, &get("/is/image/a?x")).expect("reply");
    assert!(reply.starts_with("Status: 200"), "{reply}");
    assert_eq!(server.end(), Ending::Stopped);
}

#[test]
fn stuck_work_is_answered_for_and_its_worker_ends_after_the_others() {
    let server = Server::start(&quick(ms(1500)), handlers(obey));
    let socket = server.socket.clone();
    let start = Instant::now();
    let stuck = std::thread::spawn(move || ask(&socket, &get("/is/image/a?spin")));
    until("the stuck request runs", || start.elapsed() > ms(1200));
    let socket = server.socket.clone();
    let other = std::thread::spawn(move || ask(&socket, &get("/is/image/a?sleep=1200")));
    let reply = stuck.join().expect("no panic").expect("reply");
    let took = start.elapsed();
    assert!(reply.ends_with("timed out"), "G13: {reply}");
    assert!(took >= ms(1490) && took < ms(1500) + SLACK, "G13: {took:?}");
    let reply = other.join().expect("no panic").expect("reply");
    assert!(reply.ends_with("slept"), "G16, another request is not lost: {reply}");
    until("the worker ends", || server.has_ended());
    assert_eq!(server.end(), Ending::Retired, "G16");
}

#[test]
fn a_worker_whose_slots_are_all_lost_does_not_wait_for_the_whole_grace() {
    let settings = Settings { slots: 1, grace: ms(8000), ..quick(ms(100)) };
    let server = Server::start(&settings, handlers(obey));
    let start = Instant::now();
    ask(&server.socket, &get("/is/image/a?spin")).expect("reply");
    until("the worker ends", || server.has_ended());
    assert!(start.elapsed() < ms(6000), "{:?}", start.elapsed());
    assert_eq!(server.end(), Ending::Retired);
}

#[test]
fn a_moved_deadline_counts() {
    let answer = |_: &_, deadline: &imprint::limits::Deadline| {
        deadline.mark_save();
        deadline.move_to(ms(150));
        std::thread::sleep(ms(3000));
        text(200, "never seen")
    };
    let server = Server::start(&Settings { grace: PATIENCE, ..quick(PATIENCE) }, handlers(answer));
    let start = Instant::now();
    let reply = ask(&server.socket, &get("/is/image/a")).expect("reply");
    assert!(start.elapsed() < ms(150) + SLACK, "sooner: {:?}", start.elapsed());
    assert!(reply.ends_with("save timed out"), "{reply}");
    let answer = |_: &_, deadline: &imprint::limits::Deadline| {
        deadline.move_to(PATIENCE);
        std::thread::sleep(ms(400));
        text(200, if deadline.tick().is_ok() { "in time" } else { "late" })
    };
    let server = Server::start(&quick(ms(150)), handlers(answer));
    let reply = ask(&server.socket, &get("/is/image/a")).expect("reply");
    assert!(reply.ends_with("in time"), "later: {reply}");
}

#[test]
fn a_reply_says_200_exactly_when_the_work_committed() {
    let published = Arc::new(Mutex::new(BTreeSet::new()));
    let sink = published.clone();
    let answer = move |raw: &_, deadline: &imprint::limits::Deadline| {
        deadline.mark_save();
        let name = query(raw);
        let spread = name.parse::<u64>().unwrap_or(0) % 7;
        std::thread::sleep(Duration::from_micros(28_500 + spread * 500));
        match deadline.commit() {
            Ok(()) => {
                sink.lock().expect("lock").insert(name);
                text(200, "saved")
            }
            Err(_) => text(403, "late"),
        }
    };
    let server = Server::start(&quick(ms(30)), handlers(answer));
    let asked = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (socket, asked) = (server.socket.clone(), asked.clone());
            std::thread::spawn(move || {
                let mut good = BTreeSet::new();
                loop {
                    let number = asked.fetch_add(1, Ordering::SeqCst);
                    if number >= 400 {
                        return good;
                    }
                    let reply =
                        ask(&socket, &get(&format!("/is/image/a?{number}"))).expect("reply");
                    if reply.starts_with("Status: 200") {
                        good.insert(number.to_string());
                    } else {
                        assert!(reply.starts_with("Status: 403"), "{reply}");
                    }
                }
            })
        })
        .collect();
    let good: BTreeSet<String> =
        clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect();
    assert_eq!(server.end(), Ending::Stopped);
    assert_eq!(good, *published.lock().expect("lock"), "G14");
}

/// Runs until its deadline is over, and counts that.
fn counting(over: &Arc<AtomicUsize>, is_save: bool) -> imprint::gateway::Handlers {
    let over = over.clone();
    handlers(move |_, deadline| {
        if is_save {
            deadline.mark_save();
        }
        let end = Instant::now() + ms(700);
        while Instant::now() < end {
            if deadline.is_over() {
                over.fetch_add(1, Ordering::SeqCst);
                return text(403, "over");
            }
            std::thread::sleep(ms(2));
        }
        over.fetch_add(100, Ordering::SeqCst);
        text(200, "done")
    })
}

#[test]
fn a_client_that_leaves_cancels_an_image_but_not_a_save() {
    for (name, is_save, expected) in [("G12 image", false, 1), ("save-abort", true, 100)] {
        let over = Arc::new(AtomicUsize::new(0));
        let server = Server::start(&quick(PATIENCE), counting(&over, is_save));
        let mut stream = connect(&server.socket).expect("connection");
        stream.write_all(&get("/is/image/a")).expect("written");
        drop(stream);
        until(name, || over.load(Ordering::SeqCst) > 0);
        assert_eq!(over.load(Ordering::SeqCst), expected, "{name}");
    }
}

#[test]
fn a_half_closed_unix_connection_gets_its_reply() {
    let server = Server::start(&quick(PATIENCE), handlers(obey));
    let mut stream = connect(&server.socket).expect("connection");
    stream.write_all(&get("/is/image/a?sleep=400")).expect("written");
    stream.shutdown(Shutdown::Write).expect("half closed");
    let reply = read_reply(&mut stream).expect("reply");
    assert!(reply.ends_with(b"slept"), "{}", String::from_utf8_lossy(&reply));
}

#[test]
fn a_client_of_the_preview_that_leaves_cancels_its_image() {
    let over = Arc::new(AtomicUsize::new(0));
    let server = Server::start(&quick(PATIENCE), counting(&over, false));
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).expect("connection");
    stream.write_all(b"GET /is/image/a HTTP/1.1\r\n\r\n").expect("written");
    drop(stream);
    until("the image is cancelled", || over.load(Ordering::SeqCst) > 0);
    assert_eq!(over.load(Ordering::SeqCst), 1, "G12 over TCP");
}

#[test]
fn a_slow_reader_does_not_cost_its_worker() {
    let server = Server::start(&quick(ms(100)), handlers(obey));
    let mut stream = connect(&server.socket).expect("connection");
    stream.write_all(&get("/is/image/a?big")).expect("written");
    let start = Instant::now();
    until("deadline and grace have passed", || start.elapsed() > ms(1000));
    let reply = read_reply(&mut stream).expect("reply");
    assert!(reply.len() > 4 << 20, "whole reply, {} bytes", reply.len());
    assert_eq!(server.end(), Ending::Stopped);
}

#[test]
fn a_stop_lets_running_requests_finish() {
    let server = Server::start(&quick(PATIENCE), handlers(obey));
    let mut stream = connect(&server.socket).expect("connection");
    stream.write_all(&get("/is/image/a?sleep=400")).expect("written");
    assert!(ask(&server.socket, &get("/is/image/a?x")).is_ok());
    let socket = server.socket.clone();
    assert_eq!(server.end(), Ending::Stopped);
    let reply = read_reply(&mut stream).expect("reply");
    assert!(reply.ends_with(b"slept"));
    assert!(!socket.exists(), "the socket file goes with the server");
}

#[test]
fn a_socket_in_use_is_refused_and_a_stale_one_replaced() {
    let settings = Settings::default();
    let server = Server::start(&settings, handlers(obey));
    let address = Address::Unix(server.socket.clone());
    let refused = open(&address, Protocol::FastCgi, &settings).expect_err("in use");
    assert!(refused.to_string().contains("in use"), "G20: {refused}");
    assert!(ask(&server.socket, &get("/is/image/a?x")).is_ok(), "the first still serves");

    let stale = server.folder().join("stale");
    drop(UnixListener::bind(&stale).expect("bound"));
    assert!(stale.exists());
    let address = Address::Unix(stale.clone());
    drop(open(&address, Protocol::FastCgi, &settings).expect("G20: replaced"));

    std::fs::write(&stale, "precious").expect("written");
    let refused = open(&address, Protocol::FastCgi, &settings).expect_err("not a socket");
    assert!(refused.to_string().contains("not a socket"), "{refused}");
    assert_eq!(std::fs::read(&stale).expect("still there"), b"precious");
}

#[test]
fn tcp_beyond_loopback_needs_to_be_allowed() {
    let public = Address::Tcp { host: "0.0.0.0".into(), port: 0 };
    let refused = open(&public, Protocol::FastCgi, &Settings::default()).expect_err("G-13");
    assert!(refused.to_string().contains("not loopback"), "G-13: {refused}");
    let settings = Settings { allow_public: true, ..Settings::default() };
    assert!(open(&public, Protocol::FastCgi, &settings).is_ok());
}

/// Not a test of its own: the server whose processes the tests below kill, stop and renew.
#[test]
fn server_program() {
    let Some(socket) = std::env::var_os("IMPRINT_TEST_SERVER") else { return };
    let workers = std::env::var("IMPRINT_TEST_WORKERS").ok().and_then(|text| text.parse().ok());
    let socket = PathBuf::from(socket);
    let is_broken = socket.with_extension("broken").exists();
    let settings = Settings {
        http: vec![Address::Unix(socket.with_extension("http"))],
        listen: vec![Address::Unix(socket)],
        workers: workers.unwrap_or(2),
        ..quick(ms(4000))
    };
    let status = serve(&settings, || match is_broken {
        true => Err(imprint::error::Error::new(imprint::error::Kind::Internal, "broken")),
        false => Ok(handlers(obey)),
    });
    std::process::exit(status.map_or(1, i32::from));
}

struct Program {
    folder: tempfile::TempDir,
    process: Child,
}

impl Program {
    fn start(workers: usize) -> Program {
        let folder = tempfile::tempdir().expect("scratch folder");
        let manager = UnixDatagram::bind(folder.path().join("manager")).expect("bound");
        manager.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let process = Program::spawn(&folder.path().join("socket"), workers, Stdio::null());
        let program = Program { folder, process };
        let mut state = [0; 64];
        let count = manager.recv(&mut state).expect("the service manager is told");
        assert_eq!(state.get(..count), Some(b"READY=1".as_slice()));
        assert!(ask(&program.socket(), &get("/a?x")).is_ok(), "ready means that it answers");
        program
    }

    fn spawn(socket: &Path, workers: usize, input: Stdio) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("own program"));
        command.args(["--exact", "limits::server_program", "--nocapture"]);
        command.env("IMPRINT_TEST_SERVER", socket);
        command.env("IMPRINT_TEST_WORKERS", workers.to_string());
        command.env("NOTIFY_SOCKET", socket.with_file_name("manager"));
        command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("started")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("signalled");
    }

    fn pid(&self) -> Option<i32> {
        let reply = ask(&self.socket(), &get("/a?pid")).ok()?;
        reply.rsplit("\r\n\r\n").next()?.parse().ok()
    }

    /// The workers that answered in a number of tries.
    fn pids(&self) -> BTreeSet<i32> {
        (0..20).filter_map(|_| self.pid()).collect()
    }

    fn end(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let mut status = None;
        until("the server ends", || {
            status = self.process.try_wait().expect("waited");
            status.is_some()
        });
        status.expect("ended")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).expect("process id"), Signal::KILL);
}

#[test]
fn a_killed_worker_takes_only_its_own_requests_and_is_replaced() {
    let mut program = Program::start(1);
    for round in 0..3 {
        let pid = program.pid().expect("worker");
        let mut stream = connect(&program.socket()).expect("connection");
        stream.write_all(&get("/a?sleep=3000")).expect("written");
        // The only worker took the first connection before this one.
        assert_eq!(program.pid(), Some(pid), "{round}");
        kill(pid);
        assert!(read_reply(&mut stream).is_err(), "its request is lost, {round}");
        let reply = ask(&program.socket(), &get("/a?x")).expect("the next request");
        assert!(reply.starts_with("Status: 200"), "{round}: {reply}");
        assert_ne!(program.pid(), Some(pid), "{round}");
    }
    assert_eq!(program.end().code(), Some(0));
}

#[test]
fn stuck_work_has_its_worker_replaced() {
    let mut program = Program::start(1);
    let pid = program.pid().expect("worker");
    let start = Instant::now();
    let reply = ask(&program.socket(), &get("/a?spin")).expect("reply");
    assert!(reply.starts_with("Status: 403"), "{reply}");
    until("another worker answers", || program.pid().is_some_and(|now| now != pid));
    assert!(start.elapsed() < ms(4000 + 600 + 1000) + SLACK, "G16: {:?}", start.elapsed());
    let gone = PathBuf::from(format!("/proc/{pid}"));
    until("the stuck process is gone", || !gone.exists());
    assert_eq!(program.end().code(), Some(0));
}

#[test]
fn sigterm_lets_running_requests_finish() {
    for workers in [0, 2] {
        let mut program = Program::start(workers);
        let socket = program.socket();
        let mut stream = connect(&socket).expect("connection");
        stream.write_all(&get("/a?sleep=600")).expect("written");
        assert!(ask(&socket, &get("/a?x")).is_ok());
        // Behind the other, so the first is being worked on by now, or is in the hands of a worker at least.
        until("the request runs", || ask(&socket, &get("/a?sleep=50")).is_ok());
        let status = program.end();
        let reply = read_reply(&mut stream).expect("reply");
        assert!(reply.ends_with(b"slept"), "{workers} workers");
        assert_eq!(status.code(), Some(0), "{workers} workers");
        assert!(!socket.exists(), "{workers} workers: the socket file is gone");
    }
}

#[test]
fn workers_serve_fastcgi_and_the_preview() {
    for workers in [0, 2] {
        let mut program = Program::start(workers);
        for _ in 0..10 {
            let mut stream = connect(&program.socket().with_extension("http")).expect("connection");
            stream.write_all(b"GET /a?x HTTP/1.0\r\n\r\n").expect("written");
            let mut reply = String::new();
            stream.read_to_string(&mut reply).expect("reply");
            assert!(reply.starts_with("HTTP/1.1 200 OK"), "{workers} workers: {reply}");
        }
        assert_eq!(program.end().code(), Some(0), "{workers} workers");
    }
}

#[test]
fn a_stop_does_not_wait_for_stuck_work() {
    let mut program = Program::start(2);
    let mut stream = connect(&program.socket()).expect("connection");
    stream.write_all(&get("/a?spin")).expect("written");
    until("the request runs", || ask(&program.socket(), &get("/a?sleep=50")).is_ok());
    let start = Instant::now();
    assert_eq!(program.end().code(), Some(0));
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    let reply = read_reply(&mut stream).expect("its deadline is kept all the same");
    assert!(reply.ends_with(b"timed out"));
}

#[test]
fn sighup_renews_the_workers_and_loses_no_request() {
    let mut program = Program::start(2);
    let before = program.pids();
    let end = Arc::new(AtomicUsize::new(0));
    let (socket, ends) = (program.socket(), end.clone());
    let client = std::thread::spawn(move || {
        let mut count = 0;
        while ends.load(Ordering::SeqCst) == 0 {
            let reply = ask(&socket, &get("/a?sleep=5")).expect("G11: no request is lost");
            assert!(reply.ends_with("slept"), "{reply}");
            count += 1;
        }
        count
    });
    program.signal(Signal::HUP);
    until("only new workers answer", || program.pids().is_disjoint(&before));
    end.store(1, Ordering::SeqCst);
    assert!(client.join().expect("no panic") > 0);

    // Settings that no longer work: the workers in service stay.
    let serving = program.pids();
    std::fs::write(program.socket().with_extension("broken"), "").expect("written");
    program.signal(Signal::HUP);
    let start = Instant::now();
    until("broken workers have had the time to start", || start.elapsed() > ms(600));
    assert!(program.pids().is_subset(&serving), "the old workers stay");
    assert_eq!(program.end().code(), Some(0));
}

#[test]
fn a_server_that_cannot_start_says_so() {
    let first = Program::start(1);
    let mut second = Program::spawn(&first.socket(), 1, Stdio::null());
    assert_eq!(second.wait().expect("waited").code(), Some(1), "G20: socket in use");
    assert!(first.pid().is_some(), "the first still serves");

    let folder = tempfile::tempdir().expect("scratch folder");
    let socket = folder.path().join("socket");
    std::fs::write(socket.with_extension("broken"), "").expect("written");
    let mut broken = Program::spawn(&socket, 2, Stdio::null());
    assert_eq!(broken.wait().expect("waited").code(), Some(1), "workers do not start");
}

#[test]
fn a_listening_descriptor_0_is_served_in_place_of_the_settings() {
    for workers in [0, 2] {
        let folder = tempfile::tempdir().expect("scratch folder");
        let (handed, configured) = (folder.path().join("handed"), folder.path().join("socket"));
        let listener = UnixListener::bind(&handed).expect("bound");
        let process = Program::spawn(&configured, workers, Stdio::from(OwnedFd::from(listener)));
        let mut program = Program { folder, process };
        let reply = ask(&handed, &get("/a?x")).expect("G17: waits in the backlog, is served");
        assert!(reply.starts_with("Status: 200"), "{workers} workers: {reply}");
        assert!(!configured.exists(), "{workers} workers");
        assert_eq!(program.end().code(), Some(0), "{workers} workers");
        assert!(handed.exists(), "{workers} workers: a file that another made stays");
    }
}

#[test]
fn workers_end_with_their_supervisor() {
    let mut program = Program::start(2);
    let pids = program.pids();
    assert!(!pids.is_empty());
    program.process.kill().expect("killed");
    program.process.wait().expect("waited");
    for pid in pids {
        let gone = PathBuf::from(format!("/proc/{pid}"));
        until("the worker is gone", || {
            let status = std::fs::read_to_string(gone.join("status")).unwrap_or_default();
            !gone.exists() || status.contains("State:\tZ")
        });
    }
}
