//! One thread a worker that holds every running request: answers it at its deadline, cancels it when its client left,
//! and says when the worker has to be replaced (gateway.md 6). Renders nothing, publishes nothing, ends no process.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;

use crate::error::{Error, Kind};
use crate::limits::Deadline;
use crate::reply::Reply;

use super::TimedOut;
use super::answer::refusal;

/// A request is watched for its client's leaving only from this age on: most are answered before, and cost no
/// wake-up of the watchdog.
const YOUNG: Duration = Duration::from_millis(20);
/// Age before which a client's leaving cancels nothing: until then the service has said whether the request is a save,
/// which goes on (`U-save-abort`).
const SETTLED: Duration = Duration::from_millis(100);
/// Over TCP a close and a half close look alike; the peer of a half close gets this much time for its reply.
const HALF_CLOSED: Duration = Duration::from_millis(50);

/// The client's side of one request. Its first answer wins; later ones are dropped.
pub(super) trait Client: Send + Sync {
    /// Sends the whole reply at once, or drops the connection; never blocks on a slow peer.
    fn finish_now(&self, reply: &Reply);

    /// What hangs up when nobody is left to read the reply.
    fn socket(&self) -> Option<BorrowedFd<'_>>;
}

/// The watchdog of a worker; its thread ends when the last handle is dropped.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    wake: Arc<OwnedFd>,
    grace: Duration,
    slots: usize,
    timed_out: TimedOut,
    retire: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Table {
    next: u64,
    running: BTreeMap<u64, Running>,
    /// When the thread looks next; `None` while it sleeps without end.
    looks_at: Option<Instant>,
    is_retired: bool,
    is_closed: bool,
}

impl Table {
    /// Requests that were answered for, and whose handlers have not come back.
    fn lost(&self) -> usize {
        self.running.values().filter(|r| matches!(r.stage, Stage::Expired(_))).count()
    }
}

struct Running {
    deadline: Deadline,
    client: Arc<dyn Client>,
    since: Instant,
    is_tcp: bool,
    stage: Stage,
    half_closed: Option<Instant>,
    is_gone: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The handler works.
    Working,
    /// The handler's work counts (it committed, or its reply is being sent): the deadline has no say.
    Counting,
    /// Answered by us, but the handler has not come back.
    Expired(Instant),
}

/// One request under watch; dropping it ends the watch.
pub(super) struct Watched {
    /// Its deadline, to be given to the handler.
    pub(super) deadline: Deadline,
    id: u64,
    shared: Arc<Shared>,
}

impl Watched {
    /// The handler is done and its reply is on the way; the deadline has no say any more.
    pub(super) fn answering(&self) {
        if let Some(running) = self.shared.table().running.get_mut(&self.id) {
            running.stage = Stage::Counting;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.shared.table().running.remove(&self.id);
    }
}

impl Watchdog {
    /// Starts the thread. `grace` and `slots` are those of `Settings`; `retire` is called once, when a handler has
    /// ignored its expired deadline for too long.
    pub(super) fn start(
        grace: Duration,
        slots: usize,
        timed_out: TimedOut,
        retire: impl Fn() + Send + Sync + 'static,
    ) -> Result<Watchdog, Error> {
        let failed =
            |cause: std::io::Error| Error::new(Kind::Internal, "watchdog").with_cause(cause);
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(eventfd(0, flags).map_err(|errno| failed(errno.into()))?);
        let retire = Box::new(retire);
        let table = Mutex::default();
        let shared = Arc::new(Shared { table, wake, grace, slots, timed_out, retire });
        let watched = shared.clone();
        let thread = std::thread::Builder::new().name("watchdog".into());
        thread.spawn(move || watched.run()).map_err(failed)?;
        Ok(Watchdog { shared })
    }

    /// Watches a request that has `limit` from now.
    pub(super) fn watch(&self, limit: Duration, client: impl Client + 'static) -> Watched {
        let wake = self.shared.wake.clone();
        let deadline = Deadline::watched(limit, move || ring(&wake));
        let domain = client.socket().and_then(|socket| socket_domain(socket).ok());
        let running = Running {
            deadline: deadline.clone(),
            is_tcp: matches!(domain, Some(AddressFamily::INET | AddressFamily::INET6)),
            client: Arc::new(client),
            since: Instant::now(),
            stage: Stage::Working,
            half_closed: None,
            is_gone: false,
        };
        let first_look = running.since + YOUNG.min(limit);
        let mut table = self.shared.table();
        let id = table.next;
        table.next = id.wrapping_add(1);
        table.running.insert(id, running);
        if table.looks_at.is_none_or(|at| at > first_look) {
            table.looks_at = Some(first_look);
            ring(&self.shared.wake);
        }
        drop(table);
        Watched { deadline, id, shared: self.shared.clone() }
    }

