//! G17, G20: the program finds out how it was started, and says clearly why it cannot start. lighttpd, mod_fcgid and
//! CGI are among the tests of `through`.

use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::gateway::{ask, get, until};
use crate::support::pictures::{png, textured};
use crate::support::servers::{
    Backend, IMPRINT, Process, children, is_root, program, replaced, site,
};
use crate::support::site::Site;

const TARGET: &str = "/is/image/shop/photo?wid=30&req=saveToFile&name=start.png&fmt=png";

/// Saves through the socket, then ends the process.
fn saves(site: &Site, socket: &Path, mut process: Process) {
    until("the socket", || ask(socket, &get("/is/image")).is_ok_and(|r| r.contains("#S7Z OK")));
    let reply = ask(socket, &get(TARGET)).expect("a reply");
    assert!(reply.contains("status=done"), "{reply}");
    assert!(site.path("saved/web/start.png").exists());
    until("two workers", || children(process.id()).len() == 2);
    assert_eq!(process.stop(), Some(0), "{}", log(site));
}

fn log(site: &Site) -> String {
    fs::read_to_string(site.path("run/imprint.log")).unwrap_or_default()
}

/// A listening socket in `run`, as descriptor 0 of whoever is started with it.
fn listening(site: &Site, name: &str) -> Stdio {
    let socket = UnixListener::bind(site.path(name)).expect("a socket");
    Stdio::from(OwnedFd::from(socket))
}

#[test]
fn started_with_nothing_it_prints_help_and_fails() {
    let output = Command::new(IMPRINT).stdin(Stdio::null()).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "G17");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("Usage: imprint") && said.contains("serve"), "{said}");
}

#[test]
fn started_by_spawn_fcgi() {
    let site = site("");
    let run = site.path("run").display().to_string();
    let conf = site.path("imprint.conf").display().to_string();
    let pairs = [
        ("/run/imprint", run.as_str()),
        ("/etc/imprint/imprint.conf", conf.as_str()),
        ("/usr/bin/imprint", IMPRINT),
    ];
    let mut script = replaced(include_str!("../../conf/spawn-fcgi"), &pairs);
    if !is_root() {
        script = replaced(&script, &[(" -U www-data -G www-data", "")]);
    }
    let script =
        script.replace("exec spawn-fcgi", &format!("exec {}", program("spawn-fcgi").display()));
    site.write("run/spawn", script);
    fs::set_permissions(site.path("run/spawn"), Permissions::from_mode(0o755)).expect("mode");
    // -n stays in the foreground.
    let mut command = Command::new("sh");
    command.arg(site.path("run/spawn")).arg("-n").stdin(Stdio::null());
    let process = Process::start(&mut command, &site.path("run/imprint.log"));
    saves(&site, &site.path("run/imprint.sock"), process);
}

#[test]
fn started_by_socket_activation() {
    let cases = [
        ("descriptor 3 and arguments", "serve -c"),
        ("descriptor 3 alone", ""),
        ("descriptor 0 and arguments", "serve -c"),
        ("descriptor 0 alone", ""),
    ];
    for (name, arguments) in cases {
        // Addresses of the settings are not opened when a socket is handed over.
        let site = site("");
        let activates = match name.contains('3') {
            true => {
                "exec 3<&0 0</dev/null; LISTEN_PID=$$; LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; "
            }
            false => "",
        };
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{activates}exec \"$0\" \"$@\"")).arg(IMPRINT);
        command.env("IMPRINT_CONFIG", site.path("imprint.conf"));
        if !arguments.is_empty() {
            command.args(arguments.split(' ')).arg(site.path("imprint.conf"));
        }
        command.stdin(listening(&site, "run/activated"));
        let process = Process::start(&mut command, &site.path("run/imprint.log"));
        saves(&site, &site.path("run/activated"), process);
        assert!(!site.path("run/imprint.sock").exists(), "{name}");
        assert!(site.path("run/activated").exists(), "{name}: the socket's file is not ours");
    }
}

