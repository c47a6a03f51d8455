//! As much of `PromQL` as it takes to find metrics and labels.

/// A metric that an expression asks for, and the labels by which.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    pub labels: Vec<String>,
}

impl Selector {
    /// The metric's name in the program's table: a histogram's parts are one metric.
    pub fn family(&self) -> &str {
        // `_count` and `_sum` may end other names as well, but none of ours.
        ["_bucket", "_count", "_sum"].iter().find_map(|end| self.metric.strip_suffix(end)).unwrap_or(&self.metric)
    }
}

const WORDS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool"];

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                while let Some(inside) = rest.next() {
                    match inside {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '[' => while rest.next().is_some_and(|inside| inside != ']') {},
            c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || "_.:".contains(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Sign(c)),
        }
    }
    tokens
}

/// The words of a list in parentheses or braces that begins at `at`; the place after its end.
fn list(tokens: &[Token], at: usize, end: char) -> (Vec<String>, usize) {
    let length = tokens[at..].iter().position(|token| *token == Token::Sign(end)).expect("the list ends");
    let words = tokens[at..at + length].iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.clone()),
        Token::Sign(_) => None,
    });
    (words.collect(), at + length + 1)
}

/// Every metric of an expression. Labels of `by` count for all metrics in it: it is over what they have.
pub fn selectors(text: &str) -> Vec<Selector> {
    let tokens = tokens(text);
    let (mut found, mut grouping) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::Word(word) = token else { continue };
        let next = tokens.get(at);
        if WORDS.contains(&word.as_str()) {
            if next == Some(&Token::Sign('(')) && !["and", "or", "unless"].contains(&word.as_str()) {
                let (labels, after) = list(&tokens, at + 1, ')');
                grouping.extend(labels);
                at = after;
            }
        } else if next == Some(&Token::Sign('{')) {
            let (labels, after) = list(&tokens, at + 1, '}');
            found.push(Selector { metric: word.clone(), labels });
            at = after;
        } else if word == "up" || word.contains('_') && next != Some(&Token::Sign('(')) {
            let aggregation = matches!(tokens.get(at), Some(Token::Word(next)) if next == "by");
            if !aggregation {
                found.push(Selector { metric: word.clone(), labels: Vec::new() });
            }
        }
    }
    for selector in &mut found {
        selector.labels.extend(grouping.iter().cloned());
    }
    found
}

#[test]
fn metrics_and_labels_are_found() {
    let found = selectors(
        "histogram_quantile(0.95, sum by (le, a) (rate(x_bucket{b=~\"c(d)|{e}\",f!=\"\"}[5m]))) > 2.5e3 and on () up == 0",
    );
    let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].metric.as_str(), found[0].family()), ("x_bucket", "x"));
    assert_eq!(found[0].labels, labels(&["b", "f", "le", "a"]));
    assert_eq!(found[1], Selector { metric: "up".into(), labels: labels(&["le", "a"]) });
}
