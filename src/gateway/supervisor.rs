//! Starts workers, replaces them when they end, renews and stops them (design.md 2). Answers no request, opens no
//! image.
//!
//! A worker is the same program with the same arguments, and `IMPRINT_WORKER` naming the supervisor's process id. Its
//! descriptor 0 is a Unix socket to the supervisor: over it come the listening sockets (`SCM_RIGHTS`, one byte each
//! that names the protocol), back go `r` once it serves and `q` as soon as it has to be replaced; when it hangs up,
//! the supervisor is gone, and the worker finishes what runs and ends.

use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Kind};

use super::Settings;
use super::sockets::{Listener, MOST, Protocol};

/// Names the supervisor's process id to a worker.
pub(super) const WORKER: &str = "IMPRINT_WORKER";
const READY: u8 = b'r';
const RETIRING: u8 = b'q';
/// The variable by which glibc is told from which size on a buffer is given back to the system when it is freed.
const MMAP_THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";
const MMAP_THRESHOLD_BYTES: &str = "1048576";
/// A worker gets its sockets at once, or its supervisor is in trouble.
const HANDOVER: Duration = Duration::from_secs(10);
/// A worker that ends sooner after it served than this is not replaced in the same breath.
const SHORT_LIFE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Workers bound their own end; this much later they are killed.
const KILL_AFTER: Duration = Duration::from_secs(2);

/// A worker's line to its supervisor.
pub(super) struct Post {
    control: UnixStream,
}

impl Post {
    /// That of this process; `None` if no supervisor started it.
    pub(super) fn of_this_process() -> Result<Option<Post>, Error> {
        let Some(supervisor) = std::env::var_os(WORKER) else { return Ok(None) };
        let parent = std::os::unix::process::parent_id().to_string();
        if supervisor.as_bytes() != parent.as_bytes() {
            return Err(Error::new(Kind::Internal, "the supervisor of this worker is gone"));
        }
        let control =
            std::io::stdin().as_fd().try_clone_to_owned().map_err(|e| fault("control", e))?;
        Ok(Some(Post { control: control.into() }))
    }

    /// The listening sockets that the supervisor hands over.
    pub(super) fn listeners(&mut self) -> Result<Vec<Listener>, Error> {
        self.control.set_read_timeout(Some(HANDOVER)).map_err(|e| fault("control", e))?;
        let mut kinds = [0; MOST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut kinds)];
        let received = recvmsg(&self.control, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            .map_err(|errno| fault("sockets of the supervisor", errno.into()))?;
        let mut sockets = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                sockets.extend(received);
            }
        }
        let kinds = kinds.get(..received.bytes).unwrap_or_default();
        if sockets.is_empty() || kinds.len() != sockets.len() {
            return Err(Error::new(Kind::Internal, "no sockets came from the supervisor"));
        }
        let paired = kinds.iter().zip(sockets);
        paired.map(|(&kind, socket)| Listener::from_socket(protocol(kind), socket)).collect()
    }

    /// Hangs up when the supervisor is gone.
    pub(super) fn control(&self) -> Result<OwnedFd, Error> {
        self.control.try_clone().map(OwnedFd::from).map_err(|e| fault("control", e))
    }

    /// Says that this worker serves.
    pub(super) fn say_ready(&mut self) {
        let _ = self.control.write_all(&[READY]);
    }

    /// Says that this worker has to be replaced and will end.
    pub(super) fn say_retiring(&mut self) {
        let _ = self.control.write_all(&[RETIRING]);
    }
}

fn protocol(kind: u8) -> Protocol {
    if kind == b'h' { Protocol::Http } else { Protocol::FastCgi }
}

fn kind(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::FastCgi => b'f',
        Protocol::Http => b'h',
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Serves, or is about to.
    Serving,
    /// Starts to take the place of those that serve, after SIGHUP.
    Next,
    /// Finishes what it has.
    Leaving,
}

struct Member {
    process: Child,
    control: UnixStream,
    role: Role,
    is_ready: bool,
    is_silent: bool,
    since: Instant,
    /// When a worker that leaves has left for too long, and is killed.
    until: Option<Instant>,
}

struct Crew {
    program: PathBuf,
    arguments: Vec<OsString>,
    listeners: Vec<Listener>,
    members: Vec<Member>,
    workers: usize,
    was_ready: bool,
    failures: u32,
    not_before: Instant,
    is_renewing: bool,
    is_stopping: bool,
    leave_limit: Duration,
}

