//! What templates and expressions come to.

use serde_json::json;

use super::*;

fn view(vars: Value) -> Arc<View> {
    let Value::Object(map) = vars else { panic!("variables are a mapping") };
    Arc::new(View::new(vec![Layer::lazy(Arc::new(map))]))
}

fn sample() -> Arc<View> {
    view(json!({
        "a": 1, "cond": "a == 1", "nested": "{{ cond }}", "b": "{{ a + 1 }}", "c": ["{{ b }}", true, null], "name": "x", "empty": "",
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
        ("{{ 'a-b.c' | regex_replace('^(a)-(?P<x>.)', '\\g<x>\\1') }}", json!("ba.c")),
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
        ("{{ lookup('vars', '{{ \"na\" }}me') }}", json!("x")),
        ("{{ '{{ a }}' }}", json!("{{ a }}")),
        ("{{ omit }}", json!(OMIT)),
        ("{{ [1, [2, [3]]] | flatten }}", json!([1, 2, 3])),
        ("{% set j = joiner('+') %}{% for x in 'abc' %}{{ j() }}{{ x }}{% endfor %}", json!("a+b+c")),
        ("{% set c = cycler('o', 'e') %}{% for x in 'abc' %}{{ c.next() }}{% endfor %}", json!("oeo")),
        ("{% if a == 1 %}{{ d.n }}{% endif %}", json!({"m": 1})),
        ("{% if a == 1 %}{{ a }}{{ a }}{% endif %}", json!("11")),
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
        ("{{ name }} == 'x'", true),
        ("'a{{ name }}b' == \"ax{{ 'b' }}\"", true),
        ("{{ a == 1 }}", true),
        ("{{ nested }}", true),
    ] {
        assert_eq!(truth(&view, &json!(condition)), Ok(wanted), "{condition}");
    }
    assert_eq!(
        truth(&view, &json!("nam == 'x'")),
        Err(Error::Wrong("'nam' is undefined; did you mean `name`?".into()))
    );
}

#[test]
fn text_that_a_machine_sent_is_never_evaluated() {
    let mut view = sample();
    let sent = json!({"res": {"stdout": "lookup('pipe', 'touch /nowhere/x')"}});
    let inner = Arc::get_mut(&mut view).unwrap();
    inner.layers.insert(0, Layer::fixed(sent.as_object().cloned().unwrap()));
    for condition in ["{{ res.stdout }}", "{{ '1 == 1' }}", "{{ res.stdout | upper }}", "{% raw %}1 == 1{% endraw %}"] {
        let Err(Error::Wrong(message)) = truth(&view, &json!(condition)) else { panic!("{condition} was judged") };
        assert!(message.contains("untrusted"), "{condition}: {message}");
    }
    // In the middle of a condition it is a value.
    assert_eq!(truth(&view, &json!("'pipe' in {{ res.stdout }}")), Ok(true));
}

#[test]
fn what_is_undefined_is_an_error_that_names_it() {
    let view = sample();
    for source in ["{{ nothing }}", "a {{ nothing }}", "{{ nothing.x }}", "{% if nothing %}{% endif %}"] {
        assert_eq!(value(&view, &json!(source)), Err(Error::Wrong("'nothing' is undefined".into())), "{source}");
    }
    let Err(Error::Wrong(message)) = value(&view, &json!("{{ round }}")) else { panic!("a circle gave a value") };
    assert!(message.contains("needs itself"), "{message}");
}

#[test]
fn what_is_under_way_is_waited_for() {
    let mut view = View::new(vec![Layer::lazy(Arc::new(json!({"x": "{{ later.rc }}"}).as_object().cloned().unwrap()))]);
    view.pending.insert("later".into());
    view.facts = Facts::Missing;
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

/// The names as the documentation lists them.
fn listing() -> String {
    let mut text = String::new();
    for (kind, names) in names() {
        let names: Vec<&str> = names.into_iter().filter(|name| name.starts_with(|c: char| c.is_alphabetic())).collect();
        let mut line = format!("**{} {kind}**:", names.len());
        for (at, name) in names.iter().enumerate() {
            let word = format!(" {name}{}", if at + 1 < names.len() { "," } else { "" });
            if line.len() + word.len() > 118 {
                text.push_str(&line);
                text.push('\n');
                line = word.trim_start().to_owned();
            } else {
                line.push_str(&word);
            }
        }
        text.push_str(&line);
        text.push_str("\n\n");
    }
    text.trim_end().to_owned()
}

#[test]
fn the_documentation_lists_every_name() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PLAYBOOKS.md");
    let docs = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = docs.split_once("<!-- names -->\n").unwrap();
    let (listed, after) = rest.split_once("<!-- /names -->").unwrap();
    if std::env::var_os("BERTH_BLESS").is_some() {
        let text = format!("{before}<!-- names -->\n{}\n<!-- /names -->{after}", listing());
        std::fs::write(&path, text).unwrap();
        return;
    }
    assert_eq!(listed.trim(), listing(), "write it anew with `./just bless`");
}

#[test]
fn everything_that_ansible_and_jinja_have_is_there() {
    let have = names();
    let of = |kind: &str| have.iter().find(|(name, _)| *name == kind).map(|(_, names)| names.clone()).unwrap();
    let filters = "abs attr b64decode b64encode basename batch bool capitalize center checksum combinations combine \
        comment commonpath count d default dict2items dictsort difference dirname e escape expanduser expandvars extract \
        fileglob filesizeformat first flatten float forceescape format from_json from_yaml from_yaml_all groupby hash \
        human_readable human_to_bytes indent int intersect items items2dict join last length list log lower mandatory map \
        max md5 min normpath password_hash path_join permutations pow pprint product quote random realpath regex_escape \
        regex_findall regex_replace regex_search reject rejectattr rekey_on_member relpath replace reverse root round safe \
        select selectattr sha1 shuffle slice sort split splitext strftime string striptags subelements sum \
        symmetric_difference ternary title to_datetime to_json to_nice_json to_nice_yaml to_uuid to_yaml tojson trim \
        truncate type_debug union unique unvault upper urldecode urlencode urlize urlsplit vault win_basename win_dirname \
        win_splitdrive wordcount wordwrap xmlattr zip zip_longest";
    let tests = "abs all any boolean callable change changed contains defined directory divisibleby eq equalto escaped even \
        exists failed failure false falsy file filter finished float ge greaterthan gt in integer is_abs is_dir is_file \
        is_link is_mount is_same_file isnan issubset issuperset iterable le lessthan link link_exists lower lt mapping match \
        mount nan ne none number odd reachable regex same_file sameas search sequence skip skipped started string subset \
        succeeded success successful superset test timedout true truthy undefined unreachable upper uri url urn \
        vault_encrypted vaulted_file version version_compare";
    let lookups = "config csvfile dict env file fileglob first_found indexed_items ini inventory_hostnames items lines list \
        nested password pipe random_choice sequence subelements template together unvault url varnames vars";
    for (kind, wanted) in [("filters", filters), ("tests", tests), ("lookups", lookups)] {
        let known = of(kind);
        for name in wanted.split_whitespace() {
            assert!(known.contains(&name), "{kind}: {name}");
        }
    }
}

#[test]
fn a_variable_of_something_undefined_is_undefined() {
    let view = view(json!({"x": "{{ y }}", "d": {"ok": "{{ 1 }}", "bad": "{{ y.z }}", "self": "{{ d.ok }}"}}));
    assert_eq!(value(&view, &json!("{{ x | default('z') }}")), Ok(json!("z")));
    assert_eq!(truth(&view, &json!("x is not defined")), Ok(true));
    assert_eq!(value(&view, &json!("{{ d.self }}")), Ok(json!(1)));
    assert_eq!(value(&view, &json!("{{ d.bad | default('z') }}")), Ok(json!("z")));
    let Err(Error::Wrong(message)) = value(&view, &json!("{{ x }}")) else { panic!("made of nothing") };
    assert!(message.starts_with("'y' is undefined"), "{message}");
}

#[test]
fn errors_name_what_is_missing_and_what_it_may_have_been() {
    let view = sample();
    for (source, wanted) in [
        ("{{ d.kk }}", "object of type 'dict' has no attribute 'kk': `d.kk`"),
        ("{{ people[0].nam }}", "did you mean `name`?"),
        ("{{ res.changd }}", "did you mean `changed`?"),
        ("{{ a | upperr }}", "there is no filter `upperr`; did you mean `upper`?"),
        ("{{ a is strin }}", "there is no test `strin`; did you mean `string`?"),
        ("{{ lookup('fil', 'x') }}", "The lookup plugin 'fil' was not found; did you mean `file`?"),
        ("{{ 'x' | regex_replace(patern='x') }}", "did you mean `pattern`?"),
    ] {
        let Err(Error::Wrong(message)) = value(&view, &json!(source)) else { panic!("{source} gave a value") };
        assert!(message.contains(wanted), "{source}: {message}");
    }
}

#[test]
fn a_condition_that_is_no_truth_value_counts_with_a_warning() {
    let view = sample();
    assert_eq!(truth(&view, &json!("name")), Ok(true));
    assert_eq!(truth(&view, &json!("people | length")), Ok(true));
    let warnings = view.take_warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("`name` is str"), "{warnings:?}");
    assert_eq!(truth(&view, &json!("a == 1")), Ok(true));
    assert!(view.take_warnings().is_empty());
}

#[test]
fn what_would_never_end_is_refused() {
    let view = sample();
    for source in [
        "{{ range(10 ** 9) | list | length }}",
        "{{ 'x' * 10 ** 9 }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(1000) %}{{ 'x' * 1000000 }}{% endfor %}",
        "{{ range(40) | permutations | list }}",
        "{% for i in omit | permutations %}{{ i }}{% endfor %}",
        "{{ range(1000) | product(range(1000), range(1000)) | list }}",
        "{{ [0] * 10 ** 8 }}",
        "{{ ([[0] * 10 ** 5] * 10 ** 5) | list }}",
    ] {
        assert!(matches!(value(&view, &json!(source)), Err(Error::Wrong(_))), "{source}");
    }
}

#[test]
fn templates_change_what_they_have_set() {
    let view = sample();
    for (source, wanted) in [
        ("{% set l = [] %}{% for p in people %}{% set _ = l.append(p.name) %}{% endfor %}{{ l | join(',') }}", "al,bo"),
        ("{% set m = {'a': 1} %}{% set _ = m.update({'b': [2]}) %}{{ m }}", "{'a': 1, 'b': [2]}"),
        ("{% set m = {} %}{% set _ = m.setdefault('x', []).append(1) %}{{ m.x | length }}", "1"),
        ("{% set l = [3, 1] %}{{ l.pop() }}{{ l }}{% set _ = l.extend([9]) %}{{ l[-1] }}", "1[3]9"),
    ] {
        assert_eq!(text(&view, source), Ok(wanted.to_owned()), "{source}");
    }
    assert!(text(&view, "{{ people.append(1) }}").is_err());
}

#[test]
fn files_have_styles_and_parts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("part.j2", "part of {{ name }}\n");
    write("base.j2", "<{% block x %}none{% endblock %}>");
    write("lib.j2", "{% macro twice(v) %}{{ v }}{{ v }}{% endmacro %}");
    write("whole.j2", "{% include 'part.j2' %}{% import 'lib.j2' as lib %}{{ lib.twice('ab') }} '\\n' {{ 'a\\tb' }}\n");
    write("child.j2", "{% extends 'base.j2' %}{% block x %}{{ name }}{% endblock %}");
    write(
        "styled.j2",
        "#jinja2: variable_start_string: '[%', variable_end_string: '%]', trim_blocks: False\n[% name %]{% if true %}\n{% endif %}",
    );
    write("lost.j2", "one\n{{ nam }} two words\n");
    let made = |name: &str| file(&sample(), &folder.path().join(name), name, "", Style::default());
    assert_eq!(made("whole.j2").unwrap(), "part of xabab '\\n' a\tb\n");
    assert_eq!(made("child.j2").unwrap(), "<x>");
    assert_eq!(made("styled.j2").unwrap(), "x\n");
    let lost = made("lost.j2").unwrap_err().to_string();
    assert!(lost.contains("lost.j2:2: 'nam' is undefined; did you mean `name`?"), "{lost}");
    let mut lookup = View::new(sample().layers.clone());
    lookup.search = [folder.path().to_owned()].into();
    let lookup = Arc::new(lookup);
    assert_eq!(value(&lookup, &json!("{{ lookup('template', 'part.j2') }}")), Ok(json!("part of x\n")));
    assert_eq!(value(&lookup, &json!("{{ lookup('file', 'part.j2') }}")), Ok(json!("part of {{ name }}")));
    // As Ansible: what one expression alone gives keeps its type, through a macro, too.
    write("map.j2", "{% macro m() %}{{ {'a': name} }}{% endmacro %}\n{{ m() }}\n");
    write("text.j2", "{% macro m() %}{{ {'a': name} }}{% endmacro %}\n{{ m() | string }}\n");
    write("two.j2", "{{ {'a': 1} }} \n");
    write("number.j2", "{{ 1 + 1 }}");
    for (file, meant) in [
        ("map.j2", json!({"a": "x"})),
        ("text.j2", json!("{'a': 'x'}\n")),
        ("two.j2", json!("{'a': 1} \n")),
        ("number.j2", json!(2)),
    ] {
        assert_eq!(value(&lookup, &json!(format!("{{{{ lookup('template', '{file}') }}}}"))), Ok(meant), "{file}");
    }
    write("self.j2", "{{ lookup('template', 'self.j2') }}");
    assert!(value(&lookup, &json!("{{ lookup('template', 'self.j2') }}")).is_err());
}

