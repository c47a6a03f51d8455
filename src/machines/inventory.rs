//! The inventory file: `machines:`, a list. A bad file is refused whole, with every fault at once.

use std::collections::{BTreeMap, HashMap};

use super::{
    rules::{self, Entry, Fault},
    yaml::{self, Node, Value},
};
use crate::remote::Secret;

const FIELDS: [&str; 10] =
    ["name", "host", "port", "user", "password", "key_file", "labels", "pool", "host_key", "jump"];

/// A shorter list of faults says the same.
const MAX_FAULTS: usize = 200;

/// A machine of the file and where it stands.
#[derive(Debug, Clone)]
pub struct Placed {
    /// What the file says.
    pub entry: Entry,
    /// Its place in the list, from 0.
    pub index: usize,
    /// Line in the file, from 1.
    pub line: u64,
    /// Column in the file, from 1.
    pub column: u64,
}

/// Reads an inventory. `default_pool` is for machines that name none.
pub fn read(text: &str, default_pool: &str) -> Result<Vec<Placed>, Vec<Fault>> {
    let tree = yaml::parse(text).map_err(|fault| vec![fault])?;
    let mut reader = Reader::default();
    let placed = reader.document(&tree, default_pool);
    if reader.faults.is_empty() {
        return Ok(placed);
    }
    let mut faults = reader.faults;
    faults.sort_by_key(|fault| (fault.line, fault.column));
    if 0 < reader.dropped {
        faults.push(Fault::whole(format!("and {} more", reader.dropped)));
    }
    Err(faults)
}

#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
    dropped: usize,
    names: HashMap<String, u64>,
    addresses: HashMap<(String, u16, Option<String>), u64>,
}

impl Reader {
    fn fault(&mut self, node: &Node, pointer: &str, detail: impl Into<String>) {
        self.fault_at((node.line, node.column), pointer, detail);
    }

    fn fault_at(&mut self, (line, column): (u64, u64), pointer: &str, detail: impl Into<String>) {
        if MAX_FAULTS <= self.faults.len() {
            self.dropped += 1;
            return;
        }
        let known = |number: u64| (0 < number).then_some(number);
        self.faults.push(Fault {
            pointer: pointer.to_owned(),
            line: known(line),
            column: known(column),
            detail: detail.into(),
        });
    }

    fn document(&mut self, tree: &Node, default_pool: &str) -> Vec<Placed> {
        let Value::Map(pairs) = &tree.value else {
            self.fault(tree, "", "an inventory is a mapping with the key `machines`");
            return Vec::new();
        };
        let mut machines = None;
        for (key, value) in pairs {
            match &key.value {
                Value::Text(word) if word == "machines" => machines = Some(value),
                // A place for anchors.
                Value::Text(word) if word.starts_with("x-") => {}
                _ => self.unknown(key, "", &["machines"], "; anchors may stand under a key that starts with `x-`"),
            }
        }
        let Some(list) = machines else {
            self.fault(tree, "", "`machines` is missing");
            return Vec::new();
        };
        let items = match &list.value {
            Value::Seq(items) => items,
            Value::Null => return Vec::new(),
            Value::Text(_) | Value::Map(_) => {
                self.fault(list, "/machines", "`machines` is a list: `- name: …`");
                return Vec::new();
            }
        };
        if rules::MAX_MACHINES < items.len() {
            self.fault(list, "/machines", format!("more than {} machines; split the file", rules::MAX_MACHINES));
            return Vec::new();
        }
        items.iter().enumerate().filter_map(|(index, item)| self.machine(item, index, default_pool)).collect()
    }

