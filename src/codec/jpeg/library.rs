//! mozjpeg's structures with the callbacks that watch it: errors unwind, reads and passes look at the deadline.
//!
//! Every structure lives in one allocation that never moves, since the library keeps pointers into it. It knows
//! nothing of headers and pixels' meaning.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys as mj;

use crate::error::{Error, Kind, shown};
use crate::limits::Deadline;

/// Bytes handed to the library at once, so that long files look at the deadline.
const PIECE_BYTES: usize = 64 << 10;
/// Scans a progressive file may have; more serve only to keep a server busy (`jpeg-scans.jpg`).
const SCANS_LIMIT: c_int = 100;

/// What collects or forwards encoded bytes.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Error>;

/// What the library reported by its error exit.
struct Failure {
    code: c_int,
    text: String,
}

/// What callbacks know and remember, behind `client_data`.
pub(super) struct Watch<'a> {
    deadline: &'a Deadline,
    /// Source bytes not yet handed to the library.
    rest: &'a [u8],
    /// Whether the library asked for more bytes than there are.
    has_ended: bool,
    /// Whether it then had to make up coefficients.
    is_cut: bool,
    /// Whether making up is not reported, so that asking for more bytes is the sign (arithmetic coding).
    is_silent: bool,
    /// Buffer between compressor and `sink`.
    buffer: Vec<u8>,
    sink: Option<Sink<'a>>,
}

/// One allocation for all structures of a compressor or decompressor.
struct State<'a, S, M> {
    info: S,
    errors: mj::jpeg_error_mgr,
    progress: mj::jpeg_progress_mgr,
    mover: M,
    watch: Watch<'a>,
}

/// A decompressor over bytes in memory.
pub(super) struct Decompressor<'a> {
    state: *mut State<'a, mj::jpeg_decompress_struct, mj::jpeg_source_mgr>,
}

/// A compressor into a sink.
pub(super) struct Compressor<'a> {
    state: *mut State<'a, mj::jpeg_compress_struct, mj::jpeg_destination_mgr>,
}

/// Runs library calls; an error exit, and any other panic below, becomes an `Error`.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(error_of(payload)))
}

fn error_of(payload: Box<dyn Any + Send>) -> Error {
    let payload = match payload.downcast::<Error>() {
        Ok(error) => return *error,
        Err(payload) => payload,
    };
    let Ok(failure) = payload.downcast::<Failure>() else {
        return Error::new(Kind::Internal, "the JPEG codec panicked");
    };
    let kind = match failure.code {
        mj::JERR_OUT_OF_MEMORY
        | mj::JERR_NO_BACKING_STORE
        | mj::JERR_IMAGE_TOO_BIG
        | mj::JERR_WIDTH_OVERFLOW => Kind::TooLarge,
        mj::JERR_ARITH_NOTIMPL
        | mj::JERR_CCIR601_NOTIMPL
        | mj::JERR_CONVERSION_NOTIMPL
        | mj::JERR_FRACT_SAMPLE_NOTIMPL
        | mj::JERR_NOTIMPL
        | mj::JERR_NOT_COMPILED
        | mj::JERR_BAD_PRECISION
        | mj::JERR_SOF_UNSUPPORTED => Kind::Unsupported,
        _ => Kind::Unreadable,
    };
    Error::new(kind, shown(&failure.text))
}

