//! The web server's side of one exchange: asks a responder once. For demonstrations, tests and benchmarks.

use std::io::{self, Read, Write};

use crate::record::{CHUNK_BYTES, HEADER_BYTES, Header, kind};

/// Longest reply that is collected, in bytes.
const REPLY_BYTES: usize = 256 << 20;

/// Sends one request of the responder role and collects its standard output: CGI headers, blank line, body.
///
/// With `keeps_connection` the stream can be used again. Fails with `InvalidData` for records that are none,
/// `UnexpectedEof` when the responder closes early, `InvalidInput` for a name or value of 2 GiB.
pub fn ask(
    stream: &mut (impl Read + Write),
    params: &[(&[u8], &[u8])],
    body: &[u8],
    keeps_connection: bool,
) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    record(&mut out, kind::BEGIN_REQUEST, &[0, 1, u8::from(keeps_connection), 0, 0, 0, 0, 0]);
    let mut pairs = Vec::new();
    for (name, value) in params {
        length(&mut pairs, name.len())?;
        length(&mut pairs, value.len())?;
        pairs.extend_from_slice(name);
        pairs.extend_from_slice(value);
    }
    for (kind, content) in [(kind::PARAMS, pairs.as_slice()), (kind::STDIN, body)] {
        for chunk in content.chunks(CHUNK_BYTES) {
            record(&mut out, kind, chunk);
        }
        record(&mut out, kind, &[]);
    }
    stream.write_all(&out)?;
    let mut reply = Vec::new();
    loop {
        let mut header = [0; HEADER_BYTES];
        stream.read_exact(&mut header)?;
        let header = Header::parse(header)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a FastCGI record"))?;
        let mut content = vec![0; usize::from(header.content_bytes)];
        stream.read_exact(&mut content)?;
        let mut padding = vec![0; usize::from(header.padding_bytes)];
        stream.read_exact(&mut padding)?;
        match header.kind {
            kind::STDOUT if reply.len() + content.len() > REPLY_BYTES => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply is too long"));
            }
            kind::STDOUT => reply.extend_from_slice(&content),
            kind::END_REQUEST => return Ok(reply),
            _ => {}
        }
    }
}

/// One record; `content` is at most 65,535 bytes long.
fn record(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[1, kind, 0, 1]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(content);
}

/// A length of a name or value: one byte below 128, else four with the top bit set.
fn length(out: &mut Vec<u8>, length: usize) -> io::Result<()> {
    match u32::try_from(length) {
        Ok(short @ 0..=127) => out.push(short as u8),
        Ok(long) if long < 1 << 31 => out.extend_from_slice(&(long | 1 << 31).to_be_bytes()),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    Ok(())
}
