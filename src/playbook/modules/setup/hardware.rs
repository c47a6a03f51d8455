//! Processors, memory, disks and mounted file systems.

use super::Told;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub fn facts(told: &Told, facts: &mut Map<String, Value>) {
    let seconds = told.file("/proc/uptime").split('.').next().and_then(|text| text.parse::<u64>().ok());
    facts.insert("uptime_seconds".to_owned(), seconds.into());
    processors(told, facts);
    memory(told.file("/proc/meminfo"), facts);
    dmi(told, facts);
    let links = Links::of(told);
    mounts(told, &links, facts);
    devices(told, &links, facts);
}

fn processors(told: &Told, facts: &mut Map<String, Value>) {
    let mut names = vec![];
    let (mut vendors, mut models, mut numbers) = (0_u64, 0_u64, 0_u64);
    let mut sockets: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut socket, mut core, mut siblings) = ("", false, 0);
    for line in told.said("cpuinfo").lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key.trim() {
            "flags" => drop(facts.insert("flags".to_owned(), value.split(' ').collect::<Vec<_>>().into())),
            "physical id" => {
                socket = value;
                sockets.entry(value).or_insert(1);
            }
            "core id" => core = true,
            "cpu cores" => drop(sockets.insert(socket, value.parse().unwrap_or(1))),
            "siblings" => siblings = value.parse().unwrap_or_default(),
            key @ ("model name" | "Processor" | "vendor_id" | "cpu" | "Vendor" | "processor") => {
                names.push(value);
                match key {
                    "vendor_id" => vendors += 1,
                    "model name" => models += 1,
                    "processor" => numbers += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    let arm = facts.get("machine").and_then(Value::as_str).is_some_and(|machine| {
        machine.starts_with("armv") || machine.starts_with("aarch") || machine.starts_with("ppc")
    });
    let many = match () {
        () if arm => numbers,
        () if vendors > 0 && vendors == models => vendors,
        () => numbers.max(1),
    };
    let count = if sockets.is_empty() { many } else { sockets.len() as u64 }.max(1);
    let cores = sockets.values().next().copied().filter(|cores| *cores > 0).unwrap_or(1);
    let threads = if core && siblings > 0 { (siblings / cores).max(1) } else { 1 };
    let allowed = told.file("/proc/self/status").lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    for (fact, value) in [
        ("processor", json!(names)),
        ("processor_count", json!(count)),
        ("processor_cores", json!(cores)),
        ("processor_threads_per_core", json!(threads)),
        ("processor_vcpus", json!(threads * count * cores)),
        ("processor_nproc", json!(allowed.map_or(numbers.max(1), how_many))),
    ] {
        facts.insert(fact.to_owned(), value);
    }
}

/// How many numbers `0-3,5` names; at least one.
pub fn how_many(ranges: &str) -> u64 {
    let one = |range: &str| {
        let (start, end) = range.split_once('-').unwrap_or((range, range));
        Some(end.trim().parse::<u64>().ok()?.checked_sub(start.trim().parse().ok()?)? + 1)
    };
    ranges.split(',').filter_map(one).sum::<u64>().max(1)
}

fn memory(text: &str, facts: &mut Map<String, Value>) {
    let kib = |wanted: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| *name == wanted)
            .and_then(|(_, value)| value.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or_default()
    };
    let names = [
        ("memtotal_mb", "MemTotal"),
        ("memfree_mb", "MemFree"),
        ("swaptotal_mb", "SwapTotal"),
        ("swapfree_mb", "SwapFree"),
    ];
    for (fact, name) in names {
        facts.insert(fact.to_owned(), (kib(name) / 1024).into());
    }
    let mib = |name: &str| kib(name) / 1024;
    let spare = mib("MemFree") + mib("Buffers") + mib("Cached");
    facts.insert(
        "memory_mb".to_owned(),
        json!({
            "real": {"total": mib("MemTotal"), "free": mib("MemFree"), "used": mib("MemTotal").saturating_sub(mib("MemFree"))},
            "nocache": {"free": spare, "used": mib("MemTotal").saturating_sub(spare)},
            "swap": {"total": mib("SwapTotal"), "free": mib("SwapFree"), "cached": mib("SwapCached"),
                     "used": mib("SwapTotal").saturating_sub(mib("SwapFree"))},
        }),
    );
}

fn dmi(told: &Told, facts: &mut Map<String, Value>) {
    const FORMS: [&str; 36] = [
        "Unknown",
        "Other",
        "Unknown",
        "Desktop",
        "Low Profile Desktop",
        "Pizza Box",
        "Mini Tower",
        "Tower",
        "Portable",
        "Laptop",
        "Notebook",
        "Hand Held",
        "Docking Station",
        "All In One",
        "Sub Notebook",
        "Space-saving",
        "Lunch Box",
        "Main Server Chassis",
        "Expansion Chassis",
        "Sub Chassis",
        "Bus Expansion Chassis",
        "Peripheral Chassis",
        "RAID Chassis",
        "Rack Mount Chassis",
        "Sealed-case PC",
        "Multi-system",
        "CompactPCI",
        "AdvancedTCA",
        "Blade",
        "Blade Enclosure",
        "Tablet",
        "Convertible",
        "Detachable",
        "IoT Gateway",
        "Embedded PC",
        "Mini PC",
    ];
    for (fact, file) in [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("form_factor", "chassis_type"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ] {
        let text = told.file(&format!("/sys/class/dmi/id/{file}")).trim();
        let text = match (fact, text) {
            (_, "") => "NA",
            ("form_factor", number) => {
                number.parse().ok().and_then(|at: usize| FORMS.get(at).copied()).unwrap_or("Unknown")
            }
            (_, text) => text,
        };
        facts.insert(fact.to_owned(), text.into());
    }
}

/// The names under /dev/disk, by device.
#[derive(Default)]
struct Links {
    by: BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
    masters: BTreeMap<String, Vec<String>>,
}

impl Links {
    fn of(told: &Told) -> Self {
        let mut links = Self::default();
        let mut kind = "";
        for line in told.said("links").lines() {
            if let Some(folder) = line.strip_suffix(':') {
                kind = match folder {
                    "/dev/disk/by-id" => "ids",
                    "/dev/disk/by-uuid" => "uuids",
                    "/dev/disk/by-label" => "labels",
                    _ => "",
                };
                continue;
            }
            let Some((left, target)) = line.split_once(" -> ") else { continue };
            let (name, device) = (left.rsplit(' ').next(), target.rsplit('/').next());
            if let (Some(name), Some(device)) = (name, device)
                && !kind.is_empty()
            {
                links.by.entry(kind).or_default().entry(device.to_owned()).or_default().push(name.to_owned());
            }
        }
        for path in told.said("owners").split_whitespace().filter(|path| path.contains("/slaves/")) {
            let parts: Vec<&str> = path.split('/').collect();
            if let [_, _, _, device, _, target] = parts[..] {
                links.masters.entry(target.to_owned()).or_default().push(device.to_owned());
            }
        }
        links
    }

    fn get(&self, kind: &str, device: &str) -> Vec<String> {
        self.by.get(kind).and_then(|all| all.get(device)).cloned().unwrap_or_default()
    }

    fn all(&self, device: &str) -> Value {
        json!({
            "ids": self.get("ids", device), "uuids": self.get("uuids", device), "labels": self.get("labels", device),
            "masters": self.masters.get(device).cloned().unwrap_or_default(),
        })
    }

    fn whole(&self) -> Value {
        let of = |kind: &str| self.by.get(kind).cloned().unwrap_or_default();
        json!({"ids": of("ids"), "uuids": of("uuids"), "labels": of("labels"), "masters": self.masters})
    }
}

/// `\040` and its like, as /proc/mounts writes them.
fn unescaped(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        made.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            made.push(char::from(code));
            rest = &rest[at + 4..];
        } else {
            made.push('\\');
            rest = &rest[at + 1..];
        }
    }
    made.push_str(rest);
    made
}