impl<'a> Decompressor<'a> {
    /// Over `bytes`; coefficient arrays may take `memory_bytes`. Call it, and all methods, within `guarded`.
    pub fn new(bytes: &'a [u8], memory_bytes: u64, deadline: &'a Deadline) -> Decompressor<'a> {
        let watch = Watch {
            deadline,
            rest: bytes,
            has_ended: false,
            is_cut: false,
            is_silent: false,
            buffer: Vec::new(),
            sink: None,
        };
        // SAFETY: all three are plain C structures of numbers, nullable pointers, optional functions and enums that
        // have a variant 0, so zero bytes are a value of them.
        let (info, errors, mover) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed(), std::mem::zeroed()) };
        let state =
            Box::into_raw(Box::new(State { info, errors, progress: progress(), mover, watch }));
        let made = Decompressor { state };
        // SAFETY: `state` came from `Box::into_raw`, lives until `drop`, and is reached by this thread only. `errors`
        // is set before the first call that can fail; `jpeg_create_decompress` keeps `err` and `client_data`.
        unsafe {
            let info = &raw mut (*state).info;
            (*info).common.err = prepared(&raw mut (*state).errors);
            (*info).common.client_data = (&raw mut (*state).watch).cast();
            mj::jpeg_create_decompress(info);
            (*info).common.progress = &raw mut (*state).progress;
            (*(*info).common.mem).max_memory_to_use = memory(memory_bytes);
            (*state).mover.init_source = Some(init_source);
            (*state).mover.fill_input_buffer = Some(fill_input_buffer);
            (*state).mover.skip_input_data = Some(skip_input_data);
            (*state).mover.resync_to_restart = Some(mj::jpeg_resync_to_restart);
            (*state).mover.term_source = Some(init_source);
            (*info).src = &raw mut (*state).mover;
        }
        made
    }

    /// The library's structure.
    pub fn info(&mut self) -> &mut mj::jpeg_decompress_struct {
        // SAFETY: `state` is valid until `drop`; `&mut self` makes this the only reference to `info`, and callbacks,
        // which run within calls that got it, reach other fields of `state` by their own pointers.
        unsafe { &mut (*self.state).info }
    }

    /// Says that the data are arithmetic-coded: the decoder does not report that it makes up coefficients, so a file
    /// that ends without its end marker counts as cut.
    pub fn expect_silent_end(&mut self) {
        // SAFETY: `state` is valid until `drop`, and no callback runs now.
        unsafe { (*self.state).watch.is_silent = true };
    }

    /// Fails where the data ended before the pixels did.
    pub fn check_cut(&mut self) -> Result<(), Error> {
        // SAFETY: `state` is valid until `drop`, and no callback runs now.
        let is_cut = unsafe { (*self.state).watch.is_cut };
        match is_cut {
            true => Err(cut(self.info().output_scanline, 0)),
            false => Ok(()),
        }
    }
}

impl Drop for Decompressor<'_> {
    fn drop(&mut self) {
        // SAFETY: `state` came from `Box::into_raw` in `new` and is freed once, here; destroying is allowed in every
        // state of the structure, also after an error exit, and calls no callback but the memory manager's.
        unsafe {
            mj::jpeg_destroy_decompress(&mut (*self.state).info);
            drop(Box::from_raw(self.state));
        }
    }
}

impl<'a> Compressor<'a> {
    /// Into `sink`, which gets up to 64 KiB at a time. Call it, and all methods, within `guarded`.
    pub fn new(sink: Sink<'a>, memory_bytes: u64, deadline: &'a Deadline) -> Compressor<'a> {
        let watch = Watch {
            deadline,
            rest: &[],
            has_ended: false,
            is_cut: false,
            is_silent: false,
            buffer: vec![0; PIECE_BYTES],
            sink: Some(sink),
        };
        // SAFETY: as in `Decompressor::new`.
        let (info, errors, mover) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed(), std::mem::zeroed()) };
        let state =
            Box::into_raw(Box::new(State { info, errors, progress: progress(), mover, watch }));
        let made = Compressor { state };
        // SAFETY: as in `Decompressor::new`.
        unsafe {
            let info = &raw mut (*state).info;
            (*info).common.err = prepared(&raw mut (*state).errors);
            (*info).common.client_data = (&raw mut (*state).watch).cast();
            mj::jpeg_create_compress(info);
            (*info).common.progress = &raw mut (*state).progress;
            (*(*info).common.mem).max_memory_to_use = memory(memory_bytes);
            (*state).mover.init_destination = Some(init_destination);
            (*state).mover.empty_output_buffer = Some(empty_output_buffer);
            (*state).mover.term_destination = Some(term_destination);
            (*info).dest = &raw mut (*state).mover;
        }
        made
    }

    /// The library's structure.
    pub fn info(&mut self) -> &mut mj::jpeg_compress_struct {
        // SAFETY: as in `Decompressor::info`.
        unsafe { &mut (*self.state).info }
    }
}

