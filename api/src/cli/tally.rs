//! `tally`: the slips of a tally (评议投票). Which tally they are for is bound into them.
//!
//! Not here: casting (`hand-in`, [`crate::ballot`]), what the counts are (`gongkai_domain::kind::tally`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use gongkai_domain::kind::tally;
use gongkai_log::{Digest, StreamId};
use serde_json::{Value, json};

use super::{local, terminal};
use crate::outcome::{Fault, Outcome, Verdict};
use crate::{code, fetch, keyfile};

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Options of `tally`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai tally slips --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --count 38 --out 票码.csv\n\n\
    每张票码印成一张纸条，由大家像抓阄一样抽取，谁也不知道谁拿了哪一张。投票用 gongkai hand-in：\n  \
    {\"kind\": \"tally.cast.v1\", \"org\": \"341599101201\", \"fields\": {\"tally\": \"tally/…\", \"slip\": \"7K2M-9QXA-40TB-RZ8C\", \"choices\": [0]}}\n\n\
    印完、发完以后，请当着监票人的面删去票码文件。"
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

/// What can be done for a tally.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// 生成票码，公布票码哈希清单，给出发起投票要填的内容
    Slips(Slips),
}

/// Options of `tally slips`.
#[derive(Debug, clap::Args)]
struct Slips {
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
    json: bool,
}

impl Args {
    /// Whether a machine reads the output.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::Slips(slips) => slips.json,
        }
    }
}

/// Makes slips.
///
/// # Errors
/// A number that is none, a file that exists, no ledger.
pub fn run(args: &Args) -> Outcome {
    match &args.action {
        Action::Slips(slips) => make(slips),
    }
}

fn make(options: &Slips) -> Outcome {
    let most = tally::CREDENTIALS_MAX;
    if !(1..=most).contains(&options.count) {
        return Err(Fault::usage("--count", format!("应是 1 到 {most}")));
    }
    let stream = match &options.tally {
        Some(stream) if stream.family == "tally" => stream.clone(),
        Some(other) => return Err(Fault::usage(other.to_string(), "应是 tally/ 开头的编号")),
        None => local::new_stream("tally", &*local::clock()),
    };
    let codes: Vec<String> = (0..options.count).map(|_| new_code()).collect();
    let hash = |code: &String| tally::credential_hash(&stream, &tally::slip_credential(&stream, code));
    let hashes: Vec<Digest> = codes.iter().map(hash).collect();
    write(options, &stream, &codes)?;
    let text = tally::hashes_text(&hashes);
    let stored = publish(options, &text)?;
    if stored != Digest::of(text.as_bytes()) {
        return Err(Fault::ours(&options.url, "收下的清单与送去的不同"));
    }
    let root = tally::credentials_root(&hashes);
    let slips = json!([{"hash": stored, "size": text.len(), "media_type": "text/plain"}]);
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
fn write(options: &Slips, stream: &StreamId, codes: &[String]) -> Result<(), Fault> {
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

fn publish(options: &Slips, text: &str) -> Result<Digest, Fault> {
    let agent = local::agent(options.ca.as_ref())?;
    let url = format!("{}/api/v1/attachments", options.url.trim_end_matches('/'));
    let failed = |error: ureq::Error| fetch::unanswered(&options.url, &error);
    let sent = agent.put(&url).header("Content-Type", "application/octet-stream").send(text.as_bytes());
    let mut answer = sent.map_err(failed)?;
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(failed)?;
    let status = answer.status().as_u16();
    let stored: Value = serde_json::from_slice(&body).unwrap_or_default();
    match stored["hash"].as_str().and_then(|hash| Digest::parse(hash).ok()) {
        Some(hash) if status == 200 => Ok(hash),
        _ => Err(Fault::no(&options.url, format!("票码哈希清单没有收下（HTTP {status}）")).mend("请用内部监听的网址")),
    }
}

fn human(options: &Slips, told: &Value) -> String {
    format!(
        "{} 张票码写在 {}，只给抽到的人看\n发起投票（tally.opened.v1）时填：\n  编号 {}\n  {}",
        options.count,
        options.out.display(),
        told["stream"].as_str().unwrap_or_default(),
        told["fields"]
    )
}
