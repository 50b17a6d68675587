//! Foreign images in memory: how long an answer may be kept, and a store bounded by bytes. It asks no server.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::request::http_date_seconds;

use super::remote::RemoteImage;
use super::remote_http::Answer;

/// What an entry costs beside its bytes.
const ENTRY_BYTES: u64 = 1 << 10;

/// Longest time that a server can ask for: ten years.
const MOST: Duration = Duration::from_secs(315_360_000);

/// How long the answer of a server may be used without asking it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Not at all, and it is not kept.
    None,
    /// It is kept, and used this long; zero asks again at every use.
    For(Duration),
}

impl Freshness {
    /// By `Cache-Control`, else `Expires`, else `default` (`IS::RemoteUrlDefaultExpiration`); an answer without `ETag`
    /// and `Last-Modified` is never kept (S-76), one that is private or varies by everything neither.
    pub fn of(answer: &Answer, default: Duration, now: SystemTime) -> Freshness {
        if validator(answer, "etag").is_none() && validator(answer, "last-modified").is_none() {
            return Freshness::None;
        }
        if answer.values("vary").any(|value| value.split(',').any(|name| name.trim() == "*")) {
            return Freshness::None;
        }
        let (mut max_age, mut shared_age, mut is_checked) = (None, None, false);
        for directive in answer.values("cache-control").flat_map(|value| value.split(',')) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "private" => return Freshness::None,
                "no-cache" => is_checked = true,
                "max-age" => max_age = Some(seconds(value)),
                "s-maxage" => shared_age = Some(seconds(value)),
                _ => {}
            }
        }
        if is_checked {
            return Freshness::For(Duration::ZERO);
        }
        let lifetime = match shared_age.or(max_age) {
            Some(lifetime) => {
                let age = answer.values("age").next().map_or(Duration::ZERO, seconds);
                lifetime.saturating_sub(age)
            }
            None => match answer.values("expires").next() {
                Some(expires) => until(expires, answer.values("date").next(), now),
                None => default,
            },
        };
        Freshness::For(lifetime.min(MOST))
    }
}

/// A validator that can be sent back: short, visible ASCII.
pub(super) fn validator<'a>(answer: &'a Answer, name: &'a str) -> Option<&'a str> {
    let value = answer.values(name).next()?.trim();
    let is_plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    Some(value).filter(|value| is_plain && (1..=1024).contains(&value.len()))
}

/// Seconds, perhaps in quotes; what is no number is zero, a larger one than fits is the largest.
fn seconds(text: &str) -> Duration {
    let digits = text.trim().trim_matches('"');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    Duration::from_secs(digits.parse().unwrap_or(u64::MAX))
}

/// From `Date`, or now, to `Expires`; a bad date has passed already.
fn until(expires: &str, date: Option<&str>, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let date = date.and_then(|date| http_date_seconds(date.as_bytes()));
    let date = date.unwrap_or(i64::try_from(now).unwrap_or(i64::MAX));
    let expires = http_date_seconds(expires.as_bytes());
    let left = expires.map_or(0, |expires| expires.saturating_sub(date));
    Duration::from_secs(u64::try_from(left).unwrap_or(0))
}

struct Entry {
    image: RemoteImage,
    fresh_until: Instant,
    turn: u64,
}

/// Images by URL, at most `limit_bytes` of them together; the one that was not used for longest goes first.
pub(super) struct Store {
    entries: HashMap<String, Entry>,
    by_turn: BTreeMap<u64, String>,
    turns: u64,
    bytes: u64,
    limit_bytes: u64,
}

impl Store {
    /// Empty.
    pub fn new(limit_bytes: u64) -> Store {
        Store { entries: HashMap::new(), by_turn: BTreeMap::new(), turns: 0, bytes: 0, limit_bytes }
    }

    /// The image of a URL and whether it may be used without asking its server.
    pub fn get(&mut self, url: &str, now: Instant) -> Option<(RemoteImage, bool)> {
        let entry = self.entries.get_mut(url)?;
        self.turns += 1;
        if let Some(key) = self.by_turn.remove(&entry.turn) {
            self.by_turn.insert(self.turns, key);
        }
        entry.turn = self.turns;
        Some((entry.image.clone(), now < entry.fresh_until))
    }

    /// Keeps an image in place of an earlier one; one that is larger than the whole store is not kept.
    pub fn put(&mut self, url: &str, image: RemoteImage, fresh_until: Instant) {
        self.remove(url);
        let bytes = cost(url, &image);
        if bytes > self.limit_bytes {
            return;
        }
        while self.bytes + bytes > self.limit_bytes {
            let Some((_, oldest)) = self.by_turn.pop_first() else { break };
            self.remove(&oldest);
        }
        self.turns += 1;
        self.bytes += bytes;
        self.by_turn.insert(self.turns, url.to_owned());
        self.entries.insert(url.to_owned(), Entry { image, fresh_until, turn: self.turns });
    }

    /// Forgets a URL.
    pub fn remove(&mut self, url: &str) {
        if let Some(entry) = self.entries.remove(url) {
            self.by_turn.remove(&entry.turn);
            self.bytes = self.bytes.saturating_sub(cost(url, &entry.image));
        }
    }
}