impl Drop for Compressor<'_> {
    fn drop(&mut self) {
        // SAFETY: as in `Decompressor::drop`.
        unsafe {
            mj::jpeg_destroy_compress(&mut (*self.state).info);
            drop(Box::from_raw(self.state));
        }
    }
}

/// `max_memory_to_use`; 0 would mean no limit.
fn memory(bytes: u64) -> std::ffi::c_long {
    std::ffi::c_long::try_from(bytes).unwrap_or(std::ffi::c_long::MAX).max(1)
}

fn progress() -> mj::jpeg_progress_mgr {
    mj::jpeg_progress_mgr {
        progress_monitor: Some(progress_monitor),
        pass_counter: 0,
        pass_limit: 0,
        completed_passes: 0,
        total_passes: 0,
    }
}

/// The library's error manager with our exits.
///
/// # Safety
/// `errors` must be valid and stay in place as long as the structure that gets it.
unsafe fn prepared(errors: *mut mj::jpeg_error_mgr) -> *mut mj::jpeg_error_mgr {
    // SAFETY: the caller's promise.
    unsafe {
        mj::jpeg_std_error(&mut *errors);
        (*errors).error_exit = Some(error_exit);
        (*errors).emit_message = Some(emit_message);
    }
    errors
}

fn cut(row: u32, scan: c_int) -> Error {
    match scan {
        0 => Error::new(Kind::Unreadable, format!("JPEG truncated at row {row}")),
        scan => Error::new(Kind::Unreadable, format!("JPEG truncated in scan {scan}")),
    }
}

/// Leaves the library: its frames are compiled to be unwound through.
fn raise(error: Error) -> ! {
    resume_unwind(Box::new(error))
}

extern "C-unwind" fn error_exit(info: &mut mj::jpeg_common_struct) {
    // SAFETY: the library calls this with its own structure, whose `err` we set; `format_message` writes at most
    // 200 bytes with a final zero (JMSG_LENGTH_MAX), more than the 80 that the binding's type claims.
    let failure = unsafe {
        let errors = info.err;
        let mut buffer = [0u8; 256];
        if let Some(format) = (*errors).format_message {
            type Format = unsafe extern "C-unwind" fn(*mut mj::jpeg_common_struct, *mut u8);
            let format = std::mem::transmute::<
                unsafe extern "C-unwind" fn(&mut mj::jpeg_common_struct, &[u8; 80]),
                Format,
            >(format);
            format(info, buffer.as_mut_ptr());
        }
        let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
        let text = String::from_utf8_lossy(&buffer[..end]).into_owned();
        Failure { code: (*errors).msg_code, text }
    };
    resume_unwind(Box::new(failure))
}

extern "C-unwind" fn emit_message(info: &mut mj::jpeg_common_struct, level: c_int) {
    if level >= 0 {
        return;
    }
    // SAFETY: `err` and `client_data` were set by `new` and live as long as the structure.
    unsafe {
        (*info.err).num_warnings += 1;
        let watch = info.client_data.cast::<Watch<'_>>();
        let is_premature = (*info.err).msg_code == mj::JWRN_HIT_MARKER;
        if is_premature && (*watch).has_ended {
            (*watch).is_cut = true;
        }
    }
}

