//! `getent`: entries of the host's databases (passwd, group, hosts, …) as facts.

use super::common::{Step, arg, required, text, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value, json};

/// The module.
pub static GETENT: Module = Module {
    name: "getent",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "reads entries of passwd, group, hosts, services and their like as facts",
    args: &[
        required("database", Kind::Str, "which database"),
        with_default("key", Kind::Str, "''", "one entry only"),
        arg("service", Kind::Str, "from this source only: files, …"),
        arg("split", Kind::Str, "what parts the fields; default: a colon for account files, blanks for others"),
        with_default("fail_key", Kind::Bool, "true", "fail when the key is not there"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

/// Hosts without getent (`BusyBox`) have the files.
const SH: &str = r#"
b_getent() {
  if command -v getent >/dev/null; then
    b_x=$(getent ${b_service:+-s "$b_service"} "$b_database" ${b_key:+"$b_key"} 2>/dev/null; echo "x$?")
    b_rc=${b_x##*x} b_x=${b_x%x*}
  else
    b_rc=0
    case $b_database in passwd | group | shadow | gshadow | hosts | services | protocols | networks | rpc | ethers) ;; *) b_rc=1 ;; esac
    case $b_service in '' | files) ;; *) fail 'this host has no getent: only the service `files` can be read' ;; esac
    b_x=
    if [ "$b_rc" = 0 ] && [ -r "/etc/$b_database" ]; then
      b_x=$(while read -r b_l; do case $b_l in '' | '#'*) ;; *) printf '%s\n' "$b_l" ;; esac; done <"/etc/$b_database")
      if [ -n "$b_key" ]; then
        b_x=$(printf '%s\n' "$b_x" | awk -v db="$b_database" 'NR == FNR { k = $0; next } { n = split($0, f, db ~ /^g?(passwd|group|shadow)$/ ? ":" : "[ \t]+"); hit = f[1] == k
          if (db == "passwd" || db == "group") hit = hit || f[3] == k; else if (db !~ /shadow/) for (i = 2; i <= n; i++) { if (f[i] ~ /^#/) break; if (f[i] == k) hit = 1 }
          if (hit) print }' "$b_keyfile" -)
        [ -n "$b_x" ] || b_rc=2
      fi
    fi
  fi
  case $b_rc in
    0) ;;
    1) fail 'Missing arguments, or database unknown.' ;;
    2)
      [ -z "$b_fail" ] || fail 'One or more supplied key could not be found in the database.'
      out msg 'One or more supplied key could not be found in the database.'
      out missing 1
      return 0
      ;;
    3) fail 'Enumeration not supported on this database.' ;;
    *) fail "getent ended with status $b_rc" ;;
  esac
  out entries "$b_x"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let database = text(args, "database").unwrap_or_default();
    if database.is_empty() || !database.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Err(format!("`{}` is no database of getent", database.escape_debug()));
    }
    for name in ["key", "service"] {
        if text(args, name).is_some_and(|value| value.starts_with('-') || value.contains(['\n', '\0'])) {
            return Err(format!("`{name}` must be one line, and not start with `-`"));
        }
    }
    let mut step = Step::new(scope);
    let key = text(args, "key").unwrap_or_default();
    step.set("b_database", database)?
        .set("b_key", key)?
        .set_opt("b_service", text(args, "service"))?
        .set_flag("b_fail", args.flag("fail_key"))
        .file("key", format!("{key}\n").into_bytes());
    let mut script = step.run("b_keyfile=$FILES/key\nb_getent").done();
    script.finish = Some(finish);
    Ok(script)
}

fn finish(args: &Args, result: &mut Map<String, Value>) {
    if result.get("failed") == Some(&Value::Bool(true)) {
        return;
    }
    let database = text(args, "database").unwrap_or_default();
    let mut found = Map::new();
    if result.shift_remove("missing").is_some() {
        found.insert(text(args, "key").unwrap_or_default().to_owned(), Value::Null);
    }
    let colon = matches!(database, "passwd" | "shadow" | "group" | "gshadow");
    let split = text(args, "split").or(colon.then_some(":"));
    if let Some(Value::String(entries)) = result.shift_remove("entries") {
        let mut seen: Map<String, Value> = Map::new();
        for line in entries.lines().filter(|line| !line.trim().is_empty()) {
            let fields: Vec<&str> = match split {
                Some(mark) if !mark.is_empty() => line.split(mark).collect(),
                _ => line.split_whitespace().collect(),
            };
            let Some((key, rest)) = fields.split_first() else { continue };
            // A key that comes again keeps all its values.
            match seen.get(*key).and_then(Value::as_u64).unwrap_or_default() {
                0 => found.insert((*key).to_owned(), json!(rest)),
                1 => {
                    let before = found.get(*key).cloned().unwrap_or_default();
                    found.insert((*key).to_owned(), json!([before, rest]))
                }
                _ => {
                    if let Some(Value::Array(all)) = found.get_mut(*key) {
                        all.push(json!(rest));
                    }
                    None
                }
            };
            let times = seen.get(*key).and_then(Value::as_u64).unwrap_or_default() + 1;
            seen.insert((*key).to_owned(), times.into());
        }
    }
    result.insert("ansible_facts".to_owned(), json!({ format!("getent_{database}"): found }));
}

#[cfg(test)]
mod tests {
    use super::{GETENT, finish};
    use crate::playbook::modules::common::trial::{Trial, args};
    use serde_json::json;

    #[test]
    fn entries_are_facts_with_and_without_getent() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            let task = args(&GETENT, "{database: passwd, key: root}");
            let mut said = trial.run(shell, &GETENT, &task);
            assert!(said.failed.is_none() && !said.changed, "{said:?}");
            finish(&task, &mut said.result);
            let root = &said.result["ansible_facts"]["getent_passwd"]["root"];
            assert_eq!((root.as_array().unwrap().len(), &root[1]), (6, &json!("0")));
            let task = args(&GETENT, "{database: passwd, key: 'no\"one $(id)', fail_key: false}");
            let mut said = trial.run(shell, &GETENT, &task);
            finish(&task, &mut said.result);
            assert_eq!(said.result["ansible_facts"]["getent_passwd"], json!({"no\"one $(id)": null}), "{said:?}");
            let gone = trial.run(shell, &GETENT, &args(&GETENT, "{database: group, key: nosuch}"));
            assert!(gone.failed.unwrap().contains("could not be found"));
            assert!(trial.run(shell, &GETENT, &args(&GETENT, "{database: nosuch}")).failed.is_some());
        }
    }

    #[test]
    fn a_key_that_comes_again_keeps_all_its_values() {
        let task = args(&GETENT, "{database: services}");
        let mut result = json!({"entries": "domain 53/tcp\ndomain 53/udp\nx  1/tcp y\n"}).as_object().unwrap().clone();
        finish(&task, &mut result);
        let meant = json!({"domain": [["53/tcp"], ["53/udp"]], "x": ["1/tcp", "y"]});
        assert_eq!(result["ansible_facts"]["getent_services"], meant);
    }
}
