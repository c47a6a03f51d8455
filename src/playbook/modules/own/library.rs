//! What a module of Ansible's new style needs beside itself: Ansible's own library, taken from an Ansible that is
//! installed on this machine, and the utilities that stand beside the playbook, the role or the collection.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{Own, zip};

/// Ansible's library for the host, and the name it has there.
#[derive(Debug)]
pub struct Library {
    /// The archive.
    pub bytes: Vec<u8>,
    /// A short hash of it.
    pub hash: String,
    /// What it says of the arguments that every module gets.
    internal: String,
}

static MADE: LazyLock<Mutex<HashMap<PathBuf, Arc<Library>>>> = LazyLock::new(Mutex::default);

impl Library {
    /// Whether this Ansible knows `_ansible_NAME`.
    pub fn takes(&self, name: &str) -> bool {
        self.internal.is_empty() || self.internal.contains(&format!("'{name}'"))
    }
}

/// The library of the Ansible in `folder`, or of the first that is installed.
pub fn library(folder: Option<&Path>) -> Result<Arc<Library>, String> {
    let found = match folder {
        Some(folder) => {
            let inside = [folder.to_owned(), folder.join("ansible")];
            let found = inside.into_iter().find(|folder| is_ansible(folder));
            found.ok_or_else(|| format!("`{}` holds no Python package `ansible`", folder.display()))?
        }
        None => installed().into_iter().find(|folder| is_ansible(folder)).ok_or_else(|| {
            "no Ansible is installed on this machine: install ansible-core, or name the folder of its Python package, \
             `--python=FOLDER`"
                .to_owned()
        })?,
    };
    if let Some(known) = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&found) {
        return Ok(Arc::clone(known));
    }
    let mut files = Vec::new();
    python_files(&found.join("module_utils"), "ansible/module_utils", &mut files)?;
    let release = fs::read_to_string(found.join("release.py")).unwrap_or_default();
    let version = release.lines().find(|line| line.starts_with("__version__")).unwrap_or("__version__ = '2.19.0'");
    files.push(("ansible/__init__.py".to_owned(), format!("{version}\n__author__ = 'Ansible, Inc.'\n").into_bytes()));
    let bytes = zip::pack(&files)?;
    let hash = crate::playbook::value::hex(&Sha256::digest(&bytes)[..8]);
    let internal = fs::read_to_string(found.join("module_utils/common/parameters.py")).unwrap_or_default();
    let made = Arc::new(Library { bytes, hash, internal });
    MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(found, Arc::clone(&made));
    Ok(made)
}

fn is_ansible(folder: &Path) -> bool {
    folder.join("module_utils/basic.py").is_file()
}

/// Where an Ansible may be installed.
fn installed() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from).into_iter().collect();
    let venvs = |folder: PathBuf| ["ansible", "ansible-core"].map(|name| folder.join(name));
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
        roots.push(home.join(".local"));
        roots.extend(venvs(home.join(".local/share/pipx/venvs")));
        roots.extend(venvs(home.join(".local/pipx/venvs")));
    }
    roots.extend(["/usr/local", "/usr", "/opt/ansible"].map(PathBuf::from));
    roots.extend(venvs("/opt/pipx/venvs".into()));
    let mut found = Vec::new();
    for root in roots {
        let mut versions: Vec<PathBuf> = fs::read_dir(root.join("lib"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3")))
            .collect();
        versions.sort();
        for version in versions.into_iter().rev() {
            found.extend(["dist-packages/ansible", "site-packages/ansible"].map(|name| version.join(name)));
        }
    }
    found
}

/// All of Python in a folder, by its name in an archive.
fn python_files(folder: &Path, name: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), String> {
    let wrong = |path: &Path, why: std::io::Error| format!("cannot read `{}`: {why}", path.display());
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).map_err(|why| wrong(folder, why))?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let Some(last) = path.file_name().and_then(|last| last.to_str()) else { continue };
        let inner = format!("{name}/{last}");
        if path.is_dir() {
            python_files(&path, &inner, files)?;
        } else if path.extension().is_some_and(|end| end == "py") {
            files.push((inner, fs::read(&path).map_err(|why| wrong(&path, why))?));
        }
    }
    Ok(())
}

/// The archive of a module: itself, its utilities, and those of the collections that it names.
pub fn archive(own: &Own, source: &[u8]) -> Result<Vec<u8>, String> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let place = own.full.replace('.', "/");
    for (at, _) in place.match_indices('/') {
        let folder = &place[..at];
        if folder != "ansible" {
            files.push((format!("{folder}/__init__.py"), Vec::new()));
        }
    }
    files.push((format!("{place}.py"), source.to_vec()));
    for folder in own.utils.iter().filter(|folder| folder.is_dir()) {
        let mut more = Vec::new();
        python_files(folder, "ansible/module_utils", &mut more)?;
        add(&mut files, more);
    }
    let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
    if let Some((namespace, collection)) = own.full.strip_prefix("ansible_collections.").and_then(|rest| {
        let mut parts = rest.split('.');
        Some((parts.next()?, parts.next()?))
    }) {
        asked.insert((namespace.to_owned(), collection.to_owned()));
    }
    let mut done: BTreeSet<(String, String)> = BTreeSet::new();
    let mut seen = 0;
    loop {
        while seen < files.len() {
            asked.extend(collections_in(&files[seen].1));
            seen += 1;
        }
        let Some(next) = asked.iter().find(|name| !done.contains(*name)).cloned() else { break };
        let (namespace, collection) = &next;
        let inside = format!("ansible_collections/{namespace}/{collection}/plugins/module_utils");
        if let Some(folder) = own.collections.iter().map(|root| root.join(&inside)).find(|folder| folder.is_dir()) {
            let mut more = Vec::new();
            for (at, _) in inside.match_indices('/').chain([(inside.len(), "")]) {
                more.push((format!("{}/__init__.py", &inside[..at]), Vec::new()));
            }
            python_files(&folder, &inside, &mut more)?;
            add(&mut files, more);
        }
        done.insert(next);
    }
    // The module's own packages are there once; a file that is not empty counts.
    zip::pack(&files)
}

/// Adds what is not there yet; a file takes the place of an empty one.
fn add(files: &mut Vec<(String, Vec<u8>)>, more: Vec<(String, Vec<u8>)>) {
    for (name, bytes) in more {
        match files.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) if known.is_empty() => *known = bytes,
            Some(_) => {}
            None => files.push((name, bytes)),
        }
    }
}

/// The collections that a text imports from.
fn collections_in(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let word = |part: Option<&str>| {
        let part = part?;
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        Some(part[..end].to_owned()).filter(|part| !part.is_empty())
    };
    let found = text.split("ansible_collections.").skip(1).filter_map(|rest| {
        let mut parts = rest.splitn(3, '.');
        Some((word(parts.next())?, word(parts.next())?))
    });
    found.collect()
}
