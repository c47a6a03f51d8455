//! JSON and YAML, written as Python writes them.

use minijinja::{
    Error,
    value::{Value, ValueKind},
};
use serde_json::Value as Json;

use super::super::{
    call::{Call, Entry, entry},
    dump::{JsonStyle, YamlStyle, json_styled, py_str, yaml_styled},
};
use crate::playbook::{
    value::{exact_json, to_jinja},
    yaml,
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["from_json"], "profile", |c| {
        if c.value.as_str().is_none() {
            return Err(
                c.fault(format_args!("the JSON object must be str, not {}", super::general::type_name(&c.value)))
            );
        }
        let text = c.text();
        serde_json::from_str::<Json>(&exact_json(&text)).map(|value| to_jinja(&value)).map_err(|why| c.fault(why))
    }),
    entry(&["from_yaml"], "", |c| {
        if c.value.as_str().is_none() {
            return Ok(c.value.clone());
        }
        let node = yaml::parse(&c.text(), "text").map_err(|why| c.fault(why))?;
        Ok(node.map_or(Value::from(()), |node| to_jinja(&node.to_json())))
    }),
    entry(&["from_yaml_all"], "", |c| {
        if c.value.is_none() {
            return Ok(Value::from(Vec::<Value>::new()));
        }
        if c.value.as_str().is_none() {
            return Ok(c.value.clone());
        }
        let nodes = yaml::parse_all(&c.text(), "text").map_err(|why| c.fault(why))?;
        let value = |node: Option<yaml::Node>| node.map_or(Value::from(()), |node| to_jinja(&node.to_json()));
        Ok(nodes.into_iter().map(value).collect::<Vec<_>>().into())
    }),
    entry(&["json_query"], "expr", |c| {
        let query = py_str(c.need(0, "expr")?);
        let query = jmespath::compile(&query).map_err(|why| c.fault(format_args!("`{query}`: {why}")))?;
        let data = serde_json::to_string(&c.data()?).map_err(|why| c.fault(why))?;
        let data = jmespath::Variable::from_json(&data).map_err(|why| c.fault(why))?;
        let found = query.search(data).map_err(|why| c.fault(why))?;
        let found: Json = serde_json::to_value(&*found).map_err(|why| c.fault(why))?;
        Ok(to_jinja(&whole_again(found)))
    }),
    entry(&["to_json"], JSON, |c| json(c, None, false)),
    entry(&["to_nice_json"], JSON_NICE, |c| json(c, Some(4), true)),
    entry(&["to_nice_yaml"], YAML_NICE, |c| yaml(c, true)),
    entry(&["to_yaml"], YAML, |c| yaml(c, false)),
    entry(&["tojson"], "indent", |c| {
        let indent = c.some(0).map(py_str).and_then(|text| text.parse().ok()).map(|indent: usize| indent.min(64));
        let style = JsonStyle { indent, sort: true, ..JsonStyle::default() };
        let text = json_styled(&c.data()?, &style);
        let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        Ok(text.replace('\'', "\\u0027").into())
    }),
];

const JSON: &str = "profile indent sort_keys ensure_ascii separators skipkeys allow_nan check_circular vault_to_text preprocess_unsafe";
const JSON_NICE: &str = "indent sort_keys profile ensure_ascii separators skipkeys allow_nan check_circular vault_to_text preprocess_unsafe";
const YAML: &str =
    "indent default_flow_style width sort_keys allow_unicode default_style explicit_start explicit_end line_break";
const YAML_NICE: &str = YAML;

/// The numbers of `JMESPath` are floats; those without a fraction were whole.
fn whole_again(value: Json) -> Json {
    match value {
        Json::Number(number) => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "the range is tested")]
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => Json::from(float as i64),
            _ => Json::Number(number),
        },
        Json::Array(items) => items.into_iter().map(whole_again).collect(),
        Json::Object(map) => Json::Object(map.into_iter().map(|(key, value)| (key, whole_again(value))).collect()),
        other => other,
    }
}

fn json(c: &mut Call, indent: Option<usize>, nice: bool) -> Result<Value, Error> {
    let (indent_at, sort_at) = if nice { (0, 1) } else { (1, 2) };
    let indent = match c.arg(indent_at) {
        None => indent,
        Some(value) if value.is_none() => None,
        Some(_) => Some(c.size(indent_at, 0)?.min(64)),
    };
    let mut separators = None;
    if let Some(given) = c.some(4).filter(|_| !nice) {
        let given = super::super::call::items_of(given)?;
        let [comma, colon] = given.as_slice() else { return Err(c.fault("`separators` are two texts")) };
        separators = Some((py_str(comma), py_str(colon)));
    }
    let style = JsonStyle { indent, sort: c.flag(sort_at, nice), ascii: c.flag(3, true), separators };
    Ok(json_styled(&c.data()?, &style).into())
}

fn yaml(c: &mut Call, nice: bool) -> Result<Value, Error> {
    let flow = match c.arg(1) {
        None if nice => Some(false),
        None => None,
        Some(value) if value.is_none() => None,
        Some(value) => Some(value.is_true()),
    };
    let quote = match c.str(5).as_deref() {
        None | Some("") => None,
        Some("'") => Some('\''),
        Some("\"") => Some('"'),
        Some(other) => return Err(c.fault(format_args!("`default_style` is `'` or `\"`, not `{other}`"))),
    };
    if c.some(8).is_some_and(|end| py_str(end) != "\n") {
        return Err(c.fault("`line_break` is a line feed here"));
    }
    let width = match c.arg(2).map(Value::kind) {
        Some(ValueKind::Number) => match c.float(2)? {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
            Some(width) if width >= 0.0 => width as usize,
            _ => 80,
        },
        _ => 80,
    };
    let style = YamlStyle {
        flow,
        indent: c.size(0, if nice { 4 } else { 2 })?,
        width,
        sort: c.flag(3, true),
        unicode: c.flag(4, true),
        quote,
        start: c.flag(6, false),
        end: c.flag(7, false),
    };
    Ok(yaml_styled(&c.data()?, &style).into())
}
