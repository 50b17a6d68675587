//! Listening sockets: a Unix path, a TCP address, or a descriptor that somebody else opened.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags};

/// Connections that the kernel holds until they are accepted: a full Unix backlog is an immediate 502.
pub const BACKLOG: i32 = 1024;

/// How long another start may take to open its socket in the same folder.
const LOCK_TIME: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A listening socket. Closes on drop; the file of a Unix socket stays, and the next start replaces it.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    is_tcp: bool,
}

impl Listener {
    /// Listens on a Unix socket at `path` with mode 0660, and group `gid` if one is given.
    ///
    /// A socket file that nobody listens on is replaced. Fails with `AddrInUse` when a server answers there, with
    /// `AlreadyExists` when the path is something else than a socket.
    pub fn unix(path: &Path, gid: Option<u32>) -> io::Result<Listener> {
        let address = SocketAddrUnix::new(path).map_err(|errno| explain(path, errno.into()))?;
        // Two starts at a time would each take the other's fresh socket for a stale one.
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let lock = File::open(folder).map_err(|err| explain(path, err))?;
        lock_folder(&lock).map_err(|err| explain(path, err))?;

        remove_stale(path, &address)?;
        let socket = new_socket(AddressFamily::UNIX)?;
        rustix::net::bind(&socket, &address).map_err(|errno| explain(path, errno.into()))?;
        // Nobody can connect before `listen`, so the modes hold from the first connection on.
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))
            .and_then(|()| match gid {
                Some(gid) => std::os::unix::fs::chown(path, None, Some(gid)),
                None => Ok(()),
            })
            .and_then(|()| Ok(rustix::net::listen(&socket, BACKLOG)?))
            .map_err(|err| {
                let _ = fs::remove_file(path);
                explain(path, err)
            })?;
        Ok(Listener { socket, is_tcp: false })
    }

    /// Listens on a TCP address; port 0 takes a free one, see [`Listener::local_addr`].
    pub fn tcp(address: SocketAddr) -> io::Result<Listener> {
        let family = match address.ip() {
            IpAddr::V4(_) => AddressFamily::INET,
            IpAddr::V6(_) => AddressFamily::INET6,
        };
        let listen = || {
            let socket = new_socket(family)?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &address)?;
            rustix::net::listen(&socket, BACKLOG)?;
            Ok(socket)
        };
        let socket = listen().map_err(|errno: Errno| {
            let err = io::Error::from(errno);
            io::Error::new(err.kind(), format!("cannot listen on {address}: {err}"))
        })?;
        Ok(Listener { socket, is_tcp: true })
    }

    /// Takes over a listening socket; it becomes non-blocking and close-on-exec.
    ///
    /// Fails with `InvalidInput` when it is not one.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Listener> {
        if !is_listening(&socket) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a listening socket"));
        }
        let is_tcp = sockopt::socket_domain(&socket)? != AddressFamily::UNIX;
        rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        // Workers share the socket: the one that loses a race for a connection must not block in `accept`.
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Listener { socket, is_tcp })
    }

    /// Takes over descriptor `number` of this process (0 of spawn-fcgi, 3 and up of systemd) by duplicating it.
    ///
    /// Fails when it is not open or not a listening socket. Above 0 the kernel must permit `pidfd_getfd`.
    pub fn inherited(number: RawFd) -> io::Result<Listener> {
        if number == 0 {
            return Listener::from_fd(io::stdin().as_fd().try_clone_to_owned()?);
        }
        if number < 0 {
            return Err(Errno::BADF.into());
        }
        let this = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
        Listener::from_fd(rustix::process::pidfd_getfd(this, number, PidfdGetfdFlags::empty())?)
    }

    /// The TCP address that is listened on; `None` for a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        rustix::net::getsockname(&self.socket).ok()?.try_into().ok()
    }

    /// Whether peers come over TCP.
    pub(crate) fn is_tcp(&self) -> bool {
        self.is_tcp
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Listener> for OwnedFd {
    /// The socket itself, for instance to hand it to a child process as its descriptor 0.
    fn from(listener: Listener) -> OwnedFd {
        listener.socket
    }
}

/// Whether a descriptor is a listening socket (`SO_ACCEPTCONN`); false for anything that is not a socket.
pub fn is_listening(descriptor: impl AsFd) -> bool {
    sockopt::socket_acceptconn(descriptor).unwrap_or(false)
}

fn new_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None)
}

/// Locks a folder until the file is closed. Anybody who may read it can hold the lock, so the wait is bounded.
fn lock_folder(folder: &File) -> io::Result<()> {
    let end = Instant::now() + LOCK_TIME;
    loop {
        match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => thread::sleep(LOCK_PAUSE),
            other => return Ok(other?),
        }
    }
}

/// Removes a socket file that nobody listens on.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|err| explain(path, err))?,
    };
    if !metadata.file_type().is_socket() {
        let message = format!("{} exists and is not a socket", path.display());
        return Err(io::Error::new(ErrorKind::AlreadyExists, message));
    }
    match rustix::net::connect(new_socket(AddressFamily::UNIX)?, address) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(|err| explain(path, err)),
        Err(Errno::NOENT) => Ok(()),
        // AGAIN is a full backlog: a server that is busy.
        Ok(()) | Err(Errno::AGAIN) => {
            let message = format!("{} is in use by a running server", path.display());
            Err(io::Error::new(ErrorKind::AddrInUse, message))
        }
        Err(errno) => Err(explain(path, errno.into())),
    }
}

fn explain(path: &Path, err: io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("cannot listen on {}: {err}", path.display()))
}
