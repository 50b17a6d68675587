//! Name-value pairs: decoded iteratively, in linear time, as bytes. A length is believed only if its bytes are there.

use std::ops::Range;

/// Why a stream of name-value pairs was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParamsError {
    /// A length goes beyond the end of the stream, or the stream ends within a length.
    Malformed,
    /// More pairs than allowed.
    TooMany,
}

/// The parameters of a request, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Params {
    bytes: Vec<u8>,
    pairs: Vec<(Range<usize>, Range<usize>)>,
}

impl Params {
    /// Decodes a whole stream; at most `max_pairs` pairs.
    pub(crate) fn decode(bytes: Vec<u8>, max_pairs: usize) -> Result<Params, ParamsError> {
        let mut pairs = Vec::new();
        let mut reader = Reader { bytes: &bytes, at: 0 };
        while reader.at < bytes.len() {
            if pairs.len() >= max_pairs {
                return Err(ParamsError::TooMany);
            }
            pairs.push(reader.pair().ok_or(ParamsError::Malformed)?);
        }
        Ok(Params { bytes, pairs })
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        let part = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.pairs.iter().map(move |(name, value)| (part(name), part(value)))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn pair(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        let name_bytes = self.length()?;
        let value_bytes = self.length()?;
        let name_end = self.at.checked_add(name_bytes)?;
        let value_end = name_end.checked_add(value_bytes)?;
        if value_end > self.bytes.len() {
            return None;
        }
        let pair = (self.at..name_end, name_end..value_end);
        self.at = value_end;
        Some(pair)
    }

    /// One byte below 128, else four with the top bit set; a short length in four bytes is legal.
    fn length(&mut self) -> Option<usize> {
        let rest = self.bytes.get(self.at..)?;
        let &first = rest.first()?;
        if first < 0x80 {
            self.at += 1;
            return Some(usize::from(first));
        }
        let four = *rest.first_chunk::<4>()?;
        self.at += 4;
        usize::try_from(u32::from_be_bytes(four) & 0x7FFF_FFFF).ok()
    }
}

/// Appends a short pair of our own (below 128 bytes each).
pub(crate) fn push_short_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    let length = |text: &str| u8::try_from(text.len()).expect("our own pairs are short");
    out.extend([length(name), length(value)]);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn decoded(bytes: &[u8]) -> Result<Pairs, ParamsError> {
        let params = Params::decode(bytes.to_vec(), 1_000)?;
        Ok(params.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
    }

    #[test]
    fn lengths_are_read_as_the_specification_says() {
        let pair = |name: &[u8], value: &[u8]| Ok(vec![(name.to_vec(), value.to_vec())]);
        let long = [&b"\x01\x80\x00\x01\x00n"[..], &[7; 256]].concat();
        let v127 = [&b"\x01\x7Fn"[..], &[7; 127]].concat();
        let v128 = [&b"\x01\x80\x00\x00\x80n"[..], &[7; 128]].concat();
        let rows: &[(&str, &[u8], Result<Pairs, ParamsError>)] = &[
            ("nothing", b"", Ok(vec![])),
            ("short", b"\x01\x02nvv", pair(b"n", b"vv")),
            ("empty value", b"\x01\x00n", pair(b"n", b"")),
            ("empty name", b"\x00\x01v", pair(b"", b"v")),
            ("both empty", b"\x00\x00", pair(b"", b"")),
            ("not UTF-8", b"\x01\x02\xFF\x80\xFE", pair(b"\xFF", b"\x80\xFE")),
            ("four bytes for a short name", b"\x80\x00\x00\x01\x01nv", pair(b"n", b"v")),
            ("four bytes for nothing", b"\x80\0\0\0\x80\0\0\0", pair(b"", b"")),
            ("value of 127", &v127, pair(b"n", &[7; 127])),
            ("value of 128", &v128, pair(b"n", &[7; 128])),
            ("value of 256", &long, pair(b"n", &[7; 256])),
            ("G-1 cut before the second length", b"\x01", Err(ParamsError::Malformed)),
            ("G-1 cut inside a length", b"\x01\x80\x00", Err(ParamsError::Malformed)),
            ("G-1 cut before the value", b"\x01\x01n", Err(ParamsError::Malformed)),
            ("G-1 name of 0x7fffffff", b"\xFF\xFF\xFF\xFF\x00n", Err(ParamsError::Malformed)),
            ("G-1 both", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFnv", Err(ParamsError::Malformed)),
            ("G-1 sum past the end", b"\x01\x03nvv", Err(ParamsError::Malformed)),
            ("G-1 second pair", b"\x01\x01nv\x05\x05n", Err(ParamsError::Malformed)),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(&decoded(bytes), expected, "{name}");
        }
    }

    #[test]
    fn pairs_are_counted_before_they_are_kept() {
        assert!(Params::decode([0, 0].repeat(1_000), 1_000).is_ok());
        let err = Params::decode([0, 0].repeat(100_000), 1_000).err();
        assert_eq!(err, Some(ParamsError::TooMany));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(pairs) = decoded(&bytes) {
                let kept: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
                prop_assert!(kept + 2 * pairs.len() <= bytes.len());
            }
        }

        #[test]
        fn encoded_pairs_come_back(
            pairs in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(any::<u8>(), 0..200)),
                0..20,
            ),
            long_form in any::<bool>(),
        ) {
            let mut wire = Vec::new();
            for (name, value) in &pairs {
                for part in [name, value] {
                    if long_form || part.len() > 127 {
                        wire.extend((0x8000_0000 | part.len() as u32).to_be_bytes());
                    } else {
                        wire.push(part.len() as u8);
                    }
                }
                wire.extend_from_slice(name);
                wire.extend_from_slice(value);
            }
            prop_assert_eq!(decoded(&wire), Ok(pairs));
        }
    }
}
