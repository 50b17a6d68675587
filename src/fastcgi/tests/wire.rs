//! A real server on a Unix socket and on TCP, driven by a hostile client, and what only its own process can show.

mod hostile;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fastcgi::{BodyError, Finish, Listener, Options, Request, Server, Stopper, is_listening};
use hostile::client::{self, CLOSE, Client, KEEP, PATIENCE};
use hostile::{Pairs, Stream, Target};

/// Cases that [`hostile::run_all`] runs against the echo server, `nothing_leaked` included.
const CASES: usize = 72;

/// Those among them that only the echo server can be held to.
const ECHO_CASES: usize = 10;

/// A scratch folder, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("fastcgi-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child that runs `fastcgi-echo`; stopped and checked by [`Echo::stop`], killed on drop.
struct Echo {
    child: Mutex<Child>,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Echo {
    fn start(arguments: &[&str]) -> Echo {
        Echo::start_with(arguments, Stdio::piped())
    }

    fn start_with(arguments: &[&str], stdin: Stdio) -> Echo {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fastcgi-echo"))
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening").unwrap().trim().to_owned();
        Echo { child: Mutex::new(child), output, address }
    }

    fn check_alive(&self) -> Result<(), String> {
        match self.child.lock().unwrap().try_wait() {
            Ok(None) => Ok(()),
            other => Err(format!("the server ended: {other:?}")),
        }
    }

    fn usage(&self) -> Option<(usize, usize)> {
        let process = PathBuf::from(format!("/proc/{}", self.child.lock().unwrap().id()));
        let count = |name| Some(fs::read_dir(process.join(name)).ok()?.count());
        Some((count("fd")?, count("task")?))
    }

    /// Ends its input and expects that it returns from `run`.
    fn stop(mut self) {
        drop(self.child.lock().unwrap().stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "stopped\n");
        assert!(self.child.lock().unwrap().wait().unwrap().success());
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ordinary_params() -> Pairs {
    [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/is/image/shop/shoe?wid=20"),
        ("QUERY_STRING", "wid=20"),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
    .to_vec()
}

fn run_hostile(
    server: &Echo,
    connect: &(dyn Fn() -> io::Result<Stream> + Sync),
    flood: usize,
    is_echo: bool,
) {
    let target = Target {
        connect,
        is_echo,
        params: ordinary_params(),
        timeout: Duration::from_millis(1_500),
        flood,
        check_alive: &|| server.check_alive(),
        usage: &|| server.usage(),
    };
    let (ran, failures) = hostile::run_all(&target);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(ran.len(), if is_echo { CASES } else { CASES - ECHO_CASES }, "{ran:?}");
}

/// Kept connections make room long before their idle timeout of 75 s.
fn keep_and_serve(connect: impl Fn() -> Stream, connections: usize) {
    let mut kept = Vec::new();
    for index in 0..connections {
        let mut client = Client::new(connect());
        client.send(&get(1, KEEP));
        assert!(client.reply(1).is_ok(), "connection {index}");
        kept.push(client);
    }
}

#[test]
fn kept_connections_make_room_when_places_are_short() {
    let server = Echo::start(&["tcp=127.0.0.1:0", "connections=4"]);
    let address: SocketAddr = server.address.parse().unwrap();
    keep_and_serve(|| Stream::Tcp(TcpStream::connect(address).unwrap()), 20);
    server.stop();
}

#[test]
fn kept_connections_make_room_when_descriptors_are_short() {
    let scratch = Scratch::new("room");
    let path = scratch.join("socket");
    let server = Echo::start(&[&format!("unix={}", path.display()), "descriptors=12"]);
    keep_and_serve(|| Stream::Unix(UnixStream::connect(&path).unwrap()), 40);
    server.stop();
}

const TIMES: [&str; 3] = ["idle_ms=1500", "request_ms=1500", "write_ms=1500"];

/// G1, with fewer descriptors than connections.
#[test]
fn hostile_cases_over_unix_with_few_descriptors() {
    let scratch = Scratch::new("hostile");
    let path = scratch.join("socket");
    let unix = format!("unix={}", path.display());
    let server = Echo::start(&[&[&*unix, "descriptors=40"], &TIMES[..]].concat());
    run_hostile(&server, &|| UnixStream::connect(&path).map(Stream::Unix), 120, true);
    server.stop();
}

/// G1, with fewer places than connections.
#[test]
fn hostile_cases_over_tcp_with_few_places() {
    let server = Echo::start(&[&["tcp=127.0.0.1:0", "connections=30"], &TIMES[..]].concat());
    let address: SocketAddr = server.address.parse().unwrap();
    run_hostile(&server, &|| TcpStream::connect(address).map(Stream::Tcp), 120, true);
    server.stop();
}

/// What a responder of other replies is held to.
#[test]
fn hostile_cases_for_any_responder() {
    let scratch = Scratch::new("any");
    let path = scratch.join("socket");
    let server = Echo::start(&[&[&*format!("unix={}", path.display())], &TIMES[..]].concat());
    run_hostile(&server, &|| UnixStream::connect(&path).map(Stream::Unix), 60, false);
    server.stop();
}

/// A server within this process, stopped on drop.
struct Local {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

impl Local {
    fn start(
        options: Options,
        address: &str,
        handler: impl Fn(Request<'_>) + Send + Sync + 'static,
    ) -> Local {
        let server = Server::new(options).unwrap();
        let listener = Listener::tcp(address.parse().unwrap()).unwrap();
        Local {
            address: listener.local_addr().unwrap(),
            stopper: server.stopper(),
            thread: Some(thread::spawn(move || server.run(&[listener], handler))),
        }
    }

    fn client(&self) -> Client {
        Client::new(Stream::Tcp(TcpStream::connect(self.address).unwrap()))
    }

    fn stop(mut self) {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
        assert_eq!(self.stopper.connections(), 0);
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < end, "{what} did not happen in time");
        thread::sleep(Duration::from_millis(2));
    }
}

const HEAD: &[u8] = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n";

fn get(id: u16, flags: u8) -> Vec<u8> {
    client::request(id, flags, &ordinary_params(), b"")
}

/// G20.
#[test]
fn unix_listener_replaces_only_a_stale_socket() {
    let scratch = Scratch::new("stale");
    let path = scratch.join("socket");
    let first = Listener::unix(&path, None).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let err = Listener::unix(&path, None).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::AddrInUse);
    assert!(err.to_string().contains("in use by a running server"), "{err}");
    drop(first);
    assert!(path.exists());
    let own_group = rustix::process::getgid().as_raw();
    let second = Listener::unix(&path, Some(own_group)).unwrap();
    assert!(is_listening(&second));

    let file = scratch.join("file");
    fs::write(&file, "precious").unwrap();
    let err = Listener::unix(&file, None).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&file).unwrap(), b"precious");

    let err = Listener::unix(&scratch.join("no/folder"), None).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::NotFound);
    assert!(Listener::unix(&scratch.join(&"n".repeat(200)), None).is_err());
}

#[test]
fn only_listening_sockets_are_taken_over() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let scratch = Scratch::new("listening");
    let unix = UnixListener::bind(scratch.join("socket")).unwrap();
    let (pair, _other) = UnixStream::pair().unwrap();
    let file = File::open("/dev/null").unwrap();
    for (name, descriptor, expected) in [
        ("TCP listener", tcp.as_fd(), true),
        ("Unix listener", unix.as_fd(), true),
        ("connected TCP", connected.as_fd(), false),
        ("connected Unix", pair.as_fd(), false),
        ("file", file.as_fd(), false),
    ] {
        assert_eq!(is_listening(descriptor), expected, "{name}");
        let copy = descriptor.try_clone_to_owned().unwrap();
        assert_eq!(Listener::from_fd(copy).is_ok(), expected, "{name}");
        assert_eq!(Listener::inherited(descriptor.as_raw_fd()).is_ok(), expected, "{name}");
    }
    assert!(Listener::inherited(1_000_000).is_err());
    assert!(Listener::inherited(-1).is_err());
}

