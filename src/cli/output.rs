//! Data on stdout: a table for people, JSON or YAML for programs.
//!
//! JSON and YAML show what the server sent, whole; a table shows the columns that people ask for.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde_json::Value;

use super::fault::{Fault, OK};

/// Columns that may be broken into lines; what people copy (ids, addresses, `ssh` lines) stays in one piece.
const PROSE: [&str; 10] =
    ["DETAIL", "ERROR", "FINDING", "FIX", "LABELS", "MACHINES", "MESSAGE", "REASON", "WHAT", "WITH"];
/// Below this width breaking lines makes nothing clearer.
const NARROWEST: u16 = 40;

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// What the server sent, indented.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Where data goes and how it looks there.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// The shape.
    pub format: Format,
    /// Colours and bold.
    pub colour: bool,
    /// Whether a person watches; tables then fit the window.
    pub terminal: bool,
}

impl Out {
    /// Stdout as it is, with what `NO_COLOR` and `TERM` say about colour.
    pub fn stdout(format: Format) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { format, colour: terminal && colour_wanted(), terminal }
    }

    /// Whether people read this.
    pub fn is_table(self) -> bool {
        self.format == Format::Table
    }

    /// Shows a value: as `table` makes it for people, or as the server sent it.
    pub fn show(self, value: &Value, table: impl FnOnce() -> Result<Rows>) -> Result<()> {
        match self.format {
            Format::Table => print(&table()?.render(self)),
            Format::Json | Format::Yaml => print(&self.data(value)?),
        }
    }

    /// Shows one event of a stream: a line for people, JSON lines or YAML documents for programs.
    pub fn event(self, value: &Value, line: impl FnOnce() -> String) -> Result<()> {
        match self.format {
            Format::Table => print(&format!("{}\n", line())),
            Format::Json => print(&format!("{value}\n")),
            Format::Yaml => print(&format!("---\n{}", self.data(value)?)),
        }
    }

    fn data(self, value: &Value) -> Result<String> {
        Ok(match self.format {
            Format::Yaml => serde_saphyr::to_string(value)?,
            Format::Table | Format::Json => format!("{value:#}\n"),
        })
    }
}

/// Whether the environment lets us use colour at all.
pub fn colour_wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_colour && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to stdout. A reader that went away (`| head`) ends the command quietly.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Fault::Said(OK).into()),
        other => Ok(other?),
    }
}

/// A table: a list with headings, or the fields of one thing.
#[derive(Debug, Default)]
pub struct Rows {
    headings: Vec<&'static str>,
    lines: Vec<Vec<String>>,
    /// Shown instead of an empty table.
    empty: &'static str,
}

impl Rows {
    /// A list.
    pub fn list(headings: &[&'static str], empty: &'static str) -> Self {
        Self { headings: headings.to_vec(), lines: Vec::new(), empty }
    }

    /// The fields of one thing; rows are name and value.
    pub fn fields() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.lines.push(cells.into_iter().map(|cell| plain(&cell.into())).collect());
    }

    /// Adds a field, unless it is empty.
    pub fn field(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.row([name.to_owned(), value]);
        }
    }

    /// The text.
    pub fn render(&self, out: Out) -> String {
        if self.lines.is_empty() {
            return if self.empty.is_empty() { String::new() } else { format!("{}\n", self.empty) };
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if !out.terminal {
            table.force_no_tty();
        }
        if out.colour {
            table.enforce_styling();
        }
        // A terminal that does not know its width says 0.
        if out.terminal && table.width().is_some_and(|width| NARROWEST <= width) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        // A column in which nobody has anything to say only takes room.
        let is_shown = |index: usize| self.lines.iter().any(|row| row.get(index).is_some_and(|text| !text.is_empty()));
        let shown = self.headings.iter().enumerate().filter(|(index, _)| is_shown(*index));
        let headings: Vec<&str> = shown.map(|(_, heading)| *heading).collect();
        if !headings.is_empty() {
            table.set_header(headings.iter().map(|name| bold(Cell::new(name), out)));
        }
        let is_fields = self.headings.is_empty();
        for row in &self.lines {
            table.add_row(row.iter().enumerate().filter(|(index, _)| is_shown(*index)).map(|(index, text)| {
                let cell = Cell::new(text);
                if is_fields && index == 0 { bold(cell, out) } else { tint(cell, text, out) }
            }));
        }
        let last = table.column_count().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 2 }));
            let wraps = headings.get(index).map_or(0 < index, |heading| PROSE.contains(heading));
            if !wraps {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table.lines().flat_map(|line| [line.trim_end().to_owned(), "\n".to_owned()]).collect()
    }
}

fn bold(cell: Cell, out: Out) -> Cell {
    if out.colour { cell.add_attribute(Attribute::Bold) } else { cell }
}

