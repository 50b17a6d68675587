//! How the process was started: by hand, by socket activation, by a web server (gateway.md 3). Starts nothing.

use std::ffi::{OsStr, OsString};

use rustix::net::sockopt::socket_acceptconn;

use super::supervisor::WORKER;

/// How the process was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Arguments were given: as they say.
    Arguments,
    /// Socket activation handed over this many listening sockets, from descriptor 3: `serve`.
    Activated(usize),
    /// Descriptor 0 is a listening socket (spawn-fcgi, lighttpd, mod_fcgid), or this is a worker of a process that was
    /// started so: `serve`.
    ///
    /// These three look alike, so all of them get a supervisor with workers; mod_fcgid, which starts as many
    /// processes as it wants itself, is told so by `FcgidInitialEnv IMPRINT_IMPRINT_WORKERS 0`.
    Inherited,
    /// A web server wants one CGI answer; arguments are ignored (G-10).
    Cgi,
    /// None of these: print help, exit status 2.
    Help,
}

/// How this process was started.
pub fn start() -> Start {
    let is_listening = socket_acceptconn(std::io::stdin()).unwrap_or(false);
    let has_arguments = std::env::args_os().len() > 1;
    start_mode(has_arguments, &|name| std::env::var_os(name), is_listening, std::process::id())
}

/// Whether this process is a worker that a supervisor started.
pub fn is_worker() -> bool {
    std::env::var_os(WORKER).is_some()
}

/// The same as [`start`] from what it looks at: whether there are arguments, the process environment, whether
/// descriptor 0 is a listening socket, and our process id.
///
/// `GATEWAY_INTERFACE` is looked at before the arguments unless a listening socket is there: a web server that starts
/// a CGI program may make arguments of the query (`?--conf+/etc/passwd`), and a person's shell has no such variable.
pub fn start_mode(
    has_arguments: bool,
    environment: &dyn Fn(&str) -> Option<OsString>,
    is_listening: bool,
    pid: u32,
) -> Start {
    // A worker has its supervisor's arguments and environment, but not its sockets.
    let is_worker = environment(WORKER).is_some();
    let is_cgi = environment("GATEWAY_INTERFACE").is_some_and(|value| !value.is_empty());
    if is_cgi && !is_listening && !is_worker {
        return Start::Cgi;
    }
    if has_arguments {
        return Start::Arguments;
    }
    match activated(environment, pid) {
        0 if is_listening || is_worker => Start::Inherited,
        0 => Start::Help,
        count => Start::Activated(count),
    }
}

/// How many sockets `LISTEN_FDS` announces for this very process (`LISTEN_PID`); 0 when there are none.
pub(super) fn activated(environment: &dyn Fn(&str) -> Option<OsString>, pid: u32) -> usize {
    let number = |name| {
        let value = environment(name);
        value.as_deref().and_then(OsStr::to_str).and_then(|text| text.parse::<u32>().ok())
    };
    match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(of), Some(count)) if of == pid => usize::try_from(count).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn the_start_is_told_by_arguments_sockets_and_environment() {
        const PID: &str = "77";
        let cases: [(&str, bool, Variables<'_>, bool, Start); 15] = [
            ("nothing", false, &[], false, Start::Help),
            ("arguments", true, &[], false, Start::Arguments),
            ("arguments and fd 0", true, &[], true, Start::Arguments),
            ("fd 0", false, &[], true, Start::Inherited),
            ("cgi", false, &[("GATEWAY_INTERFACE", "CGI/1.1")], false, Start::Cgi),
            (
                "G-10 cgi query as arguments",
                true,
                &[("GATEWAY_INTERFACE", "CGI/1.1")],
                false,
                Start::Cgi,
            ),
            (
                "cgi variable, but a socket",
                false,
                &[("GATEWAY_INTERFACE", "CGI/1.1")],
                true,
                Start::Inherited,
            ),
            ("worker without arguments", false, &[(WORKER, "1")], false, Start::Inherited),
            ("worker with arguments", true, &[(WORKER, "1")], false, Start::Arguments),
            (
                "worker below a cgi variable",
                false,
                &[(WORKER, "1"), ("GATEWAY_INTERFACE", "CGI/1.1")],
                false,
                Start::Inherited,
            ),
            ("empty cgi variable", false, &[("GATEWAY_INTERFACE", "")], false, Start::Help),
            (
                "activation",
                false,
                &[("LISTEN_PID", PID), ("LISTEN_FDS", "2")],
                false,
                Start::Activated(2),
            ),
            (
                "activation of another",
                false,
                &[("LISTEN_PID", "1"), ("LISTEN_FDS", "2")],
                false,
                Start::Help,
            ),
            (
                "activation and fd 0",
                false,
                &[("LISTEN_PID", PID), ("LISTEN_FDS", "1")],
                true,
                Start::Activated(1),
            ),
            (
                "activation that is none",
                false,
                &[("LISTEN_PID", PID), ("LISTEN_FDS", "x")],
                true,
                Start::Inherited,
            ),
        ];
        for (name, has_arguments, variables, is_listening, expected) in cases {
            let environment = |wanted: &str| {
                let found = variables.iter().find(|(known, _)| *known == wanted);
                found.map(|(_, value)| OsString::from(value))
            };
            let mode = start_mode(has_arguments, &environment, is_listening, 77);
            assert_eq!(mode, expected, "{name}");
        }
    }
}
