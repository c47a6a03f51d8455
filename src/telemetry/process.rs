//! What this process takes of the machine, as Linux tells it.

use std::{fs, path::Path, time::Duration};

/// What a process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Processor time so far.
    pub cpu: Duration,
    /// Open file descriptors.
    pub files: u64,
    /// How many it may have.
    pub most_files: u64,
    /// When it began, in seconds of Unix time.
    pub began: f64,
}

impl Process {
    /// This process, now. None where there is no `/proc`.
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let files = fs::read_dir("/proc/self/fd").ok()?.count();
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        parse(&stat, &system, &limits, page, rustix::param::clock_ticks_per_second()).map(|process| Self {
            // The look itself holds one open.
            files: u64::try_from(files.saturating_sub(1)).unwrap_or(u64::MAX),
            ..process
        })
    }
}

fn parse(stat: &str, system: &str, limits: &str, page: u64, ticks: u64) -> Option<Process> {
    // The name stands in parentheses and may hold anything; the rest begins with the state, the third field.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let most_files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(u64::MAX);
    let per_tick = Duration::from_secs(1) / u32::try_from(ticks).ok().filter(|ticks| *ticks != 0)?;
    let times = |count: u64| per_tick.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    Some(Process {
        memory: field(24)?.saturating_mul(page),
        cpu: times(field(14)?.saturating_add(field(15)?)),
        files: 0,
        most_files,
        began: Duration::from_secs(boot).saturating_add(times(field(22)?)).as_secs_f64(),
    })
}

/// Free and whole bytes of the disk that holds `folder`.
pub fn disk(folder: &Path) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some((found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_an_odd_name_is_read() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1000 123456789 512 1844";
        let found =
            parse(stat, "cpu 1 2\nbtime 1700000000\n", "Max open files            1024  4096 files\n", 4096, 100);
        let found = found.unwrap();
        assert_eq!((found.memory, found.most_files, found.cpu), (512 * 4096, 1024, Duration::from_secs(3)));
        assert!((found.began - 1_700_000_010.0).abs() < 0.001, "{}", found.began);
        assert_eq!(parse("42 (a", "", "", 4096, 100), None);
    }

    #[test]
    fn this_process_is_seen() {
        let now = Process::read().unwrap();
        assert!(1 << 20 < now.memory && 2 < now.files && now.files < now.most_files, "{now:?}");
        let (free, size) = disk(Path::new("/")).unwrap();
        assert!(free <= size && 0 < size);
    }
}
