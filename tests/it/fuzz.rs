//! Random playbooks, templates and data: nothing may panic, nothing may take for ever.
//!
//! The inputs are made by code from a seed, so a failure can be seen again: `BERTH_FUZZ_SEED=…`. A few seconds here;
//! `./just fuzz 3600` runs it for an hour.

use std::{
    fmt::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use berth::playbook::{
    load_text,
    template::{self, Layer, View},
    yaml,
};
use serde_json::{Value, json};

/// A small generator of numbers: the same seed, the same inputs.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    pub fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const ATOMS: &[&str] = &[
    "a",
    "b",
    "d",
    "people",
    "nothing",
    "round",
    "text",
    "'x'",
    "'%s'",
    "'a,b'",
    "''",
    "'zwölf 😀'",
    "0",
    "1",
    "-1",
    "2.5",
    "1e308",
    "99999999999999999999",
    "none",
    "true",
    "omit",
    "[]",
    "{}",
    "[1, 'a', none]",
    "{'k': [1]}",
    "(1, 2)",
    "range(10 ** 9)",
    "'x' * 10 ** 9",
    "[0] * 10 ** 9",
    "10 ** 10 ** 10",
    "people[0].name",
    "d.n.m",
    "d['k']",
    "a.b.c",
    "vars",
    "hostvars",
    "'(a+)+$'",
    "'\\\\1'",
    "now()",
    "[[[[[]]]]]",
];
const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "//", "%", "~", "==", "<", "in", "and", "or", "is", "not", "if", "else"];
const METHODS: &[&str] =
    &["split", "items", "get", "format", "zfill", "center", "replace", "join", "append", "update", "strip", "index"];

fn expression(dice: &mut Dice, names: &[(&str, Vec<&str>); 3], depth: usize) -> String {
    if depth == 0 {
        return dice.pick(ATOMS).to_owned();
    }
    let inner = |dice: &mut Dice| expression(dice, names, depth - 1);
    match dice.below(9) {
        0..=3 => {
            let value = inner(dice);
            let filter = dice.pick(&names[0].1);
            // Passwords are slow on purpose.
            let filter = if matches!(filter, "password_hash" | "vault" | "unvault") { "hash" } else { filter };
            let args: Vec<String> = (0..dice.below(4)).map(|_| inner(dice)).collect();
            format!("{value} | {filter}({})", args.join(", "))
        }
        4 => {
            let test = dice.pick(&names[1].1);
            let test = if test.starts_with(|c: char| c.is_ascii_alphabetic()) { test } else { "eq" };
            format!("({}) is {test}({})", inner(dice), inner(dice))
        }
        5 => format!("({} {} {})", inner(dice), dice.pick(OPERATORS), inner(dice)),
        6 => format!("({}).{}({}, {})", inner(dice), dice.pick(METHODS), inner(dice), inner(dice)),
        7 => {
            let lookup = dice.pick(&names[2].1);
            let lookup =
                if matches!(lookup, "pipe" | "lines" | "url" | "password" | "file") { "items" } else { lookup };
            format!("query('{lookup}', {}, {})", inner(dice), inner(dice))
        }
        _ => format!("[{}, {}][{}]", inner(dice), inner(dice), dice.pick(ATOMS)),
    }
}

fn template(dice: &mut Dice, names: &[(&str, Vec<&str>); 3]) -> String {
    let mut text = String::new();
    for _ in 0..=dice.below(4) {
        let depth = dice.below(4);
        let inner = expression(dice, names, depth);
        let part = match dice.below(8) {
            0 => format!("{{% for i in {inner} %}}{{{{ i }}}}{{{{ loop.index }}}}{{% endfor %}}"),
            1 => format!("{{% if {inner} %}}x{{% else %}}y{{% endif %}}"),
            2 => format!("{{% set v = {inner} %}}{{% set _ = v.append({inner}) %}}{{{{ v }}}}"),
            3 => format!("{{% macro m(p) %}}{{{{ p }}}}{{% endmacro %}}{{{{ m({inner}) }}}}"),
            4 => "#jinja2: trim_blocks: False\n".to_owned(),
            _ => format!("{{{{ {inner} }}}}"),
        };
        text += &part;
    }
    mangle(dice, text)
}

