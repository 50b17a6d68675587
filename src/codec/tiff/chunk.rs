//! Strips and tiles: from compressed bytes to rows of stored samples, predictions undone. It gives them no meaning.

use flate2::{Decompress, FlushDecompress, Status};
use weezl::{BitOrder, LzwStatus};

use super::directory::File;
use super::fax::{self, Scheme};
use super::jpeg;
use super::page::{Compression, Meaning, Page, Samples};
use crate::error::{Error, Kind};
use crate::limits::{Deadline, Limits};

/// Rows of a strip or tile.
pub(super) struct Chunk {
    /// The first row that was decoded, counted in the chunk.
    pub first: usize,
    /// Rows of `row_bytes` each.
    pub data: Vec<u8>,
    /// Bytes of a row.
    pub row_bytes: usize,
    /// Whether a JPEG decoder made RGB of YCbCr already.
    pub is_rgb: bool,
}

impl Chunk {
    /// A row, counted in the chunk.
    pub fn row(&self, row: usize) -> Option<&[u8]> {
        self.data.chunks_exact(self.row_bytes.max(1)).nth(row.checked_sub(self.first)?)
    }
}

/// Reads the rows `first..end` of a chunk; where the compression allows no entry, the rows before them too.
pub(super) fn read(
    file: &mut File<'_>,
    page: &Page,
    index: usize,
    rows: std::ops::Range<usize>,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Chunk, Error> {
    let (Some(offset), Some(length)) = (page.offsets.get(index), page.lengths.get(index)) else {
        return Err(Error::new(Kind::Unreadable, format!("TIFF chunk {index} is missing")));
    };
    deadline.tick()?;
    if page.compression == Compression::Jpeg {
        limits.check_memory(*length)?;
        let bytes = file.bytes_at(*offset, *length)?;
        return jpeg::decoded(&bytes, page, rows.end, limits, deadline);
    }
    let is_blocked = page.meaning == Meaning::YCbCr && page.subsampling != (1, 1);
    let row_bytes = page.row_bytes();
    if page.compression == Compression::None && !is_blocked {
        let needed = row_bytes * (rows.end - rows.start) as u64;
        let start = row_bytes * rows.start as u64;
        limits.check_memory(needed)?;
        if start + needed > *length {
            return Err(ended(index));
        }
        let mut data = file.bytes_at(offset.saturating_add(start), needed)?;
        prepared(&mut data, page);
        let mut chunk =
            Chunk { first: rows.start, data, row_bytes: row_bytes as usize, is_rgb: false };
        predicted(&mut chunk, page);
        return Ok(chunk);
    }
    limits.check_memory(*length)?;
    let mut bytes = file.bytes_at(*offset, *length)?;
    let stored = match is_blocked {
        true => block_bytes(page) * rows.end.div_ceil(page.subsampling.1 as usize) as u64,
        false => row_bytes * rows.end as u64,
    };
    let mut data = limits.zeroed(stored)?;
    prepared(&mut bytes, page);
    match page.compression {
        Compression::None => match bytes.get(..data.len()) {
            Some(part) => data.copy_from_slice(part),
            None => return Err(ended(index)),
        },
        Compression::PackBits => unpack(&bytes, &mut data).ok_or_else(|| ended(index))?,
        Compression::Lzw => {
            lzw(&bytes, &mut data, deadline)?.then_some(()).ok_or_else(|| ended(index))?
        }
        Compression::Deflate => {
            inflate(&bytes, &mut data, deadline)?.then_some(()).ok_or_else(|| ended(index))?
        }
        Compression::FaxLines => {
            fax::decode(&bytes, Scheme::Lines, page.chunk.width, &mut data, deadline)?
        }
        Compression::FaxGroup3 => {
            let scheme = Scheme::Group3(page.fax_options & 1 == 1);
            fax::decode(&bytes, scheme, page.chunk.width, &mut data, deadline)?;
        }
        Compression::FaxGroup4 => {
            fax::decode(&bytes, Scheme::Group4, page.chunk.width, &mut data, deadline)?
        }
        Compression::Jpeg => return Err(Error::new(Kind::Internal, "JPEG chunks go another way")),
    }
    drop(bytes);
    if is_blocked {
        return unblocked(&data, page, rows.end, limits);
    }
    let mut chunk = Chunk { first: 0, data, row_bytes: row_bytes as usize, is_rgb: false };
    predicted(&mut chunk, page);
    Ok(chunk)
}

fn ended(index: usize) -> Error {
    Error::new(Kind::Unreadable, format!("the data of TIFF chunk {index} end early or break"))
}

/// Turns reversed bytes around.
fn prepared(bytes: &mut [u8], page: &Page) {
    if page.is_reversed {
        for byte in bytes {
            *byte = byte.reverse_bits();
        }
    }
}

/// Runs of bytes; `None` where they end before `out` is full.
fn unpack(mut bytes: &[u8], out: &mut [u8]) -> Option<()> {
    let mut filled = 0;
    while filled < out.len() {
        let (&head, rest) = bytes.split_first()?;
        match head {
            128 => bytes = rest,
            0..=127 => {
                let count = usize::from(head) + 1;
                let taken = count.min(out.len() - filled);
                out[filled..filled + taken].copy_from_slice(rest.get(..taken)?);
                bytes = rest.get(count.min(rest.len())..)?;
                filled += taken;
            }
            129..=255 => {
                let (&value, rest) = rest.split_first()?;
                let taken = (257 - usize::from(head)).min(out.len() - filled);
                out[filled..filled + taken].fill(value);
                bytes = rest;
                filled += taken;
            }
        }
    }
    Some(())
}

/// Whether LZW data fill `out`.
fn lzw(mut bytes: &[u8], out: &mut [u8], deadline: &Deadline) -> Result<bool, Error> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut filled = 0;
    while filled < out.len() {
        deadline.tick()?;
        let end = out.len().min(filled + (1 << 20));
        let result = decoder.decode_bytes(bytes, &mut out[filled..end]);
        bytes = &bytes[result.consumed_in..];
        filled += result.consumed_out;
        match result.status {
            Ok(LzwStatus::Ok) => {}
            Ok(LzwStatus::Done | LzwStatus::NoProgress) | Err(_) => break,
        }
    }
    Ok(filled == out.len())
}

