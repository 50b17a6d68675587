//! Foreign sources: the image behind a [`RemoteUrl`], from memory or from its server. It decides no URL and decodes
//! nothing; the addresses it may connect to are decided in `remote_guard.rs`.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::codec::{Header, ReadAt};
use crate::config::RemoteHost;
use crate::error::{Error, Kind, shown};
use crate::limits::Deadline;

use super::remote_cache::{Freshness, Store, validator};
use super::remote_guard::refusal;
use super::remote_http::{Answer, Authorities, Question, Timer, ask};
use super::remote_names::{Names, Resolver};
use super::remote_url::RemoteUrl;

/// Servers that are asked at once by one process; their bodies are in memory.
const ASKED_AT_ONCE: usize = 16;
/// Time for connecting.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a cancelled request is not noticed, at most.
const SLICE: Duration = Duration::from_millis(50);

/// What foreign sources are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// Time for one answer (`IS::RemoteUrlTimeout`); the deadline of the request counts too.
    pub timeout: Duration,
    /// How long an answer is used that says nothing of it (`IS::RemoteUrlDefaultExpiration`).
    pub default_expiration: Duration,
    /// Hosts that may have any address and any port (`remoteHosts`).
    pub hosts: Vec<RemoteHost>,
    /// Longest image in bytes (`remoteMaxBytes`).
    pub max_bytes: u64,
    /// Bytes of images that are kept in memory (`remoteCacheBytes`).
    pub cache_bytes: u64,
    /// PEM file of authorities for `https` beside those of the system (`remoteAuthorities`).
    pub authorities: Option<PathBuf>,
}

/// What tells one state of a foreign image from another, for validators and cache keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteIdentity {
    /// `ETag`, as the server wrote it.
    pub etag: Option<String>,
    /// `Last-Modified`, as the server wrote it.
    pub last_modified: Option<String>,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes.
    pub hash: [u8; 32],
}

/// A foreign image, whole in memory; clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteImage {
    bytes: Arc<Vec<u8>>,
    identity: Arc<RemoteIdentity>,
}

impl fmt::Debug for RemoteImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteImage({:?})", self.identity)
    }
}

impl RemoteImage {
    pub(super) fn new(
        bytes: Vec<u8>,
        etag: Option<String>,
        last_modified: Option<String>,
    ) -> RemoteImage {
        let hash = Sha256::digest(&bytes).into();
        let identity = RemoteIdentity { etag, last_modified, bytes: bytes.len() as u64, hash };
        RemoteImage { bytes: Arc::new(bytes), identity: Arc::new(identity) }
    }

    /// The state of the image when it was fetched or last confirmed.
    pub fn identity(&self) -> &RemoteIdentity {
        &self.identity
    }
}

impl ReadAt for RemoteImage {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes.read_at(buf, offset)
    }

    fn len(&self) -> u64 {
        self.identity.bytes
    }
}

/// Refuses what a foreign source must not be: more than 8 bits a component (requests.md 11).
pub fn check_remote_header(header: &Header) -> Result<(), Error> {
    if header.bits > 8 {
        return Err(Error::new(
            Kind::Unreadable,
            format!("a foreign source has {} bits a component, expected at most 8", header.bits),
        ));
    }
    Ok(())
}

/// Fetches and keeps foreign images; shared by all requests of a process.
pub struct Remote {
    settings: RemoteSettings,
    pub(super) authorities: Arc<Authorities>,
    pub(super) names: Arc<Names>,
    shelf: Mutex<Shelf>,
    asked: Mutex<usize>,
    one_is_done: Condvar,
}

/// Images that are kept and URLs that are being asked for.
struct Shelf {
    store: Store,
    flights: HashMap<String, Arc<Flight>>,
}

/// A question under way that others wait for.
#[derive(Default)]
struct Flight {
    landed: Mutex<Option<Landing>>,
    changed: Condvar,
}

/// What those who waited get.
#[derive(Clone)]
enum Landing {
    /// The image.
    Image(RemoteImage),
    /// The failure of the server.
    Failed(Kind, String),
    /// Nothing that may be shared: each asks for itself.
    Alone,
    /// Nothing at all, because whoever asked ran out of time: one of the others asks.
    Again,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({:?})", self.settings)
    }
}

