//! Bytes that travel beside the steps: large files in pieces, compressed where it pays, to the host and back.

use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Write},
    path::PathBuf,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::Value;

use super::quote;
use crate::playbook::modules::{
    Args, Outcome, Script,
    talk::{Answer, Host, Talk, Trouble},
};

/// Steps carry this many bytes of files at most; more goes beside, and only when the host does not have it.
pub const INSIDE: u64 = 32 * 1024;
/// Text that the shell can hold goes unasked up to this size: asking costs a round trip.
pub const TEXT: u64 = 72 * 1024;
/// How many bytes one piece stands for.
const PIECE: usize = 192 * 1024;
/// How many pieces are under way at once.
const AHEAD: usize = 8;

/// Bytes, or where they are.
#[derive(Debug, Clone)]
pub enum Source {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file of the controller.
    File(PathBuf),
}

impl Source {
    /// All of it here.
    pub fn whole(self) -> Result<Self, String> {
        match self {
            Self::File(path) => {
                std::fs::read(&path).map(Self::Bytes).map_err(|why| format!("cannot read `{}`: {why}", path.display()))
            }
            bytes @ Self::Bytes(_) => Ok(bytes),
        }
    }

    /// Begins to read.
    pub fn open(&self) -> Result<Box<dyn Read + Send + '_>, String> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(bytes.as_slice()),
            Self::File(path) => {
                Box::new(File::open(path).map_err(|why| format!("cannot read `{}`: {why}", path.display()))?)
            }
        })
    }
}

/// Writes `source` to `name` in the host's folder `folder`.
pub async fn send(host: &Host, folder: &str, name: &str, source: &Source) -> Result<(), Trouble> {
    let target = format!("{}/{}", quote(folder)?, quote(name)?);
    let mut from = source.open()?;
    let mut waiting: VecDeque<Answer> = VecDeque::new();
    let mut zip = true;
    let mut buffer = vec![0; PIECE];
    let mut text = format!(": >{target} || fail \"cannot write in \\`${{TMPDIR:-/tmp}}\\`\"");
    loop {
        waiting.push_back((host.ask)(Script { text, ..Script::default() }).await?);
        if waiting.len() > AHEAD {
            landed(&mut waiting).await?;
        }
        let got = fill(&mut from, &mut buffer).map_err(|why| format!("cannot read what is to be sent: {why}"))?;
        if got == 0 {
            break;
        }
        let piece = &buffer[..got];
        let packed = zip.then(|| pack(piece)).filter(|packed| packed.len() < got / 10 * 9);
        // What does not shrink once will not later.
        zip = packed.is_some();
        let unpack = if zip { "| gzip -dc " } else { "" };
        let bytes = STANDARD.encode(packed.as_deref().unwrap_or(piece));
        text = format!(
            "printf %s '{bytes}' | base64 -d {unpack}>>{target} || fail 'cannot write what was sent: is the disk full?'"
        );
    }
    while !waiting.is_empty() {
        landed(&mut waiting).await?;
    }
    Ok(())
}

async fn landed(waiting: &mut VecDeque<Answer>) -> Result<(), Trouble> {
    let Some(answer) = waiting.pop_front() else { return Ok(()) };
    match answer.await?.failed {
        Some(message) => Err(Trouble::Wrong(message)),
        None => Ok(()),
    }
}

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match from.read(&mut buffer[at..])? {
            0 => break,
            n => at += n,
        }
    }
    Ok(at)
}

fn pack(piece: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::with_capacity(piece.len() / 2), Compression::fast());
    let _ = packer.write_all(piece);
    packer.finish().unwrap_or_default()
}

