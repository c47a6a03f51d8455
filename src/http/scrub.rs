//! What of an address may be written into a log.

use std::fmt::Write;

/// Keys whose values are dull enough for a log. All others are hidden, passwords among them.
const HARMLESS: &[&str] = &[
    "count",
    "duration",
    "limit",
    "cursor",
    "state",
    "pool",
    "label",
    "q",
    "all",
    "after",
    "since",
    "dry_run",
    "remove",
    "wait",
    "poll",
    "reservation",
    "actor",
    "action",
];

/// The query with every value hidden but those known to be dull.
pub(super) fn query(text: &str) -> String {
    let mut out = String::new();
    for pair in text.split('&').take(20) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let separator = if out.is_empty() { "" } else { "&" };
        if HARMLESS.contains(&key) {
            let value: String = value.chars().take(80).collect();
            let _ = write!(out, "{separator}{key}={value}");
        } else {
            // Not even the key: `?hunter2` is a key.
            let _ = write!(out, "{separator}…");
        }
    }
    out
}

/// For who tries random texts.
pub(super) fn try_text(text: &str) {
    let _ = query(text);
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn no_password_gets_through() {
        for text in [
            "reservation_password=hunter2",
            "reservation%5Fpassword=hunter2&count=2",
            "Reservation_Password=hunter2",
            "hunter2",
            "count=2&&=hunter2",
            "a=b;reservation_password=hunter2",
        ] {
            assert!(!query(text).contains("hunter2"), "{text}");
        }
        assert_eq!(query("count=2&reservation_password=x&duration=60"), "count=2&…&duration=60");
    }
}
