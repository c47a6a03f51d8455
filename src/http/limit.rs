//! How much one client address may ask for.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use super::Problem;

/// A limit per client address.
#[derive(Debug)]
pub struct AddressLimit {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    seen: AtomicU32,
}

impl AddressLimit {
    /// `per` units of time refill one request; `burst` may come at once. A `rate` of 0 means no limit.
    pub fn new(rate: u32, unit: Duration, burst: u32) -> Self {
        let limiter = NonZeroU32::new(rate).zip(NonZeroU32::new(burst)).and_then(|(rate, burst)| {
            let quota = Quota::with_period(unit / rate.get())?.allow_burst(burst);
            Some(RateLimiter::keyed(quota))
        });
        Self { limiter, seen: AtomicU32::new(0) }
    }

    /// Counts one request; refuses it when there were too many.
    pub fn check(&self, address: IpAddr) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.seen.fetch_add(1, Ordering::Relaxed) % 4096 == 4095 {
            limiter.retain_recent();
        }
        limiter.check_key(&address_key(address)).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            metrics::counter!("berth_http_rate_limited_total").increment(1);
            let detail = format!("too many requests from your address; try again in {wait} s");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).retry_after(wait)
        })
    }
}

/// What counts as one client: an IPv4 address, or the /64 that one customer of an IPv6 network has.
pub fn address_key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loud_address_does_not_silence_another() {
        let limit = AddressLimit::new(1, Duration::from_mins(1), 3);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..3 {
            limit.check(address("192.0.2.1")).unwrap();
        }
        let refused = limit.check(address("192.0.2.1")).unwrap_err();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)));
        limit.check(address("192.0.2.2")).unwrap();
    }

    #[test]
    fn one_ipv6_customer_is_one_client() {
        let limit = AddressLimit::new(1, Duration::from_mins(1), 1);
        limit.check("2001:db8::1".parse().unwrap()).unwrap();
        assert!(limit.check("2001:db8::2".parse().unwrap()).is_err());
        limit.check("2001:db8:0:1::1".parse().unwrap()).unwrap();
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = AddressLimit::new(0, Duration::from_secs(1), 1);
        assert!((0..10_000).all(|_| limit.check("192.0.2.1".parse().unwrap()).is_ok()));
    }
}
