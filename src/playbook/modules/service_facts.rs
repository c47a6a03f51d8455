//! `service_facts`: what services there are and what they do, as the fact `services`.

use super::common::Step;
use super::{Act, Args, Module, Script};
use serde_json::{Map, Value, json};

/// The module.
pub static SERVICE_FACTS: Module = Module {
    name: "service_facts",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "lists the host's services as the fact `services`",
    args: &[],
    free_form: None,
    act: Act::Shell {
        library: &[SH],
        script: |_, scope| {
            let mut script: Script = Step::new(scope).run("b_service_facts").done();
            script.finish = Some(finish);
            Ok(script)
        },
    },
};

const SH: &str = r#"
b_service_facts() {
  LC_ALL=C
  export LC_ALL
  if command -v chkconfig >/dev/null; then
    out chkconfig "$(chkconfig --list 2>/dev/null 3>&- | while read -r b_l; do
      case $b_l in *:on* | *:off*) ;; *) continue ;; esac
      if service "${b_l%%[ 	]*}" status </dev/null >/dev/null 2>&1; then printf 'running %s\n' "$b_l"; else printf 'stopped %s\n' "$b_l"; fi
    done)"
  elif command -v rc-status >/dev/null && command -v rc-update >/dev/null; then
    out rc_status "$(rc-status -a -s -m 2>/dev/null 3>&-)"
    out rc_update "$(rc-update show -v 2>/dev/null 3>&-)"
  elif command -v service >/dev/null && [ -d /etc/init.d ]; then
    out sysv "$(service --status-all 2>/dev/null 3>&-)"
  fi
  [ -d /run/systemd/system ] && command -v systemctl >/dev/null || return 0
  b_units=$(systemctl list-units --no-pager --no-legend --type service --all --plain 2>/dev/null) || warn 'systemd does not list its units'
  b_files=$(systemctl list-unit-files --no-pager --no-legend --type service --all 2>/dev/null) || warn 'systemd does not list its unit files'
  # Those that are not loaded; a template is no unit of its own.
  b_x=$(printf '%s\n--\n%s\n' "$b_units" "$b_files" | awk '$1 == "--" { rest = 1; next } !rest { seen[$1] = 1; next } NF && !($1 in seen) && $1 !~ /@[.]service$/ { print $1 }')
  set -f
  [ -z "$b_x" ] || out shown "$(systemctl show --property=Id,ActiveState -- $b_x 2>/dev/null)"
  set +f
  out units "$b_units"
  out unit_files "$b_files"
}
"#;

fn finish(_: &Args, result: &mut Map<String, Value>) {
    if result.get("failed") == Some(&Value::Bool(true)) {
        return;
    }
    let mut take = |name: &str| match result.shift_remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let mut services = Map::new();
    for line in take("sysv").lines() {
        let Some((mark, name)) = line.trim().strip_prefix("[ ").and_then(|rest| rest.split_once(" ]")) else {
            continue;
        };
        let state = match mark.trim() {
            "+" => "running",
            "-" => "stopped",
            _ => continue,
        };
        services.insert(name.trim().to_owned(), json!({"name": name.trim(), "state": state, "source": "sysv"}));
    }
    for line in take("chkconfig").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [state, name, levels @ ..] = &words[..] else { continue };
        let status = if levels.contains(&"3:on") { "enabled" } else { "disabled" };
        services.insert((*name).to_owned(), json!({"name": name, "state": state, "status": status, "source": "sysv"}));
    }
    openrc(&take("rc_status"), &take("rc_update"), &mut services);
    systemd(&take("units"), &take("unit_files"), &take("shown"), &mut services);
    if services.is_empty() {
        result.insert("skipped".to_owned(), true.into());
        result.insert("msg".to_owned(), "no service was found; the login user may not be allowed to ask".into());
        return;
    }
    result.insert("ansible_facts".to_owned(), json!({ "services": services }));
}

