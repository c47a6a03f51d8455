//! The house rules that a reader cannot be trusted to notice.
//!
//! Each rule is a function from the text of a file to its faults, so that each is shown to find one, too.

use std::{fs, path::Path};

/// A Rust file of ours: its path from the root of the repository, and its text without comments.
struct Source {
    path: String,
    text: String,
    lines: usize,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: without_comments(text), lines: text.lines().count() }
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// `what` at each line on which `finds` holds.
    fn faults(&self, what: &str, finds: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.text.lines().enumerate();
        lines.filter(|(_, line)| finds(line)).map(|(at, _)| format!("{}:{}: {what}", self.path, at + 1)).collect()
    }
}

/// Blanks comments and keeps every line where it was. Text in quotes stays: SQL is such text.
fn without_comments(text: &str) -> String {
    let blank = |line: &str| line.trim_start().starts_with("//");
    text.lines().map(|line| if blank(line) { "" } else { line }).collect::<Vec<_>>().join("\n")
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push(Source::new(name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every file of ours but this one, whose samples of faults are no faults.
fn all_sources() -> Vec<Source> {
    let mut all = sources("src");
    all.extend(sources("tests").into_iter().filter(|s| s.path != "tests/it/tidy.rs"));
    all
}

#[track_caller]
fn hold(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>) {
    let faults: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The modules of `src/lib.rs`, from the ground floor to the roof.
fn floors(lib: &str) -> Vec<String> {
    let names = lib.lines().filter_map(|l| l.strip_prefix("pub mod ").and_then(|l| l.strip_suffix(';')));
    names.map(str::to_owned).collect()
}

/// The modules of this crate that a text names: `crate::a`, `use crate::{a::B, c}`.
fn named(text: &str) -> Vec<(usize, String)> {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((line, word(rest)));
            continue;
        };
        let (mut depth, mut starts) = (0, true);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => starts = true,
                c if starts && !c.is_whitespace() => {
                    starts = false;
                    found.push((line, word(&group[i..])));
                }
                _ => {}
            }
        }
    }
    found
}

fn upward_imports(source: &Source, floors: &[String]) -> Vec<String> {
    let own = source.path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
    let floor = |name: &str| floors.iter().position(|f| f == name);
    // What is not in the list stands on the roof: `main.rs`, the bins, `lib.rs` itself.
    let Some(here) = floor(own) else { return Vec::new() };
    let above = named(&source.text).into_iter().filter(|(_, name)| floor(name).is_some_and(|there| here < there));
    above.map(|(line, name)| format!("{}:{line}: `{own}` stands below `{name}` in src/lib.rs", source.path)).collect()
}

#[test]
fn a_module_imports_only_from_those_above_it_in_lib_rs() {
    let floors = floors(&fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap());
    assert!(floors.len() > 15, "src/lib.rs lists {} modules", floors.len());
    hold(&sources("src"), |s| upward_imports(s, &floors));
}

#[test]
fn an_upward_import_is_found_in_each_of_its_forms() {
    let floors = floors("pub mod clock;\n\npub mod machines;\n\npub mod reservations;\n");
    let faults = |text: &str| upward_imports(&Source::new("src/machines/mod.rs", text), &floors).len();
    assert_eq!(faults("use crate::clock;\nuse crate::machines::X;\n// crate::reservations\n"), 0);
    assert_eq!(faults("use crate::reservations::book;"), 1);
    assert_eq!(faults("use crate::{\n    clock::{A, reservations},\n    reservations::B,\n};"), 1);
    assert_eq!(faults("fn f() { crate::reservations::book() }"), 1);
}

fn sql_outside_stores(source: &Source) -> Vec<String> {
    if source.path.starts_with("src/db/") || source.name() == "store.rs" || source.path.contains("/store/") {
        return Vec::new();
    }
    // What these say goes to a database of the user's, on a machine.
    if source.path.contains("playbook/modules/sql/") {
        return Vec::new();
    }
    source.faults("SQL belongs into `store.rs` or `src/db`", |line| {
        line.contains("sqlx::query") || line.contains("AssertSqlSafe") || literals(line).iter().any(|l| is_sql(l))
    })
}