    /// Requests that are waited for, and those whose handlers are lost.
    pub(super) fn counts(&self) -> (usize, usize) {
        let table = self.shared.table();
        let lost = table.lost();
        (table.running.len().saturating_sub(lost), lost)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.table().is_closed = true;
        ring(&self.shared.wake);
    }
}

/// What one look at the table asks for.
#[derive(Default)]
struct Orders {
    expired: Vec<(Arc<dyn Client>, Deadline)>,
    polled: Vec<(u64, Arc<dyn Client>, PollFlags)>,
    must_retire: bool,
    wait: Option<Duration>,
    is_closed: bool,
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let orders = self.look(Instant::now());
            for (client, deadline) in &orders.expired {
                let reply = catch_unwind(AssertUnwindSafe(|| (self.timed_out)(deadline)));
                let plain = || refusal(&Error::new(Kind::TimedOut, ""));
                client.finish_now(&reply.unwrap_or_else(|_| plain()));
            }
            if orders.must_retire {
                (self.retire)();
            }
            if orders.is_closed {
                return;
            }
            self.sleep(&orders);
        }
    }

    /// One pass over all requests: who is expired, what to poll, when to look again.
    fn look(&self, now: Instant) -> Orders {
        let mut orders = Orders::default();
        let mut table = self.table();
        orders.is_closed = table.is_closed;
        table.running.values_mut().for_each(|running| running.look(now, &mut orders));
        let is_crowded = self.slots > 0 && table.lost() >= self.slots;
        let grace = if is_crowded { self.grace / 4 } else { self.grace };
        let mut is_stuck = false;
        for (id, running) in &table.running {
            if let Stage::Expired(at) = running.stage {
                let late = now.saturating_duration_since(at);
                is_stuck |= late >= grace;
                if late < grace {
                    orders.look_within(grace - late);
                }
            } else if running.is_old(now) && !running.is_gone {
                let events = match running.half_closed {
                    None => PollFlags::RDHUP,
                    Some(_) => PollFlags::empty(),
                };
                orders.polled.push((*id, running.client.clone(), events));
            }
        }
        orders.must_retire = is_stuck && !table.is_retired;
        table.is_retired |= is_stuck;
        table.looks_at = orders.wait.and_then(|wait| now.checked_add(wait));
        orders
    }

    fn sleep(&self, orders: &Orders) {
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        let mut ids = Vec::new();
        for (id, client, events) in &orders.polled {
            if let Some(socket) = client.socket() {
                fds.push(PollFd::from_borrowed_fd(socket, *events));
                ids.push(*id);
            }
        }
        // Rounded up to the next millisecond, or the thread would turn in circles before a deadline.
        let wait = orders.wait.map(|wait| wait + Duration::from_micros(200));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        if poll(&mut fds, wait.as_ref()).is_err() {
            return;
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        let mut table = self.table();
        for (id, fd) in ids.iter().zip(fds.iter().skip(1)) {
            let events = fd.revents();
            let Some(running) = table.running.get_mut(id) else { continue };
            running.is_gone |= events.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
            if events.contains(PollFlags::RDHUP) {
                running.half_closed.get_or_insert_with(Instant::now);
            }
        }
    }
}

impl Running {
    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= YOUNG
    }

    /// Expires what has to be expired, and notes when to look again.
    fn look(&mut self, now: Instant, orders: &mut Orders) {
        if self.stage != Stage::Working {
            return;
        }
        let age = now.saturating_duration_since(self.since);
        let left = self.deadline.remaining();
        if left.is_zero() || self.has_left(now, age, orders) {
            match self.deadline.expire() {
                true => {
                    self.stage = Stage::Expired(now);
                    orders.expired.push((self.client.clone(), self.deadline.clone()));
                }
                false => self.stage = Stage::Counting,
            }
            return;
        }
        orders.look_within(left);
        if age < YOUNG {
            orders.look_within(YOUNG - age);
        }
    }

    /// Whether the client has left a request that ends with it.
    fn has_left(&self, now: Instant, age: Duration, orders: &mut Orders) -> bool {
        let half = self.half_closed.filter(|_| self.is_tcp);
        if self.deadline.is_save() || (!self.is_gone && half.is_none()) {
            return false;
        }
        if age < SETTLED {
            orders.look_within(SETTLED - age);
            return false;
        }
        let since_half = half.map(|at| now.saturating_duration_since(at));
        match since_half {
            _ if self.is_gone => true,
            Some(since) if since < HALF_CLOSED => {
                orders.look_within(HALF_CLOSED - since);
                false
            }
            _ => true,
        }
    }
}

impl Orders {
    fn look_within(&mut self, wait: Duration) {
        self.wait = Some(self.wait.map_or(wait, |known| known.min(wait)));
    }
}

fn ring(wake: impl AsFd) {
    let _ = rustix::io::write(wake, &1_u64.to_ne_bytes());
}
