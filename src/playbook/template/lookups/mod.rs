//! `lookup`, `query` and what `with_…` goes through. They run here, not on the host.

mod files;
mod lists;
mod outside;
mod password;
mod tables;
mod variables;

use std::sync::Arc;

use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Kwargs, Rest, Value as Jinja, ValueOrKwargs, from_args},
};
use serde_json::{Map, Value};

pub(super) use files::glob_files;

use super::{Error as Fault, View, call::bad, view::ELSEWHERE, view::Handle};
use crate::playbook::{
    modules::{convert, near},
    value::{to_jinja, to_json},
};

/// Names of functions that templates may call.
pub(super) const FUNCTIONS: [&str; 12] =
    ["lookup", "query", "q", "now", "undef", "range", "dict", "namespace", "debug", "cycler", "joiner", "lipsum"];

/// What a lookup came to.
type Found = Result<Vec<Value>, Fault>;

/// One kind of lookup.
struct Lookup {
    name: &'static str,
    /// The names of its options.
    options: &'static [&'static str],
    run: fn(&Ask<'_>) -> Found,
}

const fn lookup_of(name: &'static str, options: &'static [&'static str], run: fn(&Ask<'_>) -> Found) -> Lookup {
    Lookup { name, options, run }
}

/// What is asked.
struct Ask<'a> {
    view: &'a Arc<View>,
    terms: Vec<Value>,
    options: Map<String, Value>,
}

impl Ask<'_> {
    /// The terms as text.
    fn texts(&self) -> Vec<String> {
        self.terms.iter().map(convert::text_of).collect()
    }

    fn option(&self, name: &str) -> Option<&Value> {
        self.options.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.option(name).map_or_else(|| default.to_owned(), convert::text_of)
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Fault> {
        match self.option(name) {
            None => Ok(default),
            Some(value) => {
                convert::bool_of(value).ok_or_else(|| wrong(format!("the option `{name}` is true or false")))
            }
        }
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Fault> {
        match self.option(name) {
            None => Ok(default),
            Some(value) => convert::text_of(value)
                .parse()
                .map_err(|_| wrong(format!("the option `{name}` has an invalid value: it is a whole number"))),
        }
    }

    /// The folder of the playbook.
    fn folder(&self) -> std::path::PathBuf {
        match self.view.raw("playbook_dir") {
            Some(Value::String(folder)) if !folder.is_empty() => folder.into(),
            _ => ".".into(),
        }
    }
}

fn wrong(message: impl Into<String>) -> Fault {
    Fault::Wrong(message.into())
}

static TABLES: &[&[Lookup]] =
    &[files::TABLE, lists::TABLE, outside::TABLE, password::TABLE, tables::TABLE, variables::TABLE];

/// The names of all lookups.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    TABLES.iter().flat_map(|table| table.iter()).map(|lookup| lookup.name)
}

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_function("lookup", |state: &mut State<'_, '_>, name: String, args: Rest<ValueOrKwargs>| {
        call(state, &name, &args.into_values(), false)
    });
    for function in ["query", "q"] {
        env.add_function(function, |state: &mut State<'_, '_>, name: String, args: Rest<ValueOrKwargs>| {
            call(state, &name, &args.into_values(), true)
        });
    }
    env.add_function("__vault", |state: &mut State<'_, '_>, sealed: String| {
        let view = view_of(state)?;
        let plain = view.vault.open(&sealed).map_err(|e| bad(e.to_string()))?;
        let plain = String::from_utf8(plain.to_vec()).map_err(|_| bad("what is in this vault is no text"))?;
        super::render::deep(&view, &Value::String(plain))
    });
}

pub(super) fn view_of(state: &State<'_, '_>) -> Result<Arc<View>, Error> {
    let view = state.lookup("__view").and_then(|view| view.downcast_object::<Handle>());
    view.map(|handle| Arc::clone(&handle.0)).ok_or_else(|| bad("lookups need a task around them"))
}

