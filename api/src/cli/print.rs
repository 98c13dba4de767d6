//! `print`: the sheet of a disclosure or a notice as a PDF, on A4 or 60 × 90 cm.
//!
//! In a directory the published files are read and proven under the signed checkpoint, without a key; over HTTP the
//! sheet is asked for, and its code is recomputed from the bytes of the entry that it names. Nothing is written where a
//! character would be missing. Not here: what a sheet says and how it looks ([`crate::paper`]).

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gongkai_log::{Digest, VerifierKey};
use gongkai_projections::Views;
use gongkai_store::{Layout, PublishedLog, take_lock};
use serde_json::json;

use super::local::{self, Place};
use super::terminal;
use crate::client::told;
use crate::config::Config;
use crate::fetch;
use crate::gap::watch::Intakes;
use crate::http::pages::paper;
use crate::http::problem::Problem;
use crate::http::{About, App};
use crate::mirrors::Mirrors;
use crate::outcome::{Fault, Outcome, Verdict};
use crate::paper::font::{self, FontError, PACKAGE};
use crate::paper::sheet::FORM;
use crate::paper::{Paper, PaperError, Sheet, print};
use crate::pushing::keeping::Kept;

/// Most bytes of a sheet: fifty thousand lines.
const SHEET_BYTES_MAX: u64 = 64 << 20;
/// Most bytes of an entry (the tile format's limit).
const ENTRY_BYTES_MAX: u64 = 1 << 16;

/// Options of `print`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai print --url http://127.0.0.1:8080 1310 --out 二月收支.pdf\n  \
    $ gongkai print --dir ledger 018f0000-0000-7000-8000-000000000001 --size 60x90 --out wall.pdf\n\n\
    序号是网页上 № 后面的数字。二维码里有网址、编号和哈希，网址取自 gongkai.toml 的 base_url；热线取自 hotline。\n\
    60x90 一张放不下时分成几张。没有中文字体时请安装软件包 fonts-noto-cjk。")]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// 条目序号，或事项编号
    #[arg(value_name = "序号或编号", value_parser = named)]
    of: String,
    /// 纸张：a4，或 60x90（厘米，大张）
    #[arg(long, value_name = "纸张", value_parser = size, default_value = "a4", hide_default_value = true)]
    size: Paper,
    /// 写到哪个 PDF 文件
    #[arg(long, value_name = "文件")]
    out: PathBuf,
    /// 用这个字体文件（默认在本机找中文字体）
    #[arg(long, value_name = "文件")]
    font: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

fn size(text: &str) -> Result<Paper, String> {
    let known = [Paper::A4, Paper::Wall];
    known.into_iter().find(|paper| paper.wire() == text).ok_or_else(|| "可用：a4、60x90".to_owned())
}

/// A number as it stands on paper (№ may stay), or an id: it becomes a part of an address.
fn named(text: &str) -> Result<String, String> {
    let bare = text.trim_start_matches('№').trim();
    let is_name = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_name { Ok(bare.to_owned()) } else { Err("应是序号（如 1310）或事项编号".to_owned()) }
}

/// Writes the file.
///
/// # Errors
/// No such matter, no font, a character that the font lacks, or a file that is there already.
pub async fn run(args: Args) -> Outcome {
    if args.out.exists() {
        return Err(Fault::usage(args.out.display().to_string(), "已经存在，不会覆盖").mend("请换一个名字"));
    }
    let sheet = if let Some(dir) = args.place.dir() {
        at_home(dir, &args.of).await?
    } else {
        let (place, of) = (args.place.clone(), args.of.clone());
        let asked = tokio::task::spawn_blocking(move || elsewhere(&place, &of)).await;
        asked.map_err(|error| Fault::failed("程序", &error))??
    };
    let done = tokio::task::spawn_blocking(move || finish(&args, &sheet)).await;
    done.map_err(|error| Fault::failed("程序", &error))?
}

