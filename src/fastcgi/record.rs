//! FastCGI records as bytes: headers, the fixed bodies, and the framing of a reply. Reads and writes no socket.

use std::io::IoSlice;

/// Bytes of a record's header, of a `BEGIN_REQUEST` body and of an `END_REQUEST` body alike.
pub(crate) const HEADER_BYTES: usize = 8;

/// Content of the longest record written: the greatest multiple of 8 below 65,536, which needs no padding.
pub(crate) const CHUNK_BYTES: usize = 65_528;

/// The only version there is.
const VERSION: u8 = 1;

/// Record types (section 8 of the specification).
pub(crate) mod kind {
    pub(crate) const BEGIN_REQUEST: u8 = 1;
    pub(crate) const ABORT_REQUEST: u8 = 2;
    pub(crate) const END_REQUEST: u8 = 3;
    pub(crate) const PARAMS: u8 = 4;
    pub(crate) const STDIN: u8 = 5;
    pub(crate) const STDOUT: u8 = 6;
    pub(crate) const DATA: u8 = 8;
    pub(crate) const GET_VALUES: u8 = 9;
    pub(crate) const GET_VALUES_RESULT: u8 = 10;
    pub(crate) const UNKNOWN_TYPE: u8 = 11;
}

/// Protocol status of an `END_REQUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    RequestComplete = 0,
    CantMpxConn = 1,
    Overloaded = 2,
    UnknownRole = 3,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) id: u16,
    pub(crate) content_bytes: u16,
    pub(crate) padding_bytes: u8,
}

impl Header {
    /// `None` when the version is not 1. The reserved byte may hold anything.
    pub(crate) fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Header> {
        let [version, kind, id1, id0, content1, content0, padding_bytes, _] = bytes;
        (version == VERSION).then_some(Header {
            kind,
            id: u16::from_be_bytes([id1, id0]),
            content_bytes: u16::from_be_bytes([content1, content0]),
            padding_bytes,
        })
    }

    /// The header of an unpadded record.
    fn unpadded(kind: u8, id: u16, content_bytes: u16) -> Header {
        Header { kind, id, content_bytes, padding_bytes: 0 }
    }

    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [id1, id0] = self.id.to_be_bytes();
        let [content1, content0] = self.content_bytes.to_be_bytes();
        [VERSION, self.kind, id1, id0, content1, content0, self.padding_bytes, 0]
    }
}

/// The body of a `BEGIN_REQUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) role: u16,
    pub(crate) keeps_connection: bool,
}

impl Begin {
    pub(crate) const RESPONDER: u16 = 1;

    pub(crate) fn parse(bytes: [u8; HEADER_BYTES]) -> Begin {
        let [role1, role0, flags, ..] = bytes;
        Begin { role: u16::from_be_bytes([role1, role0]), keeps_connection: flags & 1 == 1 }
    }
}

/// A whole `END_REQUEST` record.
pub(crate) fn end_request(id: u16, app_status: u32, status: Status) -> [u8; 2 * HEADER_BYTES] {
    let [a3, a2, a1, a0] = app_status.to_be_bytes();
    joined(
        Header::unpadded(kind::END_REQUEST, id, 8).to_bytes(),
        [a3, a2, a1, a0, status as u8, 0, 0, 0],
    )
}

/// A whole `UNKNOWN_TYPE` record, the answer to a management record of type `unknown`.
pub(crate) fn unknown_type(unknown: u8) -> [u8; 2 * HEADER_BYTES] {
    joined(Header::unpadded(kind::UNKNOWN_TYPE, 0, 8).to_bytes(), [unknown, 0, 0, 0, 0, 0, 0, 0])
}

/// A whole `GET_VALUES_RESULT` record; `content` is a few short pairs of our own.
pub(crate) fn get_values_result(content: &[u8]) -> Vec<u8> {
    let content = content.get(..CHUNK_BYTES).unwrap_or(content);
    let content_bytes = u16::try_from(content.len()).unwrap_or(0);
    let mut record =
        Header::unpadded(kind::GET_VALUES_RESULT, 0, content_bytes).to_bytes().to_vec();
    record.extend_from_slice(content);
    record
}

fn joined(first: [u8; HEADER_BYTES], second: [u8; HEADER_BYTES]) -> [u8; 2 * HEADER_BYTES] {
    let mut whole = [0; 2 * HEADER_BYTES];
    let (left, right) = whole.split_at_mut(HEADER_BYTES);
    left.copy_from_slice(&first);
    right.copy_from_slice(&second);
    whole
}

/// Everything of a reply that is not its head and body: headers of the `STDOUT` records, their end, `END_REQUEST`.
#[derive(Debug)]
pub(crate) struct Framing {
    headers: Vec<[u8; HEADER_BYTES]>,
    stdout_end: [u8; HEADER_BYTES],
    end_request: [u8; 2 * HEADER_BYTES],
}

