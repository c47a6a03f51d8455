//! Random texts for every parser of what comes from outside, each by its name: nothing may panic, break a promise, or
//! take for ever.
//!
//! Texts are made by code from a seed: samples, cut, doubled, mixed and salted with what is special to someone. A failure
//! names the parser and the seed; `BERTH_FUZZ_SEED=… BERTH_FUZZ_ONLY=name` shows it again. `./just fuzz 600` runs ten
//! minutes, all parsers beside each other.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use berth::{
    accounts,
    config::{Config, Env},
    http, machines,
    playbook::{
        Inventory,
        template::{self, Layer, View},
        vault, yaml,
    },
    remote::{self, Secret},
    reservations::Minutes,
    terminals,
};
use serde_json::{Map, Value};

use crate::fuzz::{Dice, own_time};

type Parser = Box<dyn Fn(&str) + Send>;

/// What a parser reads, so that random texts come near to it.
fn samples(name: &str) -> &'static [&'static str] {
    match name {
        "machine-inventory" | "yaml" | "inventory-yaml" | "filter-from_yaml" => &[
            "machines:\n  - { name: a, host: 192.0.2.1, port: 22, user: root, password: x, labels: { gpu: a100 } }\n",
            "x: &a { host: h, user: u }\nmachines:\n  - { <<: *a, name: b, jump: 'me@gate:22' }\n  - <<: [*a, *a]\n    name: c\n",
            "all:\n  hosts:\n    web[01:20].example:\n      ansible_port: 22\n  children:\n    db: { hosts: { d: }, vars: { x: [1, {y: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162} ]}}\n",
            "? [a, b]\n: |-\n  text\n   more\n--- !!map\n%YAML 1.2\n--- \"\\u00e9\\x41\"\n...\n",
        ],
        "inventory-ini" => &[
            "[web]\nweb[01:20].example ansible_port=22 note='a \"b\" # c'\n[db:children]\nweb\n[db:vars]\nx = [1, 2]\n",
            "a.example:2222 ansible_user=root\n# c\n; c\n[all:vars]\ny={{ x }}\n[g:children]\ng\n",
        ],
        "config-toml" => &[
            "listen = \"127.0.0.1:1\"\nenv = \"production\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n[schedule]\nexpire = \"*/5 * * * * *\"\n[pools.lab]\nmax_count = 4\n",
            "[auth]\njwt_expires_minutes = 5\n[machines]\nallow_addresses = ['::1/128', 'x']\n[log]\nlevel = \"berth=debug\"\n",
        ],
        "cron" => &["*/5 * * * * *", "0 17 3 L * MON#2", "0 0 0 1-31/2 JAN-DEC ?", "@daily", "0 0 0 15W * 5L"],
        "duration" => &["90", "90m", "2h", "1d", "999999999d", "0m"],
        "labels" => &["gpu=a100", "a=1=1", "b=2\nb=2\na/b.c=x+y:z@w"],
        "ssh-public-key" => &[
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@here",
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 c",
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA==",
        ],
        "jwt" => &[
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJiZXJ0aCIsImV4cCI6OTk5OTk5OTk5OX0.c2ln",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        ],
        "refresh-token" => &["01a1ffe7-db7c-7355-bc1d-138289d07586.c2VjcmV0", "."],
        "x-forwarded-for" => &["203.0.113.9, 10.0.0.7", "::ffff:1.2.3.4,2001:db8::1", "1.1.1.1\n2.2.2.2", "[::1]:80"],
        "origin" => &["https://berth.example.org\nberth.example.org", "http://[::1]:8080\n[::1]:8080", "null\nh"],
        "query" | "logged-query" => &["label=a%3Db&label=c&limit=3&cursor=YQ", "a[]=1&%%%=&=x&q=%ff%00", "hunter2"],
        "cursor" => &["YWJj", "", "____", "YQ=="],
        "json-body-and-pointer" => &[
            "{\"name\": \"a\", \"port\": 22, \"labels\": {\"a/b~c\": \"d\"}, \"hosts\": [{\"name\": \"b\", \"labels\": {}, \"hosts\": []}]}",
            "{\"hosts\": [{\"port\": 1e99}, {\"port\": -0.0}], \"x\": \"\\ud800\"}",
        ],
        "idempotency-key" => &["a-key", " spaced ", "ü"],
        "jump" => &["h", "u@h:22", "u@[fe80::1]:22,b", "a,b@c:1"],
        "machine-fields" => &["quay.example", "fe80::1%eth0", "ssh-ed25519 AAAA", "/etc/keys/a", "a=b"],
        "account-fields" => &["alice", "a@b", "Anna-Luise O'Brien", "Password123!"],
        "terminal-message" => &["{\"type\":\"resize\",\"cols\":80,\"rows\":24}", "{\"type\":\"ack\",\"bytes\":1}"],
        "last-event-id" => &["01a1ffe7-db7c-7355-bc1d-138289d07586"],
        "vault" => &[
            "$ANSIBLE_VAULT;1.1;AES256\n33363965326261303234626463623963633531343539616138316433353830356566396130353436\n",
            "$ANSIBLE_VAULT;1.2;AES256;me\n6162\n",
            "$ANSIBLE_VAULT;9;NONE\n",
        ],
        "ssh-said" => {
            &["root@h: Permission denied (publickey).", "@@@\nHost key verification failed.\r\n", "\u{1b}[2J"]
        }
        "filter-from_json" => &["{\"a\": [1, {\"b\": null}]}", "[[[[]]]]"],
        "filter-regex" => &["(a+)+$", "(?P<x>\\w+)\\1", "[\\d-z]{2,999}", "(?i)(?=x)|^$", "\\p{L}(?<!b)"],
        _ => &["2026-11-21 20:00:00", "192.0.2.0/24", "a,b;c", "YWJj", "%Y-%m-%d", "people[?uid > `1`].name"],
    }
}

/// What is special to someone.
const SALT: &[&str] = &[
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "'",
    "\"",
    "\\",
    "%",
    "%00",
    "%ff",
    "{{",
    "}}",
    "{%",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "!vault ",
    "!!binary ",
    "- ",
    ": ",
    "? ",
    "|",
    ">",
    "---\n",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "0",
    "-1",
    "9999999999999999999999",
    "1e999",
    "NaN",
    "true",
    "null",
    "é",
    "😀",
    "\u{202e}",
    "\u{feff}",
    "..",
    "/",
    "~",
    "@",
    ":",
    ";",
    ",",
    "=",
    "$(x)",
    "`x`",
    "::",
    "::ffff:",
    "[01:999999999]",
    "[a:z]",
    "AAAA",
    "====",
    "ssh-ed25519 ",
];

fn text(dice: &mut Dice, samples: &[&'static str]) -> String {
    let mut letters: Vec<char> = dice.pick(samples).chars().collect();
    for _ in 0..dice.below(8) {
        let at = dice.below(letters.len() + 1);
        let to = (at + dice.below(24)).min(letters.len());
        match dice.below(7) {
            0 => drop(letters.drain(at..to)),
            1 => {
                let salt: Vec<char> = dice.pick(SALT).chars().collect();
                letters.splice(at..at, salt);
            }
            2 => letters.truncate(at),
            3 => {
                let other: Vec<char> = dice.pick(samples).chars().collect();
                let from = dice.below(other.len() + 1);
                letters.splice(at..to, other[from..].iter().copied());
            }
            4 => {
                // Many times the same: what is deep or long.
                let part: Vec<char> = letters[at..to].to_vec();
                for _ in 0..dice.below(200) {
                    letters.splice(at..at, part.iter().copied());
                }
            }
            5 => {
                let random = char::from_u32(u32::try_from(dice.below(0x11_0000)).unwrap_or(0)).unwrap_or('x');
                letters.insert(at, random);
            }
            _ => {
                let random = char::from(u8::try_from(dice.below(128)).unwrap_or(0));
                letters.insert(at, random);
            }
        }
        letters.truncate(20_000);
    }
    letters.into_iter().collect()
}

/// An expression over the text, which is data and not part of it.
fn filter(expression: &'static str) -> Parser {
    Box::new(move |text| {
        let vars = Map::from_iter([("text".to_owned(), Value::from(text))]);
        let view = Arc::new(View::new(vec![Layer::lazy(Arc::new(vars))]));
        let _ = template::value(&view, &Value::from(format!("{{{{ {expression} }}}}")));
    })
}

/// A parser of files.
fn file(name: &'static str, read: impl Fn(&std::path::Path) + Send + 'static) -> Parser {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    Box::new(move |text| {
        let _ = &folder;
        std::fs::write(&path, text).unwrap();
        read(&path);
    })
}

fn parsers() -> BTreeMap<&'static str, Parser> {
    let mut all: BTreeMap<&'static str, Parser> = BTreeMap::new();
    let slices = [&http::PARSERS[..], &machines::PARSERS, &accounts::PARSERS, &terminals::api::PARSERS];
    for (name, parser) in slices.into_iter().flatten() {
        all.insert(name, Box::new(parser));
    }
    let load = |path: &std::path::Path| drop(Inventory::load(&[path.display().to_string()]));
    let own: Vec<(&'static str, Parser)> = vec![
        ("inventory-ini", file("hosts", load)),
        ("inventory-yaml", file("hosts.yml", load)),
        (
            "config-toml",
            file("berth.toml", |path| {
                if let Ok(config) = Config::load_from(path, &Env::new()) {
                    let _ = berth::config::check(&config);
                }
            }),
        ),
        (
            "cron",
            file("berth.toml", |path| {
                let line = std::fs::read_to_string(path).unwrap();
                let env = Env::from([("BERTH_SCHEDULE_PRUNE".to_owned(), line)]);
                std::fs::write(path, "").unwrap();
                let _ = Config::load_from(path, &env);
            }),
        ),
        (
            "duration",
            Box::new(|text| {
                if let Ok(minutes) = Minutes::parse(text) {
                    assert!(0 < minutes.get() && 0 < minutes.millis(), "{text:?}");
                }
            }),
        ),
        ("last-event-id", Box::new(|text| drop(uuid::Uuid::parse_str(text)))),
        ("yaml", Box::new(|text| drop(yaml::parse_all(text, "fuzz.yml")))),
        (
            "vault",
            Box::new(|text| {
                let keys = vault::Keys::new(vec![("default".to_owned(), Secret("pw".to_owned()))]);
                let _ = keys.text(text.as_bytes().to_vec());
            }),
        ),
        ("ssh-said", Box::new(remote::try_text)),
        ("filter-from_yaml", filter("text | from_yaml")),
        ("filter-from_yaml_all", filter("text | from_yaml_all | list")),
        ("filter-from_json", filter("text | from_json")),
        (
            "filter-regex",
            filter("('aaaaaaaaaaaaaaaaaaaaaaaaab' | regex_search(text)) ~ ('ab' | regex_replace(text, '\\\\1'))"),
        ),
        ("filter-regex-text", filter("text | regex_findall('(a|b)+\\\\w*') ")),
        ("filter-time", filter("(text | to_datetime) ~ ('2026-11-21' | to_datetime(text))")),
        ("filter-b64decode", filter("text | b64decode")),
        ("filter-json_query", filter("[{'uid': 1}] | json_query(text)")),
        ("filter-human", filter("(text | human_to_bytes) ~ (text | int) ~ (text | float) ~ (text | bool)")),
        ("filter-urlsplit", filter("text | urlsplit")),
        ("filter-comment", filter("(text | comment) ~ (text | quote) ~ (text | splitext | join)")),
    ];
    all.extend(own);
    all
}

/// What one parser did.
struct Report {
    name: &'static str,
    tried: u64,
    slowest: Duration,
}

fn run(name: &'static str, parser: &Parser, seed: u64, budget: Duration) -> Report {
    let began = Instant::now();
    let mut report = Report { name, tried: 0, slowest: Duration::ZERO };
    while began.elapsed() < budget {
        // Each text has a seed of its own, so that one alone can be repeated.
        let own = seed.wrapping_add(report.tried);
        let text = text(&mut Dice(own), samples(name));
        let started = own_time();
        let done = catch_unwind(AssertUnwindSafe(|| parser(&text)));
        let took = own_time().saturating_sub(started);
        assert!(done.is_ok(), "BERTH_FUZZ_ONLY={name} BERTH_FUZZ_SEED={own} panicked: {text:?}");
        assert!(took < Duration::from_secs(20), "BERTH_FUZZ_ONLY={name} BERTH_FUZZ_SEED={own} took {took:?}: {text:?}");
        report.slowest = report.slowest.max(took);
        report.tried += 1;
    }
    report
}

#[test]
fn no_text_makes_any_parser_panic_or_stall() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let budget = Duration::from_secs(number("BERTH_FUZZ_SECONDS", 3));
    let seed = number("BERTH_FUZZ_SEED", 1);
    let only = std::env::var("BERTH_FUZZ_ONLY").ok();
    let chosen = parsers().into_iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name));
    let threads: Vec<_> = chosen
        .map(|(name, parser)| {
            // What is deep must not need a deeper stack than a server's thread has.
            let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(2 * 1024 * 1024);
            thread.spawn(move || run(name, &parser, seed, budget)).unwrap()
        })
        .collect();
    assert!(!threads.is_empty(), "there is no parser of that name");
    for thread in threads {
        let report = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(0 < report.tried, "{} was not tried", report.name);
        println!("{:24} {:>10} texts from seed {seed}, slowest {:?}", report.name, report.tried, report.slowest);
    }
}
