//! A raw FastCGI client: bytes out, records in. An encoder of its own, so that the server's is not tested by itself.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The longest wait for anything; a server that needs longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub const BEGIN: u8 = 1;
pub const ABORT: u8 = 2;
pub const END: u8 = 3;
pub const PARAMS: u8 = 4;
pub const STDIN: u8 = 5;
pub const STDOUT: u8 = 6;
pub const GET_VALUES: u8 = 9;
pub const GET_VALUES_RESULT: u8 = 10;
pub const UNKNOWN_TYPE: u8 = 11;

pub const CLOSE: u8 = 0;
pub const KEEP: u8 = 1;

/// Names and values of parameters.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A connection to the server under test.
pub enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        let timeout = Some(timeout.max(Duration::from_millis(1)));
        match self {
            Stream::Unix(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
            Stream::Tcp(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
        }
    }

    fn shut_write(&self) {
        let _ = match self {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Closes with a reset where the transport knows one.
    fn reset(self) {
        if let Stream::Tcp(stream) = &self {
            let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

/// One record: type, id, content, padding.
pub fn record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("content of a record is below 64 KiB");
    let mut bytes = vec![1, kind];
    bytes.extend(id.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend([padding, 0]);
    bytes.extend_from_slice(content);
    bytes.extend(vec![0xAA; usize::from(padding)]);
    bytes
}

pub fn begin(id: u16, role: u16, flags: u8) -> Vec<u8> {
    let [high, low] = role.to_be_bytes();
    record(BEGIN, id, &[high, low, flags, 0, 0, 0, 0, 0], 0)
}

/// Name-value pairs as bytes, each length in its shortest form.
pub fn encode(pairs: &Pairs) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in pairs {
        for part in [name, value] {
            match u8::try_from(part.len()) {
                Ok(short) if short < 128 => bytes.push(short),
                _ => bytes.extend((part.len() as u32 | 0x8000_0000).to_be_bytes()),
            }
        }
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(value);
    }
    bytes
}

/// A stream in records of at most `longest` bytes, with its end.
pub fn stream_of(kind: u8, id: u16, bytes: &[u8], longest: usize, padding: u8) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in bytes.chunks(longest) {
        wire.extend(record(kind, id, chunk, padding));
    }
    wire.extend(record(kind, id, b"", padding));
    wire
}

/// A whole request.
pub fn request(id: u16, flags: u8, pairs: &Pairs, body: &[u8]) -> Vec<u8> {
    let mut wire = begin(id, 1, flags);
    wire.extend(stream_of(PARAMS, id, &encode(pairs), 65_535, 0));
    wire.extend(stream_of(STDIN, id, body, 8_192, 0));
    wire
}

/// Status, headers with lower-case names, body.
pub type Parsed<'r> = (u16, Vec<(String, String)>, &'r [u8]);

/// What came for one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub stdout: Vec<u8>,
    pub app_status: u32,
    pub protocol_status: u8,
}

impl Reply {
    /// Status, headers and body, if the output is a sane CGI reply.
    pub fn parsed(&self) -> Result<Parsed<'_>, String> {
        let end = self.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.ok_or_else(|| format!("no header block in {self:?}"))?;
        let (block, body) = self.stdout.split_at(end);
        let body = body.get(4..).unwrap_or_default();
        let block = std::str::from_utf8(block).map_err(|_| "headers are not UTF-8")?;
        let mut headers = Vec::new();
        for line in block.split("\r\n") {
            let (name, value) = line.split_once(':').ok_or(format!("bad header line {line:?}"))?;
            if line.contains(['\r', '\n', '\0']) {
                return Err(format!("control byte in {line:?}"));
            }
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        for (index, (name, _)) in headers.iter().enumerate() {
            if headers.iter().skip(index + 1).any(|(other, _)| other == name) {
                return Err(format!("header {name} twice"));
            }
        }
        let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, v)| v);
        let status = match find("status") {
            None => 200,
            Some(text) => text.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0),
        };
        if !(200..600).contains(&status) {
            return Err(format!("status {status}"));
        }
        if !body.is_empty() && find("content-type").is_none() {
            return Err("a body without a type".into());
        }
        Ok((status, headers, body))
    }
}

/// How a connection answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Replied(Reply),
    Closed,
}

