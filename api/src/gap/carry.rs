//! How batches come in and capsules go out: over HTTP, or as files in the ledger's directory.
//!
//! A request for batches and a file of capsules are signed by the ledger, what comes is signed by the intake: the network
//! between is believed nothing. Beside a running ledger, files that were carried are put into `gap/in/`; each is taken,
//! renamed, and answered by a file in `gap/out/`. A file that is refused says why in one beside it and is not tried again.
//!
//! Not here: what is done with a batch (`take_in`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gongkai_domain::gap::{BATCHES_BYTES_MAX, Batches, Capsules};
use gongkai_domain::world::Intake;
use gongkai_log::VerifierKey;
use gongkai_store::{Layout, Ledger};
use tokio::time::MissedTickBehavior;

use super::server::NOTE_HEADER;
use super::take_in::{TakeInFault, TakenIn, capsules, take_in};
use crate::cli::terminal;
use crate::fetch::{self, HttpFetch};
use crate::http::zone;
use crate::outcome::{Fault, chain};

/// Most files of batches that are asked for in one go.
const ROUNDS_MAX: usize = 64;
/// How often a running ledger looks for files that were carried in.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What people are told about a file that was not taken in.
pub fn told(place: &str, fault: &TakeInFault) -> Fault {
    match fault {
        TakeInFault::Foreign(key) => Fault::no(place, format!("不是这本账的收件处：{key}"))
            .mend("先用 intake.opened.v1 设立它，须两名登记员签名"),
        TakeInFault::Gap { answered, from } => {
            Fault::no(place, format!("缺第 {answered} 至 {} 批", from - 1)).mend("请先送入前面的批次")
        }
        TakeInFault::Refused(refused) => Fault::no(place, format!("没有收下任何内容：{}", chain(refused)))
            .mend("请核对文件是否完整、是否被改动，重新取一份"),
        TakeInFault::NoVault => {
            Fault::usage(place, "账本没有启用限阅库，收不了网上收件").mend("请先运行 gongkai vault init")
        }
        other => Fault::failed(place, other).mend("已记下的不会丢，也不会重复；请排除故障后用同一份文件再来一次"),
    }
}

fn intake_of(ledger: &Ledger, key: &VerifierKey) -> Option<Intake> {
    ledger.with_world(|world| world.intakes().find(|intake| intake.key == *key).cloned())
}

fn sum(into: &mut TakenIn, more: &TakenIn) {
    into.to = more.to;
    into.accepted += more.accepted;
    into.refused += more.refused;
    into.known += more.known;
    into.answered_at = more.answered_at.or(into.answered_at);
}

/// Takes all of a file in, and makes the file of capsules that answers it.
///
/// # Errors
/// As [`told`] says.
pub async fn take_file(ledger: &Ledger, place: &str, text: &str) -> Result<(TakenIn, String), Fault> {
    let refused = |fault: TakeInFault| told(place, &fault);
    let batches = Batches::parse(text).map_err(|error| refused(error.into()))?;
    let mut done = take_in(ledger, &batches).await.map_err(refused)?;
    while done.to < batches.to() {
        let more = take_in(ledger, &batches).await.map_err(refused)?;
        if more.answered_at.is_none() {
            break;
        }
        sum(&mut done, &more);
    }
    let key = VerifierKey::parse(&batches.intake).ok();
    let intake = key.and_then(|key| intake_of(ledger, &key));
    let intake = intake.ok_or_else(|| refused(TakeInFault::Foreign(batches.intake.clone())))?;
    Ok((done, answering(ledger, place, &intake).await?))
}

async fn answering(ledger: &Ledger, place: &str, intake: &Intake) -> Result<String, Fault> {
    let today = ledger.clock().now().with_timezone(&zone()).date_naive();
    capsules(ledger, intake, today).await.map_err(|fault| told(place, &fault))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Fault::failed("程序", &error)))
}

fn post(agent: &ureq::Agent, url: &str, note: Option<&str>, body: &str) -> Result<String, Fault> {
    let failed = |error: ureq::Error| fetch::unanswered(url, &error);
    let mut request = agent.post(url).header("Content-Type", "text/plain; charset=utf-8");
    if let Some(note) = note {
        request = request.header(NOTE_HEADER, BASE64_STANDARD.encode(note));
    }
    let mut answer = request.send(body).map_err(failed)?;
    let bytes = fetch::body(&mut answer, BATCHES_BYTES_MAX).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|error| Fault::failed(url, &error))?;
    if answer.status().is_success() {
        return Ok(text);
    }
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let detail = problem["detail"].as_str().map_or_else(|| format!("HTTP {}", answer.status().as_u16()), str::to_owned);
    Err(Fault::no(url, detail))
}

