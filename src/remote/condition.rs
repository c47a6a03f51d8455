//! Conditions on what earlier steps came to, judged by the host's shell.

use super::quote::quote;

/// A condition on steps that were remembered under a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It holds or not whatever the steps came to.
    Known(bool),
    /// A question about one step.
    Ask(u32, Ask),
    /// Not this.
    Not(Box<Condition>),
    /// Both; the second is asked for only when the first holds.
    And(Box<Condition>, Box<Condition>),
    /// One of them; the second is asked for only when the first does not hold.
    Or(Box<Condition>, Box<Condition>),
}

/// What may be asked of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// It changed something.
    Changed,
    /// It failed.
    Failed,
    /// It was skipped.
    Skipped,
    /// Its exit status compares so (`-eq`, `-lt` …) with the number.
    Status(&'static str, i32),
    /// `stat` found something.
    Exists,
    /// Its output, without line ends behind, is this text of one line.
    Output(String),
    /// This text of one line is in its output.
    Contains(String),
}

impl Condition {
    /// As shell text that leaves the answer in `__q`.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Known(holds) => format!("__q={}", u8::from(!holds)),
            Self::Not(inner) => format!("{}\n__not", inner.text()),
            Self::And(left, right) => format!("{}\nif [ \"$__q\" = 0 ]; then\n{}\nfi", left.text(), right.text()),
            Self::Or(left, right) => format!("{}\nif [ \"$__q\" = 1 ]; then\n{}\nfi", left.text(), right.text()),
            Self::Ask(slot, ask) => match ask {
                Ask::Changed => format!("__has {slot} c"),
                Ask::Failed => format!("__has {slot} f"),
                Ask::Skipped => format!("__has {slot} s"),
                Ask::Status(operator, number) => format!("__rc {slot} {operator} {number}"),
                Ask::Exists => format!("__there {slot}"),
                Ask::Output(text) => format!("__is {slot} {}", quote(text)),
                Ask::Contains(text) => format!("__in {slot} {}", quote(text)),
            },
        }
    }
}
