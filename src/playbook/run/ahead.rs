//! Conditions on results that are still under way, for the host to judge.
//!
//! Only forms whose every outcome the host can tell are taken; for all others the controller waits. A question about
//! what is not there (`x.rc` of a skipped command) is told as such, and the controller says what is wrong with it.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    host::HostRun,
    prepare::{Manner, Work},
};
use crate::{
    playbook::{
        ast::{Action, Task},
        modules::Module,
        template::{self, Error, Layer, View},
    },
    remote::{Ask, Condition},
};

/// What is known of a step whose result is under way.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    /// The number under which the host keeps it.
    pub(super) slot: u32,
    /// Its module.
    pub(super) module: &'static str,
    /// What its `changed_when` makes of it: `None` when only the controller can tell.
    pub(super) changed: Changed,
}

/// Where `changed` of a result comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// The module says it.
    Told,
    /// `changed_when` is this constant, for a step that ran.
    Always(bool),
    /// `changed_when` is an expression.
    Judged,
}

/// Says what parts without results under way come to; `None` when that is no plain truth value.
pub(super) type Known<'a> = &'a dyn Fn(&str) -> Option<bool>;

/// The condition as the host can judge it.
pub(super) fn compile(text: &str, steps: &HashMap<String, Remembered>, known: Known) -> Option<Condition> {
    let words = words(text)?;
    // What may be missing is the controller's matter, in all of the condition.
    if words.iter().any(|word| matches!(&text[word.from..word.to], "defined" | "undefined")) {
        return None;
    }
    let mut parser = Parser { text, words: &words, at: 0, steps, known };
    let condition = parser.either()?;
    (parser.at == words.len()).then_some(condition)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Name,
    Number,
    Text(String),
    Sign,
}

/// A word of the condition and where it stands.
#[derive(Debug, Clone)]
struct Word {
    kind: Kind,
    from: usize,
    to: usize,
}

fn words(text: &str) -> Option<Vec<Word>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        let run =
            |more: &dyn Fn(u8) -> bool| bytes[from..].iter().position(|b| !more(*b)).unwrap_or(bytes.len() - from);
        let kind = match bytes[at] {
            b' ' | b'\n' | b'\t' => {
                at += 1;
                continue;
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                at += run(&|b| b.is_ascii_alphanumeric() || b == b'_');
                Kind::Name
            }
            b if b.is_ascii_digit() => {
                at += run(&|b| b.is_ascii_digit());
                Kind::Number
            }
            quote @ (b'\'' | b'"') => {
                let inner = &bytes[at + 1..];
                let len = inner.iter().position(|b| *b == quote)?;
                at += len + 2;
                let inner = text.get(from + 1..from + 1 + len)?;
                // An escape may mean anything.
                if inner.contains('\\') {
                    return None;
                }
                Kind::Text(inner.to_owned())
            }
            b'=' | b'!' | b'<' | b'>' => {
                at += if bytes.get(at + 1) == Some(&b'=') { 2 } else { 1 };
                Kind::Sign
            }
            b'(' | b')' | b'.' | b'-' => {
                at += 1;
                Kind::Sign
            }
            _ => return None,
        };
        found.push(Word { kind, from, to: at });
    }
    Some(found)
}

struct Parser<'a> {
    text: &'a str,
    words: &'a [Word],
    at: usize,
    steps: &'a HashMap<String, Remembered>,
    known: Known<'a>,
}

