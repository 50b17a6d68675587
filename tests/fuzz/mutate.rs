//! Mutations of seeds: small, deterministic, aimed at text formats. Runs nothing.

/// Bytes that mean something to one of the parsers.
const MARKS: &[u8] = b"&=%$(){}[]<>\"'\\/,;:?+-.*^|#!~ \t\r\n\0\x7f\x80\xbf\xc3\xe2\xff0129aAfFzZ";

/// Pieces that mean something to one of the parsers.
const PIECES: &[&str] = &[
    "%00",
    "%26",
    "%2f..",
    "%e2%80%a8",
    "%zz",
    "..",
    "//",
    "0x",
    "-1",
    "1e308",
    "1e-308",
    "inf",
    "NaN",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9223372036854775808",
    "99999999999999999999",
    "is(",
    "is{",
    "ir(",
    "fxg{",
    "))))",
    "((((",
    "{{{{",
    "$a$",
    "$a=$a$",
    "$object$",
    "layer=comp",
    "layer=0,a",
    "layer=4294967295",
    "effect=-1",
    "&&",
    "&.x=",
    "req=map",
    "req=saveToFile",
    "map=<area>",
    "text={\\rtf1",
    "\u{feff}",
    "\u{2028}",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "&amp;",
    "&#0;",
    "&#xd800;",
    "(a*)*b",
    "\\1",
    "(?<=a)",
    "\"\"",
    "??",
    "^loc=E^",
    "\t\t\t",
    "\r\n",
    "[IS]",
    "=",
    "#",
    ";",
];

/// An endless row of inputs.
pub struct Mutations<'s> {
    seeds: &'s [Vec<u8>],
    largest: usize,
    state: u64,
}

impl<'s> Mutations<'s> {
    /// A row of its own for each target and start; no input is longer than `largest`.
    pub fn new(target: &str, start: u64, seeds: &'s [Vec<u8>], largest: usize) -> Mutations<'s> {
        let state = target.bytes().fold(start ^ 0x9e37_79b9_7f4a_7c15, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Mutations { seeds, largest, state }
    }

    /// SplitMix64.
    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let end = start + self.below((length - start).min(40) + 1);
        start..end
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let index = self.below(self.seeds.len());
        let mut input = self.seeds[index].clone();
        for _ in 0..=self.below(5) {
            self.mutate(&mut input);
        }
        input.truncate(self.largest);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(9) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            1 => {
                let mark = MARKS[self.below(MARKS.len())];
                if let Some(byte) = input.get_mut(at) {
                    *byte = mark;
                }
            }
            2 => {
                let mark = MARKS[self.below(MARKS.len())];
                input.insert(at, mark);
            }
            3 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            4 => {
                let piece = PIECES[self.below(PIECES.len())];
                input.splice(at..at, piece.bytes());
            }
            5 => {
                let range = self.range(input.len());
                let piece = PIECES[self.below(PIECES.len())];
                input.splice(range, piece.bytes());
            }
            6 => {
                let other = &self.seeds[self.below(self.seeds.len())];
                let range = self.range(other.len());
                input.splice(at..at, other[range].iter().copied());
            }
            7 => {
                let range = self.range(input.len());
                let piece = input[range].to_vec();
                let times = [2, 3, 40, 1000][self.below(4)].min(self.largest / piece.len().max(1));
                input.splice(at..at, piece.repeat(times));
            }
            _ => input.truncate(at),
        }
    }
}
