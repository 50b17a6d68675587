//! One process that answers: its ways in, its watchdog, and how it ends. Starts and replaces no process.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use crate::error::{Error, Kind};
use crate::journal::{Asked, Journal};
use crate::limits::Deadline;
use crate::reply::Reply;
use crate::request::RawRequest;

use super::answer::caught;
use super::fastcgi::FastCgi;
use super::preview::Preview;
use super::sockets::{Listener, Protocol};
use super::supervisor::Post;
use super::visit::Visit;
use super::watchdog::{Client, Watchdog, Watched};
use super::{Front, Handlers, Settings};

/// Exit status of a worker that has to be replaced because work in it did not end.
pub(super) const RETIRED: u8 = 75;
/// Descriptors that are kept for sources, targets and logs.
const SPARE_DESCRIPTORS: u64 = 128;
/// As many descriptors as are asked for where the system would give more.
const MOST_DESCRIPTORS: u64 = 65_536;
/// How often an ending worker looks whether all is done.
const LOOK: Duration = Duration::from_millis(20);
/// How long nothing may run before an ending worker with lost handlers takes it that nothing will come.
const QUIET: Duration = Duration::from_millis(100);

/// What every way in needs to answer a request.
pub(super) struct Desk {
    pub(super) front: Front,
    handlers: Handlers,
    watchdog: Watchdog,
    deadline: Duration,
    journal: Option<Arc<Journal>>,
    running: Arc<AtomicUsize>,
}

impl Desk {
    pub(super) fn new(
        settings: &Settings,
        handlers: Handlers,
        retire: impl Fn() + Send + Sync + 'static,
    ) -> Result<Desk, Error> {
        let timed_out = handlers.timed_out.clone();
        let watchdog = Watchdog::start(settings.grace, settings.slots, timed_out, retire)?;
        let front = settings.front.clone();
        let (journal, running) = (settings.journal.clone(), Arc::default());
        Ok(Desk { front, handlers, watchdog, deadline: settings.deadline, journal, running })
    }

    /// Notes the arrival of a request.
    pub(super) fn visit(&self, asked: impl FnOnce(&[String]) -> Asked) -> Arc<Visit> {
        Visit::new(self.journal.clone(), &self.running, asked)
    }

    /// Puts a request under watch.
    pub(super) fn watch(&self, client: impl Client + 'static) -> Watched {
        self.watchdog.watch(self.deadline, client)
    }

    /// The handler's reply, on this thread.
    pub(super) fn answer(&self, raw: &RawRequest, watched: &Watched) -> Reply {
        let deadline: &Deadline = &watched.deadline;
        caught(&self.handlers.answer, raw, deadline)
    }
}

enum Event {
    Stop,
    Retire,
    Ended(Result<(), Error>),
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop, and what ran has finished, or the time for that was over.
    Stopped,
    /// Work in it ignored its expired deadline for longer than the grace; all other requests have finished. The
    /// process must end, since a thread in it cannot be ended.
    Retired,
}

impl Ending {
    /// 0, or 75 for a worker that has to be replaced.
    pub fn exit_status(self) -> u8 {
        match self {
            Ending::Stopped => 0,
            Ending::Retired => RETIRED,
        }
    }
}

/// Tells a worker to stop: accept no more, finish what runs.
#[derive(Clone, Debug)]
pub struct Stop {
    events: Sender<Event>,
}

impl Stop {
    /// Stops; may be called from any thread and more than once.
    pub fn stop(&self) {
        let _ = self.events.send(Event::Stop);
    }
}

/// A worker that does not run yet.
pub struct Worker {
    desk: Arc<Desk>,
    fastcgi: Option<FastCgi>,
    preview: Option<Preview>,
    events: Receiver<Event>,
    sender: Sender<Event>,
    stop_limit: Duration,
}

impl Worker {
    /// Takes the sockets; raises the limit of descriptors, and keeps the number of connections below it.
    pub fn new(
        listeners: Vec<Listener>,
        settings: &Settings,
        handlers: Handlers,
    ) -> Result<Worker, Error> {
        let (sender, events) = channel();
        let retire = sender.clone();
        let desk = Desk::new(settings, handlers, move || {
            let _ = retire.send(Event::Retire);
        })?;
        let most = connections(settings.max_connections);
        let (http, fastcgi): (Vec<_>, Vec<_>) =
            listeners.into_iter().partition(|listener| listener.protocol == Protocol::Http);
        let fastcgi = match fastcgi.is_empty() {
            true => None,
            false => Some(FastCgi::new(fastcgi, settings, most)?),
        };
        let preview = match http.is_empty() {
            true => None,
            false => Some(Preview::new(http, settings)?),
        };
        let stop_limit = settings.stop_limit;
        Ok(Worker { desk: Arc::new(desk), fastcgi, preview, events, sender, stop_limit })
    }

    /// What stops this worker.
    pub fn stop(&self) -> Stop {
        Stop { events: self.sender.clone() }
    }