impl Parser<'_> {
    fn word(&self, ahead: usize) -> &str {
        self.words.get(self.at + ahead).map_or("", |word| &self.text[word.from..word.to])
    }

    fn take(&mut self, word: &str) -> bool {
        let is = self.word(0) == word;
        self.at += usize::from(is);
        is
    }

    fn either(&mut self) -> Option<Condition> {
        let mut left = self.both()?;
        while self.take("or") {
            left = Condition::Or(Box::new(left), Box::new(self.both()?));
        }
        Some(left)
    }

    fn both(&mut self) -> Option<Condition> {
        let mut left = self.one()?;
        while self.take("and") {
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Condition> {
        if self.take("not") {
            return Some(Condition::Not(Box::new(self.one()?)));
        }
        if self.word(0) == "(" {
            let start = self.at;
            self.at += 1;
            let inner = self.either();
            if inner.is_some() && self.take(")") && self.ends() {
                return inner;
            }
            self.at = start;
            return self.plain();
        }
        let start = self.at;
        if let Some(asked) = self.asked()
            && self.ends()
        {
            return Some(asked);
        }
        self.at = start;
        self.plain()
    }

    /// Whether a part may end here.
    fn ends(&self) -> bool {
        matches!(self.word(0), "" | "and" | "or" | ")")
    }

    /// A part that asks for no step under way.
    fn plain(&mut self) -> Option<Condition> {
        let start = self.at;
        let mut depth = 0_usize;
        while self.at < self.words.len() {
            match self.word(0) {
                "(" => depth += 1,
                ")" | "and" | "or" if depth == 0 => break,
                ")" => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        let (first, last) = (self.words.get(start)?, self.words.get(self.at.checked_sub(1)?)?);
        (self.known)(self.text.get(first.from..last.to)?).map(Condition::Known)
    }

    /// A question about a step under way.
    fn asked(&mut self) -> Option<Condition> {
        if let Some(Kind::Text(part)) = self.words.get(self.at).map(|word| word.kind.clone()) {
            self.at += 1;
            let not = self.take("not");
            if !self.take("in") {
                return None;
            }
            let step = self.step()?;
            let asked = self.output(&step, Ask::Contains(part))?;
            return Some(if not { Condition::Not(Box::new(asked)) } else { asked });
        }
        let step = self.step()?;
        if self.take("is") {
            let not = self.take("not");
            let test = self.word(0).to_owned();
            self.at += 1;
            let asked = match test.as_str() {
                "changed" | "change" => Self::changed(&step)?,
                "failed" | "failure" => Condition::Ask(step.slot, Ask::Failed),
                "succeeded" | "success" | "successful" => {
                    Condition::Not(Box::new(Condition::Ask(step.slot, Ask::Failed)))
                }
                "skipped" | "skip" => Condition::Ask(step.slot, Ask::Skipped),
                _ => return None,
            };
            return Some(if not { Condition::Not(Box::new(asked)) } else { asked });
        }
        if !matches!(self.word(0), ".") {
            return None;
        }
        match self.word(1) {
            "changed" => {
                self.at += 2;
                Self::changed(&step)
            }
            "stat" if step.module == "stat" && self.word(2) == "." && self.word(3) == "exists" => {
                self.at += 4;
                Some(Condition::Ask(step.slot, Ask::Exists))
            }
            "rc" => {
                self.at += 2;
                self.status(&step)
            }
            "stdout" => {
                let not = match self.word(2) {
                    "==" => false,
                    "!=" => true,
                    _ => return None,
                };
                let Some(Kind::Text(text)) = self.words.get(self.at + 3).map(|word| word.kind.clone()) else {
                    return None;
                };
                let asked = self.output(&step, Ask::Output(text))?;
                self.at += 2;
                Some(if not { Condition::Not(Box::new(asked)) } else { asked })
            }
            _ => None,
        }
    }

    /// The step that a name stands for; the name is passed.
    fn step(&mut self) -> Option<Remembered> {
        let step = self.steps.get(self.word(0)).cloned()?;
        self.at += 1;
        Some(step)
    }

    fn changed(step: &Remembered) -> Option<Condition> {
        let skipped = || Box::new(Condition::Ask(step.slot, Ask::Skipped));
        match step.changed {
            Changed::Told => Some(Condition::Ask(step.slot, Ask::Changed)),
            Changed::Always(false) => Some(Condition::Known(false)),
            Changed::Always(true) => Some(Condition::Not(skipped())),
            Changed::Judged => None,
        }
    }

    /// `.stdout`, which stands here, asked for.
    fn output(&mut self, step: &Remembered, ask: Ask) -> Option<Condition> {
        let (Ask::Output(text) | Ask::Contains(text)) = &ask else { return None };
        // What is no UTF-8 was replaced, and then other rules hold.
        let plain = text.chars().all(|c| !c.is_control() && c != '\u{fffd}');
        if !plain || !matches!(step.module, "command" | "shell") || self.word(0) != "." || self.word(1) != "stdout" {
            return None;
        }
        self.at += 2;
        Some(Condition::Ask(step.slot, ask))
    }

    fn status(&mut self, step: &Remembered) -> Option<Condition> {
        if !matches!(step.module, "command" | "shell") {
            return None;
        }
        let operator = match self.word(0) {
            "==" => "-eq",
            "!=" => "-ne",
            "<" => "-lt",
            "<=" => "-le",
            ">" => "-gt",
            ">=" => "-ge",
            _ => return None,
        };
        if self.words.get(self.at + 1)?.kind != Kind::Number {
            return None;
        }
        let number = self.word(1).parse().ok()?;
        self.at += 2;
        Some(Condition::Ask(step.slot, Ask::Status(operator, number)))
    }
}

impl HostRun<'_> {
    /// A condition on what is under way as the host can judge it.
    pub(super) fn for_the_host(&self, task: &Task, view: &Arc<View>, condition: &Value) -> Option<Condition> {
        let Value::String(text) = condition else { return None };
        let waits = task.until.is_some()
            || task.background.is_some()
            || task.failed_when.is_some()
            || task.common.delegate_to.is_some()
            || !matches!(task.action, Action::Module(..));
        if waits {
            return None;
        }
        let steps = self.remembered.iter().filter(|(name, _)| self.pending.contains_key(*name));
        let steps = steps.map(|(name, step)| (name.clone(), step.clone())).collect();
        compile(text, &steps, &|part| match template::expression(view, part) {
            Ok(Value::Bool(flag)) => Some(flag),
            _ => None,
        })
    }

    /// The work of a task whose conditions the host will judge. Whatever is not plainly a step is waited for.
    pub(super) fn work_ahead(
        &self,
        task: &Task,
        module: &'static Module,
        written: &Value,
        view: &Arc<View>,
        manner: &Manner,
        when: Vec<(usize, Condition)>,
    ) -> Result<Work, Error> {
        let mut ahead = view.with(Layer::fixed(Map::new()));
        ahead.ahead = true;
        let ahead = Arc::new(ahead);
        let Ok(Work::Send(mut step, args, finish)) = self.module_work(task, module, written, &ahead, manner) else {
            return Err(Error::Pending);
        };
        if !self.in_main_shell(task, &step) || !ahead.take_warnings().is_empty() {
            return Err(Error::Pending);
        }
        step.when = when;
        Ok(Work::Send(step, args, finish))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Option<Condition> {
        let steps =
            [("c", "command", Changed::Told), ("s", "stat", Changed::Always(false)), ("j", "shell", Changed::Judged)];
        let steps = steps.into_iter().zip(1..);
        let steps = steps
            .map(|((name, module, changed), slot)| (name.to_owned(), Remembered { slot, module, changed }))
            .collect();
        compile(text, &steps, &|part| match part {
            "yes" | "a.b | length > 1" => Some(true),
            "no" | "(x or y) | bool" => Some(false),
            _ => None,
        })
    }

    #[test]
    fn the_common_forms_are_taken_and_no_others() {
        use Condition::{And, Known, Not, Or};
        let ask = |slot, ask| Condition::Ask(slot, ask);
        let not = |inner| Not(Box::new(inner));
        for (text, meant) in [
            ("c is changed", ask(1, Ask::Changed)),
            ("not c.changed", not(ask(1, Ask::Changed))),
            ("c is not failed", not(ask(1, Ask::Failed))),
            ("c is succeeded", not(ask(1, Ask::Failed))),
            ("j is skipped", ask(3, Ask::Skipped)),
            ("c.rc == 0", ask(1, Ask::Status("-eq", 0))),
            ("c.rc>=2", ask(1, Ask::Status("-ge", 2))),
            ("s.stat.exists", ask(2, Ask::Exists)),
            ("s is changed", Known(false)),
            ("c.stdout == 'a b'", ask(1, Ask::Output("a b".into()))),
            ("c.stdout != \"\"", not(ask(1, Ask::Output(String::new())))),
            ("'x' not in c.stdout", not(ask(1, Ask::Contains("x".into())))),
            (
                "yes and (c is changed or not s.stat.exists)",
                And(
                    Box::new(Known(true)),
                    Box::new(Or(Box::new(ask(1, Ask::Changed)), Box::new(not(ask(2, Ask::Exists))))),
                ),
            ),
        ] {
            assert_eq!(compiled(text), Some(meant), "{text}");
        }
        for text in [
            "j is changed",
            "c.failed",
            "s.stat.isdir",
            "c.stat.exists",
            "s.rc == 0",
            "c.rc == '0'",
            "c.rc",
            "c.stdout",
            "c.stdout == 'a\\n'",
            "c.stdout == d",
            "c.stdout | trim == 'a'",
            "'a' in c.stdout.lower()",
            "c is changed is defined",
            "c is changed and yes is defined",
            "c is changed == true",
            "unknown",
            "c is changed and",
            "(c is changed",
            "{{ c is changed }}",
            "c is changed if yes else no",
            "",
        ] {
            assert_eq!(compiled(text), None, "{text}");
        }
    }
}