fn mounts(told: &Told, links: &Links, facts: &mut Map<String, Value>) {
    let mut sizes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in told.said("statfs").lines() {
        let words: Vec<&str> = line.splitn(7, ' ').collect();
        if let [numbers @ .., path] = &words[..]
            && words.len() == 7
        {
            sizes.insert(path, numbers.iter().map(|n| n.parse().unwrap_or_default()).collect());
        }
    }
    let mut mounts = vec![];
    for line in told.file("/proc/self/mounts").lines() {
        let words: Vec<String> = line.split(' ').map(unescaped).collect();
        let [device, mount, kind, options, rest @ ..] = &words[..] else { continue };
        if !device.starts_with(['/', '\\']) && !device.contains(":/") || kind == "none" {
            continue;
        }
        let number = |at: usize| rest.get(at).and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
        let uuid = links.get("uuids", device.rsplit('/').next().unwrap_or_default());
        let mut one = json!({"mount": mount, "device": device, "fstype": kind, "options": options,
            "dump": number(0), "passno": number(1), "uuid": uuid.first().map_or("N/A", String::as_str)});
        if let (Some([blocks, free, available, block, inodes, left]), Value::Object(one)) =
            (sizes.get(mount.as_str()).map(|all| &all[..]), &mut one)
        {
            for (name, value) in [
                ("size_total", blocks * block),
                ("size_available", available * block),
                ("block_size", *block),
                ("block_total", *blocks),
                ("block_available", *available),
                ("block_used", blocks.saturating_sub(*free)),
                ("inode_total", *inodes),
                ("inode_available", *left),
                ("inode_used", inodes.saturating_sub(*left)),
            ] {
                one.insert(name.to_owned(), value.into());
            }
        }
        mounts.push(one);
    }
    facts.insert("mounts".to_owned(), mounts.into());
}