    fn unknown(&mut self, key: &Node, pointer: &str, known: &[&str], more: &str) {
        let Value::Text(word) = &key.value else {
            self.fault(key, pointer, "a key is a word");
            return;
        };
        let meant = rules::nearest(word, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        // An unknown key may be half of a password that lost its quotes: it is shown only when it resembles a name.
        match rules::shown(word).filter(|_| !meant.is_empty()) {
            Some(word) => self.fault(key, pointer, format!("unknown key `{word}`{meant}{more}")),
            None => self.fault(key, pointer, format!("unknown key; known are {}{more}", list_of(known))),
        }
    }

    fn machine(&mut self, item: &Node, index: usize, default_pool: &str) -> Option<Placed> {
        let pointer = format!("/machines/{index}");
        let Value::Map(pairs) = &item.value else {
            self.fault(item, &pointer, "a machine is a mapping with `name`, `host`, `port`, `user`");
            return None;
        };
        let before = self.faults.len() + self.dropped;
        let mut fields: HashMap<&str, &Node> = HashMap::new();
        for (key, value) in pairs {
            match &key.value {
                Value::Text(word) if FIELDS.contains(&word.as_str()) => {
                    fields.insert(word, value);
                }
                _ => self.unknown(key, &pointer, &FIELDS, ""),
            }
        }
        let required = |reader: &mut Self, field: &'static str| {
            let found = fields.get(field).copied();
            if found.is_none() {
                reader.fault(item, &pointer, format!("`{field}` is missing"));
            }
            found
        };
        let name = required(self, "name").and_then(|node| self.text(node, &pointer, "name", rules::name));
        let host = required(self, "host").and_then(|node| self.text(node, &pointer, "host", rules::host));
        let user = required(self, "user").and_then(|node| self.text(node, &pointer, "user", rules::user));
        let port = match fields.get("port") {
            None => Some(22),
            Some(node) => self.port(node, &pointer),
        };
        let mut optional = |field: &'static str, rule: fn(&str) -> Result<(), String>| match fields.get(field) {
            None => None,
            Some(node) if matches!(node.value, Value::Null) => None,
            Some(node) => self.text(node, &pointer, field, rule),
        };
        let password = optional("password", rules::password).map(Secret);
        let key_file = optional("key_file", rules::key_file);
        let pool = optional("pool", rules::pool).unwrap_or_else(|| default_pool.to_owned());
        let jump = optional("jump", rules::jump);
        let labels = fields.get("labels").map(|node| self.labels(node, &pointer)).unwrap_or_default();
        let host_keys = fields.get("host_key").map(|node| self.host_keys(node, &pointer)).unwrap_or_default();
        let host = host.map(|host| host.to_lowercase());
        let address = host.as_deref().zip(port).map(|(host, port)| (host, port, jump.as_deref()));
        self.is_new(item, &pointer, name.as_deref(), address);
        if before != self.faults.len() + self.dropped {
            return None;
        }
        let entry = Entry {
            name: name?,
            host: host?,
            port: port?,
            user: user?,
            password,
            key_file,
            labels,
            pool,
            host_keys,
            jump,
        };
        Some(Placed { entry, index, line: item.line, column: item.column })
    }

    fn text(
        &mut self,
        node: &Node,
        pointer: &str,
        field: &str,
        rule: fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let refused = match &node.value {
            Value::Text(text) => match rule(text) {
                Ok(()) => return Some(text.clone()),
                Err(refused) => refused,
            },
            Value::Null => format!("`{field}` is empty"),
            Value::Seq(_) | Value::Map(_) => format!("`{field}` is a text"),
        };
        self.fault(node, &format!("{pointer}/{field}"), refused);
        None
    }

    fn port(&mut self, node: &Node, pointer: &str) -> Option<u16> {
        // Not a number at all is as wrong as 0.
        let number = match &node.value {
            Value::Text(text) => text.parse().unwrap_or(0),
            Value::Null | Value::Seq(_) | Value::Map(_) => 0,
        };
        rules::port(number).map_err(|refused| self.fault(node, &format!("{pointer}/port"), refused)).ok()
    }

    fn labels(&mut self, node: &Node, pointer: &str) -> BTreeMap<String, String> {
        let pointer = format!("{pointer}/labels");
        let pairs = match &node.value {
            Value::Map(pairs) => pairs,
            Value::Null => return BTreeMap::new(),
            Value::Text(_) | Value::Seq(_) => {
                self.fault(node, &pointer, "`labels` is a mapping: `gpu: a100`");
                return BTreeMap::new();
            }
        };
        if rules::MAX_LABELS < pairs.len() {
            self.fault(node, &pointer, format!("more than {} labels", rules::MAX_LABELS));
        }
        let mut labels = BTreeMap::new();
        for (key, value) in pairs {
            let name = self.text(key, &pointer, "name", rules::label_name);
            let value = match &value.value {
                Value::Null => Some(String::new()),
                _ => self.text(value, &pointer, name.as_deref().unwrap_or("value"), rules::label_value),
            };
            if let (Some(name), Some(value)) = (name, value) {
                labels.insert(name, value);
            }
        }
        labels
    }

    fn host_keys(&mut self, node: &Node, pointer: &str) -> Vec<String> {
        let pointer = format!("{pointer}/host_key");
        let nodes: Vec<&Node> = match &node.value {
            Value::Null => return Vec::new(),
            Value::Seq(items) if items.len() <= 8 => items.iter().collect(),
            _ => vec![node],
        };
        let mut keys = Vec::new();
        for node in nodes {
            let read = match &node.value {
                Value::Text(text) => rules::host_key(text),
                Value::Null | Value::Seq(_) | Value::Map(_) => rules::host_key(""),
            };
            match read {
                Ok(key) => keys.push(key),
                Err(refused) => self.fault(node, &pointer, refused),
            }
        }
        keys
    }

    /// Twins are found among all entries, faulty ones too.
    fn is_new(&mut self, item: &Node, pointer: &str, name: Option<&str>, address: Option<(&str, u16, Option<&str>)>) {
        let line = item.line;
        if let Some(name) = name
            && let Some(first) = self.names.insert(name.to_owned(), line)
        {
            let detail = format!("the name `{name}` is also in the entry at line {first}");
            self.fault(item, &format!("{pointer}/name"), detail);
        }
        if let Some((host, port, jump)) = address
            && let Some(first) = self.addresses.insert((host.to_owned(), port, jump.map(str::to_owned)), line)
        {
            let detail = format!(
                "the address `{host}` port {port} is also in the entry at line {first}; one machine must not be offered twice"
            );
            self.fault(item, &format!("{pointer}/host"), detail);
        }
    }
}