impl Framing {
    /// Frames `bytes` of standard output.
    pub(crate) fn new(id: u16, bytes: usize, app_status: u32) -> Framing {
        let header = |content_bytes: usize| {
            let content_bytes = u16::try_from(content_bytes).expect("a chunk is below 65,536");
            Header::unpadded(kind::STDOUT, id, content_bytes).to_bytes()
        };
        let mut headers = vec![header(CHUNK_BYTES); bytes / CHUNK_BYTES];
        if !bytes.is_multiple_of(CHUNK_BYTES) {
            headers.push(header(bytes % CHUNK_BYTES));
        }
        Framing {
            headers,
            stdout_end: header(0),
            end_request: end_request(id, app_status, Status::RequestComplete),
        }
    }

    /// The records in order, for one gathering write. `head` and `body` are together as long as `new` was told.
    pub(crate) fn slices<'a>(&'a self, head: &'a [u8], body: &'a [u8]) -> Vec<IoSlice<'a>> {
        let mut slices = self.content_slices(head, body);
        slices.extend([IoSlice::new(&self.stdout_end), IoSlice::new(&self.end_request)]);
        slices
    }

    /// Like `slices`, without the end of the request: more is to follow.
    pub(crate) fn content_slices<'a>(&'a self, head: &'a [u8], body: &'a [u8]) -> Vec<IoSlice<'a>> {
        let mut slices = Vec::with_capacity(2 * self.headers.len() + 3);
        let (mut head, mut body) = (head, body);
        for header in &self.headers {
            slices.push(IoSlice::new(header));
            let from_head = take(&mut head, CHUNK_BYTES);
            let from_body = take(&mut body, CHUNK_BYTES - from_head.len());
            slices.extend(
                [from_head, from_body].into_iter().filter(|s| !s.is_empty()).map(IoSlice::new),
            );
        }
        slices
    }
}

/// Cuts at most `count` bytes off the front.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count.min(rest.len()));
    *rest = left;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_other_versions_are_refused() {
        let header = Header { kind: 5, id: 0xABCD, content_bytes: 65_535, padding_bytes: 255 };
        let bytes = header.to_bytes();
        assert_eq!(bytes, [1, 5, 0xAB, 0xCD, 255, 255, 255, 0]);
        assert_eq!(Header::parse(bytes), Some(header));
        assert_eq!(Header::parse([1, 5, 0xAB, 0xCD, 255, 255, 255, 77]), Some(header), "reserved");
        for version in [0, 2, 255] {
            assert_eq!(Header::parse([version, 1, 0, 1, 0, 8, 0, 0]), None, "version {version}");
        }
    }

    #[test]
    fn begin_reads_role_and_keep_flag() {
        for (name, bytes, role, keeps_connection) in [
            ("responder", [0, 1, 0, 0, 0, 0, 0, 0], 1, false),
            ("kept", [0, 1, 1, 9, 9, 9, 9, 9], 1, true),
            ("other flags", [0, 1, 0xFE, 0, 0, 0, 0, 0], 1, false),
            ("role above a byte", [1, 1, 1, 0, 0, 0, 0, 0], 257, true),
        ] {
            assert_eq!(Begin::parse(bytes), Begin { role, keeps_connection }, "{name}");
        }
    }

    #[test]
    fn fixed_records_have_the_bytes_of_the_specification() {
        assert_eq!(
            end_request(0x0102, 0x0A0B_0C0D, Status::CantMpxConn),
            [1, 3, 1, 2, 0, 8, 0, 0, 10, 11, 12, 13, 1, 0, 0, 0]
        );
        assert_eq!(unknown_type(99), [1, 11, 0, 0, 0, 8, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(get_values_result(b"\x01\x01a0"), b"\x01\x0a\0\0\0\x04\0\0\x01\x01a0");
    }

    #[test]
    fn a_reply_is_cut_into_records_without_loss() {
        let lengths = [0, 1, 7, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES];
        let mut cases = 0;
        for head_bytes in lengths {
            for body_bytes in lengths {
                let head: Vec<u8> = (0..head_bytes).map(|i| i as u8).collect();
                let body: Vec<u8> = (0..body_bytes).map(|i| (i * 7) as u8).collect();
                let framing = Framing::new(9, head_bytes + body_bytes, 5);
                let wire: Vec<u8> =
                    framing.slices(&head, &body).iter().flat_map(|s| s.to_vec()).collect();
                let (mut rest, mut stdout, mut ended) = (&wire[..], Vec::new(), false);
                while let Some((header, tail)) = rest.split_first_chunk() {
                    let header = Header::parse(*header).unwrap();
                    let (content, tail) = tail.split_at(usize::from(header.content_bytes));
                    rest = tail;
                    assert_eq!(header.id, 9);
                    match header.kind {
                        kind::STDOUT => {
                            assert!(!ended, "records after the end of the stream");
                            stdout.extend_from_slice(content);
                            ended = content.is_empty();
                        }
                        kind::END_REQUEST => {
                            assert_eq!((content, rest), (&[0, 0, 0, 5, 0, 0, 0, 0][..], &[][..]));
                        }
                        other => panic!("record type {other}"),
                    }
                }
                assert!(ended);
                assert_eq!(stdout, [head, body].concat(), "{head_bytes}+{body_bytes}");
                cases += 1;
            }
        }
        assert_eq!(cases, 49);
    }
}