fn finish(args: &Args, sheet: &Sheet) -> Outcome {
    let place = || args.font.as_ref().map_or_else(|| "字体".to_owned(), |file| format!("--font {}", file.display()));
    let fonts = font::find(args.font.as_deref()).map_err(|error| without_font(&place(), &error))?;
    let printed = print(sheet, args.size, &fonts).map_err(|error| unprinted(&place(), &error))?;
    write(&args.out, &printed.bytes)?;
    let (out, seal, pages) = (args.out.display().to_string(), &sheet.seal, printed.pages);
    if is_of_this_machine(&seal.address) {
        let advice = "别人扫不开；请在 gongkai.toml 写上 base_url 再印";
        terminal::remark(format_args!("注意：二维码里的网址 {} 只在本机能打开，{advice}", seal.address));
    }
    if args.json {
        terminal::say(json!({"out": out, "size": args.size.wire(), "pages": pages, "index": seal.index,
            "hash": seal.hash, "code": seal.code(), "link": seal.link(), "font": fonts.regular.name}))?;
    } else {
        let (index, code, font) = (seal.index, seal.code(), &fonts.regular.name);
        terminal::say(format_args!("{out}：{pages} 页，№{index}，核对码 {code}，字体 {font}"))?;
    }
    Ok(Verdict::Yes)
}

fn without_font(place: &str, error: &FontError) -> Fault {
    match error {
        FontError::None => Fault::usage(place, error.to_string())
            .mend(format!("请安装 Debian 软件包：apt install {PACKAGE}；或用 --font 给出字体文件")),
        FontError::Unusable(_) => Fault::usage(place, error.to_string())
            .mend(format!("请换一个字体文件；或安装 Debian 软件包 {PACKAGE}，不写 --font")),
        FontError::Read { source, .. } => Fault::usage(place, format!("{error}（{source}）")),
        FontError::Damaged(_) => Fault::failed(place, error).mend("请重新安装字体，或用 --font 给出另一个"),
    }
}

fn unprinted(place: &str, error: &PaperError) -> Fault {
    match error {
        PaperError::Font(error) => without_font(place, error),
        PaperError::Missing { .. } => {
            Fault::no(place, error.to_string()).mend("请用 --font 给出有这些字的字体文件，例如收字更全的宋体")
        }
        PaperError::Address => {
            Fault::usage("base_url", error.to_string()).mend("请在 gongkai.toml 的 base_url 写短一些的网址")
        }
        PaperError::Pages(_) => Fault::no("张贴表", error.to_string()),
    }
}

/// A file that was not there; one that could not be finished is taken away.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::failed(path.display().to_string(), &error);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}

/// Whether an address leads nowhere from another machine.
fn is_of_this_machine(address: &str) -> bool {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    ["127.", "localhost", "[::1]", "0.0.0.0"].iter().any(|host| bare.starts_with(host))
}

/// The sheet from the published files of a directory. Its views follow them first.
async fn at_home(dir: &Path, of: &str) -> Result<Sheet, Fault> {
    let layout = Layout::new(dir);
    let config = Config::read(&layout)?;
    // Nobody else may keep the views meanwhile.
    let _held = take_lock(&layout)?;
    let path = layout.vkey();
    let place = || path.display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| Fault::failed(place(), &error))?;
    let vkey = VerifierKey::parse(text.trim()).map_err(|error| Fault::failed(place(), &error))?;
    let log = PublishedLog::open(layout.log(), vkey.clone());
    let log = log.map_err(|error| Fault::failed(layout.log().display().to_string(), &error))?;
    let failed = |error: gongkai_projections::FollowError| {
        Fault::failed("查询库", &error).mend(format!("请先运行一次 gongkai serve --dir {}", dir.display()))
    };
    let (views, mut engine) = Views::open(layout.root(), Arc::new(Arc::new(log))).await.map_err(failed)?;
    engine.catch_up().await.map_err(failed)?;
    let about = About {
        followed: None,
        is_demo: config.origin == crate::demo::ORIGIN,
        base_url: config.base_url.unwrap_or_else(|| format!("http://{}", config.listen)),
        name: config.name,
        contact: config.contact,
        hotline: config.hotline,
        vkey,
        mirrors: Mirrors::default(),
        kept: Kept::default(),
        intakes: Intakes::default(),
        cosigning: None,
        map_interval: std::time::Duration::from_secs(config.map_seconds),
    };
    let app = App::new(None, &layout.log(), None, views, None, local::clock(), about);
    paper::sheet(&app, of).await.map_err(|problem| refused(of, &problem))
}

