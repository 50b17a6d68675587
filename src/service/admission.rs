//! Who may render now: slots, memory and saves. Decides by planned cost only; renders nothing and knows no request.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::limits::Deadline;

/// What may run and wait at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Renders that run at once; 0 counts as 1.
    pub slots: usize,
    /// Bytes that all running renders may hold together.
    pub memory_bytes: u64,
    /// Requests of each class that may wait; one more is refused as `Busy`.
    pub queue: usize,
    /// Saves that run at once (`requests.md` 17.9.6, default 4); 0 counts as 1.
    pub saves: usize,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A reply to a client.
    Image,
    /// A file.
    Save,
}

impl Class {
    fn other(self) -> Class {
        match self {
            Class::Image => Class::Save,
            Class::Save => Class::Image,
        }
    }
}

/// What a render will need, known from its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of pixels and buffers at the peak.
    pub bytes: u64,
    /// Pixels that are decoded, processed and encoded.
    pub pixels: u64,
    /// What it is for.
    pub class: Class,
}

/// From how many pixels on a render is big: it takes long enough that others should not wait for it.
const BIG_PIXELS: u64 = 16_000_000;

/// From how many slots on one is kept free of big work; with fewer it would cost too much of the throughput.
const RESERVING_SLOTS: usize = 4;

/// How many later requests may pass one that does not fit yet; then nothing passes it, so it is not starved.
const PASSES: u32 = 16;

/// How long a waiting request sleeps at most before it looks at its deadline, which a watchdog may have expired.
const SLICE: Duration = Duration::from_millis(20);

/// Admits renders in arrival order within slots, memory and number of saves. Clones share the counts.
///
/// - Images and saves wait in a line each and take turns, so that a flood of one does not shut out the other.
/// - Small work passes work that does not fit yet, up to 16 times; then everything waits for that one.
/// - Of four slots and more, big work (16 million pixels, or a quarter of the memory) leaves one free for small work.
#[derive(Clone, Debug)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: AdmissionLimits,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    running: Running,
    images: VecDeque<Ticket>,
    saves: VecDeque<Ticket>,
    /// Whose turn it is when both wait.
    turn: Class,
    next_id: u64,
    /// Tickets that left their line and whose owners have not noticed yet; they hold their share already.
    granted: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Running {
    renders: usize,
    big: usize,
    saves: usize,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ticket {
    id: u64,
    cost: Cost,
    passed: u32,
}

/// What runs and waits at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Renders that run.
    pub running: usize,
    /// Saves among them.
    pub saves: usize,
    /// Bytes that they may hold.
    pub bytes: u64,
    /// Requests that wait.
    pub waiting: usize,
}

impl Admission {
    /// Nothing runs yet.
    pub fn new(limits: AdmissionLimits) -> Admission {
        let limits =
            AdmissionLimits { slots: limits.slots.max(1), saves: limits.saves.max(1), ..limits };
        let state = State {
            running: Running::default(),
            images: VecDeque::new(),
            saves: VecDeque::new(),
            turn: Class::Image,
            next_id: 0,
            granted: Vec::new(),
        };
        Admission {
            shared: Arc::new(Shared { limits, state: Mutex::new(state), changed: Condvar::new() }),
        }
    }