fn call(state: &State<'_, '_>, name: &str, args: &[Jinja], as_list: bool) -> Result<Jinja, Error> {
    let view = view_of(state)?;
    let (given, named): (&[Jinja], Kwargs) = from_args(args)?;
    let mut options = Map::new();
    for option in named.args() {
        let value: Jinja = named.peek(option)?;
        // `default=undef()` and the like: as if it were not given.
        if !value.is_undefined() {
            options.insert(option.to_owned(), to_json(&value)?);
        }
    }
    let as_list = as_list | options.remove("wantlist").as_ref().and_then(convert::bool_of).unwrap_or(false);
    let errors = options.remove("errors").map_or_else(|| "strict".to_owned(), |value| convert::text_of(&value));
    if !matches!(errors.as_str(), "strict" | "warn" | "ignore") {
        return Err(bad(format!("`errors` of a lookup is strict, warn or ignore, not `{errors}`")));
    }
    let terms: Result<Vec<Value>, Error> = given.iter().map(to_json).collect();
    let found = match terms {
        Ok(terms) => ask(&view, name, terms, options),
        Err(error) => return Err(error),
    };
    let found = match found {
        Ok(found) => found,
        Err(Fault::Wrong(message)) if errors != "strict" => {
            if errors == "warn" {
                view.notes().warnings.insert(format!("the lookup `{name}` failed: {message}"));
            }
            return Ok(if as_list { Jinja::from(Vec::<Jinja>::new()) } else { Jinja::from(()) });
        }
        Err(fault) => return Err(relay(&view, fault)),
    };
    if as_list {
        return Ok(to_jinja(&Value::Array(found)));
    }
    // One result is itself; several texts are joined by commas.
    Ok(match found.as_slice() {
        [one] => to_jinja(one),
        many if !many.is_empty() && many.iter().all(Value::is_string) => {
            Jinja::from(many.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        }
        _ => to_jinja(&Value::Array(found)),
    })
}

/// A fault of an inner rendering as an error of the outer one; what must be waited for is not lost.
fn relay(view: &View, fault: Fault) -> Error {
    match fault {
        Fault::Pending => view.notes().pending = true,
        Fault::Facts => view.notes().facts = true,
        Fault::OthersFacts => return bad(ELSEWHERE),
        Fault::Wrong(message) => return bad(message),
    }
    ErrorKind::InvalidOperation.into()
}

/// What the lookup `name` finds for `terms`.
pub(in crate::playbook) fn lookup(
    view: &Arc<View>,
    name: &str,
    terms: Vec<Value>,
    default: Option<Value>,
) -> Result<Vec<Value>, Fault> {
    ask(view, name, terms, default.into_iter().map(|value| ("default".to_owned(), value)).collect())
}

fn ask(view: &Arc<View>, name: &str, terms: Vec<Value>, options: Map<String, Value>) -> Found {
    let short = ["ansible.builtin.", "ansible.legacy.", "community.general."]
        .iter()
        .find_map(|collection| name.strip_prefix(collection))
        .unwrap_or(name);
    let found = TABLES.iter().flat_map(|table| table.iter()).find(|lookup| lookup.name == short);
    let Some(lookup) = found else {
        let hint = near(short, all()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(wrong(format!("The lookup plugin '{name}' was not found{hint}")));
    };
    if let Some(other) = options.keys().find(|option| !lookup.options.contains(&option.as_str())) {
        let hint = near(other, lookup.options.iter().copied());
        let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(wrong(format!("the lookup `{short}` has no option `{other}`{hint}")));
    }
    // What a step on this machine is making may not be there yet.
    let pure = lists::TABLE.iter().chain(variables::TABLE).any(|pure| pure.name == lookup.name);
    if (view.busy || view.ahead) && !pure {
        return Err(Fault::Pending);
    }
    (lookup.run)(&Ask { view, terms, options })
}
