//! A request as its handler sees it: parameters, standard input, standard output, `exit`.

use std::fmt;
use std::io::{self, Read, Write};

use crate::connection::{Connection, Fault};
use crate::params::Params;
use crate::responder::{Finish, Peer, Responder};

/// One request, valid during the handler's call. Its [`Responder`] may go to another thread.
///
/// `Read` is its standard input; `Write` collects standard output in memory, which `exit` sends whole.
/// A handler that returns without a reply from anyone: what it wrote is sent as with `exit(0)`, or a 500 if it wrote nothing.
pub struct Request<'c> {
    params: Params,
    stdin: &'c mut Connection,
    stdout: Vec<u8>,
    responder: Responder,
}

/// Why standard input could not be read whole.
#[derive(Debug)]
pub enum BodyError {
    /// More bytes than allowed, announced or present (413).
    TooLarge,
    /// `CONTENT_LENGTH` is not a number, or not the number of bytes that came (400).
    BadLength,
    /// The web server aborted the request, or broke the protocol; no reply will be read.
    Aborted,
    /// The connection failed, or the rest did not come within `request_timeout`.
    Io(io::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge => f.write_str("request body is too large"),
            BodyError::BadLength => {
                f.write_str("CONTENT_LENGTH is not the length of the request body")
            }
            BodyError::Aborted => f.write_str("web server aborted the request"),
            BodyError::Io(err) => write!(f, "request body: {err}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl Request<'_> {
    /// The value of a parameter, as bytes; of several with this name the last counts.
    ///
    /// The last, because `include fastcgi_params` and then a line of one's own sends both.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        self.params().rfind(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    /// All parameters, name and value, in the order in which they came, duplicates included.
    pub fn params(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.params.iter()
    }

    /// Reads standard input to its end, at most `limit_bytes` (and `max_body_bytes`) of it.
    ///
    /// Memory follows the bytes that came, never `CONTENT_LENGTH`, which must agree with them if it is there and not empty.
    /// Do not call it for methods without a body: the web server may be late to say that there is none.
    pub fn read_body(&mut self, limit_bytes: usize) -> Result<Vec<u8>, BodyError> {
        let limit_bytes = limit_bytes.min(self.stdin.max_body_bytes());
        let announced = match self.param("CONTENT_LENGTH") {
            None | Some(b"") => None,
            Some(text) => Some(content_length(text).ok_or(BodyError::BadLength)?),
        };
        if announced.is_some_and(|bytes| bytes > limit_bytes) {
            return Err(BodyError::TooLarge);
        }
        let mut body = Vec::new();
        let mut chunk = [0; 8 * 1024];
        loop {
            match self.stdin.read_stdin(&mut chunk, &self.responder).map_err(BodyError::from)? {
                0 => break,
                count if body.len() + count > limit_bytes => return Err(BodyError::TooLarge),
                count => body.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            }
        }
        match announced {
            Some(bytes) if bytes != body.len() => Err(BodyError::BadLength),
            _ => Ok(body),
        }
    }

    /// The reply half, for this thread or another.
    pub fn responder(&self) -> Responder {
        self.responder.clone()
    }

    /// What is known of the web server's side right now; never blocks.
    pub fn peer(&self) -> Peer {
        self.responder.peer()
    }

    /// Whether the web server closed the connection or aborted the request: nobody will read the reply.
    ///
    /// A half close does not count, see [`Peer::HalfClosed`].
    pub fn peer_gone(&self) -> bool {
        self.peer() == Peer::Gone
    }

    /// Sends what was written to standard output, and ends the request with an application status.
    ///
    /// Web servers take any status as success as long as the output has a header block.
    pub fn exit(self, app_status: u32) -> io::Result<Finish> {
        self.responder.finish_with(&self.stdout, &[], app_status)
    }

    pub(crate) fn new(params: Params, stdin: &mut Connection, responder: Responder) -> Request<'_> {
        Request { params, stdin, stdout: Vec::new(), responder }
    }
}

impl Drop for Request<'_> {
    /// Sends what a handler printed and forgot to `exit` with; not when it panicked half way.
    fn drop(&mut self) {
        if !self.stdout.is_empty() && !std::thread::panicking() {
            // A lost reply closes the connection, which is all that is left to do.
            let _ = self.responder.finish(&self.stdout, &[]);
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("params", &self.params.iter().count())
            .finish_non_exhaustive()
    }
}

impl Read for Request<'_> {
    /// Reads standard input; fails with `ConnectionAborted`, `FileTooLarge` (`max_body_bytes`), `InvalidData`
    /// (broken protocol), `UnexpectedEof` or `TimedOut`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stdin.read_stdin(buffer, &self.responder).map_err(io::Error::from)
    }
}

impl Write for Request<'_> {
    /// Adds to standard output, in memory; never fails.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdout.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: a reply is sent whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> BodyError {
        match fault {
            Fault::TooLarge => BodyError::TooLarge,
            Fault::Aborted | Fault::Closed | Fault::Protocol(_) => BodyError::Aborted,
            Fault::Io(err) => BodyError::Io(err),
        }
    }
}

/// Decimal digits only: no sign, no list of two values.
fn content_length(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number beyond `usize` is as much too large as the greatest one.
    Some(std::str::from_utf8(text).ok()?.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_is_digits_only() {
        let rows: [(&[u8], Option<usize>); 9] = [
            (b"0", Some(0)),
            (b"65536", Some(65_536)),
            (b"999999999999999999999999", Some(usize::MAX)),
            (b"-1", None),
            (b"+1", None),
            (b"", None),
            (b"abc", None),
            (b"1e3", None),
            (b"5, 5", None),
        ];
        for (text, expected) in rows {
            assert_eq!(content_length(text), expected, "G-6 {}", text.escape_ascii());
        }
    }
}