/// `expected.json` holds expressions and what Python with Jinja2 and `PyYAML` makes of them.
#[test]
fn expressions_come_to_what_python_makes_of_them() {
    let file: Value = serde_json::from_str(include_str!("expected.json")).unwrap();
    let view = view(file["vars"].clone());
    let mut wrong = Vec::new();
    for case in file["cases"].as_array().unwrap() {
        let source = case[0].as_str().unwrap();
        let made = value(&view, &Value::String(format!("{{{{ {source} }}}}")));
        if made.as_ref().ok() != Some(&case[1]) {
            wrong.push(format!("{source}\n   wanted {}\n   got    {made:?}", case[1]));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_default_elsewhere_excuses_nothing() {
    let view = sample();
    for source in [
        "nosuch != '' and zz is not defined",
        "'x' in people[0].nosuch",
        "zz is not defined and 'x' in people[0].nosuch",
        "(zz | default('')) == '' and nosuch > 1",
        "(zz | default('')) == '' and zz.y.z == 1",
        "zz is not defined and not people[0].nosuch",
    ] {
        let said = truth(&view, &json!(source));
        assert!(matches!(said, Err(Error::Wrong(_))), "{source}: {said:?}");
    }
    for (source, wanted) in [
        ("zz.y.z is not defined", true),
        ("zz is defined and zz.z == 1", false),
        ("zz.y['z'] | default('x') == 'x'", true),
        ("(zz.y | default(people[0].nosuch) | default('x')) == 'x'", true),
        ("zz.y.z | default(1) + 1 == 2 and name is defined", true),
    ] {
        assert_eq!(truth(&view, &json!(source)), Ok(wanted), "{source}");
    }
}

#[test]
fn what_hides_an_error_cannot_be_compared() {
    let view = sample();
    for source in ["{{ [round] < [round] }}", "{{ [round] is lt([round]) }}", "{{ [[round], [round]] | sort }}"] {
        assert!(matches!(value(&view, &json!(source)), Err(Error::Wrong(_))), "{source}");
    }
}

#[test]
fn facts_under_way_win_only_over_what_is_weaker() {
    let layer = |value: Value| Layer::lazy(Arc::new(value.as_object().cloned().unwrap()));
    let mut view = View::new(vec![
        layer(json!({"ansible_play": 1})),
        layer(json!({"ansible_inventory": 2, "ansible_host": "h", "plain": 3})),
    ]);
    view.coming = Coming { names: vec!["ansible_*"], over: 1 };
    let view = Arc::new(view);
    for (text, meant) in [("ansible_play", json!(1)), ("ansible_host", json!("h")), ("plain", json!(3))] {
        assert_eq!(expression(&view, text), Ok(meant));
    }
    assert_eq!(expression(&view, "other is defined"), Ok(json!(false)));
    for text in ["ansible_inventory", "ansible_other is defined", "vars | length", "lookup('varnames', 'x')"] {
        assert_eq!(expression(&view, text), Err(Error::Pending), "{text}");
    }
    let names =
        ["ansible_become_user", "ansible_ssh_pass", "ansible_python_interpreter", "berth_jump", "ansible_facts"];
    assert!(names.iter().all(|name| steers(name)));
    assert!(!["ansible_ssh_host_key_rsa_public", "ansible_local", "ansible_hostname"].iter().any(|name| steers(name)));
}
