//! One connection from accept to close: which record may come when, and what answers it. Sees no HTTP but its own refusals.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::idle::Idle;
use crate::input::Input;
use crate::options::Options;
use crate::params::{self, Params, ParamsError};
use crate::record::{self, Begin, Header, Status, kind};
use crate::request::Request;
use crate::responder::Responder;
use crate::socket::Socket;

/// How long the rest of an answered request's input may take before its connection is closed instead of reused.
const DRAIN_TIME: Duration = Duration::from_secs(2);

const BAD_REQUEST: &str = "400 Bad Request";
const TOO_MANY_PARAMS: &str = "431 Request Header Fields Too Large";
const INTERNAL_ERROR: &str = "500 Internal Server Error";

/// Why a connection, or the reading of a request, ended.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The peer closed between two requests, or the server wants to end.
    Closed,
    /// The peer aborted the request.
    Aborted,
    /// More standard input than `max_body_bytes`.
    TooLarge,
    /// A record that may not come here.
    Protocol(&'static str),
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Closed => f.write_str("closed"),
            Fault::Aborted => f.write_str("request aborted"),
            Fault::TooLarge => f.write_str("request body is too large"),
            Fault::Protocol(what) => f.write_str(what),
            Fault::Io(err) => err.fmt(f),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(err: io::Error) -> Fault {
        Fault::Io(err)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        match fault {
            Fault::Closed => ErrorKind::UnexpectedEof.into(),
            Fault::Aborted => ErrorKind::ConnectionAborted.into(),
            Fault::TooLarge => io::Error::new(ErrorKind::FileTooLarge, "request body is too large"),
            Fault::Protocol(what) => io::Error::new(ErrorKind::InvalidData, what),
            Fault::Io(err) => err,
        }
    }
}

/// What a server's connections share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) options: Options,
    pub(crate) idle: Idle,
}

/// How the parameters of a request ended.
enum Head {
    Whole(Vec<u8>),
    TooLong,
    Aborted,
}

/// How far the standard input of the current request has been read.
#[derive(Debug, Default)]
struct Stdin {
    id: u16,
    /// Content that is left of the current record.
    content_bytes: usize,
    /// Padding to skip before the next record.
    padding_bytes: usize,
    /// All content of the request so far.
    total_bytes: usize,
    has_ended: bool,
    /// Nothing that follows can be understood or trusted.
    is_broken: bool,
    deadline: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    socket: Arc<Socket>,
    input: Input,
    surroundings: Arc<Surroundings>,
    stdin: Stdin,
    has_served: bool,
}

impl Connection {
    pub(crate) fn new(socket: Socket, surroundings: Arc<Surroundings>) -> Connection {
        let socket = Arc::new(socket);
        let input = Input::new(Arc::clone(&socket));
        Connection { socket, input, surroundings, stdin: Stdin::default(), has_served: false }
    }

    pub(crate) fn max_body_bytes(&self) -> usize {
        self.surroundings.options.max_body_bytes
    }