/// As spawn-fcgi and mod_fcgid start it.
#[test]
fn serves_a_listening_socket_on_descriptor_0() {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let server = Echo::start_with(&["inherited=0"], Stdio::from(OwnedFd::from(listener)));
    assert_eq!(server.address, address.to_string());
    let mut client = Client::new(Stream::Tcp(TcpStream::connect(address).unwrap()));
    client.send(&get(1, CLOSE));
    assert_eq!(client.reply(1).unwrap().parsed().unwrap().0, 200);
}

#[test]
fn stop_closes_idle_connections_and_lets_requests_finish() {
    let (started, has_started) = mpsc::channel();
    let (release, is_released) = mpsc::channel();
    let gate = Mutex::new((started, is_released));
    let local = Local::start(Options::default(), "127.0.0.1:0", move |request| {
        if request.param("HTTP_WAIT").is_some() {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            gate.1.recv().unwrap();
        }
        assert_eq!(request.responder().finish(HEAD, b"done").unwrap(), Finish::Sent);
    });
    let mut idle = local.client();
    idle.send(&get(1, KEEP));
    idle.reply(1).unwrap();
    let mut fresh = local.client();
    let mut silent = local.client();
    let mut running = local.client();
    let mut pairs = ordinary_params();
    pairs.push((b"HTTP_WAIT".to_vec(), b"1".to_vec()));
    running.send(&client::request(1, KEEP, &pairs, b""));
    has_started.recv().unwrap();
    wait_until("four connections", || local.stopper.connections() == 4);

    local.stopper.stop();
    idle.closed().unwrap();
    // It was accepted before the stop, so its first request is served.
    fresh.send(&get(1, KEEP));
    fresh.reply(1).unwrap();
    fresh.closed().unwrap();
    silent.closed().unwrap();
    wait_until("one connection", || local.stopper.connections() == 1);
    // Nobody accepts any more: the connection waits in the backlog until the listener closes.
    let mut late = local.client();
    late.send(&get(1, CLOSE));

    release.send(()).unwrap();
    assert_eq!(running.reply(1).unwrap().parsed().unwrap().2, b"done");
    running.closed().unwrap();
    local.stop();
    late.closed().unwrap();
}

