//! Making slips: the codes go into a private file, their hashes into the ledger.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use gongkai_domain::kind::tally;
use gongkai_log::{Digest, StreamId};
use serde_json::{Value, json};

use super::super::terminal;
use super::{attach, local};
use crate::outcome::{Fault, Outcome, Verdict};
use crate::{code, keyfile};

/// Options of `tally slips`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// 内部监听的网址
    #[arg(long, value_name = "网址")]
    url: String,
    /// https 网址只信任这个文件里的证书（PEM）
    #[arg(long, value_name = "文件")]
    ca: Option<PathBuf>,
    /// 评议投票的编号，例如 tally/018f…；没有时新编一个
    #[arg(long, value_name = "编号")]
    tally: Option<StreamId>,
    /// 几张票码：有权投票的人数
    #[arg(long, value_name = "张")]
    count: usize,
    /// 票码写到哪个文件（CSV，只有本人能读；已有的文件不会覆盖）
    #[arg(long, value_name = "文件")]
    out: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Makes slips.
///
/// # Errors
/// A number that is none, a file that exists, no ledger.
pub fn run(options: &Args) -> Outcome {
    let most = tally::CREDENTIALS_MAX;
    if !(1..=most).contains(&options.count) {
        return Err(Fault::usage("--count", format!("应是 1 到 {most}")));
    }
    let stream = match &options.tally {
        Some(stream) if stream.family == "tally" => stream.clone(),
        Some(other) => return Err(Fault::usage(other.to_string(), "应是 tally/ 开头的编号")),
        None => local::new_stream("tally.opened.v1", &*local::clock()),
    };
    let codes: Vec<String> = (0..options.count).map(|_| new_code()).collect();
    let hash = |code: &String| tally::credential_hash(&stream, &tally::slip_credential(&stream, code));
    let hashes: Vec<Digest> = codes.iter().map(hash).collect();
    write(options, &stream, &codes)?;
    let slips = attach(&local::agent(options.ca.as_ref())?, &options.url, &tally::hashes_text(&hashes))?;
    let root = tally::credentials_root(&hashes);
    let fields = json!({"eligible": options.count, "credentials": root, "slips": slips});
    let told = json!({"stream": stream, "fields": fields});
    terminal::say(if options.json { told.to_string() } else { human(options, &told) })?;
    Ok(Verdict::Yes)
}

fn new_code() -> String {
    let mut random = [0; 16];
    keyfile::random(&mut random);
    code::of_random(random)
}

/// The codes are the secret of whoever draws them: the file is private, and its bytes are on the disk before anything of
/// them is published.
fn write(options: &Args, stream: &StreamId, codes: &[String]) -> Result<(), Fault> {
    let place = options.out.display().to_string();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Fault::usage(&place, "这个文件已经存在，没有覆盖"),
        _ => Fault::failed(&place, &error),
    };
    let mut file = keyfile::private_file().open(&options.out).map_err(failed)?;
    let mut text = String::from("\u{feff}序号,评议投票,票码\r\n");
    for (place, code) in codes.iter().enumerate() {
        let _ = write!(text, "{},{stream},{code}\r\n", place + 1);
    }
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

fn human(options: &Args, told: &Value) -> String {
    format!(
        "{} 张票码写在 {}，只给抽到的人看\n发起投票（tally.opened.v1）时填：\n  编号 {}\n  {}",
        options.count,
        options.out.display(),
        told["stream"].as_str().unwrap_or_default(),
        told["fields"]
    )
}
