//! Which request a piece of work goes back to.
//!
//! It travels with the task, from the request to the job it asked for and to the steps on machines, so that one id
//! finds them all. It is also what traces are made of: a request id of 32 hex digits is the id of its trace.

use std::{future::Future, sync::Arc};

use sha2::{Digest, Sha256};

tokio::task_local! {
    static REQUEST: Arc<str>;
}

/// Runs `work` as something that this request asked for; empty: nobody's.
pub async fn caused_by<F: Future>(request: Arc<str>, work: F) -> F::Output {
    REQUEST.scope(request, work).await
}

/// The id of the request that the present work goes back to; empty when it goes back to none.
pub fn request_id() -> Arc<str> {
    REQUEST.try_with(Clone::clone).unwrap_or_default()
}

/// The trace of a request: its id when that has the form of one, else a number made of it.
pub fn trace_of(request: &str) -> u128 {
    let direct = (request.len() == 32).then(|| u128::from_str_radix(request, 16).ok()).flatten();
    direct.filter(|id| *id != 0).unwrap_or_else(|| u128::from_be_bytes(first(request, b"trace")))
}

/// The span of the request itself, known to whoever knows its id: what it asked for hangs below it.
pub fn span_of(request: &str) -> u64 {
    u64::from_be_bytes(first(request, b"span")).max(1)
}

fn first<const N: usize>(request: &str, what: &[u8]) -> [u8; N] {
    let digest = Sha256::new().chain_update(what).chain_update(request).finalize();
    digest[..N].try_into().expect("a digest is longer")
}

/// Trace and parent of a `traceparent` header (W3C Trace Context), version 00 or a later one.
pub fn traceparent(header: &str) -> Option<(u128, u64)> {
    let mut parts = header.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let well = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2) && version != "ff";
    if !well || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let (trace, parent) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(parent, 16).ok()?);
    (trace != 0 && parent != 0).then_some((trace, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ours_is_the_trace_and_any_other_makes_one() {
        assert_eq!(trace_of("0af7651916cd43dd8448eb211c80319c"), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(trace_of("my-request-1"), trace_of("my-request-1"));
        assert_ne!(trace_of("my-request-1"), trace_of("my-request-2"));
        assert_ne!(span_of("my-request-1"), span_of("my-request-2"));
    }

    #[test]
    fn only_a_whole_traceparent_is_believed() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(good), Some((0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331)));
        assert!(traceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").is_some());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-é7ad6b7169203331-01",
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn work_knows_its_request() {
        assert_eq!(&*request_id(), "");
        assert_eq!(&*caused_by("abc".into(), async { request_id() }).await, "abc");
    }
}
