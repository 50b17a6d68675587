//! Hashes of keys to row numbers: an open-addressing table of one `u32` for each place. It knows no keys.

/// Where the row of each key stands. Never grows: it is built for a number of rows that is known.
#[derive(Debug)]
pub(super) struct Index {
    /// Row number in the low bits, bits of the hash above them, so that rarely a wrong row is looked at.
    places: Box<[u32]>,
    row_bits: u32,
}

const EMPTY: u32 = u32::MAX;

impl Index {
    /// Enters the rows from 0 to `rows`, fewer than 2^31; a later row of the same key replaces an earlier one, which is
    /// told to `replaced`.
    pub(super) fn build(
        rows: u32,
        hash: impl Fn(u32) -> u64,
        is_same: impl Fn(u32, u32) -> bool,
        mut replaced: impl FnMut(u32),
    ) -> Index {
        // Two of three places are taken at most. All ones is no row, so that no entry looks empty.
        let places = u64::from(rows) + u64::from(rows) / 2 + 1;
        let row_bits = (32 - rows.leading_zeros()).clamp(1, 31);
        let places = usize::try_from(places).unwrap_or(usize::MAX);
        let mut index = Index { places: vec![EMPTY; places].into_boxed_slice(), row_bits };
        for row in 0..rows {
            let hash = hash(row);
            let entry = index.tag(hash) | row;
            let (place, known) = index.look(hash, |other| is_same(other, row));
            if let Some(other) = known {
                replaced(other);
            }
            if let Some(place) = index.places.get_mut(place) {
                *place = entry;
            }
        }
        index
    }

    /// The row of a hash that `is_it` recognizes.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.look(hash, is_it).1
    }

    fn tag(&self, hash: u64) -> u32 {
        // The low half of the hash; the high bits choose the place.
        let low = u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
        low << self.row_bits
    }

    /// The place where the search ends, and the row that it found.
    fn look(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> (usize, Option<u32>) {
        let (tag, row_mask) = (self.tag(hash), (1_u32 << self.row_bits) - 1);
        let scaled = (u128::from(hash) * self.places.len() as u128) >> 64;
        let mut place = usize::try_from(scaled).unwrap_or(0);
        // One place at least is empty.
        loop {
            match self.places.get(place) {
                None => place = 0,
                Some(&EMPTY) => return (place, None),
                Some(entry) => {
                    let row = entry & row_mask;
                    if entry & !row_mask == tag && is_it(row) {
                        return (place, Some(row));
                    }
                    place += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_whatever_their_hashes() {
        type Hash = fn(u32) -> u64;
        let hashes: [(&str, Hash); 4] = [
            ("spread", |row| u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            ("all the same", |_| u64::MAX),
            ("low bits alone", u64::from),
            ("high bits alone", |row| u64::from(row) << 32),
        ];
        for (name, hash) in hashes {
            for rows in [0, 1, 2, 3, 255, 256, 1000] {
                // Every third row has the key of the row before it.
                let key = |row: u32| if row % 3 == 2 { row - 1 } else { row };
                let by_key = |row: u32| hash(key(row));
                let mut gone = Vec::new();
                let index =
                    Index::build(rows, by_key, |a, b| key(a) == key(b), |row| gone.push(row));
                let replaced: Vec<u32> = (0..rows).filter(|row| row % 3 == 2).map(key).collect();
                assert_eq!(gone, replaced, "{name} {rows}");
                for row in 0..rows {
                    let found = index.find(by_key(row), |other| key(other) == key(row));
                    let later = row % 3 == 1 && row + 1 < rows;
                    assert_eq!(found, Some(row + u32::from(later)), "{name} {rows}: {row}");
                }
                assert_eq!(index.find(hash(5000), |other| other == 5000), None, "{name} {rows}");
            }
        }
    }
}
