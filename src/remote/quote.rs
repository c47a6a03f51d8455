//! Text made safe for a POSIX shell.

/// `text` in single quotes, so that any POSIX shell reads exactly these characters.
///
/// A shell word cannot hold NUL; callers that may meet one check [`has_nul`] first. Here it is dropped.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("'\\''"),
            '\0' => {}
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Whether `text` holds a NUL, which no shell word can.
pub fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// Bytes in single quotes; the caller made sure that there is no NUL.
pub(super) fn quote_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    into.push(b'\'');
    for b in bytes {
        if *b == b'\'' {
            into.extend_from_slice(b"'\\''");
        } else {
            into.push(*b);
        }
    }
    into.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quote_inside_is_closed_and_reopened() {
        assert_eq!(quote("it's"), "'it'\\''s'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("$(reboot)"), "'$(reboot)'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_text_comes_back_from_a_real_shell(text in "[^\0]{0,300}") {
            let script = format!("printf %s {}", quote(&text));
            let answer = std::process::Command::new("sh").arg("-c").arg(script).output().expect("sh starts");
            prop_assert_eq!(String::from_utf8_lossy(&answer.stdout), text);
        }
    }
}
