//! What templates and expressions come to.

use serde_json::json;

use super::*;

fn view(vars: Value) -> Arc<View> {
    let Value::Object(map) = vars else { panic!("variables are a mapping") };
    Arc::new(View::new(vec![Layer::lazy(Arc::new(map))]))
}

fn sample() -> Arc<View> {
    view(json!({
        "a": 1, "b": "{{ a + 1 }}", "c": ["{{ b }}", true, null], "name": "x", "empty": "",
        "people": [{"name": "al", "uid": 5}, {"name": "bo", "uid": 6}],
        "round": "{{ about }}", "about": "{{ round }}", "d": {"k": "v", "n": {"m": 1}}, "res": {"changed": true, "failed": false, "rc": 0},
    }))
}

#[test]
fn values_keep_their_types_and_text_is_python_s() {
    let view = sample();
    for (source, wanted) in [
        ("{{ b }}", json!(2)),
        ("{{ c }}", json!([2, true, null])),
        ("{{ c }}!", json!("[2, True, None]!")),
        ("{{ d }} {{ true }} {{ none }} {{ 1.0 }}", json!("{'k': 'v', 'n': {'m': 1}} True None 1.0")),
        ("{{ people | map(attribute='name') | join(', ') }}", json!("al, bo")),
        ("{{ people | map(attribute='name') | list }}", json!(["al", "bo"])),
        ("{{ people | selectattr('uid', 'gt', 5) | map(attribute='name') | first }}", json!("bo")),
        ("{{ nothing | default('z') }}", json!("z")),
        ("{{ nothing.at.all | default('z') }}", json!("z")),
        ("{{ empty | default('z', true) }}", json!("z")),
        ("{{ '0644' | int }} {{ 'x' | int }} {{ 'yes' | bool }}", json!("644 0 True")),
        ("{{ d | combine({'k': 1, 'n': {'o': 2}}, recursive=True) }}", json!({"k": 1, "n": {"m": 1, "o": 2}})),
        ("{{ d.n | dict2items }}", json!([{"key": "m", "value": 1}])),
        ("{{ 'a-b.c' | regex_replace('^(a)-(?P<x>.)', '\\\\g<x>\\\\1') }}", json!("ba.c")),
        ("{{ 'abc123' | regex_search('[0-9]+') }}", json!("123")),
        ("{{ {'b': [1, 'x'], 'a': none} | to_json }}", json!("{\"b\": [1, \"x\"], \"a\": null}")),
        ("{{ 'it''s' | quote }}{{ \"it's\" | quote }}", json!("its'it'\"'\"'s'")),
        ("{{ '/a/b.c' | basename }} {{ '/a/b.c' | dirname }}", json!("b.c /a")),
        ("{{ 'hi' | b64encode | b64decode }}", json!("hi")),
        (
            "{{ 'x' | hash('sha256') | length }}{{ 'abc' | hash('sha1') }}",
            json!("64a9993e364706816aba3e25717850c26c9cd0d89d"),
        ),
        ("{{ (a == 1) | ternary('y', 'n') }}", json!("y")),
        ("{% if a > 0 %}\nyes\n{% endif %}\n", json!("yes\n")),
        ("{{ name.upper() }}{{ 'a,b'.split(',') | length }}", json!("X2")),
        ("{{ lookup('vars', 'name') }}", json!("x")),
        ("{{ omit }}", json!(OMIT)),
        ("{{ [1, [2, [3]]] | flatten }}", json!([1, 2, 3])),
    ] {
        let made = value(&view, &json!(source));
        assert_eq!(made, Ok(wanted), "{source}");
    }
}

#[test]
fn conditions_are_judged_as_ansible_judges_them() {
    let view = sample();
    for (condition, wanted) in [
        ("a == 1", true),
        ("nothing is defined", false),
        ("nothing.x is not defined", true),
        ("res is changed and res is succeeded", true),
        ("res is failed or 'x' in name", true),
        ("name is match('^x$')", true),
        ("not empty", true),
        ("'1.10' is version('1.9', '>')", true),
        ("'{{ name }}' == 'x'", true),
    ] {
        assert_eq!(truth(&view, &json!(condition)), Ok(wanted), "{condition}");
    }
    assert_eq!(
        truth(&view, &json!("nam == 'x'")),
        Err(Error::Wrong("`nam` is undefined; did you mean `name`?".into()))
    );
}

#[test]
fn what_is_undefined_is_an_error_that_names_it() {
    let view = sample();
    for source in ["{{ nothing }}", "a {{ nothing }}", "{{ nothing.x }}", "{% if nothing %}{% endif %}"] {
        assert_eq!(value(&view, &json!(source)), Err(Error::Wrong("`nothing` is undefined".into())), "{source}");
    }
    let Err(Error::Wrong(message)) = value(&view, &json!("{{ round }}")) else { panic!("a circle gave a value") };
    assert!(message.contains("needs itself"), "{message}");
}

#[test]
fn what_is_under_way_is_waited_for() {
    let mut view = View::new(vec![Layer::lazy(Arc::new(json!({"x": "{{ later.rc }}"}).as_object().cloned().unwrap()))]);
    view.pending.insert("later".into());
    view.facts_missing = true;
    let view = Arc::new(view);
    assert_eq!(value(&view, &json!("{{ x }}")), Err(Error::Pending));
    assert_eq!(value(&view, &json!("{{ later is defined }}")), Err(Error::Pending));
    assert_eq!(value(&view, &json!("{{ ansible_os_family | default('z') }}")), Err(Error::Facts));
    assert_eq!(value(&view, &json!("{{ 1 }}")), Ok(json!(1)));
}

#[test]
fn results_and_facts_are_not_templates() {
    let facts = Layer::fixed(json!({"evil": "{{ lookup('env', 'HOME') }}"}).as_object().cloned().unwrap());
    let view = Arc::new(View::new(vec![facts]));
    assert_eq!(value(&view, &json!("{{ evil }}")), Ok(json!("{{ lookup('env', 'HOME') }}")));
    assert_eq!(value(&view, &json!("-{{ evil }}")), Ok(json!("-{{ lookup('env', 'HOME') }}")));
}

proptest::proptest! {
    #[test]
    fn no_template_makes_it_panic(source in "(\\{\\{|\\}\\}|\\{%|%\\}| |a|b|\\||'|\\.|default|if|for|\\(|\\)|\\[|\\]|~|-|1|\n){0,30}") {
        let _ = value(&sample(), &Value::String(source));
    }
}

#[test]
fn vaulted_text_opens_when_it_is_used() {
    use crate::{playbook::vault, remote::Secret};
    let password = Secret("pw".into());
    let sealed = vault::seal(b"se{{ 'c' }}ret", &password, "", &[3; 32]).unwrap();
    let text = format!("x: !vault |\n  {}", sealed.trim().replace('\n', "\n  "));
    let vars = crate::playbook::yaml::parse(&text, "t.yml").unwrap().unwrap().to_map();
    let mut shut = View::new(vec![Layer::lazy(Arc::new(vars))]);
    shut.vault = vault::Keys::default();
    let mut open = View::new(shut.layers.clone());
    open.vault = vault::Keys::new(vec![("default".into(), password)]);
    assert_eq!(value(&Arc::new(open), &json!("-{{ x }}")), Ok(json!("-secret")));
    let Err(Error::Wrong(message)) = value(&Arc::new(shut), &json!("{{ x }}")) else { panic!("opened without a key") };
    assert!(message.contains("--vault-password-file"), "{message}");
}