/// A size as people write it: `1.00 GB` is 2^30 bytes.
pub fn human(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let size = bytes as f64;
    let units = [("EB", 60), ("PB", 50), ("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)];
    let fit = units.into_iter().find(|(_, power)| bytes >= 1 << power);
    fit.map_or_else(
        || format!("{size:.2} Bytes"),
        |(unit, power)| format!("{:.2} {unit}", size / f64::from(2_i32).powi(power)),
    )
}

fn devices(told: &Told, links: &Links, facts: &mut Map<String, Value>) {
    let names: BTreeSet<&str> =
        told.files.keys().filter_map(|path| path.strip_prefix("/sys/block/")?.split('/').next()).collect();
    let owners: Vec<&str> = told.said("owners").split_whitespace().collect();
    let holders = |base: &str| -> Vec<String> {
        let inside = format!("{base}/holders/");
        owners
            .iter()
            .filter_map(|path| path.strip_prefix(inside.as_str()))
            .filter(|name| name.starts_with("dm-"))
            .map(|name| {
                let real = told.file(&format!("/sys/block/{name}/dm/name"));
                if real.is_empty() { (*name).to_owned() } else { real.to_owned() }
            })
            .collect()
    };
    let mut devices = Map::new();
    for name in names {
        let base = format!("/sys/block/{name}");
        let file = |path: &str| Some(told.file(&format!("{base}/{path}")).trim()).filter(|text| !text.is_empty());
        let sector = file("queue/logical_block_size").and_then(|n| n.parse::<u64>().ok()).unwrap_or(512);
        let sized = |sectors: Option<&str>| {
            let bytes = sectors.and_then(|n| n.parse::<u64>().ok()).unwrap_or_default() * 512;
            (bytes / sector, human(bytes))
        };
        let (sectors, size) = sized(file("size"));
        let discard = match file("queue/discard_max_hw_bytes") {
            Some("0") => Some("0"),
            _ => file("queue/discard_granularity"),
        };
        let scheduler = file("queue/scheduler").unwrap_or_default();
        let scheduler =
            scheduler.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(name, _)| name);
        let wwn = links.get("ids", name).into_iter().find_map(|id| id.strip_prefix("wwn-").map(str::to_owned));
        let mut partitions = Map::new();
        let parts =
            told.files.keys().filter_map(|path| path.strip_prefix(&base)?.strip_prefix('/')?.strip_suffix("/start"));
        for part in parts.filter(|part| part.starts_with(name)) {
            let (sectors, size) = sized(file(&format!("{part}/size")));
            partitions.insert(
                part.to_owned(),
                json!({"links": links.all(part), "start": file(&format!("{part}/start")), "sectorsize": sector,
                    "sectors": sectors, "size": size, "uuid": links.get("uuids", part).first(),
                    "holders": holders(&format!("{base}/{part}"))}),
            );
        }
        let mut device = json!({"virtual": 1, "links": links.all(name), "vendor": file("device/vendor"),
            "model": file("device/model"), "sas_address": null, "sas_device_handle": null,
            "removable": file("removable"), "support_discard": discard, "partitions": partitions,
            "rotational": file("queue/rotational"), "scheduler_mode": scheduler, "sectorsize": sector.to_string(),
            "sectors": sectors, "size": size, "host": "", "holders": holders(&base)});
        if let Value::Object(device) = &mut device {
            for (key, value) in [("serial", file("device/serial").map(str::to_owned)), ("wwn", wwn)] {
                if let Some(value) = value {
                    device.insert(key.to_owned(), value.into());
                }
            }
        }
        devices.insert(name.to_owned(), device);
    }
    facts.insert("devices".to_owned(), Value::Object(devices));
    facts.insert("device_links".to_owned(), links.whole());
}
