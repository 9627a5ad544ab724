//! How much one caller may ask in a time: requests of a client and of an address, sign-ins that fail, and requests
//! that are under way at once.
//!
//! Rates are those of the generic cell rate algorithm (ITU-T I.371): a number a caller, no timer and no list, so that
//! asking costs one look-up. Callers are as many as the cache has room for; who was forgotten begins anew.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::LimitSettings;

/// Callers of one kind that are remembered.
const REMEMBERED: usize = 20_000;
/// Seconds of its rate that a caller may use at once.
const BURST: u64 = 10;
/// Time in which a failed sign-in is forgiven.
const FORGIVEN: Duration = Duration::from_secs(30);

/// One rate for each of many callers.
#[derive(Debug)]
struct Rates {
    known: Cache<String, Arc<AtomicU64>>,
    start: Instant,
    /// Nanoseconds between two requests in the long run, and what may be used at once; no interval is no limit.
    interval: u64,
    burst: u64,
}

impl Rates {
    fn new(interval: Duration, at_once: u64) -> Self {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let burst = interval.saturating_mul(at_once);
        Self { known: Cache::new(REMEMBERED), start: Instant::now(), interval, burst }
    }

    fn per_second(rate: u32) -> Self {
        let interval = if rate == 0 { Duration::ZERO } else { Duration::from_secs(1) / rate };
        Self::new(interval, u64::from(rate).saturating_mul(BURST))
    }

    const fn is_limited(&self) -> bool {
        self.interval > 0
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes one, or says how long to wait until there is one again. `now`: nanoseconds since the start.
    fn take_at(&self, caller: &str, now: u64) -> Result<(), Duration> {
        if !self.is_limited() {
            return Ok(());
        }
        let used = match self.known.get(caller) {
            Some(known) => known,
            None => {
                let new = Arc::new(AtomicU64::new(0));
                self.known.insert(caller.to_owned(), Arc::clone(&new));
                new
            }
        };
        let next = |then: u64| {
            let then = then.max(now).saturating_add(self.interval);
            (then - now <= self.burst).then_some(then)
        };
        used.fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .map(drop)
            .map_err(|then| Duration::from_nanos((then + self.interval).saturating_sub(now + self.burst)))
    }

    fn take(&self, caller: &str) -> Result<(), Duration> {
        self.take_at(caller, self.now())
    }

    /// As [`Self::take_at`], but takes nothing.
    fn look_at(&self, caller: &str, now: u64) -> Result<(), Duration> {
        let then = self.known.get(caller).map_or(0, |known| known.load(Ordering::Acquire)).max(now);
        let least = (then + self.interval).saturating_sub(now + self.burst);
        if least == 0 { Ok(()) } else { Err(Duration::from_nanos(least)) }
    }
}

/// The limits of a server.
#[derive(Debug)]
pub(super) struct Limits {
    clients: Rates,
    addresses: Rates,
    failures: Rates,
    under_way: AtomicUsize,
    most_under_way: usize,
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Room(Arc<Limits>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limits {
    pub(super) fn new(settings: &LimitSettings) -> Self {
        Self {
            clients: Rates::per_second(settings.client_rate),
            addresses: Rates::per_second(settings.address_rate),
            failures: match settings.failed_sign_ins {
                0 => Rates::new(Duration::ZERO, 0),
                at_once => Rates::new(FORGIVEN, u64::from(at_once)),
            },
            under_way: AtomicUsize::new(0),
            most_under_way: settings.max_requests,
        }
    }

    /// Room for one more request; `None` when there are too many under way.
    pub(super) fn room(self: &Arc<Self>) -> Option<Room> {
        let before = self.under_way.fetch_add(1, Ordering::AcqRel);
        let room = Room(Arc::clone(self));
        (self.most_under_way == 0 || before < self.most_under_way).then_some(room)
    }

    /// A request of a client that is known.
    pub(super) fn client(&self, name: &str) -> Result<(), Duration> {
        self.clients.take(name)
    }

    /// Whether clients have a limit at all.
    pub(super) const fn has_clients(&self) -> bool {
        self.clients.is_limited()
    }

    /// A request of nobody known.
    pub(super) fn address(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        if self.addresses.is_limited() { self.addresses.take(&name(address)) } else { Ok(()) }
    }

    /// Whether somebody may try to sign in: not when too much failed from where they are.
    pub(super) fn may_try(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        if !self.failures.is_limited() {
            return Ok(());
        }
        self.failures.look_at(&name(address), self.failures.now())
    }

    /// A sign-in failed, or an application did not prove who it is.
    pub(super) fn failed(&self, address: Option<IpAddr>) {
        if self.failures.is_limited() {
            let _ = self.failures.take(&name(address));
        }
    }
}

/// How an address counts. Who has one of IPv6 has all of its network (RFC 6177).
fn name(address: Option<IpAddr>) -> String {
    match address {
        None => String::new(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Whole seconds to wait, one at least.
pub(super) fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_rate_lets_through_what_it_says() {
        let rates = Rates::per_second(5);
        let at_once = (0..100).filter(|_| rates.take_at("a", 0).is_ok()).count();
        assert_eq!(at_once, 50, "ten seconds' worth at once");
        let wait = rates.take_at("a", 0).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert!(rates.take_at("b", 0).is_ok(), "others are not touched");
        // In the long run five a second, however often is asked.
        let mut passed = 0;
        for step in 1..=1000_u64 {
            passed += usize::from(rates.take_at("a", step * SECOND / 100).is_ok());
        }
        assert!((49..=51).contains(&passed), "{passed}");
        let later = rates.take_at("a", 1000 * SECOND);
        assert!(later.is_ok());
    }

    #[test]
    fn no_rate_is_no_limit() {
        let limits = Limits::new(&LimitSettings::default());
        assert!((0..100_000).all(|_| limits.client("a").is_ok() && limits.address(None).is_ok()));
        limits.failed(None);
        assert!(limits.may_try(None).is_ok());
    }

    #[test]
    fn failures_are_forgiven_one_by_one() {
        let rates = Rates::new(FORGIVEN, 3);
        for _ in 0..3 {
            assert!(rates.look_at("a", 0).is_ok());
            assert!(rates.take_at("a", 0).is_ok());
        }
        assert_eq!(rates.look_at("a", 0).unwrap_err(), FORGIVEN);
        assert!(rates.look_at("a", 30 * SECOND).is_ok());
        assert!(rates.take_at("a", 30 * SECOND).is_ok());
        assert!(rates.look_at("a", 31 * SECOND).is_err());
        assert!(rates.look_at("a", 1000 * SECOND).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let of = |text: &str| name(text.parse().ok());
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn room_comes_back() {
        let limits = Arc::new(Limits::new(&LimitSettings { max_requests: 2, ..LimitSettings::default() }));
        let (first, second) = (limits.room(), limits.room());
        assert!(first.is_some() && second.is_some() && limits.room().is_none());
        drop(first);
        assert!(limits.room().is_some());
    }
}