fn openrc(status: &str, update: &str, services: &mut Map<String, Value>) {
    let levels: Vec<(&str, Vec<&str>)> = update
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(name, levels)| (name.trim(), levels.split_whitespace().collect()))
        .collect();
    for line in status.lines().filter(|line| line.starts_with(' ')) {
        let bare = line.replace(['[', ']'], "");
        let words: Vec<&str> = bare.split_whitespace().collect();
        let [name, state, ..] = words[..] else { continue };
        let runlevels = levels.iter().find(|(known, _)| *known == name).map(|(_, levels)| levels.clone());
        let runlevels = runlevels.filter(|levels| !levels.is_empty());
        services
            .insert(name.to_owned(), json!({"name": name, "runlevels": runlevels, "state": state, "source": "openrc"}));
    }
}

fn systemd(units: &str, files: &str, shown: &str, services: &mut Map<String, Value>) {
    const BAD: [&str; 3] = ["not-found", "masked", "failed"];
    for line in units.lines() {
        let words: Vec<&str> = line.trim_start_matches(['●', '*', ' ']).split_whitespace().collect();
        let [name, load, active, sub, ..] = words[..] else { continue };
        let status = BAD.into_iter().find(|bad| [load, active, sub].contains(bad)).unwrap_or(active);
        let state = if sub == "running" { "running" } else { "stopped" };
        services.insert(name.to_owned(), json!({"name": name, "state": state, "status": status, "source": "systemd"}));
    }
    let mut active = Map::new();
    for block in shown.split("\n\n") {
        let of = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
        active.insert(of("Id="), of("ActiveState=").into());
    }
    for line in files.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(status)) = (words.next(), words.next()) else { continue };
        match services.get_mut(name).filter(|known| known["source"] == "systemd") {
            Some(known) if BAD.contains(&known["status"].as_str().unwrap_or_default()) => {}
            Some(known) => known["status"] = status.into(),
            None => {
                let state = active.get(name).cloned().unwrap_or_else(|| "unknown".into());
                services.insert(
                    name.to_owned(),
                    json!({"name": name, "state": state, "status": status, "source": "systemd"}),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SERVICE_FACTS, finish};
    use crate::playbook::modules::common::trial::{Trial, args};
    use serde_json::{Value, json};

    #[test]
    fn services_of_every_manager_are_facts() {
        let said = json!({
            "sysv": " [ + ]  cron\n [ - ]  ssh\n [ ? ]  odd\n",
            "units": "cron.service loaded active running Regular jobs\ngone.service not-found inactive dead gone\n",
            "unit_files": "cron.service enabled enabled\ngetty@.service enabled\nold.service disabled -\ngone.service masked\n",
            "shown": "Id=old.service\nActiveState=inactive\n",
            "rc_status": "Runlevel: default\n sshd   [  started 0:01 ]\n lone [ stopped ]\n",
            "rc_update": " sshd | default\n lone |\n",
        });
        let Value::Object(mut result) = said else { panic!() };
        finish(&args(&SERVICE_FACTS, "{}"), &mut result);
        let services = &result["ansible_facts"]["services"];
        assert_eq!(services["cron"], json!({"name": "cron", "state": "running", "source": "sysv"}));
        assert_eq!(services["cron.service"]["status"], "enabled");
        assert_eq!(services["gone.service"]["status"], "not-found");
        assert_eq!(services["old.service"]["state"], "inactive");
        assert_eq!(services["getty@.service"]["state"], "unknown");
        assert_eq!(services["sshd"]["runlevels"], json!(["default"]));
        assert_eq!(services["lone"]["state"], "stopped");
    }

    #[test]
    fn a_host_without_services_says_so() {
        let trial = Trial::new();
        let task = args(&SERVICE_FACTS, "{}");
        let mut said = trial.run(Trial::SHELLS[1], &SERVICE_FACTS, &task);
        assert!(said.failed.is_none() && !said.changed, "{said:?}");
        if !std::path::Path::new("/run/systemd/system").exists() {
            finish(&task, &mut said.result);
            assert_eq!(said.result["skipped"], true);
        }
    }
}