/// The texts in quotes that begin on a line.
fn literals(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

fn is_sql(text: &str) -> bool {
    let text = text.trim_start().to_ascii_lowercase();
    let begins = |start: &str, needs: &str| text.strip_prefix(start).is_some_and(|rest| rest.contains(needs));
    begins("select ", " from ")
        || begins("insert into ", "")
        || begins("delete from ", "")
        || begins("update ", " set ")
        || begins("create table ", "")
        || begins("alter table ", "")
}

#[test]
fn sql_stands_in_stores_and_in_the_database_module_only() {
    hold(&sources("src"), sql_outside_stores);
}

#[test]
fn sql_in_a_verb_is_found() {
    let faults = |path: &str, text: &str| sql_outside_stores(&Source::new(path, text)).len();
    let text =
        "let q = \"select id from machine\";\nlet s = \"update machine set state = ?\";\nlet w = \"select one\";";
    assert_eq!(faults("src/machines/mod.rs", text), 2);
    assert_eq!(faults("src/machines/store.rs", text), 0);
    assert_eq!(faults("src/audit/api.rs", "sqlx::query(x)"), 1);
}

fn axum_inside(source: &Source) -> Vec<String> {
    let edge = source.path.starts_with("src/http/") || source.path.starts_with("src/server/");
    if edge || source.name() == "api.rs" || source.path.contains("/api/") {
        return Vec::new();
    }
    source.faults("axum belongs into `api.rs`, `src/http` or `src/server`", |line| {
        line.contains("axum::") || line.contains("axum_extra::")
    })
}

#[test]
fn axum_stands_at_the_edge_only() {
    hold(&sources("src"), axum_inside);
}

#[test]
fn axum_in_a_verb_is_found() {
    assert_eq!(axum_inside(&Source::new("src/machines/mod.rs", "use axum::Json;")).len(), 1);
    assert_eq!(axum_inside(&Source::new("src/machines/api.rs", "use axum::Json;")).len(), 0);
}

fn words_of_one_dialect(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/db/") && source.name() != "store.rs" && !source.path.contains("/store/") {
        return Vec::new();
    }
    source.faults("`returning`, `on conflict`, `now()` and autoincrement are not SQL of both databases", |line| {
        let line = line.to_ascii_lowercase();
        [
            " returning ",
            "on conflict",
            "on duplicate key",
            "now()",
            "auto_increment",
            "autoincrement",
            "current_timestamp",
        ]
        .iter()
        .any(|word| line.contains(word) && !line.contains("clock"))
    })
}

#[test]
fn sql_is_the_one_text_that_both_databases_take() {
    hold(&sources("src"), words_of_one_dialect);
}

#[test]
fn sql_of_one_dialect_is_found() {
    let faults = |text: &str| words_of_one_dialect(&Source::new("src/machines/store.rs", text)).len();
    assert_eq!(faults("\"insert into a values (?) on conflict do nothing\"\n\"update a set b = NOW()\""), 2);
    assert_eq!(faults("\"insert into a values (?)\"\nlet at = ctx.clock.now();"), 0);
}

fn other_clocks(source: &Source) -> Vec<String> {
    if source.path == "src/clock.rs" {
        return Vec::new();
    }
    source.faults("`ctx.clock.now()` is the only now", |line| {
        ["SystemTime::now", "Timestamp::now", "Zoned::now"].iter().any(|now| line.contains(now))
    })
}

#[test]
fn the_clock_is_asked_in_one_place() {
    hold(&all_sources(), other_clocks);
}

#[test]
fn another_clock_is_found() {
    assert_eq!(other_clocks(&Source::new("src/machines/mod.rs", "let now = SystemTime::now();")).len(), 1);
}

fn waiting_tests(source: &Source) -> Vec<String> {
    let test = source.path.starts_with("tests/") || source.name().contains("test");
    let own_tests = source.text.find("#[cfg(test)]\nmod ").map_or(usize::MAX, |at| source.text[..at].lines().count());
    let lines = source.text.lines().enumerate();
    // A command that a test sends to a machine may sleep there; the test itself may not.
    let sleeps = |line: &str| line.contains("::sleep(") || line.contains(" sleep(");
    lines
        .filter(|(at, line)| {
            line.contains("thread::sleep(") || line.trim() == "#[ignore]" || ((test || own_tests < *at) && sleeps(line))
        })
        .map(|(at, _)| {
            format!("{}:{}: tests neither sleep nor are ignored: wait for what is to happen", source.path, at + 1)
        })
        .collect()
}

#[test]
fn no_test_sleeps_or_is_ignored() {
    hold(&all_sources(), waiting_tests);
}

#[test]
fn a_test_that_sleeps_is_found() {
    let faults = |path: &str, text: &str| waiting_tests(&Source::new(path, text)).len();
    assert_eq!(faults("tests/it/a.rs", "tokio::time::sleep(SECOND).await;\n#[ignore]"), 2);
    assert_eq!(faults("src/a.rs", "tokio::time::sleep(PAUSE).await;\n#[cfg(test)]\nmod tests {\n    sleep(X);\n}"), 1);
    assert_eq!(faults("src/a.rs", "std::thread::sleep(PAUSE);"), 1);
}

/// A file this long is two things.
const LONGEST: usize = 600;

fn too_long(source: &Source) -> Vec<String> {
    let fault = format!("{}: {} lines, {LONGEST} are enough: split it by verb", source.path, source.lines);
    if LONGEST < source.lines { vec![fault] } else { Vec::new() }
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    hold(&all_sources(), too_long);
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(too_long(&Source::new("src/a.rs", &"x\n".repeat(601))).len(), 1);
    assert_eq!(too_long(&Source::new("src/a.rs", &"x\n".repeat(600))).len(), 0);
}