fn cost(url: &str, image: &RemoteImage) -> u64 {
    image.identity().bytes + 2 * url.len() as u64 + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter();
        let headers =
            headers.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Answer { status: 200, headers, body: Vec::new() }
    }

    #[test]
    fn s_76_an_answer_is_kept_as_its_headers_say() {
        const DEFAULT: u64 = 36_000;
        // Tue, 04 Mar 2025 09:15:02 GMT
        let now = UNIX_EPOCH + Duration::from_secs(1_741_079_702);
        let tag = ("etag", "\"a\"");
        let kept = |seconds| Freshness::For(Duration::from_secs(seconds));
        let mut count = 0;
        for (name, headers, expected) in [
            ("no validator", vec![("cache-control", "max-age=60")], Freshness::None),
            (
                "no validator, Expires",
                vec![("expires", "Tue, 04 Mar 2035 09:15:02 GMT")],
                Freshness::None,
            ),
            ("an empty validator", vec![("etag", "")], Freshness::None),
            ("a validator of control bytes", vec![("etag", "\"\u{1}\"")], Freshness::None),
            ("no expiry", vec![tag], kept(DEFAULT)),
            (
                "Last-Modified alone",
                vec![("last-modified", "Tue, 04 Mar 2025 09:15:02 GMT")],
                kept(DEFAULT),
            ),
            ("max-age", vec![tag, ("cache-control", "public, max-age=60")], kept(60)),
            ("case and quotes", vec![tag, ("cache-control", "MAX-AGE=\"60\"")], kept(60)),
            ("max-age=0", vec![tag, ("cache-control", "max-age=0")], kept(0)),
            ("bad max-age", vec![tag, ("cache-control", "max-age=x")], kept(0)),
            ("negative max-age", vec![tag, ("cache-control", "max-age=-1")], kept(0)),
            (
                "endless max-age",
                vec![tag, ("cache-control", "max-age=99999999999999999999999")],
                kept(315_360_000),
            ),
            ("s-maxage wins", vec![tag, ("cache-control", "max-age=60, s-maxage=5")], kept(5)),
            (
                "max-age wins over Expires",
                vec![tag, ("cache-control", "max-age=60"), ("expires", "0")],
                kept(60),
            ),
            (
                "Age is taken off",
                vec![tag, ("cache-control", "max-age=60"), ("age", "50")],
                kept(10),
            ),
            ("Age beyond", vec![tag, ("cache-control", "max-age=60"), ("age", "70")], kept(0)),
            ("no-store", vec![tag, ("cache-control", "max-age=60, no-store")], Freshness::None),
            (
                "no-store in a second line",
                vec![tag, ("cache-control", "max-age=60"), ("cache-control", "no-store")],
                Freshness::None,
            ),
            ("private", vec![tag, ("cache-control", "private")], Freshness::None),
            ("no-cache", vec![tag, ("cache-control", "no-cache, max-age=60")], kept(0)),
            ("Vary *", vec![tag, ("vary", "Accept, *")], Freshness::None),
            ("Vary", vec![tag, ("vary", "Accept")], kept(DEFAULT)),
            ("Expires", vec![tag, ("expires", "Tue, 04 Mar 2025 09:16:02 GMT")], kept(60)),
            (
                "Expires by Date",
                vec![
                    tag,
                    ("expires", "Tue, 04 Mar 2025 09:16:02 GMT"),
                    ("date", "Tue, 04 Mar 2025 09:16:00 GMT"),
                ],
                kept(2),
            ),
            (
                "Expires in the past",
                vec![tag, ("expires", "Tue, 04 Mar 2015 09:16:02 GMT")],
                kept(0),
            ),
            ("Expires 0", vec![tag, ("expires", "0")], kept(0)),
        ] {
            let found = Freshness::of(&answer(&headers), Duration::from_secs(DEFAULT), now);
            assert_eq!(found, expected, "{name}");
            count += 1;
        }
        assert_eq!(count, 26);
    }

    #[test]
    fn the_store_stays_within_its_bytes_and_drops_what_was_not_used() {
        let image = |length: usize| RemoteImage::new(vec![7; length], None, None);
        let now = Instant::now();
        let mut store = Store::new(3 * (1000 + ENTRY_BYTES + 2));
        for url in ["a", "b", "c"] {
            store.put(url, image(1000), now + Duration::from_secs(60));
        }
        assert!(store.get("a", now).is_some_and(|(_, is_fresh)| is_fresh));
        store.put("d", image(1000), now);
        assert!(store.get("b", now).is_none(), "the oldest went");
        assert!(store.get("a", now).is_some() && store.get("c", now).is_some());
        assert!(store.get("d", now).is_some_and(|(_, is_fresh)| !is_fresh));
        store.put("e", image(100_000), now);
        assert!(store.get("e", now).is_none(), "larger than the store");
        store.put("a", image(10), now);
        assert_eq!(store.bytes, 2 * (1000 + ENTRY_BYTES + 2) + 10 + ENTRY_BYTES + 2);
        for url in ["a", "c", "d"] {
            store.remove(url);
        }
        assert_eq!((store.bytes, store.entries.len(), store.by_turn.len()), (0, 0, 0));
    }
}