    /// Waits until the cost fits, at most until the deadline.
    ///
    /// `TooLarge` for a cost beyond the whole memory, `Busy` when too many of its class wait already, `TimedOut`.
    pub fn admit(&self, cost: Cost, deadline: &Deadline) -> Result<Permit, Error> {
        let limits = self.shared.limits;
        deadline.tick()?;
        if cost.bytes > limits.memory_bytes {
            return Err(Error::new(
                Kind::TooLarge,
                format!(
                    "{} bytes exceed the memory of all renders, {}",
                    cost.bytes, limits.memory_bytes
                ),
            ));
        }
        let mut state = self.shared.lock();
        let id = state.enter(cost);
        state.grant(&limits);
        if state.waiting(cost.class) > limits.queue && state.leave(cost.class, id) {
            return Err(Error::new(Kind::Busy, format!("{} requests wait already", limits.queue)));
        }
        loop {
            if state.take_granted(id) {
                return Ok(Permit { shared: Arc::clone(&self.shared), cost });
            }
            if let Err(error) = deadline.tick() {
                state.leave(cost.class, id);
                // One that waited behind this request may fit.
                state.grant(&limits);
                drop(state);
                self.shared.changed.notify_all();
                return Err(error);
            }
            let slice = deadline.remaining().clamp(Duration::from_millis(1), SLICE);
            state = match self.shared.changed.wait_timeout(state, slice) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// What runs and waits now.
    pub fn load(&self) -> Load {
        let state = self.shared.lock();
        Load {
            running: state.running.renders,
            saves: state.running.saves,
            bytes: state.running.bytes,
            waiting: state.images.len() + state.saves.len(),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&mut self, class: Class) -> &mut VecDeque<Ticket> {
        match class {
            Class::Image => &mut self.images,
            Class::Save => &mut self.saves,
        }
    }

    fn waiting(&mut self, class: Class) -> usize {
        self.line(class).len()
    }

    fn enter(&mut self, cost: Cost) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.line(cost.class).push_back(Ticket { id, cost, passed: 0 });
        id
    }

    /// Takes a ticket out of its line; `false` when it is not there, because it was granted.
    fn leave(&mut self, class: Class, id: u64) -> bool {
        let line = self.line(class);
        let Some(index) = line.iter().position(|ticket| ticket.id == id) else {
            return false;
        };
        line.remove(index);
        true
    }

    fn take_granted(&mut self, id: u64) -> bool {
        let Some(index) = self.granted.iter().position(|granted| *granted == id) else {
            return false;
        };
        self.granted.swap_remove(index);
        true
    }

    /// Grants whatever fits, one after the other.
    fn grant(&mut self, limits: &AdmissionLimits) {
        while let Some(ticket) = self.next(limits) {
            self.leave(ticket.cost.class, ticket.id);
            self.running.add(&ticket.cost, limits);
            self.granted.push(ticket.id);
            self.turn = ticket.cost.class.other();
        }
    }

    /// The ticket whose turn it is, if it fits. Counts a pass for those that it passes.
    fn next(&mut self, limits: &AdmissionLimits) -> Option<Ticket> {
        let running = self.running;
        let mut starved = self.images.iter().chain(&self.saves).filter(|ticket| {
            ticket.passed >= PASSES && !running.waits_for_its_kind(&ticket.cost, limits)
        });
        if let Some(first) = starved.by_ref().min_by_key(|ticket| ticket.id).copied() {
            return running.fits(&first.cost, limits).then_some(first);
        }
        for class in [self.turn, self.turn.other()] {
            let found = self.line(class).iter().find(|t| running.fits(&t.cost, limits)).copied();
            if let Some(found) = found {
                for ticket in self.images.iter_mut().chain(&mut self.saves) {
                    let is_blocked = !running.fits(&ticket.cost, limits)
                        && !running.waits_for_its_kind(&ticket.cost, limits);
                    if ticket.id < found.id && is_blocked {
                        ticket.passed += 1;
                    }
                }
                return Some(found);
            }
        }
        None
    }
}

impl Running {
    fn is_big(cost: &Cost, limits: &AdmissionLimits) -> bool {
        cost.pixels >= BIG_PIXELS || cost.bytes > limits.memory_bytes / 4
    }

    /// Whether other saves, or other big work, have all that is meant for them; passing it takes nothing from it.
    fn waits_for_its_kind(&self, cost: &Cost, limits: &AdmissionLimits) -> bool {
        let big_slots = match limits.slots {
            slots if slots >= RESERVING_SLOTS => slots - 1,
            slots => slots,
        };
        (cost.class == Class::Save && self.saves >= limits.saves)
            || (Running::is_big(cost, limits) && self.big >= big_slots)
    }

    fn fits(&self, cost: &Cost, limits: &AdmissionLimits) -> bool {
        self.renders < limits.slots
            && self.bytes.checked_add(cost.bytes).is_some_and(|sum| sum <= limits.memory_bytes)
            && !self.waits_for_its_kind(cost, limits)
    }

    fn add(&mut self, cost: &Cost, limits: &AdmissionLimits) {
        self.renders += 1;
        self.big += usize::from(Running::is_big(cost, limits));
        self.saves += usize::from(cost.class == Class::Save);
        self.bytes += cost.bytes;
    }

    fn subtract(&mut self, cost: &Cost, limits: &AdmissionLimits) {
        self.renders -= 1;
        self.big -= usize::from(Running::is_big(cost, limits));
        self.saves -= usize::from(cost.class == Class::Save);
        self.bytes -= cost.bytes;
    }
}

/// The right to render; given back when dropped, also by a panic.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    cost: Cost,
}

impl Permit {
    /// What it was given for.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.running.subtract(&self.cost, &self.shared.limits);
        state.grant(&self.shared.limits);
        drop(state);
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    use super::*;