#[test]
fn started_by_systemd_socket_activate() {
    let Ok(activator) = std::panic::catch_unwind(|| program("systemd-socket-activate")) else {
        eprintln!(
            "left out: systemd-socket-activate is not installed; the test above does the same"
        );
        return;
    };
    let site = site("");
    let socket = site.path("run/activated");
    let mut command = Command::new(activator);
    command.arg("-l").arg(&socket).arg(IMPRINT).args(["serve", "-c"]);
    command.arg(site.path("imprint.conf")).stdin(Stdio::null());
    let process = Process::start(&mut command, &site.path("run/imprint.log"));
    saves(&site, &socket, process);
}

#[test]
fn the_units_pass_the_check_of_systemd() {
    let Ok(analyze) = std::panic::catch_unwind(|| program("systemd-analyze")) else {
        eprintln!("left out: systemd-analyze is not installed");
        return;
    };
    let site = site("");
    let unit = replaced(
        include_str!("../../conf/imprint.service"),
        &[("ExecStart=/usr/bin/imprint", &format!("ExecStart={IMPRINT}"))],
    );
    site.write("run/imprint.service", unit);
    site.write("run/imprint.socket", include_str!("../../conf/imprint.socket"));
    let mut command = Command::new(analyze);
    command.arg("verify").arg("--man=no").arg(site.path("run/imprint.service"));
    let output = command.arg(site.path("run/imprint.socket")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    // Units of the machine that it loads besides may have faults of their own.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("imprint")).collect();
    assert!(ours.is_empty(), "{}", ours.join("\n"));
}

fn serve(site: &Site) -> Output {
    let mut command = Command::new(IMPRINT);
    command.args(["serve", "-c"]).arg(site.path("imprint.conf")).stdin(Stdio::null());
    command.output().expect("the program runs")
}

/// G20, and the faults that an operator makes.
#[test]
fn a_start_that_fails_says_why() {
    let backend = Backend::start(site(""));
    let second = serve(&backend.site);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("imprint.sock") && said.contains("imprint: "), "{said}");
    assert!(backend.site.path("run/imprint.sock").exists(), "the first one's socket stays");
    drop(ask(&backend.site.path("run/imprint.sock"), &get("/is/image")).expect("it serves"));

    let cases = [
        ("[imprint]\nlisten = 0.0.0.0:1\n", "0.0.0.0:1"),
        ("[imprint]\nlisten = unix:none/imprint.sock\n", "none/imprint.sock"),
        ("[imprint]\nsocketGroup = no-such-group\n", "no-such-group"),
        ("[imprint]\nwrkers = 2\n", "wrkers"),
    ];
    for (settings, expected) in cases {
        let site = Site::with(settings, "");
        let output = serve(&site);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{settings}: {said}");
        assert!(said.contains(expected), "{settings}: {said}");
    }
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let site = site("");
    drop(UnixListener::bind(site.path("run/imprint.sock")).expect("a socket"));
    let mut backend = Backend::start(site);
    let socket = backend.site.path("run/imprint.sock");
    assert!(ask(&socket, &get("/is/image")).expect("a reply").contains("#S7Z OK"), "G20");
    let mode = fs::metadata(&socket).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o660, "G-13");
    assert_eq!(backend.process.stop(), Some(0));
    assert!(!socket.exists(), "the socket file goes with its server");
}

/// G-10: a CGI server may make arguments of the query; they count for nothing.
#[test]
fn started_as_cgi_it_ignores_arguments() {
    let site = Site::new();
    site.image("photo.png", png(&textured(60, 40)));
    let expected = site.get("photo.png?wid=30&fmt=png").body;
    for arguments in [&[][..], &["serve"], &["--conf", "/etc/passwd"], &["-s"]] {
        let mut command = Command::new(IMPRINT);
        command.args(arguments).stdin(Stdio::null());
        command.env("GATEWAY_INTERFACE", "CGI/1.1").env("REQUEST_METHOD", "GET");
        command.env("REQUEST_URI", "/is/image/photo.png?wid=30&fmt=png");
        command.env("IMPRINT_CONFIG", site.path("imprint.conf"));
        let output = command.output().expect("the program runs");
        let head = b"Status: 200 OK\r\n";
        assert!(output.status.success() && output.stdout.starts_with(head), "{arguments:?}");
        assert!(output.stdout.ends_with(&expected), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