impl Remote {
    /// With the resolver of the system. Fails with `Internal` for a file of authorities that cannot be used.
    pub fn new(settings: RemoteSettings) -> Result<Remote, Error> {
        Remote::with_resolver(settings, Names::system())
    }

    /// With another resolver; it may block.
    pub fn with_resolver(settings: RemoteSettings, resolver: Resolver) -> Result<Remote, Error> {
        let shelf = Shelf { store: Store::new(settings.cache_bytes), flights: HashMap::new() };
        Ok(Remote {
            authorities: Arc::new(Authorities::open(settings.authorities.as_deref())?),
            names: Arc::new(Names::new(resolver)),
            settings,
            shelf: Mutex::new(shelf),
            asked: Mutex::new(0),
            one_is_done: Condvar::new(),
        })
    }

    /// The image of a URL, from memory while it is fresh, else from its server, which may confirm what is in memory.
    ///
    /// Requests for one URL at the same time ask its server once, unless the answer must not be kept. Errors are not
    /// kept.
    ///
    /// `Refused` when a port or address is not allowed (`U-ssrf`), `Unreadable` when the server fails, is too slow or
    /// answers with anything but the image (also with a redirect, RQ-081), `TooLarge` past `max_bytes`, `TimedOut`
    /// when the deadline of the request passed.
    pub fn fetch(&self, url: &RemoteUrl, deadline: &Deadline) -> Result<RemoteImage, Error> {
        loop {
            deadline.tick()?;
            let (flight, held) = {
                let mut shelf = lock(&self.shelf);
                let held = match shelf.store.get(url.as_str(), Instant::now()) {
                    Some((image, true)) => return Ok(image),
                    Some((image, false)) => Some(image),
                    None => None,
                };
                match shelf.flights.get(url.as_str()) {
                    Some(flight) => (Err(flight.clone()), held),
                    None => {
                        let flight = Arc::<Flight>::default();
                        shelf.flights.insert(url.as_str().to_owned(), flight.clone());
                        (Ok(Pilot { remote: self, url, flight }), held)
                    }
                }
            };
            match flight {
                Ok(pilot) => return pilot.fly(held.as_ref(), deadline),
                Err(flight) => match flight.wait(deadline)? {
                    Landing::Image(image) => return Ok(image),
                    Landing::Failed(kind, detail) => return Err(Error::new(kind, detail)),
                    Landing::Alone => return self.fetched(url, None, deadline).map(|got| got.0),
                    Landing::Again => {}
                },
            }
        }
    }

    /// Asks the server, with the validators of the image that is held, and keeps the answer as it says.
    fn fetched(
        &self,
        url: &RemoteUrl,
        held: Option<&RemoteImage>,
        deadline: &Deadline,
    ) -> Result<(RemoteImage, Freshness), Error> {
        let named =
            |error: Error| error.context(format_args!("foreign source {}", shown(url.as_str())));
        let answer = self.answer(url, held, deadline).map_err(named)?;
        let freshness = Freshness::of(&answer, self.settings.default_expiration, SystemTime::now());
        match (answer.status, held) {
            (200, _) => {
                let own = |name| validator(&answer, name).map(str::to_owned);
                let (etag, last_modified) = (own("etag"), own("last-modified"));
                Ok((RemoteImage::new(answer.body, etag, last_modified), freshness))
            }
            // A confirmation need not repeat the validators.
            (304, Some(held)) => Ok((held.clone(), self.confirmed(held, answer))),
            (status @ 300..=399, _) => Err(named(Error::new(
                Kind::Unreadable,
                format!("the server redirects with status {status}, which is not followed"),
            ))),
            (status, _) => {
                Err(named(Error::new(Kind::Unreadable, format!("the server answers {status}"))))
            }
        }
    }

    fn confirmed(&self, held: &RemoteImage, mut answer: Answer) -> Freshness {
        let identity = held.identity();
        let known = [("etag", &identity.etag), ("last-modified", &identity.last_modified)];
        for (name, value) in known {
            if let Some(value) = value.as_ref().filter(|_| answer.values(name).next().is_none()) {
                answer.headers.push((name.to_owned(), value.clone().into_bytes()));
            }
        }
        Freshness::of(&answer, self.settings.default_expiration, SystemTime::now())
    }

