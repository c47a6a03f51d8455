//! Command lines cut into words.

/// Words as a POSIX shell would split them, without expanding anything.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a `'` is not closed in the command line".into()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("a `\"` is not closed in the command line".into()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("a `\"` is not closed in the command line".into()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(split(r#"a 'b c' "d \" e" f\ g ''"#).unwrap(), ["a", "b c", "d \" e", "f g", ""]);
        assert!(split("it's").is_err());
    }

    #[test]
    fn words_split_as_in_a_shell_without_expansions() {
        assert_eq!(split("/usr/sbin/visudo -cf %s").unwrap(), ["/usr/sbin/visudo", "-cf", "%s"]);
        assert_eq!(split(r#"a 'b c' "d \"e" f\ g '' $(x)"#).unwrap(), ["a", "b c", "d \"e", "f g", "", "$(x)"]);
        assert!(split("a 'b").is_err());
    }
}
