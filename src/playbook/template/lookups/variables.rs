//! Lookups among variables, the environment, settings and the inventory.

use serde_json::{Map, Value, json};

use super::{Ask, Found, Lookup, lookup_of, wrong};
use crate::playbook::{
    Inventory,
    modules::{convert, near},
    template::fault,
    value::to_json,
};

pub(super) static TABLE: &[Lookup] = &[
    lookup_of("config", &["on_missing", "plugin_type", "plugin_name", "show_origin"], config),
    lookup_of("env", &["default"], |ask| {
        let default = ask.options.get("default").cloned().unwrap_or_else(|| json!(""));
        let texts = ask.texts();
        let names = texts.iter().map(|text| text.split_whitespace().next().unwrap_or_default());
        Ok(names
            .map(|name| match std::env::var(name) {
                Ok(value) if !name.is_empty() => Value::String(value),
                _ => default.clone(),
            })
            .collect())
    }),
    lookup_of("inventory_hostnames", &[], |ask| {
        let groups = ask.view.find("groups").and_then(|groups| to_json(&groups).ok());
        let mut inventory = Inventory::default();
        for (group, hosts) in groups.as_ref().and_then(Value::as_object).into_iter().flatten() {
            for host in hosts.as_array().into_iter().flatten() {
                inventory.add_host(&convert::text_of(host), group);
            }
        }
        let found = inventory.matching(&ask.texts().join(",")).unwrap_or_default();
        Ok(found.into_iter().map(Value::String).collect())
    }),
    lookup_of("varnames", &[], |ask| {
        if ask.view.grows() {
            ask.view.wait();
            return Err(wrong("the names are under way"));
        }
        let mut names: Vec<&str> = ask.view.names().into_iter().collect();
        names.extend(["groups", "hostvars", "omit", "vars"]);
        let mut found = Vec::new();
        for term in &ask.terms {
            let Value::String(pattern) = term else {
                return Err(wrong(format!(
                    "Invalid setting identifier, \"{}\" is not a string",
                    convert::text_of(term)
                )));
            };
            let pattern = fancy_regex::Regex::new(pattern).map_err(|why| {
                let why = why.to_string().replace("Target of repeat operator is invalid", "nothing to repeat");
                wrong(format!("Unable to use \"{pattern}\" as a search parameter: {why}"))
            })?;
            let fits = names.iter().filter(|name| pattern.is_match(**name).unwrap_or(false));
            found.extend(fits.map(|name| Value::String((*name).to_owned())));
        }
        Ok(found)
    }),
    lookup_of("vars", &["default"], |ask| {
        let mut found = Vec::new();
        for term in &ask.terms {
            let Value::String(name) = term else {
                let kind = crate::playbook::template::kind(term);
                return Err(wrong(format!("Variable name must be 'str' not '{kind}'")));
            };
            let value = match (ask.view.find(name), ask.options.get("default")) {
                (Some(value), _) => value,
                (None, Some(default)) => {
                    found.push(default.clone());
                    continue;
                }
                (None, None) => {
                    let known = ask.view.names();
                    let hint = near(name, known.into_iter()).map(|near| format!("; did you mean `{near}`?"));
                    return Err(wrong(format!("No variable named '{name}' was found{}", hint.unwrap_or_default())));
                }
            };
            found.push(to_json(&value).map_err(|error| fault::explain(ask.view, &error))?);
        }
        Ok(found)
    }),
];

/// Settings that mean something here, and what they are.
fn settings(ask: &Ask<'_>) -> Map<String, Value> {
    let var = |name: &str, or: Value| ask.view.raw(name).filter(|value| !value.is_null()).cloned().unwrap_or(or);
    let home = std::env::var("HOME").unwrap_or_default();
    let roles = [format!("{home}/.ansible/roles"), "/usr/share/ansible/roles".into(), "/etc/ansible/roles".into()];
    let made = json!({
        "ALLOW_BROKEN_CONDITIONALS": true,
        "DEFAULT_ASK_PASS": false,
        "DEFAULT_BECOME": var("ansible_become", json!(false)),
        "DEFAULT_BECOME_METHOD": var("ansible_become_method", json!("sudo")),
        "DEFAULT_BECOME_USER": var("ansible_become_user", json!("root")),
        "DEFAULT_FORKS": var("ansible_forks", json!(50)),
        "DEFAULT_HASH_BEHAVIOUR": "replace",
        "DEFAULT_JINJA2_NATIVE": true,
        "DEFAULT_LOCAL_TMP": std::env::temp_dir().display().to_string(),
        "DEFAULT_MANAGED_STR": "Ansible managed",
        "DEFAULT_PRIVATE_KEY_FILE": var("ansible_private_key_file", Value::Null),
        "DEFAULT_REMOTE_PORT": var("ansible_port", Value::Null),
        "DEFAULT_REMOTE_USER": var("ansible_user", Value::Null),
        "DEFAULT_ROLES_PATH": roles,
        "DEFAULT_STRATEGY": "linear",
        "DEFAULT_TIMEOUT": 15,
        "DEFAULT_TRANSPORT": var("ansible_connection", json!("ssh")),
        "DEFAULT_VAULT_IDENTITY": "default",
        "DEFAULT_VERBOSITY": var("ansible_verbosity", json!(0)),
        "HOST_KEY_CHECKING": true,
    });
    if let Value::Object(map) = made { map } else { Map::new() }
}

fn config(ask: &Ask<'_>) -> Found {
    if ask.option("plugin_type").is_some() || ask.option("plugin_name").is_some() {
        return Err(wrong("`config` knows settings only; there are no plugins here, so leave `plugin_type` out"));
    }
    let missing = ask.text("on_missing", "error");
    if !matches!(missing.as_str(), "error" | "skip" | "warn") {
        return Err(wrong(format!(
            "Invalid option for error handling, missing must be error, warn or skip, got: {missing}"
        )));
    }
    let show_origin = ask.flag("show_origin", false)?;
    let known = settings(ask);
    let mut found = Vec::new();
    for term in &ask.terms {
        let Value::String(name) = term else {
            let text = convert::text_of(term);
            return Err(wrong(format!("Invalid setting identifier, '{text}' is not a string")));
        };
        match (known.get(name), missing.as_str()) {
            (Some(value), _) if show_origin => found.push(json!([value, "default"])),
            (Some(value), _) => found.push(value.clone()),
            (None, "skip") => {}
            (None, "warn") => {
                ask.view.notes().warnings.insert(format!("Skipping {name}: there is no such setting here"));
            }
            (None, _) => {
                let hint = near(name, known.keys().map(String::as_str));
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(wrong(format!("the setting '{name}' was not defined{hint}")));
            }
        }
    }
    Ok(found)
}