extern "C-unwind" fn progress_monitor(info: &mut mj::jpeg_common_struct) {
    // SAFETY: `client_data` was set by `new` and lives as long as the structure.
    let watch = unsafe { &*info.client_data.cast::<Watch<'_>>() };
    if let Err(error) = watch.deadline.tick() {
        raise(error);
    }
    if info.is_decompressor == 0 {
        return;
    }
    // SAFETY: `is_decompressor` says that this common part begins a decompressor.
    let info = unsafe { &*std::ptr::from_mut(info).cast::<mj::jpeg_decompress_struct>() };
    let scan = info.input_scan_number;
    if scan > SCANS_LIMIT {
        raise(Error::new(Kind::Unsupported, format!("JPEG of more than {SCANS_LIMIT} scans")));
    }
    // Rows are read only after the last scan of a file with several.
    if watch.is_cut && info.output_scanline == 0 && scan > 1 {
        raise(cut(0, scan));
    }
}

extern "C-unwind" fn init_source(_info: &mut mj::jpeg_decompress_struct) {}

extern "C-unwind" fn fill_input_buffer(info: &mut mj::jpeg_decompress_struct) -> c_int {
    static END: [u8; 2] = [0xff, 0xd9];
    // SAFETY: `client_data` and `src` were set by `new` and live as long as the structure; the bytes handed out are
    // borrowed for longer than it.
    unsafe {
        let watch = &mut *info.common.client_data.cast::<Watch<'_>>();
        if let Err(error) = watch.deadline.tick() {
            raise(error);
        }
        let piece = match watch.rest.split_at_checked(PIECE_BYTES) {
            Some((piece, rest)) => {
                watch.rest = rest;
                piece
            }
            None => std::mem::take(&mut watch.rest),
        };
        watch.has_ended |= piece.is_empty();
        watch.is_cut |= watch.has_ended && watch.is_silent;
        let piece = if piece.is_empty() { END.as_slice() } else { piece };
        (*info.src).next_input_byte = piece.as_ptr();
        (*info.src).bytes_in_buffer = piece.len();
    }
    1
}

extern "C-unwind" fn skip_input_data(
    info: &mut mj::jpeg_decompress_struct,
    count: std::ffi::c_long,
) {
    let Ok(count) = usize::try_from(count) else { return };
    // SAFETY: as in `fill_input_buffer`; the pointer moves within the piece it was given, or the piece is dropped and
    // the rest is taken from the slice with checks.
    unsafe {
        let source = info.src;
        let held = (*source).bytes_in_buffer;
        if count <= held {
            (*source).next_input_byte = (*source).next_input_byte.add(count);
            (*source).bytes_in_buffer = held - count;
            return;
        }
        let watch = &mut *info.common.client_data.cast::<Watch<'_>>();
        watch.rest = watch.rest.get(count - held..).unwrap_or(&[]);
        (*source).bytes_in_buffer = 0;
    }
}

extern "C-unwind" fn init_destination(info: &mut mj::jpeg_compress_struct) {
    // SAFETY: `client_data` and `dest` were set by `new`; `buffer` is not resized while the structure lives.
    unsafe {
        let watch = &mut *info.common.client_data.cast::<Watch<'_>>();
        (*info.dest).next_output_byte = watch.buffer.as_mut_ptr();
        (*info.dest).free_in_buffer = watch.buffer.len();
    }
}

extern "C-unwind" fn empty_output_buffer(info: &mut mj::jpeg_compress_struct) -> c_int {
    flush(info, 0);
    init_destination(info);
    1
}

extern "C-unwind" fn term_destination(info: &mut mj::jpeg_compress_struct) {
    // SAFETY: `dest` was set by `new`.
    let free = unsafe { (*info.dest).free_in_buffer };
    flush(info, free);
}

/// Hands all of the buffer but its last `free` bytes to the sink.
fn flush(info: &mut mj::jpeg_compress_struct, free: usize) {
    // SAFETY: `client_data` was set by `new`; the library does not write while a callback runs.
    let watch = unsafe { &mut *info.common.client_data.cast::<Watch<'_>>() };
    let filled = watch.buffer.len().saturating_sub(free);
    if let Some(sink) = &mut watch.sink
        && let Err(error) = sink(&watch.buffer[..filled])
    {
        raise(error);
    }
}
