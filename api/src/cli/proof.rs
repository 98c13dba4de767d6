//! `proof`: one entry with the proof that it is in the log, in two files that need no network.

use std::path::{Path, PathBuf};

use gongkai_log::{Fetch, TlogProof, merkle};
use gongkai_store::{DirectoryFetch, Layout};
use serde_json::json;

use super::local::Place;
use super::reading::Reading;
use super::terminal;
use crate::fetch::Tiles;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `proof`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai proof --url https://ledger.example 17\n  $ gongkai proof --dir ledger 17 --out evidence/17.tlog-proof\n\n\
    得到两个文件：证明（.tlog-proof）和条目原文（.entry），用 gongkai verify 或任何 C2SP 工具核验。"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// 条目序号
    #[arg(value_name = "序号")]
    index: u64,
    /// 证明写到哪个文件，条目原文写在旁边（默认 entry-序号.tlog-proof）
    #[arg(long, value_name = "文件")]
    out: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Writes the two files.
///
/// # Errors
/// No such entry, no such ledger, or a file that cannot be written.
pub fn run(args: &Args) -> Outcome {
    let (proof, entry) = match args.place.dir() {
        Some(dir) => prove(&DirectoryFetch::new(Layout::new(dir).log()), args.index)?,
        None => prove(&args.place.fetch()?, args.index)?,
    };
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("entry-{}.tlog-proof", args.index)));
    let beside = out.with_extension("entry");
    write(&beside, &entry)?;
    write(&out, proof.to_string().as_bytes())?;
    let (proof, entry) = (out.display().to_string(), beside.display().to_string());
    if args.json {
        terminal::say(json!({"index": args.index, "proof": proof, "entry": entry}))?;
    } else {
        terminal::say(format_args!("{proof}\n{entry}"))?;
    }
    Ok(Verdict::Yes)
}

fn prove<F: Fetch>(fetch: &F, index: u64) -> Result<(TlogProof, Vec<u8>), Fault> {
    let reading = Reading::new(fetch)?;
    let size = reading.checkpoint.size;
    let entry = reading
        .bytes(index)?
        .ok_or_else(|| Fault::no(format!("第 {index} 号条目"), format!("账本现有 {size} 条，序号从 0 起")))?;
    let hashes = merkle::prove_inclusion(index, size, &Tiles(fetch)).map_err(|error| Fault::failed("证明", &error))?;
    Ok((TlogProof { extra: None, index, hashes, checkpoint: reading.note }, entry))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    std::fs::write(path, bytes).map_err(|error| Fault::failed(path.display().to_string(), &error))
}
