//! FastCGI 1.0 on the wire, in the role of a responder. Knows nothing of HTTP beyond its own few refusals.
//!
//! The reader meets [`Listener`] (where web servers connect), [`Options`] (limits and time limits),
//! [`Server`] and [`Stopper`] (accept loop, one thread a connection), [`Request`] (parameters, standard
//! input, standard output, `exit`) and [`Responder`] (the reply half, which another thread may use).
//!
//! ```no_run
//! use std::io::Write;
//!
//! fastcgi::run(|mut request| {
//!     let _ = write!(request, "Content-Type: text/plain\r\n\r\nHello, world!\n");
//!     request.exit(0);
//! })
//! .unwrap();
//! ```
//!
//! A reply is written whole or not at all: what a handler printed before it panicked or gave up is dropped,
//! and the web server gets a `Status: 500` in its place.

#![forbid(unsafe_code)]

pub mod client;
mod connection;
mod idle;
mod input;
mod listener;
mod options;
mod params;
mod record;
mod request;
mod responder;
mod server;
mod socket;

pub use listener::{BACKLOG, Listener, is_listening};
pub use options::{Options, parse_peers};
pub use request::{BodyError, Request};
pub use responder::{Finish, Peer, Responder};
pub use server::{Server, Stopper, run, run_tcp, run_unix};