fn list_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(text: &str) -> Vec<Fault> {
        read(text, "default").unwrap_err()
    }

    #[test]
    fn the_file_people_have_is_read_as_it_is() {
        let text = "machines:\n  - name: m1\n    host: 127.0.0.1\n    port: 22221\n    user: root\n    password: 007\n";
        let placed = read(text, "default").unwrap();
        let entry = &placed[0].entry;
        assert_eq!((entry.name.as_str(), entry.port, entry.pool.as_str()), ("m1", 22221, "default"));
        assert_eq!(entry.password.as_ref().unwrap().0, "007");
    }

    #[test]
    fn merge_keys_fill_in_what_machines_share() {
        let text = "x-all: &all\n  user: root\n  password: pw\n  labels: {site: north}\nmachines:\n  - {<<: *all, name: a, host: h, port: 1}\n  - {<<: *all, name: b, host: h, port: 2, user: ops}\n";
        let placed = read(text, "default").unwrap();
        assert_eq!(placed[0].entry.user, "root");
        assert_eq!(placed[1].entry.user, "ops");
        assert_eq!(placed[1].entry.labels["site"], "north");
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let text = "machines:\n  - name: Bad Name\n    host: -oProxyCommand=x\n    port: 70000\n    user: root\n    pasword: s3cret-canary\n  - name: ok\n    host: h\n  - name: ok\n    host: h2\n    user: u\n    labels: [x]\n  - just text\n";
        let found = faults(text);
        let places: Vec<_> = found.iter().map(|fault| (fault.line.unwrap(), fault.pointer.as_str())).collect();
        assert_eq!(
            places,
            [
                (2, "/machines/0/name"),
                (3, "/machines/0/host"),
                (4, "/machines/0/port"),
                (6, "/machines/0"),
                (7, "/machines/1"),
                (9, "/machines/2/name"),
                (12, "/machines/2/labels"),
                (13, "/machines/3"),
            ]
        );
        assert!(found[3].detail.contains("`password`"));
        assert!(found.iter().all(|fault| fault.column.is_some()));
        assert!(!format!("{found:?}").contains("canary"));
    }

    #[test]
    fn twins_are_refused() {
        let text = "machines:\n- {name: a, host: H, user: u}\n- {name: a, host: i, user: u}\n- {name: b, host: h, user: u}\n- {name: c, host: h, user: u, jump: j}\n";
        let found = faults(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].detail.contains("line 2") && found[0].line == Some(3));
        assert!(found[1].detail.contains("line 2") && found[1].line == Some(4));
    }

    #[test]
    fn no_fault_quotes_a_password() {
        let broken = [
            "machines:\n  - name: a\n    password: \"s3cret-canary\n    host: h\n",
            "machines:\n  - name: a\n   password: s3cret-canary\n",
            "machines:\n  - name: a\n    s3cret-canary\n    password: s3cret-canary\n",
            "machines:\n  - name: 's3cret-canary x'\n    host: h\n",
            "machines:\n  - {name: a, password: [s3cret-canary], host: {s3cret-canary: 1}, user: u}\n",
            "machines:\n  - {name: a, s3cret-canary: s3cret-canary, s3cret-canary: 1}\n",
            "machines:\n  - name: *s3cret-canary\n",
            "machines: !s3cret-canary x\n",
            "s3cret-canary: 1\n",
            "machines:\n  - name: a\n    password: s3cret-canary: x\n",
            "%TAG s3cret-canary s3cret-canary\n--- a",
            "machines:\n  - name: a\n    password: \"\\s3cret-canary\"\n",
        ];
        for text in broken {
            let found = faults(text);
            assert!(!found.is_empty());
            assert!(!format!("{found:?}").contains("canary"), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_long_list_of_faults_is_cut() {
        let text = format!("machines:\n{}", "- x\n".repeat(1000));
        let found = faults(&text);
        assert_eq!(found.len(), MAX_FAULTS + 1);
        assert!(found.last().unwrap().detail.contains("800 more"));
    }

    #[test]
    fn ten_thousand_machines_are_read() {
        let entry = |n: u32| {
            let host = format!("10.0.{}.{}", n / 250, n % 250 + 1);
            format!("- {{name: m{n}, host: {host}, user: root, password: p{n}}}\n")
        };
        let text: String = std::iter::once("machines:\n".to_owned()).chain((0..10_000).map(entry)).collect();
        assert_eq!(read(&text, "default").unwrap().len(), 10_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn any_text_gets_an_answer(text in "\\PC{0,200}") {
            let _ = read(&text, "default");
        }

        #[test]
        fn any_yaml_like_text_gets_an_answer(text in "(machines:\n)?([ ]{0,4}(- |name: |host: |port: |<<: |&a |\\*a |[{}\\[\\],:'\"|>!%@`~?-]|[a-z0-9 ]{1,6}|\n)){0,60}") {
            if let Ok(placed) = read(&text, "default") {
                for machine in placed {
                    prop_assert!(rules::name(&machine.entry.name).is_ok());
                    prop_assert!(rules::host(&machine.entry.host).is_ok());
                }
            }
        }
    }
}