/// Whether zlib data fill `out`.
fn inflate(mut bytes: &[u8], out: &mut [u8], deadline: &Deadline) -> Result<bool, Error> {
    let mut decoder = Decompress::new(true);
    let mut filled = 0;
    while filled < out.len() {
        deadline.tick()?;
        let end = out.len().min(filled + (1 << 20));
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(bytes, &mut out[filled..end], FlushDecompress::None);
        let taken = (decoder.total_in() - before_in) as usize;
        let made = (decoder.total_out() - before_out) as usize;
        bytes = bytes.get(taken..).unwrap_or(&[]);
        filled += made;
        match status {
            Ok(Status::Ok) if taken + made > 0 => {}
            _ => break,
        }
    }
    Ok(filled == out.len())
}

/// Undoes the prediction of each row.
fn predicted(chunk: &mut Chunk, page: &Page) {
    let stride = page.chunk_samples();
    let bytes = page.bits as usize / 8;
    for row in chunk.data.chunks_exact_mut(chunk.row_bytes.max(1)) {
        match (page.predictor, page.bits) {
            (2, 8) => {
                for at in stride..row.len() {
                    row[at] = row[at].wrapping_add(row[at - stride]);
                }
            }
            (2, 16 | 24 | 32) => {
                for at in (stride * bytes..row.len()).step_by(bytes) {
                    if at + bytes > row.len() {
                        break;
                    }
                    let (before, now) = row.split_at_mut(at);
                    let before =
                        number(&before[at - stride * bytes..][..bytes], page.is_big_endian);
                    let sum = before.wrapping_add(number(&now[..bytes], page.is_big_endian));
                    put(sum, &mut now[..bytes], page.is_big_endian);
                }
            }
            (2, bits) => {
                let count = page.chunk.width as usize * stride;
                for sample in stride..count {
                    let sum = bit_field(row, sample - stride, bits)
                        .wrapping_add(bit_field(row, sample, bits));
                    put_bit_field(row, sample, bits, sum);
                }
            }
            (3, 16 | 24 | 32) if page.kind == Samples::Float => {
                for at in stride..row.len() {
                    row[at] = row[at].wrapping_add(row[at - stride]);
                }
                // The row holds all highest bytes, then all second ones and so on.
                let planes = row.to_vec();
                let count = planes.len() / bytes;
                for sample in 0..count {
                    for byte in 0..bytes {
                        let place = if page.is_big_endian { byte } else { bytes - 1 - byte };
                        row[sample * bytes + place] = planes[byte * count + sample];
                    }
                }
            }
            _ => {}
        }
    }
}