/// Runs `settings.workers` workers on `listeners` until SIGTERM or SIGINT; the value is the exit status.
///
/// Fails when the first workers end by themselves before they serve: then the settings are at fault, not chance.
pub(super) fn supervise(listeners: Vec<Listener>, settings: &Settings) -> Result<u8, Error> {
    let signals = Signals::register()?;
    let program = std::env::current_exe().map_err(|e| fault("own program", e))?;
    let mut crew = Crew {
        program,
        arguments: std::env::args_os().collect(),
        listeners,
        members: Vec::new(),
        workers: settings.workers,
        was_ready: false,
        failures: 0,
        not_before: Instant::now(),
        is_renewing: false,
        is_stopping: false,
        leave_limit: settings.stop_limit + KILL_AFTER,
    };
    loop {
        if signals.stop.swap(false, Ordering::SeqCst) && !crew.is_stopping {
            crew.stop();
        }
        if signals.renew.swap(false, Ordering::SeqCst) && !crew.is_stopping {
            crew.renew();
        }
        crew.hear();
        crew.reap()?;
        if !crew.is_stopping {
            crew.fill();
        } else if crew.members.is_empty() {
            return Ok(0);
        }
        crew.kill_overdue();
        crew.sleep(&signals);
    }
}

impl Crew {
    fn start(&mut self, role: Role) -> Result<(), Error> {
        let failed = |cause| fault("cannot start a worker", cause);
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        // An upgrade may have taken the file away; the program itself is still there.
        let program = match self.program.exists() {
            true => self.program.clone(),
            false => PathBuf::from("/proc/self/exe"),
        };
        let mut command = Command::new(program);
        if let Some((name, arguments)) = self.arguments.split_first() {
            command.arg0(name).args(arguments);
        }
        command.env(WORKER, std::process::id().to_string());
        for name in ["NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        // glibc keeps freed buffers of up to 32 MiB in a heap for each thread, once it has seen such sizes: 200 saves
        // of 4 million pixels took two workers of 256 MiB each to 701 MiB together, with a fixed threshold to 276 MiB.
        if std::env::var_os(MMAP_THRESHOLD).is_none() {
            command.env(MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
        }
        let process = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn().map_err(failed)?;
        let since = Instant::now();
        let (is_ready, is_silent, until) = (false, false, None);
        let member = Member { process, control: ours, role, is_ready, is_silent, since, until };
        self.hand_over(&member.control)?;
        log::info!("worker {} starts", member.process.id());
        self.members.push(member);
        Ok(())
    }

    fn hand_over(&self, control: &UnixStream) -> Result<(), Error> {
        let kinds: Vec<u8> = self.listeners.iter().map(|l| kind(l.protocol)).collect();
        let sockets: Vec<BorrowedFd<'_>> = self.listeners.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(Error::new(
                Kind::Internal,
                format!("{} sockets are too many", sockets.len()),
            ));
        }
        let sent = sendmsg(control, &[IoSlice::new(&kinds)], &mut ancillary, SendFlags::NOSIGNAL);
        sent.map(drop).map_err(|errno| fault("cannot hand over sockets", errno.into()))
    }

    fn count(&self, role: Role) -> usize {
        self.members.iter().filter(|member| member.role == role).count()
    }

    /// Starts what is missing, unless the last starts failed too recently.
    fn fill(&mut self) {
        while self.count(Role::Serving) < self.workers && Instant::now() >= self.not_before {
            if let Err(error) = self.start(Role::Serving) {
                log::error!("{error}");
                self.pause();
            }
        }
    }

    fn pause(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Instant::now() + pause;
    }

    /// Reads what workers say.
    fn hear(&mut self) {
        let mut has_next_failed = false;
        let until = Instant::now() + self.leave_limit;
        for member in &mut self.members {
            let mut said = [0; 16];
            let heard = match member.control.read(&mut said) {
                Ok(0) => {
                    member.is_silent = true;
                    continue;
                }
                Ok(count) => said.get(..count).unwrap_or_default(),
                Err(_) => continue,
            };
            if heard.contains(&READY) {
                member.is_ready = true;
                self.failures = 0;
                if !self.was_ready {
                    self.was_ready = true;
                    notify("READY=1");
                }
            }
            if heard.contains(&RETIRING) {
                log::warn!("worker {} has to be replaced", member.process.id());
                has_next_failed |= member.role == Role::Next;
                member.role = Role::Leaving;
                member.until = Some(until);
            }
        }
        if has_next_failed {
            self.give_up_renewal();
        }
        let is_ready = |member: &&Member| member.role == Role::Next && member.is_ready;
        if self.is_renewing && self.members.iter().filter(is_ready).count() >= self.workers {
            self.is_renewing = false;
            for member in &mut self.members {
                match member.role {
                    Role::Serving => member.leave(until),
                    Role::Next => member.role = Role::Serving,
                    Role::Leaving => {}
                }
            }
            log::info!("workers renewed");
        }
    }

    /// Takes note of workers that ended.
    fn reap(&mut self) -> Result<(), Error> {
        let mut at = 0;
        while let Some(member) = self.members.get_mut(at) {
            let status = match member.process.try_wait() {
                Ok(None) => {
                    at += 1;
                    continue;
                }
                Ok(Some(status)) => Some(status),
                Err(_) => None,
            };
            let member = self.members.swap_remove(at);
            self.ended(&member, status)?;
        }
        Ok(())
    }

    fn ended(&mut self, member: &Member, status: Option<ExitStatus>) -> Result<(), Error> {
        let shown = status.map_or_else(|| "unknown status".to_owned(), |status| status.to_string());
        let id = member.process.id();
        if self.is_stopping || member.role == Role::Leaving {
            log::info!("worker {id} ended: {shown}");
            return Ok(());
        }
        log::error!("worker {id} ended: {shown}");
        if member.role == Role::Next {
            log::error!("the new workers do not start, the old ones stay");
            self.give_up_renewal();
        } else if member.is_ready {
            if member.since.elapsed() < SHORT_LIFE {
                self.not_before = Instant::now() + FIRST_PAUSE;
            }
        } else if !self.was_ready && status.is_some_and(|status| status.code().is_some()) {
            self.kill();
            return Err(Error::new(Kind::Internal, format!("workers do not start: {shown}")));
        } else {
            self.pause();
        }
        Ok(())
    }

    /// New workers first; those that serve leave when all of them serve.
    fn renew(&mut self) {
        log::info!("renewing the workers");
        self.give_up_renewal();
        self.is_renewing = true;
        for _ in 0..self.workers {
            if let Err(error) = self.start(Role::Next) {
                log::error!("{error}; the old workers stay");
                self.give_up_renewal();
                return;
            }
        }
    }

    fn give_up_renewal(&mut self) {
        self.is_renewing = false;
        let until = Instant::now() + self.leave_limit;
        self.members.iter_mut().filter(|m| m.role == Role::Next).for_each(|m| m.leave(until));
    }

    fn stop(&mut self) {
        notify("STOPPING=1");
        self.listeners.clear();
        self.is_stopping = true;
        self.is_renewing = false;
        let until = Instant::now() + self.leave_limit;
        self.members.iter_mut().for_each(|member| member.leave(until));
    }

    fn kill(&mut self) {
        for member in &mut self.members {
            let _ = member.process.kill();
        }
    }

    /// Workers bound their own end; one that does not is not waited for.
    fn kill_overdue(&mut self) {
        let now = Instant::now();
        for member in &mut self.members {
            if member.until.is_some_and(|until| now >= until) {
                log::error!("worker {} does not end and is killed", member.process.id());
                let _ = member.process.kill();
                member.until = None;
            }
        }
    }

    /// Until a signal, a word of a worker, or the next thing to do.
    fn sleep(&self, signals: &Signals) {
        let mut fds = vec![PollFd::new(&signals.wake, PollFlags::IN)];
        for member in self.members.iter().filter(|member| !member.is_silent) {
            fds.push(PollFd::new(&member.control, PollFlags::IN));
        }
        let is_short = !self.is_stopping && self.count(Role::Serving) < self.workers;
        let start = is_short.then_some(self.not_before);
        let next = self.members.iter().filter_map(|member| member.until).chain(start).min();
        let now = Instant::now();
        let wait = next.map(|next| next.saturating_duration_since(now) + Duration::from_millis(1));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let _ = poll(&mut fds, wait.as_ref());
        let mut spent = [0; 64];
        let _ = (&signals.wake).read(&mut spent);
    }
}