    const LIMITS: AdmissionLimits =
        AdmissionLimits { slots: 2, memory_bytes: 100, queue: 64, saves: 4 };

    fn image(bytes: u64) -> Cost {
        Cost { bytes, pixels: 1, class: Class::Image }
    }

    fn save(bytes: u64) -> Cost {
        Cost { bytes, pixels: 1, class: Class::Save }
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    /// Looks again until `count` requests wait.
    fn until_waiting(admission: &Admission, count: usize) {
        let start = Instant::now();
        while admission.load().waiting != count {
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", admission.load());
            thread::yield_now();
        }
    }

    /// Fills `admission` with `first`, lets `costs` wait in order, and says in which order they run alone.
    fn order(limits: AdmissionLimits, first: Cost, costs: &[Cost]) -> Vec<usize> {
        let admission = Admission::new(limits);
        let held = admission.admit(first, &soon()).expect("nothing runs");
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for (index, cost) in costs.iter().enumerate() {
                let (admission, sender) = (&admission, sender.clone());
                scope.spawn(move || {
                    let permit = admission.admit(*cost, &soon()).expect("a permit");
                    sender.send(index).expect("a receiver");
                    drop(permit);
                });
                until_waiting(admission, index + 1);
            }
            drop((held, sender));
        });
        receiver.into_iter().collect()
    }

    const ONE: AdmissionLimits = AdmissionLimits { slots: 1, ..LIMITS };

    #[test]
    fn work_runs_in_arrival_order() {
        let costs = [image(9), image(1), image(20), image(5)];
        assert_eq!(order(ONE, image(1), &costs), [0, 1, 2, 3]);
    }

    #[test]
    fn images_and_saves_take_turns() {
        let costs = [save(1), save(1), save(1), image(1), image(1)];
        let order = order(ONE, image(1), &costs);
        assert_eq!(order, [0, 3, 1, 4, 2], "a flood of saves does not shut out images");
    }

