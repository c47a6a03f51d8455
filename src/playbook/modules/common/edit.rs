//! Text files that are read, changed on the controller and written back: for what the host's own tools cannot say.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{
    Step,
    beside::{Source, receive},
    given,
    put::{Put, put},
    text,
};
use crate::playbook::modules::{
    Args, Outcome,
    talk::{Host, Trouble},
};

/// The shell side; needs `ATTRS` and `WRITE`.
pub const EDIT: &str = r#"
# b_edit_open: what the text file b_path is, and what it holds when that is little.
b_edit_open() {
  out path "$b_path"
  b_real "$b_path"
  out real "$b_path"
  b_look "$b_path"
  out kind "$b_T"
  [ "$b_T" = file ] || return 0
  [ -r "$b_path" ] || fail "cannot read \`$b_path\`"
  outj size "$b_SIZE"
  [ "$b_SIZE" -gt 65536 ] || { b_x=$(base64 <"$b_path") || fail "cannot read \`$b_path\`"; out data "$b_x"; }
}
b_edit_attrs() {
  b_look "$b_path"
  if b_attrs "$b_path"; then out msg 'ownership, perms or SE linux context changed'; else out msg ''; fi
}
"#;

/// A text file as it was found.
#[derive(Debug)]
pub struct Opened {
    /// As the task names it.
    pub path: String,
    /// Links followed.
    pub real: String,
    /// `file`, `absent`, `directory`, …
    pub kind: String,
    /// What it holds.
    pub text: String,
}

/// Reads the task's `path`.
pub async fn open(host: &Host, args: &Args) -> Result<Opened, Trouble> {
    let mut step = Step::default();
    step.set_path("b_path", text(args, "path").unwrap_or_default())?.run("b_edit_open");
    let said = host.must(args, step.done().text).await?;
    let get = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    if let Some(data) = said.get("data").and_then(Value::as_str) {
        let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        bytes = STANDARD.decode(data).map_err(|_| "the host sent something else than base64".to_owned())?;
    } else if let Some(size) = said.get("size").and_then(Value::as_u64) {
        receive(host, &get("real"), size, &mut bytes).await?;
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("`{}` holds bytes that are no UTF-8 text", get("path")))?;
    Ok(Opened { path: get("path"), real: get("real"), kind: get("kind"), text })
}

/// Writes `new` in the file's place when it differs, and looks after owner and mode; `message` says what was done.
pub async fn save(host: &Host, args: &Args, file: &Opened, new: String, message: &str) -> Result<Outcome, Trouble> {
    let mut step = Step::default();
    if host.scope.no_log {
        step.run("DIFF=");
    }
    step.attributes(args)?;
    if file.kind != "absent" && file.text == new {
        if !["owner", "group", "mode", "attributes", "seuser", "serole", "setype", "selevel"]
            .iter()
            .any(|name| given(args, name))
        {
            return Ok(Outcome { result: Map::from_iter([("msg".to_owned(), "".into())]), ..Outcome::default() });
        }
        step.set("b_path", &file.real)?.run("b_edit_attrs");
        return Ok(host.run(args, step.done()).await?.into());
    }
    let mut args = args.clone();
    args.0.insert("force".into(), true.into());
    put(&mut step, &args, Put { dest: &file.real, name: "", source: Source::Bytes(new.into_bytes()), key: "new" })?;
    let mut result = host.run(&args, step.done()).await?;
    if result.get("failed") != Some(&Value::Bool(true)) {
        result.insert("msg".into(), message.into());
    }
    if let Some(diff) = result.get_mut("diff").and_then(Value::as_object_mut) {
        diff.insert("before_header".into(), file.path.clone().into());
        diff.insert("after_header".into(), file.path.clone().into());
    }
    Ok(result.into())
}
