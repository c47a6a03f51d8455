//! Which hosts a pattern names, and which names a range in an inventory stands for.

use std::collections::HashSet;

use indexmap::IndexSet;

use super::Inventory;
use crate::playbook::modules::near;

impl Inventory {
    /// The hosts that a pattern names, in the inventory's order: `all`, names, groups, globs, `a:b`, `a:&b`, `a:!b`,
    /// `group[0:2]`, `~regex`, lists with commas.
    pub fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
        let separator = if pattern.contains(',') { ',' } else { ':' };
        let mut terms: Vec<String> = Vec::new();
        let mut depth = 0_usize;
        for c in pattern.chars() {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if c == separator && depth == 0 {
                terms.push(String::new());
            } else {
                if terms.is_empty() {
                    terms.push(String::new());
                }
                if let Some(term) = terms.last_mut() {
                    term.push(c);
                }
            }
        }
        let terms: Vec<&str> = terms.iter().map(|term| term.trim()).filter(|term| !term.is_empty()).collect();
        let plain: Vec<&&str> = terms.iter().filter(|term| !term.starts_with(['&', '!'])).collect();
        let mut found: IndexSet<String> = IndexSet::new();
        if plain.is_empty() && !terms.is_empty() {
            found.extend(self.names());
        }
        for term in plain {
            found.extend(self.term(term)?);
        }
        for term in terms.iter().filter_map(|term| term.strip_prefix('&')) {
            let keep: HashSet<String> = self.term(term)?.into_iter().collect();
            found.retain(|name| keep.contains(name));
        }
        for term in terms.iter().filter_map(|term| term.strip_prefix('!')) {
            let out: HashSet<String> = self.term(term).unwrap_or_default().into_iter().collect();
            found.retain(|name| !out.contains(name));
        }
        Ok(found.into_iter().collect())
    }

    fn term(&self, term: &str) -> Result<Vec<String>, String> {
        if matches!(term, "all" | "*") {
            return Ok(self.names());
        }
        if let Some(pattern) = term.strip_prefix('~') {
            let regex =
                fancy_regex::Regex::new(pattern).map_err(|_| format!("`{pattern}` is no regular expression"))?;
            let hit = |name: &str| regex.is_match(name).unwrap_or(false);
            return Ok(self.by_name(hit));
        }
        if let Some((name, range)) = term.strip_suffix(']').and_then(|rest| rest.split_once('['))
            && range.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '-'))
        {
            let all = self.term(name)?;
            let len = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let index = |text: &str, default: i64| {
                let n = text.parse::<i64>().unwrap_or(default);
                usize::try_from(if n < 0 { n + len } else { n }).unwrap_or(0)
            };
            return Ok(match range.split_once(':') {
                Some((from, to)) => {
                    let (from, to) = (index(from, 0), index(to, len - 1));
                    all.into_iter().skip(from).take((to + 1).saturating_sub(from)).collect()
                }
                None => all.into_iter().skip(index(range, 0)).take(1).collect(),
            });
        }
        if self.hosts.contains_key(term) {
            return Ok(vec![term.to_owned()]);
        }
        if term == "ungrouped" {
            return Ok(self.groups().swap_remove("ungrouped").unwrap_or_default());
        }
        if self.groups.contains_key(term) {
            let members = self.members(term);
            return Ok(members.into_iter().map(str::to_owned).collect());
        }
        if term.contains(['*', '?', '[']) {
            return Ok(self.by_name(|name| glob(term, name)));
        }
        if matches!(term, "localhost" | "127.0.0.1" | "::1") {
            return Ok(vec![term.to_owned()]);
        }
        Ok(Vec::new())
    }

    fn by_name(&self, hit: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found: IndexSet<String> = self.hosts.keys().filter(|name| hit(name)).cloned().collect();
        for group in self.groups.keys().filter(|name| hit(name)) {
            found.extend(self.members(group).into_iter().map(str::to_owned));
        }
        found.into_iter().collect()
    }

    /// The name nearest to one that is not there.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        near(name, self.hosts.keys().chain(self.groups.keys()).map(String::as_str))
    }
}

/// `web[01:03].x` as three names.
pub(super) fn expand(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('[') else { return vec![pattern.to_owned()] };
    let Some((range, after)) = rest.split_once(']') else { return vec![pattern.to_owned()] };
    let mut parts = range.split(':');
    let (Some(from), Some(to)) = (parts.next(), parts.next()) else { return vec![pattern.to_owned()] };
    let step = parts.next().and_then(|step| step.parse().ok()).unwrap_or(1_usize).max(1);
    let middles: Vec<String> = match (from.parse::<u32>(), to.parse::<u32>()) {
        (Ok(low), Ok(high)) => {
            let width = if from.starts_with('0') { from.len() } else { 1 };
            (low..=high).step_by(step).take(100_000).map(|n| format!("{n:0width$}")).collect()
        }
        _ => match (from.chars().next(), to.chars().next()) {
            (Some(low), Some(high)) => (low..=high).step_by(step).map(|c| c.to_string()).collect(),
            _ => return vec![pattern.to_owned()],
        },
    };
    let afters = expand(after);
    middles
        .iter()
        .flat_map(|middle| afters.iter().map(move |after| format!("{before}{middle}{after}")))
        .take(100_000)
        .collect()
}

/// Whether a shell pattern with `*`, `?` and `[…]` fits a name.
pub(in crate::playbook) fn glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Where to go on when a `*` must take one more letter.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => set(&pattern[p..], name[n]).map(|len| p + len),
            Some(c) if *c == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The length of the `[…]` at the beginning, if it holds `c`.
fn set(pattern: &[char], c: char) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|c| *c == ']')? + 2;
    let (negative, inner) = match pattern.get(1) {
        Some('!' | '^') => (true, &pattern[2..end]),
        _ => (false, &pattern[1..end]),
    };
    let mut hit = false;
    let mut i = 0;
    while i < inner.len() {
        if inner.get(i + 1) == Some(&'-') && i + 2 < inner.len() {
            hit |= inner[i] <= c && c <= inner[i + 2];
            i += 3;
        } else {
            hit |= inner[i] == c;
            i += 1;
        }
    }
    (hit != negative).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;

    #[test]
    fn patterns_choose_hosts() {
        let inventory = sample();
        for (pattern, wanted) in [
            ("all", "lone web1.x web2.x web3.x db1"),
            ("web", "web1.x web2.x web3.x"),
            ("web:!web2.x", "web1.x web3.x"),
            ("prod:&web", "web1.x web2.x web3.x"),
            ("web*,db1", "web1.x web2.x web3.x db1"),
            ("web[0]", "web1.x"),
            ("web[1:2]", "web2.x web3.x"),
            ("~(lone|db)", "lone db1"),
            ("ungrouped", "lone"),
            ("!prod", "lone"),
            ("nothing", ""),
            ("localhost", "localhost"),
        ] {
            assert_eq!(inventory.matching(pattern).unwrap().join(" "), wanted, "{pattern}");
        }
    }
}