#[test]
fn refused_peers_do_not_disturb_others() {
    for (name, address, peers, is_served) in [
        ("loopback allowed", "127.0.0.1:0", "127.0.0.1", true),
        ("other address allowed", "127.0.0.1:0", "192.0.2.1", false),
        ("IPv6 allowed", "[::1]:0", "127.0.0.1,::1", true),
        ("IPv6 refused", "[::1]:0", "127.0.0.1", false),
        ("mapped entry", "127.0.0.1:0", "::ffff:127.0.0.1", true),
    ] {
        if let Err(err) = TcpListener::bind(address) {
            assert!(address.starts_with('['), "{name}: {err}");
            eprintln!("{name}: not run, this machine has no IPv6 loopback: {err}");
            continue;
        }
        let allowed_peers = fastcgi::parse_peers(peers).unwrap();
        let options = Options { allowed_peers, ..Options::default() };
        let local = Local::start(options, address, |request| {
            let _ = request.responder().finish(HEAD, b"");
        });
        for _ in 0..5 {
            let mut client = local.client();
            client.send(&get(1, CLOSE));
            assert_eq!(client.reply(1).is_ok(), is_served, "{name}");
        }
        local.stop();
    }
}

#[test]
fn lack_of_threads_is_a_pause() {
    // No address space holds such a stack, so no thread can be had.
    let options = Options { stack_bytes: 1 << 50, ..Options::default() };
    let local = Local::start(options, "127.0.0.1:0", |_| {});
    let mut client = local.client();
    client.send(&get(1, CLOSE));
    // Time for a few tries; a server that gave up at any of them has ended.
    thread::sleep(Duration::from_millis(200));
    assert!(!local.thread.as_ref().unwrap().is_finished());
    local.stop();
}

/// Two threads answer each request; the reply is always that of the thread that was told `Sent`.
#[test]
fn of_two_replies_exactly_one_is_sent() {
    let (sent, sent_by) = mpsc::channel();
    let sent = Mutex::new(sent);
    let local = Local::start(Options::default(), "127.0.0.1:0", move |request| {
        let (first, second) = (request.responder(), request.responder());
        let other = thread::spawn(move || first.finish(HEAD, b"a").unwrap());
        let outcomes = (second.finish(HEAD, b"b").unwrap(), other.join().unwrap());
        sent.lock().unwrap().send(outcomes).unwrap();
    });
    let mut client = local.client();
    let mut winners = [0; 2];
    for _ in 0..300 {
        client.renew(PATIENCE);
        client.send(&get(1, KEEP));
        let reply = client.reply(1).unwrap();
        let body = reply.parsed().unwrap().2.to_vec();
        match sent_by.recv().unwrap() {
            (Finish::TooLate, Finish::Sent) => {
                assert_eq!(body, b"a");
                winners[0] += 1;
            }
            (Finish::Sent, Finish::TooLate) => {
                assert_eq!(body, b"b");
                winners[1] += 1;
            }
            other => panic!("{other:?} for {body:?}"),
        }
    }
    assert_eq!(winners.iter().sum::<i32>(), 300);
    local.stop();
}

#[test]
fn finish_now_never_waits_for_a_stalled_peer() {
    let (outcome, outcomes) = mpsc::channel();
    let outcome = Mutex::new(outcome);
    let local = Local::start(Options::default(), "127.0.0.1:0", move |request| {
        let begun = Instant::now();
        let responder = request.responder();
        let result = responder.finish_now(HEAD, &vec![0; 64 << 20]).map_err(|err| err.kind());
        let later = responder.finish(HEAD, b"later").unwrap();
        outcome.lock().unwrap().send((result, later, begun.elapsed())).unwrap();
    });
    let mut client = local.client();
    client.send(&get(1, KEEP));
    let (result, later, elapsed) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!((result, later), (Err(ErrorKind::WouldBlock), Finish::TooLate));
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    client.closed().unwrap();
    local.stop();
}

