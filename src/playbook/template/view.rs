//! The variables one task on one host sees, rendered when they are looked up.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use indexmap::IndexSet;
use minijinja::{
    ErrorKind,
    value::{Enumerator, Object, ObjectRepr, Value as Jinja},
};
use serde_json::{Map, Value};

use super::{OMIT, is_template, render};
use crate::playbook::{value::to_jinja, vault::Keys};

/// One map of variables.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The variables.
    pub map: Arc<Map<String, Value>>,
    /// Whether their text is templates; facts and results are not.
    pub lazy: bool,
}

impl Layer {
    /// Variables as people wrote them.
    pub fn lazy(map: Arc<Map<String, Value>>) -> Self {
        Self { map, lazy: true }
    }

    /// Values that are final.
    pub fn fixed(map: Map<String, Value>) -> Self {
        Self { map: Arc::new(map), lazy: false }
    }
}

/// Whether a host's facts are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Facts {
    /// All that will be.
    #[default]
    Known,
    /// They may be had, but were not gathered.
    Missing,
    /// The same, and the host is another than the one whose task asks.
    MissingElsewhere,
}

/// Facts that steps under way will bring.
#[derive(Debug, Clone, Default)]
pub struct Coming {
    /// Their names; with `*` behind, what the names begin with.
    pub names: Vec<&'static str>,
    /// How many of the weakest layers they win over.
    pub over: usize,
}

/// The error of whoever asks for facts of another host.
pub(super) const ELSEWHERE: &str = "facts of another host were not gathered";

/// Answers for names that are in no layer.
pub type Special = Arc<dyn Fn(&str) -> Option<Jinja> + Send + Sync>;

/// The variables one task on one host sees, strongest layer first.
pub struct View {
    /// The layers.
    pub layers: Vec<Layer>,
    /// Names whose values are under way.
    pub pending: HashSet<String>,
    /// What there is to say of facts that are not in the layers.
    pub facts: Facts,
    /// What steps under way will add to the facts.
    pub coming: Coming,
    /// `hostvars`, `groups` and other names that are made when asked for.
    pub special: Option<Special>,
    /// Folders for `lookup('file', …)` and its like.
    pub search: Arc<[std::path::PathBuf]>,
    /// Passwords of Ansible's vault.
    pub vault: Keys,
    /// What is rendered may turn out not to be wanted: nothing may be done for it that is seen from outside.
    pub ahead: bool,
    /// Steps on this machine are under way, so that its files may change.
    pub busy: bool,
    notes: Mutex<Notes>,
}

#[derive(Default)]
pub(super) struct Notes {
    pub(super) pending: bool,
    pub(super) facts: bool,
    pub(super) missing: Option<String>,
    /// The variables that are being rendered, the outermost first.
    pub(super) open: Vec<String>,
    /// The innermost text that failed, and the variable it belongs to.
    pub(super) culprit: Option<(String, Option<String>)>,
    /// What `undef()` says.
    pub(super) hint: Option<String>,
    /// What people should know.
    pub(super) warnings: IndexSet<String>,
    known: HashMap<String, Jinja>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_struct("View").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

impl View {
    /// A view of these layers.
    pub fn new(layers: Vec<Layer>) -> Self {
        Self {
            layers,
            pending: HashSet::new(),
            facts: Facts::Known,
            coming: Coming::default(),
            special: None,
            search: Arc::new([]),
            vault: Keys::default(),
            ahead: false,
            busy: false,
            notes: Mutex::default(),
        }
    }

    /// The same with one more layer on top.
    #[must_use]
    pub fn with(&self, layer: Layer) -> Self {
        let mut layers = Vec::with_capacity(self.layers.len() + 1);
        layers.push(layer);
        layers.extend(self.layers.iter().cloned());
        Self {
            layers,
            pending: self.pending.clone(),
            facts: self.facts,
            coming: self.coming.clone(),
            special: self.special.clone(),
            search: Arc::clone(&self.search),
            vault: self.vault.clone(),
            ahead: self.ahead,
            busy: self.busy,
            notes: Mutex::default(),
        }
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What people should know of what was rendered since the last time.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.notes().warnings).into_iter().collect()
    }