    #[test]
    fn small_work_passes_big_work_but_not_for_ever() {
        let admission = Admission::new(AdmissionLimits { slots: 3, ..LIMITS });
        let held = admission.admit(image(60), &soon()).expect("nothing runs");
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let inner = &admission;
            scope.spawn(move || {
                let permit = inner.admit(image(50), &soon()).expect("a permit");
                sender.send(()).expect("a receiver");
                drop(permit);
            });
            until_waiting(&admission, 1);
            for round in 0..PASSES {
                let permit = admission.admit(image(10), &soon());
                assert!(permit.is_ok(), "round {round}: small work fits beside what runs");
            }
            let past = Deadline::after(Duration::from_millis(30));
            let late = admission.admit(image(10), &past).map(|_| ());
            assert_eq!(late.map_err(|e| e.kind()), Err(Kind::TimedOut), "nothing passes any more");
            drop(held);
            assert!(receiver.recv().is_ok(), "big work runs in the end");
        });
        assert_eq!(admission.load(), Load { running: 0, saves: 0, bytes: 0, waiting: 0 });
    }

    #[test]
    fn big_work_leaves_a_slot_for_small_work() {
        let admission = Admission::new(AdmissionLimits { slots: 4, ..LIMITS });
        let big = Cost { pixels: BIG_PIXELS, ..image(1) };
        let held: Vec<_> = (0..3).map(|_| admission.admit(big, &soon())).collect();
        assert!(held.iter().all(Result::is_ok), "three of four slots");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| admission.admit(big, &soon()).map(|_| ()));
            until_waiting(&admission, 1);
            for round in 0..3 * PASSES {
                assert!(admission.admit(image(1), &soon()).is_ok(), "round {round}");
            }
            drop(held);
            assert!(waiting.join().is_ok_and(|permit| permit.is_ok()));
        });
    }

    #[test]
    fn saves_wait_for_saves_and_images_do_not() {
        let admission = Admission::new(AdmissionLimits { slots: 8, saves: 1, ..LIMITS });
        let held = admission.admit(save(1), &soon()).expect("nothing runs");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| admission.admit(save(1), &soon()).map(|_| ()));
            until_waiting(&admission, 1);
            for round in 0..3 * PASSES {
                assert!(admission.admit(image(1), &soon()).is_ok(), "F-15, round {round}");
            }
            assert_eq!(admission.load().saves, 1);
            drop(held);
            assert!(waiting.join().is_ok_and(|permit| permit.is_ok()));
        });
    }

    #[test]
    fn what_cannot_run_is_refused_at_once() {
        let admission = Admission::new(AdmissionLimits { slots: 1, queue: 1, ..LIMITS });
        let kind = |cost, deadline: &Deadline| {
            admission.admit(cost, deadline).map(|_| ()).map_err(|e| e.kind())
        };
        assert_eq!(kind(image(101), &soon()), Err(Kind::TooLarge));
        assert_eq!(kind(image(100), &soon()), Ok(()));
        assert_eq!(kind(image(1), &Deadline::after(Duration::ZERO)), Err(Kind::TimedOut));
        let held = admission.admit(image(1), &soon()).expect("nothing runs");
        let watched = soon();
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(kind(image(1), &watched), Err(Kind::TimedOut), "expired while it waits");
            });
            until_waiting(&admission, 1);
            assert_eq!(kind(image(1), &soon()), Err(Kind::Busy), "one more than the queue");
            assert!(watched.expire());
        });
        drop(held);
        assert_eq!(kind(image(1), &soon()), Ok(()));
    }

    #[test]
    fn a_panic_gives_the_permit_back() {
        let admission = Admission::new(ONE);
        let inner = admission.clone();
        let result = thread::spawn(move || {
            let _permit = inner.admit(image(100), &soon());
            std::panic::resume_unwind(Box::new("a codec panics"));
        })
        .join();
        assert!(result.is_err());
        assert!(admission.admit(image(100), &soon()).is_ok());
    }

    /// Two hundred threads, four renders each, of mixed cost: no bound is ever passed and everything runs.
    #[test]
    fn bounds_hold_under_load() {
        let limits = AdmissionLimits { slots: 6, memory_bytes: 1000, queue: 200, saves: 3 };
        let admission = Admission::new(limits);
        let (bytes, running, saves) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            for number in 0..200u64 {
                let (admission, bytes, running, saves, done) =
                    (&admission, &bytes, &running, &saves, &done);
                scope.spawn(move || {
                    for round in 0..4u64 {
                        let size = [10, 90, 240, 400, 1000][((number + round) % 5) as usize];
                        let cost = if number % 3 == 0 { save(size) } else { image(size) };
                        let permit = admission.admit(cost, &soon()).expect("within a minute");
                        let is_save = usize::from(cost.class == Class::Save);
                        assert!(bytes.fetch_add(size, Ordering::SeqCst) + size <= 1000);
                        assert!(running.fetch_add(1, Ordering::SeqCst) < 6);
                        assert!(saves.fetch_add(is_save, Ordering::SeqCst) + is_save <= 3);
                        thread::yield_now();
                        saves.fetch_sub(is_save, Ordering::SeqCst);
                        running.fetch_sub(1, Ordering::SeqCst);
                        bytes.fetch_sub(size, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 800);
        assert_eq!(admission.load(), Load { running: 0, saves: 0, bytes: 0, waiting: 0 });
    }
}