fn refused(of: &str, problem: &Problem) -> Fault {
    match problem.row.status {
        400..=499 => Fault::no(of, problem.detail.clone()),
        _ => Fault::ours(of, problem.detail.clone()),
    }
}

/// The sheet that a ledger elsewhere gives; its code must be that of the entry's bytes.
fn elsewhere(place: &Place, of: &str) -> Result<Sheet, Fault> {
    let (agent, url) = place.asked()?;
    let sheet: Sheet = serde_json::from_slice(&get(&agent, url, &format!("/api/v1/sheets/{of}"), SHEET_BYTES_MAX)?)
        .map_err(|error| Fault::failed(url, &error))?;
    let entry = get(&agent, url, &format!("/entries/{}", sheet.seal.index), ENTRY_BYTES_MAX)?;
    bound(url, sheet, &entry)
}

/// The sheet, when this version knows its form and its hash is that of the entry's bytes.
fn bound(url: &str, sheet: Sheet, entry: &[u8]) -> Result<Sheet, Fault> {
    if sheet.form != FORM {
        return Err(Fault::ours(url, format!("给出的张贴表是 {} 的，本程序只认识 {FORM}", sheet.form)));
    }
    if Digest::of(entry).to_hex() != sheet.seal.hash {
        return Err(Fault::ours(url, format!("给出的核对码不是 №{} 原文的，没有印", sheet.seal.index)));
    }
    Ok(sheet)
}

fn get(agent: &ureq::Agent, url: &str, path: &str, bytes_max: u64) -> Result<Vec<u8>, Fault> {
    let failed = |error: ureq::Error| fetch::unanswered(url, &error);
    let mut answer = agent.get(format!("{url}{path}")).call().map_err(failed)?;
    let body = fetch::body(&mut answer, bytes_max).map_err(failed)?;
    match answer.status().as_u16() {
        200 => Ok(body),
        status => Err(match told(status, &body) {
            Ok(refused) => Fault::no(path, refused.reason),
            Err(reason) => Fault::ours(url, format!("应答 {status}：{reason}")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::paper::sheet::Seal;
    use crate::site::notice::NoticePage;

    #[test]
    fn a_sheet_whose_code_is_not_that_of_the_entry_is_not_printed() {
        let entry = b"gongkai.entry/v1";
        let seal = Seal { hash: Digest::of(entry).to_hex(), ..Seal::sample() };
        let sheet = Sheet::of_notice(&NoticePage::sample(), seal);
        assert_eq!(bound("url", sheet.clone(), entry).unwrap(), sheet);
        let fault = bound("url", sheet.clone(), b"another entry").unwrap_err();
        assert!(fault.class == Class::Ours && fault.to_string().contains("没有印"), "{fault}");
        let newer = Sheet { form: "gongkai.sheet/v2".into(), ..sheet };
        assert!(bound("url", newer, entry).unwrap_err().to_string().contains("gongkai.sheet/v2"));
    }

    #[test]
    fn whoever_has_no_font_is_told_the_package_and_whoever_lacks_a_character_the_option() {
        let fault = without_font("字体", &FontError::None);
        assert!(fault.class == Class::Usage && fault.to_string().contains("apt install fonts-noto-cjk"), "{fault}");
        let missing = PaperError::Missing { font: "甲".into(), characters: vec!['🏮'], place: "灯笼🏮".into() };
        let fault = unprinted("字体", &missing);
        assert!(fault.class == Class::No && fault.to_string().contains("--font"), "{fault}");
    }

    #[test]
    fn a_number_may_keep_its_sign_and_nothing_else_gets_into_an_address() {
        assert_eq!(named("№1310").as_deref(), Ok("1310"));
        assert!(named("018f0000-0000-7000-8000-000000000001").is_ok());
        for wrong in ["", "№", "../x", "1?h=2", "一"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_known() {
        assert!(is_of_this_machine("http://127.0.0.1:8080/n/1") && is_of_this_machine("http://localhost/n/1"));
        assert!(!is_of_this_machine("https://gk.example.gov.cn/n/1"));
    }
}
