//! Figures in rows, and what they are made of.

use std::{fmt, time::Duration};

/// All figures of one run.
#[derive(Debug, Default)]
pub struct Table(Vec<[String; 4]>);

impl Table {
    /// Adds a figure and says it at once, for whoever looks on.
    pub fn row(&mut self, database: &str, what: impl Into<String>, figure: impl Into<String>, target: &str) {
        let (what, figure) = (what.into(), figure.into());
        eprintln!("{database:8} {what}: {figure}");
        self.0.push([database.to_owned(), what, figure, target.to_owned()]);
    }

    /// What the figures depend on: a busy machine and a slow disk explain much.
    pub fn machine(&mut self) {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        self.row("", "cores, and load when it began", format!("{cores}, {load}"), "load below 1");
        self.row("", "writes that reach the disk (fdatasync of 4 KiB)", format!("{:.0} /s", syncs_per_second()), "");
    }
}

/// How often this disk makes something last: no database commits faster, one commit after the other.
fn syncs_per_second() -> f64 {
    use std::io::Write;
    let mut file = tempfile::tempfile().unwrap();
    let began = std::time::Instant::now();
    let mut count = 0.0;
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1.0;
    }
    count / began.elapsed().as_secs_f64()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["database", "what", "figure", "target"].map(str::to_owned);
        let rows: Vec<&[String; 4]> = std::iter::once(&head).chain(&self.0).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 4] = std::array::from_fn(width);
        for (at, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "| {} |", cells.join(" | "))?;
            if at == 0 {
                writeln!(f, "|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"))?;
            }
        }
        Ok(())
    }
}

/// Times of the same thing, done often.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that this part of a hundred did not exceed; nothing when there are none.
    pub fn percentile(&self, part: usize) -> Duration {
        let at = (self.0.len() * part).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }

    pub fn median(&self) -> Duration {
        self.percentile(50)
    }
}

/// Milliseconds with as many digits as tell something.
pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}
