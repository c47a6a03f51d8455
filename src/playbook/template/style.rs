//! How a template is written: its marks, and what becomes of line ends. A first line `#jinja2: …` may say so.

use minijinja::{ErrorKind, syntax::SyntaxConfig};

/// The style of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// Around statements.
    pub block: (String, String),
    /// Around expressions.
    pub variable: (String, String),
    /// Around comments.
    pub comment: (String, String),
    /// Before a line that is a statement as a whole.
    pub line_statement: Option<String>,
    /// Before a comment that goes to the end of the line.
    pub line_comment: Option<String>,
    /// The line end after a statement goes.
    pub trim_blocks: bool,
    /// White space before a statement goes.
    pub lstrip_blocks: bool,
    /// The last line end stays in parts that are included; a whole text keeps its line ends anyway.
    pub keep_trailing_newline: bool,
    /// What lines end with.
    pub newline: String,
}

impl Default for Style {
    fn default() -> Self {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        Self {
            block: pair("{%", "%}"),
            variable: pair("{{", "}}"),
            comment: pair("{#", "#}"),
            line_statement: None,
            line_comment: None,
            trim_blocks: true,
            lstrip_blocks: false,
            keep_trailing_newline: false,
            newline: "\n".into(),
        }
    }
}

impl Style {
    /// Whether this is how templates are written when nobody says otherwise.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// This style with what a first line `#jinja2:` says, and the text after that line.
    pub fn header(mut self, source: &str) -> Result<(Self, &str), String> {
        let Some(rest) = source.strip_prefix("#jinja2:") else { return Ok((self, source)) };
        let (line, body) = rest.split_once('\n').ok_or("a line end is missing after the `#jinja2:` header")?;
        for pair in split_outside_quotes(line) {
            let (key, value) = pair
                .split_once(':')
                .ok_or_else(|| format!("Missing key-value separator `:` in '#jinja2:' override pair '{pair}'."))?;
            self.set(key.trim(), value.trim())?;
        }
        Ok((self, body))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let text = || literal(value).ok_or_else(|| format!("`{key}` in `#jinja2:` wants quoted text, not `{value}`"));
        let flag = || match value {
            "True" | "true" | "1" => Ok(true),
            "False" | "false" | "0" => Ok(false),
            _ => Err(format!("`{key}` in `#jinja2:` is True or False, not `{value}`")),
        };
        match key {
            "block_start_string" => self.block.0 = text()?,
            "block_end_string" => self.block.1 = text()?,
            "variable_start_string" => self.variable.0 = text()?,
            "variable_end_string" => self.variable.1 = text()?,
            "comment_start_string" => self.comment.0 = text()?,
            "comment_end_string" => self.comment.1 = text()?,
            "line_statement_prefix" => self.line_statement = literal(value),
            "line_comment_prefix" => self.line_comment = literal(value),
            "trim_blocks" => self.trim_blocks = flag()?,
            "lstrip_blocks" => self.lstrip_blocks = flag()?,
            "keep_trailing_newline" => self.keep_trailing_newline = flag()?,
            "newline_sequence" => self.newline = text()?,
            other => return Err(format!("`#jinja2:` knows no `{other}`")),
        }
        Ok(())
    }

    /// The same for the engine.
    pub(super) fn config(&self) -> Result<SyntaxConfig, minijinja::Error> {
        let marks = [&self.block, &self.variable, &self.comment];
        if marks.iter().any(|(start, end)| start.is_empty() || end.is_empty()) {
            return Err(minijinja::Error::new(ErrorKind::SyntaxError, "the marks of a template cannot be empty"));
        }
        let mut builder = SyntaxConfig::builder();
        builder
            .block_delimiters(self.block.0.clone(), self.block.1.clone())
            .variable_delimiters(self.variable.0.clone(), self.variable.1.clone())
            .comment_delimiters(self.comment.0.clone(), self.comment.1.clone())
            .trim_blocks(self.trim_blocks)
            .lstrip_blocks(self.lstrip_blocks)
            .keep_trailing_newline(self.keep_trailing_newline);
        if let Some(prefix) = &self.line_statement {
            builder.line_statement_prefix(prefix.clone());
        }
        if let Some(prefix) = &self.line_comment {
            builder.line_comment_prefix(prefix.clone());
        }
        builder.build()
    }

    /// Line ends as this style has them.
    pub(super) fn line_ends(&self, text: String) -> String {
        if self.newline == "\n" {
            return text;
        }
        text.replace("\r\n", "\n").replace('\n', &self.newline)
    }
}

fn split_outside_quotes(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut quote, mut from) = (None, 0);
    for (at, c) in line.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (',', None) => {
                found.push(&line[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&line[from..]);
    found
}

/// A quoted text of Python's.
fn literal(value: &str) -> Option<String> {
    let inner = ['\'', '"'].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))?;
    Some(inner.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t").replace("\\\\", "\\"))
}
