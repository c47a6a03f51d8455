//! What the host's shell sends back: records that begin with a random token.
//!
//! The token is made anew for every connection and never leaves the shell's memory, so what a command prints cannot
//! pass for a record. Bytes before the first record and payload beyond the cap are dropped, not stored.

/// How much of one record's payload is kept.
pub const CAP: usize = 4 * 1024 * 1024;

/// How much one step may send before the connection is given up.
pub const FLOOD: usize = 96 * 1024 * 1024;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is: `O`ut, `J`son, `C`hanged, `F`ail, `S`kip, `W`arn, `D`iff before, `A`fter, e`X`tra stderr,
    /// `N`o need, `U`nclear, `I`nner shell, `E`nd, `H`ello, `L`eft an inner shell.
    pub kind: u8,
    /// What stands on the record's first line after the kind.
    pub head: String,
    /// The rest.
    pub body: Vec<u8>,
    /// The payload was longer than [`CAP`].
    pub cut: bool,
}

/// Cuts a stream into records.
#[derive(Debug)]
pub struct Parser {
    token: Vec<u8>,
    cap: usize,
    /// Bytes not yet decided upon: the record that is being read, from its kind on.
    current: Option<Vec<u8>>,
    dropped: bool,
    /// The end of what was read, perhaps the beginning of a token.
    tail: Vec<u8>,
}

impl Parser {
    /// A parser for records that begin with `token`.
    pub fn new(token: &str) -> Self {
        Self { token: token.as_bytes().to_vec(), cap: CAP, current: None, dropped: false, tail: Vec::new() }
    }

    /// Takes bytes, returns the records they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Record> {
        let mut records = Vec::new();
        let mut data = std::mem::take(&mut self.tail);
        data.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = find(&data[from..], &self.token) {
            self.keep(&data[from..from + at]);
            records.extend(self.finish());
            self.current = Some(Vec::new());
            self.dropped = false;
            from += at + self.token.len();
        }
        // What may be the beginning of a token waits for the next bytes.
        let rest = &data[from..];
        let open = (1..self.token.len().min(rest.len() + 1))
            .rev()
            .find(|n| rest[rest.len() - n..] == self.token[..*n])
            .unwrap_or(0);
        let (sure, held) = rest.split_at(rest.len() - open);
        self.keep(sure);
        self.tail = held.to_vec();
        if self.line_is_whole() {
            records.extend(self.finish());
        }
        records
    }

    /// The record under way, when the stream has ended.
    pub fn end(&mut self) -> Option<Record> {
        let tail = std::mem::take(&mut self.tail);
        self.keep(&tail);
        self.finish()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let Some(current) = &mut self.current else { return };
        // The head line comes on top of the payload's cap.
        let kind = current.first().or(bytes.first()).copied().unwrap_or_default();
        // An inner shell's whole conversation is one record.
        let cap = if kind == b'I' { self.cap * 4 } else { self.cap };
        let room = (cap + 4096).saturating_sub(current.len());
        if bytes.len() > room {
            self.dropped = true;
        }
        current.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// End, hello and left are one line each: they count as soon as the line is there.
    fn line_is_whole(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| matches!(current.first(), Some(b'E' | b'H' | b'L')) && current.contains(&b'\n'))
    }

    fn cap_of(&self, kind: u8) -> usize {
        if kind == b'I' { self.cap * 4 } else { self.cap }
    }

    fn finish(&mut self) -> Option<Record> {
        let raw = self.current.take()?;
        let (kind, rest) = raw.split_first()?;
        let line = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let mut body = rest.get(line + 1..).unwrap_or_default().to_vec();
        if matches!(kind, b'E' | b'H' | b'L') {
            body.clear();
        }
        let cap = self.cap_of(*kind);
        let cut = self.dropped || body.len() > cap;
        body.truncate(cap);
        Some(Record { kind: *kind, head: String::from_utf8_lossy(&rest[..line]).into_owned(), body, cut })
    }

    /// Lets a record's payload be `cap` bytes long.
    #[cfg(test)]
    fn with_cap(mut self, cap: usize) -> Self {
        self.cap = cap;
        self
    }
}

fn find(data: &[u8], token: &[u8]) -> Option<usize> {
    let first = *token.first()?;
    let mut from = 0;
    while from + token.len() <= data.len() {
        let at = data[from..=data.len() - token.len()].iter().position(|b| *b == first)? + from;
        if data[at..].starts_with(token) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_come_out_whole_however_the_bytes_are_cut() {
        let stream = b"noise\n@tok@Ostdout\nhello @to\n@tok@C\n@tok@E7 0\nmore noise";
        for size in 1..stream.len() {
            let mut parser = Parser::new("@tok@");
            let records: Vec<Record> = stream.chunks(size).flat_map(|part| parser.push(part)).collect();
            let seen: Vec<_> = records.iter().map(|r| (r.kind, r.head.as_str(), r.body.as_slice())).collect();
            assert_eq!(
                seen,
                [(b'O', "stdout", b"hello @to\n".as_slice()), (b'C', "", b""), (b'E', "7 0", b"")],
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn a_payload_beyond_the_cap_is_cut_and_the_stream_goes_on() {
        let mut parser = Parser::new("@tok@").with_cap(10);
        let mut records = parser.push(b"@tok@Okey\n");
        records.extend(parser.push(&b"x".repeat(100_000)));
        records.extend(parser.push(b"@tok@E1 0\n"));
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].body.len(), 10);
        assert!(records[0].cut);
        assert_eq!(records[1].kind, b'E');
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut parser = Parser::new("ab");
            for part in parts {
                parser.push(&part);
            }
            parser.end();
        }
    }
}