/// Reads `path` of the host, `size` bytes long when it was looked at, into `into`.
pub async fn receive(host: &Host, path: &str, size: u64, into: &mut (dyn Write + Send)) -> Result<(), Trouble> {
    const BLOCK: u64 = 1024 * 1024;
    let path = quote(path)?;
    let mut waiting: VecDeque<Answer> = VecDeque::new();
    let count = size.div_ceil(BLOCK).max(1);
    for at in 0..count {
        let text = format!(
            "if command -v gzip >/dev/null; then b_z='gzip -1c'; else b_z=cat; fi\n\
             b_x=$(dd if={path} bs={BLOCK} skip={at} count=1 2>/dev/null | $b_z | base64)\nout z \"$b_z\"\nout data \"$b_x\""
        );
        waiting.push_back((host.ask)(Script { text, ..Script::default() }).await?);
        if waiting.len() >= 4 {
            block(&mut waiting, into).await?;
        }
    }
    while !waiting.is_empty() {
        block(&mut waiting, into).await?;
    }
    Ok(())
}

async fn block(waiting: &mut VecDeque<Answer>, into: &mut (dyn Write + Send)) -> Result<(), Trouble> {
    let Some(answer) = waiting.pop_front() else { return Ok(()) };
    let reply = answer.await?;
    let text = |key: &str| reply.result.get(key).and_then(Value::as_str).unwrap_or_default();
    let data: String = text("data").chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(data).map_err(|_| "the host sent something else than base64".to_owned())?;
    let written = if text("z") == "cat" {
        into.write_all(&bytes)
    } else {
        std::io::copy(&mut GzDecoder::new(bytes.as_slice()).take(16 * 1024 * 1024), into).map(drop)
    };
    written.map_err(|why| format!("cannot write what the host sent: {why}").into())
}

/// A step whose files are too large to send unasked: `probe` says which of them the host lacks, and where to put them.
pub fn ask_first(step: Script, probe: String, sources: Vec<(String, Source)>) -> Script {
    Talk::new(move |args, host| lead(args, host, step.clone(), probe.clone(), sources.clone())).script()
}

async fn lead(
    args: Args,
    host: Host,
    mut step: Script,
    probe: String,
    sources: Vec<(String, Source)>,
) -> Result<Outcome, Trouble> {
    let end = "{ [ -n \"$CHECK\" ] && [ -z \"$b_even\" ]; } || [ -z \"$b_need\" ] || b_up=$(mktemp -d \"${TMPDIR:-/tmp}/.berth.XXXXXXXXXX\") || fail \"cannot write in \\`${TMPDIR:-/tmp}\\`\"\nout need \"$b_need\"\nout folder \"$b_up\"";
    let said = host.must(&args, format!("b_need= b_up= b_even=\n{probe}{end}")).await?;
    let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
    let (need, folder) = (text("need"), text("folder").to_owned());
    let needed: Vec<&str> = need.split(' ').collect();
    let mut sent = Ok(());
    if !folder.is_empty() {
        for (name, source) in sources.iter().filter(|(name, _)| needed.contains(&name.as_str())) {
            sent = send(&host, &folder, name, source).await;
            if sent.is_err() {
                break;
            }
        }
    }
    let outcome = match sent {
        Ok(()) => {
            step.text =
                format!("FILES={}\n{}", quote(if folder.is_empty() { "/nowhere" } else { &folder })?, step.text);
            host.run(&args, step).await.map(Outcome::from).map_err(Trouble::Lost)
        }
        Err(trouble) => Err(trouble),
    };
    if !folder.is_empty() && !matches!(outcome, Err(Trouble::Lost(_))) {
        host.must(&args, format!("rm -rf -- {}", quote(&folder)?)).await?;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::{fill, pack};
    use std::io::Read;

    #[test]
    fn pieces_are_whole_and_what_is_packed_comes_back() {
        let text = b"the same line again\n".repeat(1000);
        let mut from = text.as_slice();
        let mut buffer = vec![0; 7000];
        assert_eq!(fill(&mut from, &mut buffer).unwrap(), 7000);
        let packed = pack(&text);
        assert!(packed.len() < text.len() / 10);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut back).unwrap();
        assert_eq!(back, text);
    }
}