/// One connection and what was received on it.
pub struct Client {
    stream: Stream,
    received: Vec<u8>,
    deadline: Instant,
}

impl Client {
    pub fn new(stream: Stream) -> Client {
        Client { stream, received: Vec::new(), deadline: Instant::now() + PATIENCE }
    }

    /// Renews the patience of the waits that follow.
    pub fn renew(&mut self, patience: Duration) {
        self.deadline = Instant::now() + patience;
    }

    /// Sends everything; whether the server took it (it may have closed, which is for the case to judge).
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let _ = self.stream.set_timeout(left);
        match &mut self.stream {
            Stream::Unix(stream) => stream.write_all(bytes).is_ok(),
            Stream::Tcp(stream) => stream.write_all(bytes).is_ok(),
        }
    }

    pub fn shut_write(&self) {
        self.stream.shut_write();
    }

    pub fn reset(self) {
        self.stream.reset();
    }

    /// Receives something; false when the server closed or reset the connection.
    fn fill(&mut self) -> Result<bool, String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("nothing came in time after {} bytes", self.received.len()));
        }
        self.stream.set_timeout(left).map_err(|err| err.to_string())?;
        let mut buffer = [0; 64 * 1024];
        let outcome = match &mut self.stream {
            Stream::Unix(stream) => stream.read(&mut buffer),
            Stream::Tcp(stream) => stream.read(&mut buffer),
        };
        match outcome {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(true)
            }
            Err(err) => match err.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    Err("nothing came in time".into())
                }
                io::ErrorKind::Interrupted => Ok(true),
                _ => Ok(false),
            },
        }
    }

    /// The next record (type, id, content), `None` when the server closed between records.
    pub fn record(&mut self) -> Result<Option<(u8, u16, Vec<u8>)>, String> {
        loop {
            if let Some((&[version, kind, id1, id0, c1, c0, padding, _], rest)) =
                self.received.split_first_chunk::<8>()
            {
                let content = usize::from(u16::from_be_bytes([c1, c0]));
                let whole = content + usize::from(padding);
                if version != 1 {
                    return Err(format!("record of version {version}"));
                }
                if rest.len() >= whole {
                    let content = rest[..content].to_vec();
                    self.received.drain(..8 + whole);
                    return Ok(Some((kind, u16::from_be_bytes([id1, id0]), content)));
                }
            }
            if !self.fill()? {
                return match self.received.is_empty() {
                    true => Ok(None),
                    false => Err("closed within a record".into()),
                };
            }
        }
    }

    /// The reply to request `id`; `Closed` if none was begun. A record of another request is an error.
    pub fn answer(&mut self, id: u16) -> Result<Answer, String> {
        let mut reply = Reply::default();
        let mut has_begun = false;
        let mut has_ended = false;
        loop {
            match self.record()? {
                None if has_begun => return Err(format!("closed within a reply: {reply:?}")),
                None => return Ok(Answer::Closed),
                Some((_, other, _)) if other != id => {
                    return Err(format!("a record for request {other}, expected {id}"));
                }
                Some((STDOUT, _, content)) => {
                    if has_ended {
                        return Err("output after its end".into());
                    }
                    has_begun = true;
                    has_ended = content.is_empty();
                    reply.stdout.extend(content);
                }
                Some((7, _, _)) => {}
                Some((END, _, content)) => {
                    let [a3, a2, a1, a0, status, ..] = content[..] else {
                        return Err("END_REQUEST is too short".into());
                    };
                    reply.app_status = u32::from_be_bytes([a3, a2, a1, a0]);
                    reply.protocol_status = status;
                    return Ok(Answer::Replied(reply));
                }
                Some((kind, ..)) => return Err(format!("a record of type {kind} in a reply")),
            }
        }
    }

    /// The reply to request `id`, which must come and be complete.
    pub fn reply(&mut self, id: u16) -> Result<Reply, String> {
        match self.answer(id)? {
            Answer::Replied(reply) if reply.protocol_status == 0 => Ok(reply),
            other => Err(format!("expected a reply, got {other:?}")),
        }
    }

    /// Reads to the end of the connection, which must come.
    pub fn closed(&mut self) -> Result<(), String> {
        while self.fill()? {}
        Ok(())
    }
}