/// Colours a state by what it means for the reader; other text stays as it is.
fn tint(cell: Cell, text: &str, out: Out) -> Cell {
    if !out.colour {
        return cell;
    }
    match text {
        "ready" | "active" | "registered" | "succeeded" | "new" | "released" | "checked" => cell.fg(Color::Green),
        "quarantined" | "failed" | "lost" | "suspended" | "removed" => cell.fg(Color::Red),
        "provisioning" | "cleaning" | "verifying" | "draining" | "expiring" | "queued" | "accepted" | "pending"
        | "checking" | "changed" | "running" | "maintenance" => cell.fg(Color::Yellow),
        _ => cell,
    }
}

/// Text without control characters, so that nothing a server, a machine or a user name holds can steer the terminal.
pub fn plain(text: &str) -> String {
    let mut answer = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => answer.push('\n'),
            '\t' => answer.push_str("    "),
            character if character.is_control() || is_steering(character) => {
                answer.extend(character.escape_unicode());
            }
            character => answer.push(character),
        }
    }
    answer
}

/// Marks that turn the direction of text or hide in it.
fn is_steering(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A duration for people: `45s`, `12m`, `1h 30m`, `2d 4h`.
pub fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds}s"),
        (0, 0, minutes) => format!("{sign}{minutes}m"),
        (0, hours, 0) => format!("{sign}{hours}h"),
        (0, hours, minutes) => format!("{sign}{hours}h {minutes}m"),
        (days, 0, _) => format!("{sign}{days}d"),
        (days, hours, _) => format!("{sign}{days}d {hours}h"),
    }
}

/// A moment for people, in UTC: `2026-11-21 07:00:00Z`. What is no moment is shown as it is.
pub fn moment(text: Option<&str>) -> String {
    let Some(text) = text else { return String::new() };
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Bytes for people: `512 MiB`, `7.8 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut scale: u64 = 1;
    while unit + 1 < UNITS.len() && scale * 1024 <= count {
        scale *= 1024;
        unit += 1;
    }
    let tenths = (u128::from(count) * 10 + u128::from(scale) / 2) / u128::from(scale);
    if unit == 0 || 100 <= tenths / 10 || tenths % 10 == 0 {
        format!("{} {}", (tenths + 5) / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

/// `k=v` pairs of an object, in its order.
pub fn labels(labels: &serde_json::Map<String, Value>) -> String {
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) if text.is_empty() => key.clone(),
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    };
    labels.iter().map(pair).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn out(format: Format) -> Out {
        Out { format, colour: false, terminal: false }
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (5_400, "1h 30m"),
            (86_400, "1d"),
            (100_000, "1d 3h"),
            (-90, "-1m"),
            (i64::MIN, "-106751991167300d 15h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn moments_are_shown_in_utc_and_nonsense_as_it_is() {
        assert_eq!(moment(Some("2026-11-21T08:00:00+01:00")), "2026-11-21 07:00:00Z");
        assert_eq!(moment(Some("soon")), "soon");
        assert_eq!(moment(None), "");
    }

    #[test]
    fn bytes_read_as_people_say_them() {
        for (count, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (8_350_000_000, "7.8 GiB"), (134_217_728, "128 MiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn a_table_has_headings_and_no_trailing_blanks() {
        let mut rows = Rows::list(&["NAME", "STATE"], "none");
        rows.row(["quay-1", "ready"]);
        rows.row(["a-much-longer-name", ""]);
        assert_eq!(
            rows.render(out(Format::Table)),
            "NAME                STATE\nquay-1              ready\na-much-longer-name\n"
        );
    }

    #[test]
    fn a_column_without_content_is_left_out() {
        let mut rows = Rows::list(&["NAME", "REASON", "STATE"], "none");
        rows.row(["quay-1", "", "ready"]);
        assert_eq!(rows.render(out(Format::Table)), "NAME    STATE\nquay-1  ready\n");
    }

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(Rows::list(&["NAME"], "no machines").render(out(Format::Table)), "no machines\n");
    }

    #[test]
    fn hostile_text_cannot_steer_the_terminal() {
        let mut rows = Rows::fields();
        rows.field("name", "a\u{1b}]0;owned\u{7}\u{202e}b");
        assert_eq!(rows.render(out(Format::Table)), "name  a\\u{1b}]0;owned\\u{7}\\u{202e}b\n");
    }

    #[test]
    fn json_and_yaml_hold_all_that_was_sent() {
        let value = json!({"name": "quay-1", "labels": {"gpu": "no"}, "later": [1, null]});
        let text = out(Format::Json).data(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let text = out(Format::Yaml).data(&value).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), value, "{text}");
    }

    #[test]
    fn a_coloured_table_holds_the_same_words() {
        let mut rows = Rows::list(&["STATE"], "");
        rows.row(["ready"]);
        let text = rows.render(Out { format: Format::Table, colour: true, terminal: false });
        assert!(text.contains('\u{1b}') && text.contains("ready"), "{text:?}");
    }
}