    /// Answers until it is stopped or has to be replaced; `retiring` is called as soon as the latter is known.
    ///
    /// Fails when a listening socket breaks. Handlers that are lost still run when this returns.
    pub fn run(self, retiring: impl FnOnce()) -> Result<Ending, Error> {
        let mut ends = Vec::new();
        let mut ways = 0_usize;
        if let Some(fastcgi) = self.fastcgi {
            let stopper = fastcgi.stopper();
            ends.push(Box::new(move || stopper.stop()) as Box<dyn Fn()>);
            let desk = self.desk.clone();
            spawn("fastcgi", self.sender.clone(), move || fastcgi.run(desk))?;
            ways += 1;
        }
        if let Some(preview) = self.preview {
            let stopper = preview.stopper()?;
            ends.push(Box::new(move || stopper.stop()) as Box<dyn Fn()>);
            let desk = self.desk.clone();
            spawn("preview", self.sender.clone(), move || preview.run(desk))?;
            ways += 1;
        }
        let mut retiring = Some(retiring);
        let mut ending = None;
        let mut last_busy = Instant::now();
        let mut until = None;
        while ways > 0 {
            let event = match ending {
                None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => self.events.recv_timeout(LOOK),
            };
            match event {
                Ok(Event::Ended(ended)) => {
                    ended?;
                    ways = ways.saturating_sub(1);
                }
                Ok(Event::Retire) => {
                    log::error!(
                        "work ignores its expired deadline: this worker has to be replaced"
                    );
                    if let Some(retiring) = retiring.take() {
                        retiring();
                    }
                    ending = Some(Ending::Retired);
                }
                Ok(Event::Stop) => ending = ending.or(Some(Ending::Stopped)),
                Err(_) => {}
            }
            if ending.is_none() {
                continue;
            }
            if until.is_none() {
                ends.iter().for_each(|end| end());
                until = Some(Instant::now() + self.stop_limit);
            }
            let now = Instant::now();
            let (live, lost) = self.desk.watchdog.counts();
            if live > 0 {
                last_busy = now;
            }
            let is_quiet = lost > 0 && now.saturating_duration_since(last_busy) >= QUIET;
            if is_quiet || until.is_some_and(|until| now >= until) {
                break;
            }
        }
        Ok(ending.unwrap_or(Ending::Stopped))
    }
}

fn spawn(
    name: &str,
    events: Sender<Event>,
    run: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(move || events.send(Event::Ended(run())));
    spawned.map(drop).map_err(|cause| Error::new(Kind::Internal, "thread").with_cause(cause))
}

/// Raises the limit of descriptors as far as is sensible; the value is how many connections it has room for.
fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let mut soft = limit.current.unwrap_or(u64::MAX);
    let raised = hard.min(MOST_DESCRIPTORS);
    if soft < raised {
        let new = Rlimit { current: Some(raised), maximum: limit.maximum };
        if setrlimit(Resource::Nofile, new).is_ok() {
            soft = raised;
        }
    }
    let room = usize::try_from(soft.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(usize::MAX).max(1);
    if wanted > room {
        log::warn!("{wanted} connections need more descriptors than {soft}; {room} are accepted");
    }
    wanted.clamp(1, room)
}

/// Answers in a process that a supervisor started.
pub(super) fn serve_at(
    mut post: Post,
    settings: &Settings,
    handlers: impl FnOnce() -> Result<Handlers, Error>,
) -> Result<u8, Error> {
    let worker = Worker::new(post.listeners()?, settings, handlers()?)?;
    listen_for_the_end(worker.stop(), Some(post.control()?))?;
    post.say_ready();
    let ending = worker.run(|| post.say_retiring())?;
    Ok(ending.exit_status())
}

/// Answers in this process, without children.
pub(super) fn serve_alone(
    listeners: Vec<Listener>,
    settings: &Settings,
    handlers: impl FnOnce() -> Result<Handlers, Error>,
) -> Result<u8, Error> {
    // A socket file is removed only when this ends, not when the worker has taken its socket.
    let kept = listeners.iter().map(Listener::duplicate).collect::<Result<Vec<_>, _>>()?;
    let worker = Worker::new(listeners, settings, handlers()?)?;
    listen_for_the_end(worker.stop(), None)?;
    super::supervisor::notify("READY=1");
    let ending = worker.run(|| {})?;
    drop(kept);
    Ok(ending.exit_status())
}

/// Stops the worker on SIGTERM and SIGINT, and when `control` hangs up because the supervisor is gone. SIGHUP, which a
/// closed terminal sends to all, ends nothing; SIGXFSZ becomes an error of the write (SIGPIPE is ignored already).
fn listen_for_the_end(stop: Stop, control: Option<OwnedFd>) -> Result<(), Error> {
    let failed = |cause: std::io::Error| Error::new(Kind::Internal, "signals").with_cause(cause);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    for signal in [SIGTERM, SIGINT] {
        let end = theirs.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, end).map_err(failed)?;
    }
    for signal in [SIGHUP, SIGXFSZ] {
        signal_hook::flag::register(signal, Arc::default()).map_err(failed)?;
    }
    let thread = std::thread::Builder::new().name("signals".into());
    let spawned = thread.spawn(move || {
        let mut fds = vec![PollFd::new(&ours, PollFlags::IN)];
        if let Some(control) = &control {
            fds.push(PollFd::new(control, PollFlags::empty()));
        }
        while poll(&mut fds, None) == Err(Errno::INTR) {}
        stop.stop();
    });
    spawned.map(drop).map_err(failed)
}