/// A number of up to four bytes.
pub(super) fn number(bytes: &[u8], is_big_endian: bool) -> u32 {
    let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    if is_big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

fn put(value: u32, bytes: &mut [u8], is_big_endian: bool) {
    let count = bytes.len();
    for (at, byte) in bytes.iter_mut().enumerate() {
        let place = if is_big_endian { count - 1 - at } else { at };
        *byte = (value >> (8 * place)) as u8;
    }
}

/// The sample of `bits` bits that is the `index`-th of a row, packed from the highest bit on.
pub(super) fn bit_field(row: &[u8], index: usize, bits: u32) -> u32 {
    let first = index * bits as usize;
    let mut value = 0u64;
    for byte in first / 8..=first / 8 + 4 {
        value = value << 8 | u64::from(row.get(byte).copied().unwrap_or(0));
    }
    let shift = 40 - bits as usize - first % 8;
    ((value >> shift) & ((1 << bits) - 1)) as u32
}

fn put_bit_field(row: &mut [u8], index: usize, bits: u32, value: u32) {
    for bit in 0..bits as usize {
        let at = index * bits as usize + bit;
        let is_set = value >> (bits as usize - 1 - bit) & 1 == 1;
        if let Some(byte) = row.get_mut(at / 8) {
            let mask = 0x80 >> (at % 8);
            *byte = if is_set { *byte | mask } else { *byte & !mask };
        }
    }
}

/// Bytes of one row of blocks of subsampled YCbCr: the luma of the block, then one of each chroma.
fn block_bytes(page: &Page) -> u64 {
    let (h, v) = page.subsampling;
    u64::from(page.chunk.width.div_ceil(h)) * u64::from(h * v + 2)
}

/// Rows of Y, Cb, Cr from blocks; each block's chroma stands for all of its pixels.
fn unblocked(data: &[u8], page: &Page, rows: usize, limits: &Limits) -> Result<Chunk, Error> {
    let (h, v) = (page.subsampling.0 as usize, page.subsampling.1 as usize);
    let width = page.chunk.width as usize;
    let row_bytes = width * 3;
    let mut out = limits.zeroed((row_bytes * rows) as u64)?;
    let line_bytes = (block_bytes(page) as usize).max(1);
    for (y, row) in out.chunks_exact_mut(row_bytes.max(1)).enumerate() {
        let Some(line) = data.chunks_exact(line_bytes).nth(y / v) else { break };
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let block = &line[x / h * (h * v + 2)..][..h * v + 2];
            pixel.copy_from_slice(&[block[y % v * h + x % h], block[h * v], block[h * v + 1]]);
        }
    }
    Ok(Chunk { first: 0, data: out, row_bytes, is_rgb: false })
}
