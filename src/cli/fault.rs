//! What went wrong, for the person at the terminal, and the exit code that says it to a script.

use std::fmt;

use serde::Deserialize;

use super::output::plain;

/// Done, or asked for and done.
pub const OK: u8 = 0;
/// It did not work.
pub const FAILED: u8 = 1;
/// The command line or a value given is wrong.
pub const USAGE: u8 = 2;
/// Not signed in, or not allowed.
pub const FORBIDDEN: u8 = 3;
/// No such thing, or not yours to know of.
pub const NOT_FOUND: u8 = 4;
/// A rule says no: not enough machines, name taken, too many requests.
pub const REFUSED: u8 = 5;
/// The server cannot be reached, or says it cannot work now.
pub const UNREACHABLE: u8 = 6;
/// The time that was given for waiting is over.
pub const DEADLINE: u8 = 7;
/// Ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// A cause that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The server's answer.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No answer at all.
    #[error("{0}")]
    Unreachable(String),
    /// The request was sent, and the answer did not come or not whole.
    #[error("{0}")]
    Broken(String),
    /// No session that is still good.
    #[error("{0}")]
    NotSignedIn(String),
    /// What the user named is not there.
    #[error("{0}")]
    NotFound(String),
    /// What the user typed cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// Waited long enough.
    #[error("{0}")]
    Deadline(String),
    /// Everything there is to say was already said; only the code is left.
    #[error("exit code {0}")]
    Said(u8),
}

impl Fault {
    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Problem(problem) => problem.code(),
            Self::Unreachable(_) | Self::Broken(_) => UNREACHABLE,
            Self::NotSignedIn(_) => FORBIDDEN,
            Self::NotFound(_) => NOT_FOUND,
            Self::Usage(_) => USAGE,
            Self::Deadline(_) => DEADLINE,
            Self::Said(code) => *code,
        }
    }
}

/// The exit code of any error: the one of the first [`Fault`] in its chain, else 1.
pub fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(|cause| cause.downcast_ref::<Fault>()).map_or(FAILED, Fault::code)
}

/// An `application/problem+json` answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// `/problems/<slug>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of thing went wrong.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// Find it in the server's log by this.
    pub request_id: Option<String>,
    /// Every fault in what was sent.
    pub errors: Vec<FieldFault>,
    /// The file that was sent, so that faults can be shown as `file:line:column`.
    #[serde(skip)]
    pub file: Option<String>,
}

/// One fault in what was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldFault {
    /// JSON pointer to the value.
    pub pointer: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<u64>,
    /// Column in the line, from 1.
    pub column: Option<u64>,
    /// What is wrong there.
    pub detail: String,
}

impl Problem {
    /// The last part of the type: `not-enough-machines`.
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }

    fn code(&self) -> u8 {
        match self.status {
            401 | 403 => FORBIDDEN,
            404 | 410 => NOT_FOUND,
            400 | 413 | 415 => USAGE,
            422 if self.slug().starts_with("invalid-") => USAGE,
            409 | 412 | 422 | 429 => REFUSED,
            502..=504 => UNREACHABLE,
            _ => FAILED,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A single fault often repeats the detail; then its line says it, with the place.
        let repeated = self.errors.iter().any(|fault| fault.detail == self.detail);
        let detail = if repeated { "" } else { self.detail.as_str() };
        match (self.title.as_str(), detail) {
            ("", "") => write!(f, "the server answered {}", self.status)?,
            ("", one) | (one, "") => f.write_str(&plain(one))?,
            (title, detail) if title.eq_ignore_ascii_case(detail) => f.write_str(&plain(title))?,
            (title, detail) => write!(f, "{}: {}", plain(title), plain(detail))?,
        }
        for fault in &self.errors {
            f.write_str("\n  ")?;
            if let (Some(file), Some(line)) = (&self.file, fault.line) {
                write!(f, "{}:{line}:{}: ", plain(file), fault.column.unwrap_or(1))?;
            } else if let Some(line) = fault.line {
                write!(f, "line {line}, column {}: ", fault.column.unwrap_or(1))?;
            }
            if let Some(pointer) = fault.pointer.as_deref().filter(|text| !text.is_empty()) {
                write!(f, "{}: ", plain(pointer))?;
            }
            f.write_str(&plain(&fault.detail))?;
        }
        if !self.slug().is_empty() {
            write!(f, "\nproblem: {}", plain(self.slug()))?;
        }
        if let Some(id) = self.request_id.as_deref().filter(|id| !id.is_empty()) {
            write!(f, "\nrequest id: {}", plain(id))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, slug: &str) -> Fault {
        Fault::Problem(Box::new(Problem { kind: format!("/problems/{slug}"), status, ..Problem::default() }))
    }

    #[test]
    fn each_status_has_its_exit_code() {
        for (status, slug, code) in [
            (400, "malformed", 2),
            (401, "unauthenticated", 3),
            (403, "forbidden", 3),
            (404, "not-found", 4),
            (409, "not-enough-machines", 5),
            (422, "invalid-duration", 2),
            (422, "too-long", 5),
            (429, "slow-down", 5),
            (500, "internal", 1),
            (503, "unavailable", 6),
        ] {
            assert_eq!(problem(status, slug).code(), code, "{status} {slug}");
        }
    }

    #[test]
    fn context_around_a_fault_keeps_its_code() {
        let error = anyhow::Error::from(Fault::NotFound("no".into())).context("while looking");
        assert_eq!(code_of(&error), NOT_FOUND);
        assert_eq!(code_of(&anyhow::anyhow!("other")), FAILED);
    }

    #[test]
    fn a_fault_that_repeats_the_detail_is_said_once() {
        let problem = Problem {
            kind: "/problems/invalid-duration".into(),
            title: "Unprocessable Entity".into(),
            detail: "too short".into(),
            errors: vec![FieldFault {
                pointer: Some("/duration".into()),
                detail: "too short".into(),
                ..Default::default()
            }],
            ..Problem::default()
        };
        assert_eq!(problem.to_string(), "Unprocessable Entity\n  /duration: too short\nproblem: invalid-duration");
    }

    #[test]
    fn a_problem_is_shown_whole_and_without_control_characters() {
        let problem = Problem {
            title: "the inventory is not valid".into(),
            detail: "2 faults".into(),
            request_id: Some("abc".into()),
            errors: vec![
                FieldFault {
                    pointer: Some("/machines/0/port".into()),
                    line: Some(4),
                    column: Some(11),
                    detail: "too big".into(),
                },
                FieldFault { pointer: None, line: None, column: None, detail: "bad \u{1b}[31mname".into() },
            ],
            file: Some("m.yml".into()),
            ..Problem::default()
        };
        assert_eq!(
            problem.to_string(),
            "the inventory is not valid: 2 faults\n  m.yml:4:11: /machines/0/port: too big\n  bad \\u{1b}[31mname\nrequest id: abc"
        );
    }
}
