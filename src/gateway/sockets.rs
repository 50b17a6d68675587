//! Addresses, and the listening sockets behind them: opened, or taken over from whoever started the process.
//! Accepts nothing.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::sockopt::socket_acceptconn;

use crate::config::Address;
use crate::error::{Error, Kind, shown};

use super::start::activated;
use super::{Settings, fastcgi};

/// Sockets of one process; as many fit into one message to a worker.
pub(super) const MOST: usize = 64;

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// FastCGI, with a web server.
    FastCgi,
    /// HTTP/1.1, the preview.
    Http,
}

/// A listening socket; the copy that opened a socket file removes it when it is dropped.
#[derive(Debug)]
pub struct Listener {
    /// What is spoken on it.
    pub protocol: Protocol,
    socket: OwnedFd,
    file: Option<Arc<SocketFile>>,
}

/// Our socket file, known by device and inode, so that a successor's file stays.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// A socket that listens already, for example one of socket activation; fails if it does not.
    pub fn from_socket(protocol: Protocol, socket: OwnedFd) -> Result<Listener, Error> {
        let not_listening =
            || Error::new(Kind::Refused, "a descriptor handed over is not a listening socket");
        match socket_acceptconn(&socket) {
            Ok(true) => {}
            _ => return Err(not_listening()),
        }
        // Workers share the socket: who loses the race for a connection must not block in `accept`.
        rustix::io::ioctl_fionbio(&socket, true).map_err(|_| not_listening())?;
        Ok(Listener { protocol, socket, file: None })
    }

    /// A second handle of the same socket.
    pub fn duplicate(&self) -> Result<Listener, Error> {
        let socket = self.socket.try_clone().map_err(|e| internal("socket", Some(e)))?;
        Ok(Listener { protocol: self.protocol, socket, file: self.file.clone() })
    }

    /// The address that a TCP socket got, for example after asking for port 0.
    pub fn local_address(&self) -> Option<SocketAddr> {
        rustix::net::getsockname(&self.socket).ok().and_then(|address| address.try_into().ok())
    }

    /// The socket alone; its file, if it is ours, is left where it is.
    pub(super) fn into_socket(self) -> OwnedFd {
        self.socket
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The sockets of this process: handed over by socket activation, or on descriptor 0, or opened from the settings.
pub(super) fn acquire(settings: &Settings) -> Result<Vec<Listener>, Error> {
    let mut listeners = Vec::new();
    let count = activated(&|name| std::env::var_os(name), std::process::id());
    if count > MOST {
        return Err(Error::new(
            Kind::Refused,
            format!("LISTEN_FDS is {count}, expected up to {MOST}"),
        ));
    }
    if count > 0 {
        let mut handed = listenfd::ListenFd::from_env();
        for index in 0..handed.len() {
            listeners.push(Listener::from_socket(Protocol::FastCgi, taken(&mut handed, index)?)?);
        }
    } else if socket_acceptconn(std::io::stdin()).unwrap_or(false) {
        let socket = std::io::stdin().as_fd().try_clone_to_owned();
        let socket = socket.map_err(|e| internal("descriptor 0", Some(e)))?;
        listeners.push(Listener::from_socket(Protocol::FastCgi, socket)?);
    } else {
        for address in &settings.listen {
            listeners.push(open(address, Protocol::FastCgi, settings)?);
        }
    }
    for address in &settings.http {
        let listener = open(address, Protocol::Http, settings)?;
        match listener.local_address() {
            Some(bound) => {
                log::warn!("preview for trying out, not for the public: http://{bound}/")
            }
            None => log::warn!("preview for trying out, not for the public: {address}"),
        }
        listeners.push(listener);
    }
    match listeners.len() {
        0 => Err(Error::new(Kind::Refused, "nothing to listen on, expected listen or --listen")),
        1..=MOST => Ok(listeners),
        count => Err(Error::new(Kind::Refused, format!("{count} sockets, expected up to {MOST}"))),
    }
}

fn taken(handed: &mut listenfd::ListenFd, index: usize) -> Result<OwnedFd, Error> {
    if let Ok(Some(socket)) = handed.take_unix_listener(index) {
        return Ok(socket.into());
    }
    match handed.take_tcp_listener(index) {
        Ok(Some(socket)) => Ok(socket.into()),
        Ok(None) => Err(internal("socket activation", None)),
        Err(cause) => Err(internal("socket activation", Some(cause))),
    }
}

/// Opens a listening socket at `address`.
///
/// A socket file is replaced if nobody listens on it, gets the mode and group of the settings, and is removed when
/// the last handle of this process is dropped. TCP beyond loopback needs `settings.allow_public` (G-13).
pub fn open(address: &Address, protocol: Protocol, settings: &Settings) -> Result<Listener, Error> {
    match address {
        Address::Unix(path) => open_unix(path, protocol, settings),
        Address::Tcp { host, port } => {
            let (socket, at) = open_tcp(host, *port, settings).map_err(|e| e.context(address))?;
            if !at.ip().is_loopback() {
                log::warn!("{at} can be reached from other machines; whoever reaches it is served");
            }
            Ok(Listener { protocol, socket, file: None })
        }
    }
}

fn open_tcp(host: &str, port: u16, settings: &Settings) -> Result<(OwnedFd, SocketAddr), Error> {
    let found = (host, port).to_socket_addrs().map_err(|e| internal("unknown host", Some(e)))?;
    let mut failure = internal("host has no address", None);
    for at in found {
        if !at.ip().to_canonical().is_loopback() && !settings.allow_public {
            failure = Error::new(Kind::Refused, format!("{at} is not loopback and not allowed"));
            continue;
        }
        match fastcgi::listen_tcp(at) {
            Ok(socket) => return Ok((socket, at)),
            Err(cause) => failure = unopened(cause),
        }
    }
    Err(failure)
}

fn open_unix(path: &Path, protocol: Protocol, settings: &Settings) -> Result<Listener, Error> {
    let socket = fastcgi::listen_unix(path, settings.socket_group).map_err(unopened)?;
    let failed = |cause| internal("socket file", Some(cause)).context(path.display());
    let found = std::fs::symlink_metadata(path).map_err(failed)?;
    let file = SocketFile { path: path.to_owned(), device: found.dev(), inode: found.ino() };
    let file = Some(Arc::new(file));
    let mode = Permissions::from_mode(settings.socket_mode & 0o777);
    std::fs::set_permissions(path, mode).map_err(failed)?;
    Ok(Listener { protocol, socket, file })
}

/// The cause names the address and says in words what is wrong.
fn unopened(cause: std::io::Error) -> Error {
    Error::new(Kind::Internal, cause.to_string())
}

/// The number of a group by its name in `/etc/group`, or the number itself.
pub fn group_id(name: &str) -> Result<u32, Error> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let table = std::fs::read("/etc/group").map_err(|e| internal("/etc/group", Some(e)))?;
    for row in table.split(|&byte| byte == b'\n') {
        let mut fields = row.split(|&byte| byte == b':');
        if fields.next() == Some(OsStr::new(name).as_bytes()) {
            let number = fields.nth(1).and_then(|field| std::str::from_utf8(field).ok());
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                return Ok(number);
            }
        }
    }
    Err(Error::new(Kind::Refused, format!("no group named {}", shown(name))))
}

fn internal(what: &str, cause: Option<std::io::Error>) -> Error {
    let error = Error::new(Kind::Internal, what);
    match cause {
        Some(cause) => error.with_cause(cause),
        None => error,
    }
}