    /// The value as it is written, unrendered.
    pub fn raw(&self, name: &str) -> Option<&Value> {
        self.layers.iter().find_map(|layer| layer.map.get(name))
    }

    /// The names of all variables.
    pub fn names(&self) -> IndexSet<&str> {
        self.layers.iter().flat_map(|layer| layer.map.keys()).map(String::as_str).collect()
    }

    pub(super) fn find(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        if name == "__view" {
            return Some(Jinja::from_object(Handle(Arc::clone(self))));
        }
        if name == "omit" {
            return Some(Jinja::from(OMIT));
        }
        if self.pending.contains(name) {
            return Some(self.wait());
        }
        if self.is_coming(name) {
            return Some(self.wait());
        }
        let found = self.layers.iter().find(|layer| layer.map.contains_key(name));
        // What modules told is there early, what is gathered is not.
        if name == "ansible_facts"
            && let Some(answer) = self.lacking()
        {
            return Some(answer);
        }
        if let Some(layer) = found {
            let value = &layer.map[name];
            if !layer.lazy || !is_template(value) {
                return Some(self.settled(name, value));
            }
            return Some(self.resolve(name, value));
        }
        if let Some(value) = self.special.as_ref().and_then(|special| special(name)) {
            return Some(value);
        }
        if name == "vars" {
            if self.grows() {
                return Some(self.wait());
            }
            return Some(Jinja::from_object(Handle(Arc::clone(self))));
        }
        if name.starts_with("ansible_")
            && let Some(answer) = self.lacking()
        {
            return Some(answer);
        }
        if !super::lookups::FUNCTIONS.contains(&name) && !name.starts_with("__") {
            self.notes().missing = Some(name.to_owned());
        }
        None
    }

    /// Whether the name's value will be a fact that is under way.
    pub fn is_coming(&self, name: &str) -> bool {
        let fits = |known: &&str| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start) && !steers(name),
            None => name == *known,
        };
        if !self.coming.names.iter().any(fits) {
            return false;
        }
        let at = self.layers.iter().position(|layer| layer.map.contains_key(name));
        at.is_none_or(|at| at + self.coming.over >= self.layers.len())
    }

    /// Whether which variables there are is known only when what is under way has come.
    pub(super) fn grows(&self) -> bool {
        !self.pending.is_empty() || !self.coming.names.is_empty()
    }

    /// Notes that something is to be waited for.
    pub(super) fn wait(&self) -> Jinja {
        self.notes().pending = true;
        wrong("pending")
    }

    /// Whoever asks for a fact must wait for it.
    fn lacking(&self) -> Option<Jinja> {
        match self.facts {
            Facts::Known => None,
            Facts::Missing => {
                self.notes().facts = true;
                Some(wrong("facts"))
            }
            Facts::MissingElsewhere => Some(wrong(ELSEWHERE)),
        }
    }

    /// A value that is no template; large ones are turned over once.
    fn settled(&self, name: &str, value: &Value) -> Jinja {
        if !matches!(value, Value::Array(_) | Value::Object(_)) {
            return to_jinja(value);
        }
        if let Some(known) = self.notes().known.get(name) {
            return known.clone();
        }
        let made = to_jinja(value);
        self.notes().known.insert(name.to_owned(), made.clone());
        made
    }

    /// Renders what is called `path`, once.
    pub(super) fn resolve(self: &Arc<Self>, path: &str, value: &Value) -> Jinja {
        {
            let mut notes = self.notes();
            if let Some(known) = notes.known.get(path) {
                return known.clone();
            }
            if notes.open.iter().any(|open| open == path) {
                let mut way = notes.open.clone();
                way.push(path.to_owned());
                return wrong(&format!("variable `{path}` needs itself: {}", way.join(" → ")));
            }
            if notes.open.len() > 60 {
                return wrong("variables are nested too deep");
            }
            notes.open.push(path.to_owned());
        }
        let rendered = self.lazily(path, value);
        let mut notes = self.notes();
        notes.open.pop();
        match rendered {
            Ok(value) => {
                notes.known.insert(path.to_owned(), value.clone());
                value
            }
            // As in Python, what needs something undefined is undefined itself, and may have a default.
            Err(error) if error.kind() == ErrorKind::UndefinedError && !notes.pending && !notes.facts => {
                Jinja::UNDEFINED
            }
            Err(error) => error.into(),
        }
    }

    /// Text at once, what is inside collections when it is asked for.
    fn lazily(self: &Arc<Self>, path: &str, value: &Value) -> Result<Jinja, minijinja::Error> {
        let (view, path) = (Arc::clone(self), path.to_owned());
        Ok(match value {
            Value::Object(map) if is_template(value) && !map.keys().any(|key| super::has_marks(key)) => {
                Jinja::from_object(LazyMap { view, path, map: map.clone() })
            }
            Value::Array(items)
                if is_template(value) && items.iter().all(|item| item.as_str() != Some("{{ omit }}")) =>
            {
                Jinja::from_object(LazyList { view, path, items: items.clone() })
            }
            other => render::deep(self, other)?,
        })
    }
}

