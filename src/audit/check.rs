//! Whether the chain holds, here or in an exported file; and exporting it.

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::{
    Entry,
    api::Verdict,
    chain::{Break, FORMAT, Link, Place, Walk},
    record,
    seal::{is_marked, mark},
    store::{self, Chain},
};
use crate::ctx::Ctx;

/// How many entries are read at a time.
const PAGE: i64 = 1000;

/// The first line of an exported audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exported {
    /// [`FORMAT`].
    pub format: String,
    /// What the first entry follows.
    pub base: Place,
    /// The last entry.
    pub head: Place,
}

/// Goes along the whole chain in the database. `anchor` is a place that was known before, which must still be in it.
pub async fn verify(ctx: &Ctx, anchor: Option<&Place>) -> sqlx::Result<Verdict> {
    let mut conn = ctx.db.read().await?;
    loop {
        let last = store::last_chained(&mut conn).await?;
        let Some(chain) = store::chain(&mut conn).await? else {
            let fault = (0 < last).then(|| lost_row(last));
            let unchained = store::count_unchained(&mut conn).await?;
            return Ok(Verdict::new(Place::start(), Place::start(), 0, unchained, fault));
        };
        let (entries, mut fault) = walk(&mut conn, &chain, anchor).await?;
        let now = store::chain(&mut conn).await?;
        if fault.is_some() && now.as_ref().is_none_or(|now| now.base != chain.base) {
            // Somebody pruned the beginning while we read.
            continue;
        }
        if fault.is_none() && chain.head.seq < last {
            let meaning = format!("entry {last} stands behind the end of the chain, which is entry {}", chain.head.seq);
            fault = Some(Break::new(last, "inserted", meaning));
        }
        if fault.is_none() && !is_marked(ctx, &chain) {
            fault = Some(Break::new(chain.head.seq, "mark", FOREIGN_MARK.to_owned()));
        }
        let unchained = store::count_unchained(&mut conn).await?;
        return Ok(Verdict::new(chain.base, chain.head, entries, unchained, fault));
    }
}

const FOREIGN_MARK: &str = "the entries follow from each other, but the mark under the secret key is not theirs: \
    somebody who has the database and not the key made the chain anew, or the secret key is not the one it was marked \
    with";

fn lost_row(last: i64) -> Break {
    Break::new(last, "mark", "entries are chained, but the row that says where the chain ends is gone".to_owned())
}

async fn walk(conn: &mut AnyConnection, chain: &Chain, anchor: Option<&Place>) -> sqlx::Result<(i64, Option<Break>)> {
    let mut walk = Walk::after(chain.base.clone());
    let mut entries = 0;
    if let Some(fault) = anchor.and_then(|anchor| misses(anchor, walk.place(), &chain.head)) {
        return Ok((0, Some(fault)));
    }
    loop {
        let links = store::links(conn, walk.place().seq, chain.head.seq, PAGE).await?;
        for link in &links {
            let step = walk.step(link);
            if let Err(fault) = step {
                return Ok((entries, Some(fault)));
            }
            entries += 1;
            if let Some(fault) = anchor.and_then(|anchor| misses(anchor, walk.place(), &chain.head)) {
                return Ok((entries, Some(fault)));
            }
        }
        if links.is_empty() {
            return Ok((entries, walk.finish(&chain.head).err()));
        }
    }
}

/// What is wrong if a known place is behind the end, or is this one with another hash.
fn misses(anchor: &Place, here: &Place, head: &Place) -> Option<Break> {
    let seq = anchor.seq;
    if head.seq < seq {
        let meaning =
            format!("entry {seq} was known before, but the chain ends at {}: an older state was put back", head.seq);
        return Some(Break::new(seq, "cut", meaning));
    }
    (here.seq == seq && here.hash != anchor.hash)
        .then(|| Break::new(seq, "changed", format!("entry {seq} has another hash than it was known to have")))
}

/// Takes the chain as it is: after a break was looked into, or when the secret key was lost. Where only the mark is
/// wrong it is made anew; else the chain begins anew after its present end, and what stands before is proven no more.
pub async fn accept(ctx: &Ctx, actor: &str) -> sqlx::Result<Option<Break>> {
    let Some(fault) = verify(ctx, None).await?.broken else { return Ok(None) };
    let mut tx = ctx.db.begin_write().await?;
    let last = store::last_chained(&mut tx).await?;
    let known = store::lock_chain(&mut tx).await?;
    let mut chain =
        known.clone().unwrap_or_else(|| Chain { base: Place::start(), head: Place::start(), mark: String::new() });
    if fault.fault != "mark" || known.is_none() {
        chain.head.seq = chain.head.seq.max(last);
        chain.base = chain.head.clone();
    }
    chain.mark = mark(ctx, &chain.base, &chain.head);
    match known {
        Some(_) => store::save_chain(&mut tx, &chain).await?,
        None => store::insert_chain(&mut tx, &chain).await?,
    }
    let entry = Entry { actor, action: "audit.accept", target: &fault.seq.to_string(), detail: &fault.meaning };
    record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(Some(fault))
}

/// The first line of an export as of now; its entries are had by [`pages`].
pub async fn export(ctx: &Ctx) -> sqlx::Result<Exported> {
    let chain = store::chain(&mut *ctx.db.read().await?).await?;
    let (base, head) = chain.map_or((Place::start(), Place::start()), |chain| (chain.base, chain.head));
    Ok(Exported { format: FORMAT.to_owned(), base, head })
}

/// The lines of an export after the first, many at a time.
pub fn pages(ctx: Ctx, header: &Exported) -> impl Stream<Item = sqlx::Result<String>> + use<> {
    stream::try_unfold((ctx, header.base.seq, header.head.seq), |(ctx, after, last)| async move {
        let links = {
            let mut conn = ctx.db.read().await?;
            store::links(&mut conn, after, last, PAGE).await?
        };
        let Some(end) = links.last().map(|link| link.seq) else { return Ok(None) };
        Ok(Some((lines(&links), (ctx, end, last))))
    })
}

fn lines(links: &[Link]) -> String {
    let line = |link: &Link| serde_json::to_string(link).expect("an entry is texts and numbers") + "\n";
    links.iter().map(line).collect()
}

impl Verdict {
    /// Goes along the chain of an exported file. The error says what is wrong with the file itself.
    pub fn of_file(lines: impl Iterator<Item = std::io::Result<String>>) -> Result<Self, String> {
        let mut lines =
            lines.enumerate().map(|(at, line)| line.map(|line| (at + 1, line)).map_err(|error| error.to_string()));
        let first = lines.next().ok_or("the file is empty")??.1;
        let header: Exported = serde_json::from_str(&first).map_err(|error| {
            format!("line 1 is not the beginning of an exported audit: {error}; make one by `berth audit export`")
        })?;
        if header.format != FORMAT {
            return Err(format!("the file has the form `{}`, and this berth knows `{FORMAT}`", header.format));
        }
        let mut walk = Walk::after(header.base.clone());
        let mut entries = 0;
        for numbered in lines {
            let (number, text) = numbered?;
            let link: Link =
                serde_json::from_str(&text).map_err(|error| format!("line {number} is not an entry: {error}"))?;
            if let Err(fault) = walk.step(&link) {
                return Ok(Self::new(header.base, header.head, entries, 0, Some(fault)));
            }
            entries += 1;
        }
        let fault = walk.finish(&header.head).err();
        Ok(Self::new(header.base, header.head, entries, 0, fault))
    }
}