#[test]
fn finish_now_ends_the_connection_while_the_handler_runs() {
    let (release, is_released) = mpsc::channel::<()>();
    let is_released = Mutex::new(is_released);
    let local = Local::start(Options::default(), "127.0.0.1:0", move |request| {
        assert_eq!(request.responder().finish_now(HEAD, b"now").unwrap(), Finish::Sent);
        is_released.lock().unwrap().recv().unwrap();
    });
    let mut client = local.client();
    client.send(&get(1, KEEP));
    assert_eq!(client.reply(1).unwrap().parsed().unwrap().2, b"now");
    client.closed().unwrap();
    release.send(()).unwrap();
    local.stop();
}

#[test]
fn limits_are_answered_at_their_value() {
    let options = Options {
        max_params: 10,
        max_params_bytes: 1_000,
        max_body_bytes: 100,
        ..Options::default()
    };
    let local = Local::start(options, "127.0.0.1:0", |mut request| {
        let status = match request.read_body(usize::MAX) {
            Ok(_) => "200 OK",
            Err(BodyError::TooLarge) => "413 Content Too Large",
            Err(_) => "400 Bad Request",
        };
        let _ = write!(request, "Status: {status}\r\n\r\n");
    });
    let bytes = |count: usize| vec![(b"N".to_vec(), vec![b'v'; count - 6])];
    for (name, pairs, body, status) in [
        ("as many parameters as allowed", vec![(vec![], vec![]); 10], 0, 200),
        ("one parameter more", vec![(vec![], vec![]); 11], 0, 431),
        ("as many bytes as allowed", bytes(1_000), 0, 200),
        ("one byte more", bytes(1_001), 0, 431),
        ("as much body as allowed", vec![], 100, 200),
        ("one byte of body more", vec![], 101, 413),
        ("much more body", vec![], 100_000, 413),
    ] {
        let mut client = local.client();
        client.send(&client::request(1, CLOSE, &pairs, &vec![b'b'; body]));
        let reply = client.reply(1).unwrap();
        assert_eq!(reply.parsed().unwrap().0, status, "{name}");
        client.closed().unwrap();
    }
    local.stop();
}

#[test]
fn a_reader_that_stalls_is_let_go_after_the_write_timeout() {
    let (outcome, outcomes) = mpsc::channel();
    let outcome = Mutex::new(outcome);
    let options = Options { write_timeout: Duration::from_millis(200), ..Options::default() };
    let local = Local::start(options, "127.0.0.1:0", move |request| {
        let result = request.responder().finish(HEAD, &vec![0; 64 << 20]);
        outcome.lock().unwrap().send(result.map_err(|err| err.kind())).unwrap();
    });
    let mut client = local.client();
    client.send(&get(1, KEEP));
    let result = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(result, Err(ErrorKind::TimedOut));
    client.closed().unwrap();
    local.stop();
}

/// G4.
#[test]
fn kept_tcp_connection_answers_at_once() {
    let local = Local::start(Options::default(), "127.0.0.1:0", |request| {
        let _ = request.responder().finish(HEAD, b"body");
    });
    let mut client = local.client();
    let mut times = Vec::new();
    for _ in 0..300 {
        let begun = Instant::now();
        client.send(&get(1, KEEP));
        client.reply(1).unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    assert!(times[150] < Duration::from_millis(10), "p50 is {:?}", times[150]);
    local.stop();
}

/// G-4: descriptor numbers beyond 1,024 are as good as others.
#[test]
fn serves_among_1500_open_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = 8_192;
    if limit.current.is_some_and(|current| current < wanted) {
        let current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    }
    let options = Options { max_connections: 2_000, stack_bytes: 256 * 1024, ..Options::default() };
    let local = Local::start(options, "127.0.0.1:0", |request| {
        let _ = request.responder().finish(HEAD, b"body");
    });
    let mut first = local.client();
    first.send(&get(1, KEEP));
    first.reply(1).unwrap();
    let idle: Vec<_> = (0..1_500).map(|_| local.client()).collect();
    wait_until("all connections", || local.stopper.connections() == 1_501);
    first.renew(PATIENCE);
    first.send(&get(1, KEEP));
    first.reply(1).unwrap();
    let mut last = local.client();
    last.send(&get(1, CLOSE));
    last.reply(1).unwrap();
    drop(idle);
    local.stop();
}

/// G5, as far as the package goes: connections that close are no fault.
#[test]
fn kept_connections_that_close_leave_nothing_behind() {
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let local = Local::start(Options::default(), "127.0.0.1:0", move |request| {
        *count.lock().unwrap() += 1;
        let _ = request.responder().finish(HEAD, b"body");
    });
    for _ in 0..1_000 {
        let mut client = local.client();
        client.send(&get(1, KEEP));
        client.reply(1).unwrap();
    }
    wait_until("no connection", || local.stopper.connections() == 0);
    assert_eq!(*seen.lock().unwrap(), 1_000);
    local.stop();
}