/// Cuts, doubles and swaps a few pieces.
fn mangle(dice: &mut Dice, text: String) -> String {
    if dice.below(3) > 0 {
        return text;
    }
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(letters.len());
        match dice.below(3) {
            0 if !letters.is_empty() => drop(letters.remove(at)),
            1 => letters.insert(
                at,
                dice.pick(&["{{", "}}", "{%", "%}", "'", "(", "|", "\\", "\n", "\0", ":", "-", "*"])
                    .chars()
                    .next()
                    .unwrap_or('x'),
            ),
            _ => letters.truncate(at + 1),
        }
    }
    letters.into_iter().collect()
}

fn playbook(dice: &mut Dice, names: &[(&str, Vec<&str>); 3]) -> String {
    let keys = [
        "name",
        "hosts",
        "tasks",
        "vars",
        "when",
        "loop",
        "with_items",
        "debug",
        "command",
        "block",
        "rescue",
        "register",
        "roles",
        "notify",
        "handlers",
        "tags",
        "until",
        "include_tasks",
        "set_fact",
        "<<",
        "environment",
        "args",
        "meta",
    ];
    let mut text = String::from("- hosts: all\n");
    let mut indent = 2_usize;
    for _ in 0..dice.below(14) {
        let step = |dice: &mut Dice| [0_usize, 0, 2, 4][dice.below(4)];
        indent = (indent + step(&mut *dice)).saturating_sub(step(&mut *dice)).min(20);
        let dash = if dice.below(3) == 0 { "- " } else { "" };
        let value = match dice.below(6) {
            0 => String::new(),
            1 => format!("\"{{{{ {} }}}}\"", expression(dice, names, 1).replace(['"', '\\'], "")),
            2 => dice
                .pick(&["&a [1, *a]", "!vault |", "!unsafe x", "{a: 1}", "[1, 2]", "|", "yes", "0777", "*b", "? x"])
                .to_owned(),
            3 => "'x'".to_owned(),
            4 => "all".to_owned(),
            _ => dice.below(100).to_string(),
        };
        let _ = writeln!(text, "{}{dash}{}: {value}", " ".repeat(indent), dice.pick(&keys));
    }
    mangle(dice, text)
}

fn view() -> Arc<View> {
    let vars = json!({
        "a": 1, "b": "{{ a + 1 }}", "text": "line one\nline two", "d": {"k": "v", "n": {"m": "{{ b }}"}},
        "people": [{"name": "al", "uid": 5}, {"name": "bo"}], "round": "{{ about }}", "about": "{{ round }}",
    });
    let Value::Object(vars) = vars else { unreachable!("an object was written above") };
    Arc::new(View::new(vec![Layer::lazy(Arc::new(vars))]))
}

/// What this thread has computed so far: on a busy computer, waiting is no stall.
pub fn own_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("a thread's time is not negative")
}

#[test]
fn no_input_makes_the_parser_or_the_templates_panic_or_stall() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let budget = Duration::from_secs(number("BERTH_FUZZ_SECONDS", 3));
    let seed = number("BERTH_FUZZ_SEED", 1);
    let names = template::names();
    let began = Instant::now();
    let mut round = 0_u64;
    while began.elapsed() < budget {
        // Each round has a seed of its own, so that one alone can be repeated.
        let own = seed.wrapping_add(round);
        let mut dice = Dice(own);
        let source = template(&mut dice, &names);
        let yaml = playbook(&mut dice, &names);
        let started = own_time();
        let view = view();
        let _ = template::value(&view, &Value::String(source.clone()));
        let _ = template::truth(&view, &Value::String(source.clone()));
        let _ = template::syntax(&source);
        let _ = yaml::parse_all(&yaml, "fuzz.yml");
        let _ = load_text(&yaml, "fuzz.yml", Path::new("/nowhere"));
        let took = own_time().saturating_sub(started);
        assert!(took < Duration::from_mins(1), "BERTH_FUZZ_SEED={own} took {took:?}: {source}");
        round += 1;
    }
    assert!(round > 0, "no input was tried");
}