impl Member {
    /// Asks the worker to finish what it has and end, at the latest at `until`.
    fn leave(&mut self, until: Instant) {
        self.role = Role::Leaving;
        self.until.get_or_insert(until);
        if let Ok(None) = self.process.try_wait() {
            let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        }
    }
}

struct Signals {
    stop: Arc<AtomicBool>,
    renew: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    fn register() -> Result<Signals, Error> {
        let failed = |cause| fault("signals", cause);
        let (wake, theirs) = UnixStream::pair().map_err(failed)?;
        wake.set_nonblocking(true).map_err(failed)?;
        let signals = Signals { stop: Arc::default(), renew: Arc::default(), wake };
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register(signal, signals.stop.clone()).map_err(failed)?;
        }
        signal_hook::flag::register(SIGHUP, signals.renew.clone()).map_err(failed)?;
        // After the flags, so that whoever is woken finds them set.
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGCHLD] {
            let end = theirs.try_clone().map_err(failed)?;
            signal_hook::low_level::pipe::register(signal, end).map_err(failed)?;
        }
        Ok(signals)
    }
}

/// Tells the service manager, if `NOTIFY_SOCKET` names one; nobody waits for an answer.
pub(super) fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        Some((b'/', _)) => SocketAddr::from_pathname(&name),
        _ => return,
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(cause) = sent {
        log::warn!("service manager not told {state}: {cause}");
    }
}

fn fault(what: &str, cause: std::io::Error) -> Error {
    Error::new(Kind::Internal, what).with_cause(cause)
}
