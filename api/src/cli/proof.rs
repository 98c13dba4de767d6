//! `proof`: one entry with the proof that it is in the log, in two files that need no network; or how much there is of a
//! matter, an organization or a family, in one.

use std::path::{Path, PathBuf};

use gongkai_log::map::MAP_PROOF_BYTES_MAX;
use gongkai_log::{Fetch, MapKey, StreamId, TlogProof, merkle};
use gongkai_store::{DirectoryFetch, Layout};
use serde_json::json;

use super::complete::Built;
use super::local::Place;
use super::reading::Reading;
use super::terminal;
use crate::fetch::Tiles;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `proof`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai proof --url https://ledger.example 17\n  $ gongkai proof --dir ledger 17 --out evidence/17.tlog-proof\n  \
    $ gongkai proof --url https://ledger.example --org 341599101201\n\n\
    按序号得到两个文件：证明（.tlog-proof）和条目原文（.entry），用 gongkai verify 或任何 C2SP 工具核验。\n\
    按事项、机构或栏目得到总目证明（.map-proof）：一共有几条记录、到哪一条为止，没有也能证明；用 gongkai verify 核验。"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// 条目序号
    #[arg(value_name = "序号", required_unless_present_any = ["stream", "org", "family"])]
    index: Option<u64>,
    /// 一件事共有几条记录，例如 pledge/0196…
    #[arg(long, value_name = "事项", conflicts_with_all = ["index", "org", "family"])]
    stream: Option<StreamId>,
    /// 一个机构共有几条记录，不含下级
    #[arg(long, value_name = "代码", conflicts_with_all = ["index", "family"])]
    org: Option<String>,
    /// 一个栏目共有几条记录，例如 pledge
    #[arg(long, value_name = "栏目", conflicts_with = "index")]
    family: Option<String>,
    /// 证明写到哪个文件；条目原文写在旁边（默认 entry-序号.tlog-proof 或 名称.map-proof）
    #[arg(long, value_name = "文件")]
    out: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Writes the files.
///
/// # Errors
/// No such entry, no such ledger, or a file that cannot be written.
pub fn run(args: &Args) -> Outcome {
    match (args.index, key(args)?) {
        (Some(index), _) => entry(args, index),
        (None, Some((key, path))) => whole(args, key, &path),
        (None, None) => Err(Fault::usage("序号", "要哪一条、哪件事、哪个机构或哪个栏目的证明")),
    }
}

/// The key that is asked for, and where a site answers for it.
fn key(args: &Args) -> Result<Option<(MapKey, String)>, Fault> {
    let found = match (&args.stream, &args.org, &args.family) {
        (Some(stream), ..) => Some((MapKey::stream(stream), format!("streams/{stream}"))),
        (_, Some(code), _) => Some((MapKey::organization(code), format!("organizations/{code}"))),
        (.., Some(family)) => Some((MapKey::family(family), format!("families/{family}"))),
        _ => None,
    };
    // What comes from the command line becomes part of an address and of a file's name.
    if found.as_ref().is_some_and(|(key, _)| MapKey::parse(&key.to_string()).is_none()) {
        return Err(Fault::usage("--org、--family", "不是机构代码或栏目名"));
    }
    Ok(found)
}

/// Writes the map's proof of a key.
fn whole(args: &Args, key: MapKey, path: &str) -> Outcome {
    let none = || Fault::no("总目", "账本还没有登记总目，运行中的账本通常十分钟登记一次");
    let name = path.split_once('/').map_or(path, |(_, name)| name).replace('/', "-");
    let text = if let Some(dir) = args.place.dir() {
        let fetch = DirectoryFetch::new(Layout::new(dir).log());
        let built = Built::new(&Reading::new(&fetch)?, &fetch)?;
        built.ok_or_else(none)?.prove(key).to_string()
    } else {
        let bytes = args.place.fetch()?.api(&format!("{path}/proof"), MAP_PROOF_BYTES_MAX);
        let bytes = bytes.map_err(|error| Fault::failed("总目", &error))?;
        String::from_utf8(bytes.ok_or_else(none)?).map_err(|error| Fault::failed("证明", &error))?
    };
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.map-proof")));
    write(&out, text.as_bytes())?;
    let out = out.display().to_string();
    if args.json {
        terminal::say(json!({"proof": out}))?;
    } else {
        terminal::say(out)?;
    }
    Ok(Verdict::Yes)
}

fn entry(args: &Args, index: u64) -> Outcome {
    let (proof, entry) = match args.place.dir() {
        Some(dir) => prove(&DirectoryFetch::new(Layout::new(dir).log()), index)?,
        None => prove(&args.place.fetch()?, index)?,
    };
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("entry-{index}.tlog-proof")));
    let beside = out.with_extension("entry");
    write(&beside, &entry)?;
    write(&out, proof.to_string().as_bytes())?;
    let (proof, entry) = (out.display().to_string(), beside.display().to_string());
    if args.json {
        terminal::say(json!({"index": index, "proof": proof, "entry": entry}))?;
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