/// Whether a name says how a host is reached, or how to be somebody there. No host's facts may say that.
pub fn steers(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "become",
        "connection",
        "connection_user",
        "facts",
        "host",
        "module_compression",
        "network_os",
        "password",
        "pipelining",
        "playbook_python",
        "port",
        "private_key_file",
        "rsync_path",
        "scp_extra_args",
        "sftp_extra_args",
        "shell_executable",
        "shell_type",
        "timeout",
        "user",
    ];
    const STARTS: &[&str] = &["become_", "local_", "paramiko_", "psrp_", "ssh_", "winrm_"];
    let Some(rest) = name.strip_prefix("ansible_") else { return name.starts_with("berth_") };
    let starts = STARTS.iter().any(|start| rest.starts_with(start));
    // Devices and keys of a host have such names, too.
    let own = rest.starts_with("ssh_host_key_") || rest.ends_with("_bridge") || rest.ends_with("_gwbridge");
    NAMES.contains(&rest) || rest.ends_with("_interpreter") || rest.starts_with("become_") || starts && !own
}

/// A mapping whose values are rendered one by one.
#[derive(Debug)]
struct LazyMap {
    view: Arc<View>,
    path: String,
    map: Map<String, Value>,
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let key = key.as_str()?;
        let value = self.map.get(key)?;
        Some(if is_template(value) {
            self.view.resolve(&format!("{}.{key}", self.path), value)
        } else {
            to_jinja(value)
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys: Vec<Jinja> = self.map.keys().map(|key| Jinja::from(key.as_str())).collect();
        Enumerator::Iter(Box::new(keys.into_iter()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.map.len())
    }
}

/// A list whose items are rendered one by one.
#[derive(Debug)]
struct LazyList {
    view: Arc<View>,
    path: String,
    items: Vec<Value>,
}

impl Object for LazyList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let at = key.as_usize()?;
        let value = self.items.get(at)?;
        Some(if is_template(value) {
            self.view.resolve(&format!("{}[{at}]", self.path), value)
        } else {
            to_jinja(value)
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}

/// A view as an object that filters and functions can find.
#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<View>);

impl Object for Handle {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.find(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names: Vec<Jinja> = self.0.names().into_iter().map(Jinja::from).collect();
        Enumerator::Iter(Box::new(names.into_iter()))
    }
}

pub(super) fn wrong(message: &str) -> Jinja {
    minijinja::Error::new(ErrorKind::InvalidOperation, message.to_owned()).into()
}
