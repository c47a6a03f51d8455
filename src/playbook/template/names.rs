//! What a template names, without rendering it: variables that must be there, filters and tests.

use minijinja::ErrorKind;

use super::{
    checks, env,
    fault::{self, chains, expressions},
    filters, has_marks,
    lookups::FUNCTIONS,
    source,
};

/// The variables that `source` needs: those it neither makes itself nor deals with when they are undefined. For an
/// expression without marks, `bare`.
pub fn needed(source: &str, bare: bool) -> Vec<String> {
    if !bare && !has_marks(source) {
        return Vec::new();
    }
    let env = env::strict();
    let undeclared = if has_marks(source) {
        env.template_from_str(source).map(|template| template.undeclared_variables(false))
    } else {
        env.compile_expression(&source::without_marks(source)).map(|made| made.undeclared_variables(false))
    };
    let Ok(undeclared) = undeclared else { return Vec::new() };
    let chains = chains(&expressions(source));
    let guarded = |name: &str| chains.iter().any(|chain| chain.parts[0] == name && (chain.guarded || chain.local));
    let built_in = |name: &str| FUNCTIONS.contains(&name) || env.globals().any(|(known, _)| known == name);
    let mut names: Vec<String> =
        undeclared.into_iter().filter(|name| !guarded(name) && !built_in(name) && name != "omit").collect();
    names.sort_unstable();
    names
}

/// A filter or test that there is none of, in the words of the run.
pub(super) fn unknown(source: &str) -> Option<String> {
    let text = expressions(source);
    let words: Vec<&str> = source::tokens(&text).iter().map(|token| token.text).collect();
    words.iter().enumerate().skip(1).find_map(|(at, word)| {
        if !word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return None;
        }
        let before = words[at - 1];
        let asks = before == "is" && *word != "not" || before == "not" && at > 1 && words[at - 2] == "is";
        // A collection's name has dots.
        let dotted = words[at + 1..].chunks_exact(2).take_while(|pair| pair[0] == ".");
        let word = &dotted.fold((*word).to_owned(), |name, pair| format!("{name}.{}", pair[1]));
        let known = |name: &str| {
            let source = if asks { format!("'' is {name}") } else { format!("'' | {name}") };
            let made = env::strict().compile_expression(&source).and_then(|made| made.eval(()));
            let unknown = [ErrorKind::UnknownFilter, ErrorKind::UnknownTest];
            made.err().is_none_or(|error| !unknown.contains(&error.kind()))
        };
        (before == "|" || asks).then_some(())?;
        if known(word) {
            return None;
        }
        Some(if asks {
            let names = checks::all().flat_map(|entry| entry.names.iter().copied());
            format!("there is no test `{word}`{}", fault::hint(word, names))
        } else {
            let names = filters::all().flat_map(|entry| entry.names.iter().copied());
            format!("there is no filter `{word}`{}", fault::hint(word, names))
        })
    })
}
