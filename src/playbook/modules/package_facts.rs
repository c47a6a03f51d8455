//! `package_facts`: the installed packages, as the fact `packages`.
//!
//! `origin` of a Debian package is not told: only apt's own library knows it at once.

use super::common::{Step, list, one_of, text, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value, json};

/// The module.
pub static PACKAGE_FACTS: Module = Module {
    name: "package_facts",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "lists the installed packages as the fact `packages`",
    args: &[
        with_default("manager", Kind::List, "[auto]", "apk, apt, pacman, rpm, or auto; further names for rpm"),
        one_of("strategy", "first", &["all", "first"], "the first manager that is there, or all"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

const MANAGERS: [&str; 4] = ["apk", "apt", "pacman", "rpm"];

const SH: &str = r#"
# b_package_facts MANAGER...
b_package_facts() {
  LC_ALL=C
  export LC_ALL
  b_found=
  for b_p; do
    [ -z "$b_found" ] || [ -n "$b_all" ] || break
    b_prog=$b_p
    [ "$b_p" != apt ] || b_prog=dpkg-query
    if ! command -v "$b_prog" >/dev/null; then
      case $b_asked in *" $b_p "*) warn "Requested package manager $b_p was not usable by this module: \`$b_prog\` is not there" ;; esac
      continue
    fi
    case $b_p in
      apt) b_x=$(dpkg-query -W -f '${db:Status-Status}\t${binary:Package}\t${Version}\t${Architecture}\t${Section}\n' 2>&1) ;;
      rpm) b_x=$(rpm -qa --qf '%{NAME}\t%{VERSION}\t%{RELEASE}\t%{EPOCH}\t%{ARCH}\n' 2>&1) ;;
      apk) b_x=$(apk info -v 2>/dev/null) ;;
      pacman) b_x=$(pacman -Qi 2>/dev/null) ;;
    esac || { warn "Failed to retrieve packages with $b_p: $b_x"; continue; }
    if [ -z "$b_x" ]; then warn "Found \"$b_p\" but no associated packages"; continue; fi
    b_found=1
    out "$b_p" "$b_x"
  done
  [ -n "$b_found" ] || fail "Could not detect a supported package manager from the following list: $*"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let mut wanted: Vec<&str> = vec![];
    let mut auto = false;
    let given = list(args, "manager").unwrap_or_default();
    for name in &given {
        let name = name.to_lowercase();
        let name = match name.as_str() {
            "auto" => {
                auto = true;
                continue;
            }
            "yum" | "dnf" | "dnf5" | "zypper" => "rpm",
            other => other,
        };
        let known = MANAGERS.into_iter().find(|known| *known == name);
        let known =
            known.ok_or_else(|| format!("Unsupported package managers requested: {name}; there are {MANAGERS:?}"))?;
        if !wanted.contains(&known) {
            wanted.push(known);
        }
    }
    let asked = wanted.join(" ");
    if auto {
        wanted.extend(MANAGERS.into_iter().filter(|known| !asked.split(' ').any(|have| have == *known)));
    }
    let mut step = Step::new(scope);
    step.set("b_asked", &format!(" {asked} "))?.set_flag("b_all", text(args, "strategy") == Some("all"));
    let mut script = step.run(&format!("b_package_facts {}", wanted.join(" "))).done();
    script.finish = Some(finish);
    Ok(script)
}

fn finish(_: &Args, result: &mut Map<String, Value>) {
    if result.get("failed") == Some(&Value::Bool(true)) {
        return;
    }
    let mut packages: Map<String, Value> = Map::new();
    let mut add = |package: Value| {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        match packages.get_mut(&name) {
            Some(Value::Array(all)) => all.push(package),
            _ => drop(packages.insert(name, json!([package]))),
        }
    };
    for manager in MANAGERS {
        let Some(Value::String(text)) = result.shift_remove(manager) else { continue };
        match manager {
            "pacman" => text.split("\n\n").filter_map(pacman).for_each(&mut add),
            _ => text.lines().filter_map(|line| one(manager, line)).for_each(&mut add),
        }
    }
    result.insert("ansible_facts".to_owned(), json!({ "packages": packages }));
}