/// Pulls everything that an intake has for the ledger, takes it in, and pushes the capsules out.
///
/// # Errors
/// No intake of this ledger there, no answer, or what [`told`] says.
pub async fn pull(ledger: &Ledger, agent: &ureq::Agent, url: &str) -> Result<TakenIn, Fault> {
    let base = url.trim_end_matches('/').to_owned();
    let (asking, at) = (agent.clone(), base.clone());
    let vkey = blocking(move || offered(&asking, &at)).await?;
    let foreign = || Fault::no(url, format!("账本里没有设立「{}」这个收件处，或它换了钥匙", vkey.name()));
    let intake = intake_of(ledger, &vkey).ok_or_else(foreign)?;
    let mut done: Option<TakenIn> = None;
    for _ in 0..ROUNDS_MAX {
        let (from, _) = intake_of(ledger, &vkey).ok_or_else(foreign)?.answered();
        let note = ledger.sign_pull(vkey.name(), from).map_err(|error| Fault::failed(url, &error))?;
        let (asking, at) = (agent.clone(), format!("{base}/intake/v1/batches"));
        let text = blocking(move || post(&asking, &at, None, &note)).await?;
        let batches = Batches::parse(&text).map_err(|error| told(url, &error.into()))?;
        if batches.intake != vkey.to_string() || batches.from != from {
            return Err(Fault::no(url, "给的不是所要的批次"));
        }
        let taken = take_in(ledger, &batches).await.map_err(|fault| told(url, &fault))?;
        let is_end = taken.answered_at.is_none();
        match &mut done {
            Some(done) => sum(done, &taken),
            None => done = Some(taken),
        }
        if is_end {
            break;
        }
    }
    let intake = intake_of(ledger, &vkey).unwrap_or(intake);
    let file = answering(ledger, url, &intake).await?;
    let (asking, at) = (agent.clone(), format!("{base}/intake/v1/answers"));
    let note = Capsules::note_of(&file).map_err(|error| Fault::failed(url, &error))?;
    blocking(move || post(&asking, &at, Some(&note), &file).map(drop)).await?;
    Ok(done.unwrap_or_default())
}

/// The key that an intake says is its.
pub fn offered(agent: &ureq::Agent, url: &str) -> Result<VerifierKey, Fault> {
    let text = HttpFetch::with(agent.clone(), url).get("vkey", 4_096);
    let text = text.map_err(|error| Fault::failed(url, &error).mend("请检查网络和网址"))?;
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.and_then(|text| VerifierKey::parse(text.trim()).ok());
    key.ok_or_else(|| Fault::usage(url, "这个地址上没有网上收件处").mend("请检查网址"))
}

/// Pulls from these addresses and takes files that were carried in, for ever and one after the other: two would wait for each
/// other at every packet.
pub async fn keep(ledger: Ledger, layout: Layout, urls: Vec<String>, every: Duration) {
    let agent = fetch::agent();
    let mut told: Vec<Option<String>> = vec![None; urls.len()];
    let mut ticks = tokio::time::interval(LOOK_EVERY.min(every));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pulled: Option<Duration> = None;
    loop {
        ticks.tick().await;
        let now = ledger.clock().monotonic();
        if pulled.is_none_or(|at| now.saturating_sub(at) >= every) {
            pulled = Some(now);
            for (url, told) in urls.iter().zip(&mut told) {
                let fault = pull(&ledger, &agent, url).await.err().map(|fault| fault.to_string());
                if let Some(fault) = fault.as_ref().filter(|fault| told.as_ref() != Some(*fault)) {
                    terminal::remark(format_args!("注意：没有从收件处取到：{fault}"));
                }
                *told = fault;
            }
        }
        for file in carried(&layout.gap().join("in")) {
            if let Err(error) = take_carried(&ledger, &layout, &file).await {
                tracing::error!(error = chain(&error), file = %file.display(), "a carried file");
            }
        }
    }
}

/// Files that wait, by their names.
fn carried(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "batches")).collect();
    paths.sort();
    paths
}

/// Takes one file, puts the answer beside, and renames it last: a stop before that takes it again, which changes nothing.
async fn take_carried(ledger: &Ledger, layout: &Layout, file: &Path) -> std::io::Result<()> {
    let is_small = std::fs::metadata(file)?.len() <= BATCHES_BYTES_MAX;
    let text = if is_small { std::fs::read_to_string(file) } else { Ok(String::new()) };
    let place = file.display().to_string();
    match take_file(ledger, &place, &text.unwrap_or_default()).await {
        Ok((done, capsules)) => {
            let out = layout.gap().join("out");
            std::fs::create_dir_all(&out)?;
            let name = file.file_stem().unwrap_or_default();
            write(&out.join(name).with_extension("capsules"), capsules.as_bytes())?;
            terminal::remark(format_args!("收下 {place}：第 {} 至 {} 批之前", done.from, done.to));
            std::fs::rename(file, file.with_extension("taken"))
        }
        // What may pass is tried again with the next look.
        Err(fault) if fault.class == crate::outcome::Class::Ours => {
            terminal::remark(format_args!("注意：{fault}"));
            Ok(())
        }
        Err(fault) => {
            terminal::remark(format_args!("注意：{fault}"));
            write(&file.with_extension("why"), format!("{fault}\n").as_bytes())?;
            std::fs::rename(file, file.with_extension("refused"))
        }
    }
}

/// Writes a file so that nobody carries half of it away.
pub fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    std::fs::write(&draft, bytes)?;
    std::fs::File::open(&draft)?.sync_all()?;
    std::fs::rename(&draft, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
