//! What a request may cost: pixels, bytes, frames, depth, time. It measures nothing itself but the clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::geometry::Size;

/// Bounds of one request's work on sources. Every allocation whose size comes from outside asks them first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the largest source (of its full resolution) that may be decoded.
    pub source_pixels: u64,
    /// Bytes of the largest source file that may be read.
    pub source_bytes: u64,
    /// Bytes of pixels and buffers that one request may hold at once.
    pub memory_bytes: u64,
    /// Frames of an animation that may be composed.
    pub frames: u32,
}

impl Default for Limits {
    /// 200 million pixels, 2 GiB of file, 1 GiB of memory, 10 000 frames.
    fn default() -> Limits {
        Limits {
            source_pixels: 200_000_000,
            source_bytes: 2 << 30,
            memory_bytes: 1 << 30,
            frames: 10_000,
        }
    }
}

impl Limits {
    /// Refuses a source of more pixels than allowed, and one without pixels.
    pub fn check_source(&self, size: Size) -> Result<(), Error> {
        if size.width == 0 || size.height == 0 {
            return Err(Error::new(Kind::Unreadable, format!("source has size {size}")));
        }
        if size.pixels() > self.source_pixels {
            return Err(Error::new(
                Kind::TooLarge,
                format!("source of {size} exceeds {} pixels", self.source_pixels),
            ));
        }
        Ok(())
    }

    /// Refuses a buffer larger than the memory of one request.
    pub fn check_memory(&self, bytes: u64) -> Result<(), Error> {
        if bytes > self.memory_bytes {
            return Err(Error::new(
                Kind::TooLarge,
                format!("{bytes} bytes exceed the memory of a request, {}", self.memory_bytes),
            ));
        }
        Ok(())
    }

    /// `length` zero bytes, after asking `check_memory`; an allocator that refuses is an error, not an abort.
    pub fn zeroed(&self, length: u64) -> Result<Vec<u8>, Error> {
        self.check_memory(length)?;
        let length = usize::try_from(length)
            .map_err(|_| Error::new(Kind::TooLarge, format!("{length} bytes")))?;
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(length)
            .map_err(|_| Error::new(Kind::TooLarge, format!("no memory for {length} bytes")))?;
        bytes.resize(length, 0);
        Ok(bytes)
    }
}

const RUNNING: u8 = 0;
const COMMITTED: u8 = 1;
const EXPIRED: u8 = 2;

struct Shared {
    state: AtomicU8,
    start: Instant,
    /// Nanoseconds from `start` to the deadline; `u64::MAX` means none.
    limit_ns: AtomicU64,
    is_save: AtomicBool,
    changed: Option<Box<dyn Fn() + Send + Sync>>,
}

/// When a request has to be done, and who won: the work that commits or the watchdog that expires it.
///
/// Clones share one state. The state leaves *running* once, by one compare-and-swap, to *committed* (the work
/// publishes its result) or *expired* (the watchdog has answered); the loser learns so and drops what it holds.
#[derive(Clone)]
pub struct Deadline {
    shared: Arc<Shared>,
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deadline({:?})", self.remaining())
    }
}

impl Deadline {
    /// A deadline `limit` from now that nobody watches; it still ends the work at the next `tick`.
    pub fn after(limit: Duration) -> Deadline {
        Deadline::build(limit, None)
    }

    /// A deadline that tells its watchdog by `changed` whenever it moves.
    pub fn watched(limit: Duration, changed: impl Fn() + Send + Sync + 'static) -> Deadline {
        Deadline::build(limit, Some(Box::new(changed)))
    }

    fn build(limit: Duration, changed: Option<Box<dyn Fn() + Send + Sync>>) -> Deadline {
        let shared = Shared {
            state: AtomicU8::new(RUNNING),
            start: Instant::now(),
            limit_ns: AtomicU64::new(nanos(limit)),
            is_save: AtomicBool::new(false),
            changed,
        };
        Deadline { shared: Arc::new(shared) }
    }

    /// Moves the end to `limit` from now (`timeout=` of a save, known once the request is parsed).
    pub fn move_to(&self, limit: Duration) {
        let end = self.shared.start.elapsed().saturating_add(limit);
        self.shared.limit_ns.store(nanos(end), Ordering::SeqCst);
        if let Some(changed) = &self.shared.changed {
            changed();
        }
    }

    /// Says that this work saves a file: it goes on when its client leaves (`U-save-abort`), and its timeout has a
    /// body of its own.
    pub fn mark_save(&self) {
        self.shared.is_save.store(true, Ordering::SeqCst);
    }

    /// Whether this work saves a file.
    pub fn is_save(&self) -> bool {
        self.shared.is_save.load(Ordering::SeqCst)
    }

    /// Time left, zero when it has passed.
    pub fn remaining(&self) -> Duration {
        let limit = Duration::from_nanos(self.shared.limit_ns.load(Ordering::SeqCst));
        limit.saturating_sub(self.shared.start.elapsed())
    }

    /// Whether the end has passed or the watchdog has expired the work; work that committed goes on.
    pub fn is_over(&self) -> bool {
        match self.shared.state.load(Ordering::SeqCst) {
            COMMITTED => false,
            EXPIRED => true,
            _ => self.remaining().is_zero(),
        }
    }

    /// Fails with `TimedOut` once the work should stop; called between row blocks and codec calls.
    pub fn tick(&self) -> Result<(), Error> {
        if self.is_over() {
            return Err(Error::new(Kind::TimedOut, "the deadline of the request passed"));
        }
        Ok(())
    }

    /// *Running* to *committed*: from here on the result counts. `TimedOut` when the time had run out first.
    pub fn commit(&self) -> Result<(), Error> {
        self.tick()?;
        match self.swap(COMMITTED) {
            true => Ok(()),
            false if self.is_committed() => Ok(()),
            false => Err(Error::new(Kind::TimedOut, "the deadline of the request passed")),
        }
    }

    /// *Running* to *expired*, by the watchdog; `false` when the work committed first.
    pub fn expire(&self) -> bool {
        self.swap(EXPIRED)
    }

    /// Whether the work committed.
    pub fn is_committed(&self) -> bool {
        self.shared.state.load(Ordering::SeqCst) == COMMITTED
    }

    fn swap(&self, to: u8) -> bool {
        self.shared.state.compare_exchange(RUNNING, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_of_commit_and_expire_wins() {
        let deadline = Deadline::after(Duration::from_secs(60));
        assert!(deadline.commit().is_ok());
        assert!(!deadline.expire());
        assert!(deadline.tick().is_ok());
        let other = Deadline::after(Duration::from_secs(60));
        assert!(other.expire());
        assert_eq!(other.commit().map_err(|e| e.kind()), Err(Kind::TimedOut));
    }

    #[test]
    fn a_passed_deadline_stops_the_work_without_a_watchdog() {
        let deadline = Deadline::after(Duration::ZERO);
        assert_eq!(deadline.tick().map_err(|e| e.kind()), Err(Kind::TimedOut));
        deadline.move_to(Duration::from_secs(60));
        assert!(deadline.tick().is_ok());
    }
}
