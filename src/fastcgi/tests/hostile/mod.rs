//! A hostile client for any FastCGI responder: named cases, each followed by a check that the server still answers.
//!
//! Uses nothing of the server's code. [`run_all`] needs a connector and what to expect; cases that need the replies
//! of the echo server are left out for others.

mod cases;
pub mod client;
mod crowds;
mod framing;

use std::io;
use std::time::Duration;

use client::Client;
pub use client::{Pairs, Stream};

/// The server under test.
pub struct Target<'a> {
    /// Opens a connection.
    pub connect: &'a (dyn Fn() -> io::Result<Stream> + Sync),
    /// Whether it is `fastcgi-echo`, whose replies are functions of the request.
    pub is_echo: bool,
    /// Parameters of an ordinary GET that is answered quickly, with whatever status.
    pub params: Pairs,
    /// The longer of the server's idle and request timeouts.
    pub timeout: Duration,
    /// Connections to open at a time: more than the server's descriptors, or than its `max_connections`.
    pub flood: usize,
    /// Fails when a process of the server died.
    pub check_alive: &'a (dyn Fn() -> Result<(), String> + Sync),
    /// Descriptors and threads of the server, if they can be counted.
    pub usage: &'a (dyn Fn() -> Option<(usize, usize)> + Sync),
}

/// What a case says: nothing, or what went wrong.
pub type Outcome = Result<(), String>;

type Case = (&'static str, fn(&Target<'_>) -> Outcome);

/// Runs every case that the target can be held to: the names of all that ran, and the failures.
pub fn run_all(target: &Target<'_>) -> (Vec<&'static str>, Vec<String>) {
    let (mut ran, mut failures) = (Vec::new(), Vec::new());
    let before = (target.usage)();
    let echo: &[Case] = if target.is_echo { cases::ECHO } else { &[] };
    for (name, case) in framing::CASES.iter().chain(cases::CASES).chain(echo).chain(crowds::CASES) {
        let outcome = case(target)
            .and_then(|()| cases::ordinary(target).map_err(|err| format!("afterwards: {err}")))
            .and_then(|()| (target.check_alive)());
        if let Err(err) = outcome {
            failures.push(format!("{name}: {err}"));
        }
        ran.push(*name);
    }
    if let Err(err) = crowds::nothing_leaked(target, before) {
        failures.push(format!("nothing_leaked: {err}"));
    }
    ran.push("nothing_leaked");
    (ran, failures)
}

impl Target<'_> {
    /// A fresh connection.
    fn client(&self) -> Result<Client, String> {
        (self.connect)().map(Client::new).map_err(|err| format!("cannot connect: {err}"))
    }

    /// The ordinary parameters, and some in their place or after them.
    fn with(&self, more: &[(&str, &[u8])]) -> Pairs {
        let is_replaced = |name: &[u8]| more.iter().any(|(other, _)| other.as_bytes() == name);
        let kept = self.params.iter().filter(|(name, _)| !is_replaced(name)).cloned();
        let more = more.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
        kept.chain(more).collect()
    }
}