fn one(manager: &str, line: &str) -> Option<Value> {
    let fields: Vec<&str> = line.split('\t').collect();
    match (manager, &fields[..]) {
        ("apt", ["installed", name, version, arch, section]) => {
            Some(json!({"name": name, "version": version, "arch": arch, "category": section, "source": "apt"}))
        }
        ("rpm", [name, version, release, epoch, arch]) => {
            let epoch = Some(*epoch).filter(|epoch| *epoch != "(none)");
            Some(
                json!({"name": name, "version": version, "release": release, "epoch": epoch, "arch": arch, "source": "rpm"}),
            )
        }
        ("apk", [line]) => {
            let mut parts = line.rsplitn(3, '-');
            let (release, version) = (parts.next()?, parts.next()?);
            Some(json!({"name": parts.next()?, "version": version, "release": release, "source": "apk"}))
        }
        _ => None,
    }
}

fn pacman(block: &str) -> Option<Value> {
    let field = |wanted: &str| {
        block.lines().filter_map(|line| line.split_once(" : ")).find(|(name, _)| name.trim() == wanted).map(|(_, v)| v)
    };
    let provides = field("Provides").filter(|text| *text != "None");
    let provides: Option<Vec<&str>> =
        provides.map(|text| text.split_whitespace().map(|one| one.split('=').next().unwrap_or_default()).collect());
    Some(json!({"name": field("Name")?, "version": field("Version")?, "arch": field("Architecture")?,
        "provides": provides, "source": "pacman"}))
}

#[cfg(test)]
mod tests {
    use super::{PACKAGE_FACTS, finish};
    use crate::playbook::modules::common::trial::{Trial, args};
    use serde_json::json;

    #[test]
    fn this_debian_has_packages() {
        let trial = Trial::new();
        for yaml in ["{}", "{manager: [dnf, apt]}"] {
            let task = args(&PACKAGE_FACTS, yaml);
            let mut said = trial.run(Trial::SHELLS[0], &PACKAGE_FACTS, &task);
            assert!(said.failed.is_none() && !said.changed, "{said:?}");
            finish(&task, &mut said.result);
            let dpkg = &said.result["ansible_facts"]["packages"]["dpkg"][0];
            assert_eq!((&dpkg["name"], &dpkg["source"]), (&json!("dpkg"), &json!("apt")));
        }
        let none = trial.run(Trial::SHELLS[1], &PACKAGE_FACTS, &args(&PACKAGE_FACTS, "{manager: pacman}"));
        assert!(none.failed.unwrap().contains("Could not detect"));
        assert!(
            trial.run(Trial::SHELLS[0], &PACKAGE_FACTS, &args(&PACKAGE_FACTS, "{manager: '$(id)'}")).failed.is_some()
        );
    }

    #[test]
    fn other_managers_are_read() {
        let mut result = json!({
            "apk": "musl-1.2.5-r0\nbusybox-extras-1.36-r29\n",
            "rpm": "bash\t5.1\t2.el9\t(none)\tx86_64\nbash\t5.2\t1\t1\ti686\n",
            "pacman": "Name            : pacman\nVersion         : 6.0-1\nArchitecture    : x86_64\nProvides        : libalpm.so=13\n\n",
        })
        .as_object()
        .unwrap()
        .clone();
        finish(&args(&PACKAGE_FACTS, "{}"), &mut result);
        let packages = &result["ansible_facts"]["packages"];
        assert_eq!(
            packages["busybox-extras"],
            json!([{"name": "busybox-extras", "version": "1.36", "release": "r29", "source": "apk"}])
        );
        assert_eq!((packages["bash"].as_array().unwrap().len(), &packages["bash"][0]["epoch"]), (2, &json!(null)));
        assert_eq!(packages["pacman"][0]["provides"], json!(["libalpm.so"]));
    }
}