    /// Serves requests until the connection ends, then closes it so that the last answer arrives.
    pub(crate) fn serve(mut self, handler: &(dyn Fn(Request<'_>) + Send + Sync)) {
        let fault = loop {
            match self.serve_one(handler) {
                Ok(true) => self.has_served = true,
                Ok(false) => break Fault::Closed,
                Err(fault) => break fault,
            }
        };
        log::debug!("connection ended: {fault}");
        match fault {
            Fault::Io(err) if err.kind() == ErrorKind::UnexpectedEof => self.socket.shut(),
            _ => self.socket.close(),
        }
    }

    /// One request; whether another may follow.
    fn serve_one(&mut self, handler: &(dyn Fn(Request<'_>) + Send + Sync)) -> Result<bool, Fault> {
        let (id, keeps_connection) = self.begin()?;
        let responder = Responder::new(Arc::clone(&self.socket), id);
        let deadline = self.request_deadline();
        let bytes = match self.read_params(id, deadline)? {
            Head::Whole(bytes) => bytes,
            Head::TooLong => {
                refuse(&responder, TOO_MANY_PARAMS)?;
                return Ok(false);
            }
            Head::Aborted => {
                let _ = responder.end(Status::RequestComplete)?;
                return Ok(keeps_connection);
            }
        };
        self.stdin = Stdin { id, ..Stdin::default() };
        match Params::decode(bytes, self.surroundings.options.max_params) {
            Ok(params) => self.call(handler, params, &responder)?,
            Err(ParamsError::Malformed) => refuse(&responder, BAD_REQUEST)?,
            Err(ParamsError::TooMany) => refuse(&responder, TOO_MANY_PARAMS)?,
        }
        if !responder.settle() || !keeps_connection || self.stdin.is_broken {
            return Ok(false);
        }
        self.drain(&responder)?;
        Ok(true)
    }

    /// Runs the handler and makes sure that the request is answered.
    fn call(
        &mut self,
        handler: &(dyn Fn(Request<'_>) + Send + Sync),
        params: Params,
        responder: &Responder,
    ) -> Result<(), Fault> {
        let request = Request::new(params, self, responder.clone());
        // The handler's own state is its concern; ours is the socket, which the reply's atomic state guards.
        let outcome = catch_unwind(AssertUnwindSafe(|| handler(request)));
        if outcome.is_err() {
            log::error!("the handler of a request panicked");
            self.stdin.is_broken = true;
        }
        if !responder.is_finished() {
            refuse(responder, INTERNAL_ERROR)?;
        }
        Ok(())
    }

    /// Waits for a request to begin: its id, and whether the web server keeps the connection.
    fn begin(&mut self) -> Result<(u16, bool), Fault> {
        let options = &self.surroundings.options;
        let patience = match self.has_served {
            true => options.idle_timeout,
            false => options.idle_timeout.min(options.request_timeout),
        };
        let idle_deadline = Instant::now() + patience;
        loop {
            self.wait_for_input(idle_deadline)?;
            let deadline = self.request_deadline().min(idle_deadline);
            let header = self.input.header(deadline)?;
            match (header.id, header.kind) {
                (0, _) => self.answer_management(header, deadline)?,
                (id, kind::BEGIN_REQUEST) => {
                    let begin = self.begin_body(header, deadline)?;
                    if begin.role == Begin::RESPONDER {
                        return Ok((id, begin.keeps_connection));
                    }
                    self.end_other(id, Status::UnknownRole)?;
                    if !begin.keeps_connection {
                        return Err(Fault::Protocol("request for another role"));
                    }
                }
                // Late records of a request that is over, or of none.
                _ => self.skip(header, deadline)?,
            }
        }
    }

    /// Waits for a first byte among the idle connections, which the server may end.
    fn wait_for_input(&mut self, deadline: Instant) -> Result<(), Fault> {
        if !self.input.is_empty() {
            return Ok(());
        }
        let idle = &self.surroundings.idle;
        let Some(key) = idle.enter(&self.socket, self.has_served) else {
            // A request that has already come is still served.
            return self.input.fill(Instant::now()).map_err(|_| Fault::Closed);
        };
        let outcome = self.input.fill(deadline);
        idle.leave(key);
        Ok(outcome?)
    }

    /// Collects the parameters of request `id`. Memory follows the bytes that came.
    fn read_params(&mut self, id: u16, deadline: Instant) -> Result<Head, Fault> {
        let longest = self.surroundings.options.max_params_bytes;
        let mut collected = Vec::new();
        loop {
            let header = self.input.header(deadline)?;
            if header.id == id && header.kind == kind::PARAMS {
                let mut left = usize::from(header.content_bytes);
                if collected.len() + left > longest {
                    return Ok(Head::TooLong);
                }
                let has_ended = left == 0;
                while left > 0 {
                    let taken = self.input.take(left, deadline)?;
                    collected.extend_from_slice(taken);
                    left -= taken.len();
                }
                self.input.skip(usize::from(header.padding_bytes), deadline)?;
                if has_ended {
                    return Ok(Head::Whole(collected));
                }
            } else if header.id == id && header.kind == kind::STDIN {
                return Err(Fault::Protocol("standard input before the end of the parameters"));
            } else if self.pass(header, id, deadline)? {
                return Ok(Head::Aborted);
            }
        }
    }

    /// Reads standard input of the current request; 0 at its end.
    pub(crate) fn read_stdin(
        &mut self,
        buffer: &mut [u8],
        responder: &Responder,
    ) -> Result<usize, Fault> {
        let deadline = match self.stdin.deadline {
            Some(deadline) => deadline,
            None => *self.stdin.deadline.insert(self.request_deadline()),
        };
        if self.stdin.is_broken {
            return Err(Fault::Protocol("standard input ended by an earlier fault"));
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let outcome = self.next_stdin(buffer, responder, deadline);
        if outcome.is_err() && !self.stdin.has_ended {
            self.stdin.is_broken = true;
        }
        outcome
    }

    fn next_stdin(
        &mut self,
        buffer: &mut [u8],
        responder: &Responder,
        deadline: Instant,
    ) -> Result<usize, Fault> {
        while self.stdin.content_bytes == 0 {
            if self.stdin.has_ended {
                return Ok(0);
            }
            self.input.skip(std::mem::take(&mut self.stdin.padding_bytes), deadline)?;
            let header = self.input.header(deadline)?;
            let id = self.stdin.id;
            if header.id == id && header.kind == kind::STDIN {
                self.stdin.content_bytes = usize::from(header.content_bytes);
                self.stdin.padding_bytes = usize::from(header.padding_bytes);
                self.stdin.total_bytes += self.stdin.content_bytes;
                if header.content_bytes == 0 {
                    self.input.skip(std::mem::take(&mut self.stdin.padding_bytes), deadline)?;
                    self.stdin.has_ended = true;
                }
                if self.stdin.total_bytes > self.max_body_bytes() {
                    return Err(Fault::TooLarge);
                }
            } else if header.id == id && header.kind == kind::PARAMS {
                return Err(Fault::Protocol("parameters after their end"));
            } else if self.pass(header, id, deadline)? {
                self.stdin.has_ended = true;
                responder.abort();
                return Err(Fault::Aborted);
            }
        }
        let taken = self.input.take(self.stdin.content_bytes.min(buffer.len()), deadline)?;
        if let Some(target) = buffer.get_mut(..taken.len()) {
            target.copy_from_slice(taken);
        }
        self.stdin.content_bytes -= taken.len();
        Ok(taken.len())
    }

    /// Reads the rest of an answered request away, bounded in time and bytes.
    fn drain(&mut self, responder: &Responder) -> Result<(), Fault> {
        self.stdin.deadline = Some(Instant::now() + DRAIN_TIME);
        let mut scratch = [0; 4 * 1024];
        self.input.allow(self.max_body_bytes());
        loop {
            match self.read_stdin(&mut scratch, responder) {
                Ok(0) | Err(Fault::Aborted) => break,
                Ok(_) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.input.allow(usize::MAX);
        Ok(())
    }

    /// Deals with a record that brings nothing to request `id`; whether it aborts the request.
    fn pass(&mut self, header: Header, id: u16, deadline: Instant) -> Result<bool, Fault> {
        match header.kind {
            _ if header.id == 0 => self.answer_management(header, deadline)?,
            kind::BEGIN_REQUEST if header.id == id => {
                return Err(Fault::Protocol("a request begins twice"));
            }
            kind::BEGIN_REQUEST => {
                self.begin_body(header, deadline)?;
                self.end_other(header.id, Status::CantMpxConn)?;
            }
            kind::ABORT_REQUEST if header.id == id => {
                self.skip(header, deadline)?;
                return Ok(true);
            }
            _ => self.skip(header, deadline)?,
        }
        Ok(false)
    }

    fn begin_body(&mut self, header: Header, deadline: Instant) -> Result<Begin, Fault> {
        if usize::from(header.content_bytes) != record::HEADER_BYTES {
            return Err(Fault::Protocol("a request begins with a body of another length"));
        }
        let begin = Begin::parse(self.input.eight(deadline)?);
        self.input.skip(usize::from(header.padding_bytes), deadline)?;
        Ok(begin)
    }

    /// Answers a record of id 0.
    fn answer_management(&mut self, header: Header, deadline: Instant) -> Result<(), Fault> {
        match header.kind {
            kind::GET_VALUES => {
                let mut asked = Vec::new();
                let mut left = usize::from(header.content_bytes);
                while left > 0 {
                    let taken = self.input.take(left, deadline)?;
                    asked.extend_from_slice(taken);
                    left -= taken.len();
                }
                self.input.skip(usize::from(header.padding_bytes), deadline)?;
                let asked = Params::decode(asked, self.surroundings.options.max_params)
                    .map_err(|_| Fault::Protocol("values asked for in a broken list"))?;
                self.send(&record::get_values_result(&self.values(&asked)))
            }
            kind::BEGIN_REQUEST..=kind::DATA => Err(Fault::Protocol("a request with id 0")),
            unknown => {
                self.skip(header, deadline)?;
                self.send(&record::unknown_type(unknown))
            }
        }
    }

    /// The values that we know among those asked for, each once.
    fn values(&self, asked: &Params) -> Vec<u8> {
        let connections = self.surroundings.options.max_connections.to_string();
        let known = [
            ("FCGI_MAX_CONNS", connections.as_str()),
            ("FCGI_MAX_REQS", connections.as_str()),
            ("FCGI_MPXS_CONNS", "0"),
        ];
        let mut content = Vec::new();
        for (name, value) in known {
            if asked.iter().any(|(key, _)| key == name.as_bytes()) {
                params::push_short_pair(&mut content, name, value);
            }
        }
        content
    }

    fn end_other(&self, id: u16, status: Status) -> Result<(), Fault> {
        self.send(&record::end_request(id, 0, status))
    }

    fn send(&self, record: &[u8]) -> Result<(), Fault> {
        Ok(self.socket.send_all(&mut [IoSlice::new(record)])?)
    }

    fn skip(&mut self, header: Header, deadline: Instant) -> Result<(), Fault> {
        let bytes = usize::from(header.content_bytes) + usize::from(header.padding_bytes);
        Ok(self.input.skip(bytes, deadline)?)
    }

    fn request_deadline(&self) -> Instant {
        Instant::now() + self.surroundings.options.request_timeout
    }
}

/// Answers with a status of our own and nothing of the handler's.
fn refuse(responder: &Responder, status: &str) -> Result<(), Fault> {
    let body = format!("{status}\n");
    let head = format!(
        "Status: {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = responder.finish(head.as_bytes(), body.as_bytes())?;
    Ok(())
}