    fn answer(
        &self,
        url: &RemoteUrl,
        held: Option<&RemoteImage>,
        deadline: &Deadline,
    ) -> Result<Answer, Error> {
        let timer = Timer::new(deadline, self.settings.timeout);
        let _asking = self.asking(&timer)?;
        let addresses = self.addresses(url, &timer)?;
        let mut headers: Vec<(&'static str, &[u8])> = Vec::new();
        if let Some(identity) = held.map(RemoteImage::identity) {
            let etag = identity.etag.as_ref().map(|tag| ("If-None-Match", tag.as_bytes()));
            let since = identity.last_modified.as_ref();
            let since = since.map(|date| ("If-Modified-Since", date.as_bytes()));
            headers.extend(etag.into_iter().chain(since));
        }
        let question = Question {
            url: url.url(),
            addresses: &addresses,
            headers: &headers,
            body: None,
            connect_limit: CONNECT_LIMIT,
            limit_bytes: self.settings.max_bytes,
            is_wanted: |status| status == 200,
        };
        ask(&question, &self.authorities, &timer)
    }

    /// Waits until fewer than `ASKED_AT_ONCE` servers are asked.
    fn asking(&self, timer: &Timer) -> Result<Asking<'_>, Error> {
        let mut asked = lock(&self.asked);
        while *asked >= ASKED_AT_ONCE {
            let slice = timer.slice().map_err(|cause| timer.failure(cause))?;
            let waited = self.one_is_done.wait_timeout(asked, slice);
            asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *asked += 1;
        Ok(Asking(self))
    }

    /// The addresses of the URL's host, looked up once and all of them allowed.
    fn addresses(&self, url: &RemoteUrl, timer: &Timer) -> Result<Vec<SocketAddr>, Error> {
        let host = url.url().host_str().unwrap_or_default();
        let port = url.url().port_or_known_default().unwrap_or_default();
        let is_listed = self.settings.hosts.iter().any(|listed| listed.matches(host, port));
        if !is_listed && !matches!(port, 80 | 443) {
            return Err(Error::new(Kind::Refused, format!("port {port}, expected 80 or 443")));
        }
        let addresses = self.names.addresses(url.url(), timer)?;
        if !is_listed {
            for address in addresses.iter().map(SocketAddr::ip) {
                if let Some(what) = refusal(address) {
                    let detail = format!("host {} has address {address}, {what}", shown(host));
                    return Err(Error::new(Kind::Refused, detail));
                }
            }
        }
        Ok(addresses)
    }
}

/// The one who asks for a URL while others wait; lets them go on however it ends.
struct Pilot<'a> {
    remote: &'a Remote,
    url: &'a RemoteUrl,
    flight: Arc<Flight>,
}

impl Pilot<'_> {
    fn fly(&self, held: Option<&RemoteImage>, deadline: &Deadline) -> Result<RemoteImage, Error> {
        let fetched = self.remote.fetched(self.url, held, deadline);
        let landing = match &fetched {
            Ok((image, Freshness::For(lifetime))) => {
                let now = Instant::now();
                let until = now.checked_add(*lifetime).unwrap_or(now);
                lock(&self.remote.shelf).store.put(self.url.as_str(), image.clone(), until);
                Landing::Image(image.clone())
            }
            Ok((_, Freshness::None)) => {
                lock(&self.remote.shelf).store.remove(self.url.as_str());
                Landing::Alone
            }
            Err(_) if deadline.is_over() => Landing::Again,
            Err(error) => Landing::Failed(error.kind(), error.detail().to_owned()),
        };
        *lock(&self.flight.landed) = Some(landing);
        fetched.map(|(image, _)| image)
    }
}

impl Drop for Pilot<'_> {
    fn drop(&mut self) {
        lock(&self.remote.shelf).flights.remove(self.url.as_str());
        lock(&self.flight.landed).get_or_insert(Landing::Again);
        self.flight.changed.notify_all();
    }
}

impl Flight {
    fn wait(&self, deadline: &Deadline) -> Result<Landing, Error> {
        let mut landed = lock(&self.landed);
        loop {
            if let Some(landing) = &*landed {
                return Ok(landing.clone());
            }
            deadline.tick()?;
            let slice = deadline.remaining().min(SLICE);
            let waited = self.changed.wait_timeout(landed, slice);
            landed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// One of the servers that are asked at once.
struct Asking<'a>(&'a Remote);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut asked = lock(&self.0.asked);
        *asked = asked.saturating_sub(1);
        self.0.one_is_done.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
