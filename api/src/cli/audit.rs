//! `audit`: bytes, then meaning. One pass: the auditor is the checker's authority.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use gongkai_domain::audit::{Auditor, Category, Finding, Unseen};
use gongkai_domain::world::Intake;
use gongkai_log::{Fetch, Report, VerifierKey};
use serde_json::{Value, json};

use super::checking::{self, Check, Found, Source};
use super::reading::Reading;
use super::with_vault::{Sealed, WithVault};
use super::{local, terminal, verify};
use crate::gap::watch::{self, Owed};
use crate::outcome::{Fault, Outcome, Verdict};

/// Findings of one category that are printed for people; a program gets all.
const SHOWN_MAX: usize = 20;

/// Options of `audit`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai audit --dir ledger\n  $ gongkai audit --dir ledger --with-vault\n  $ gongkai audit export.tar --vkey vkey.txt --old-checkpoint checkpoint-june --json\n\n\
    有违反规则的、收件处的日志与账本答复的不是同一部的返回 1；只有提示（包括逾期没有答复）的返回 0。"
)]
pub struct Args {
    #[command(flatten)]
    pub check: Check,
    #[command(flatten)]
    with_vault: WithVault,
    /// 互联网一侧收件处的网址或目录，列出账本逾期没有答复的批次；可以给多个
    #[arg(long = "intake", value_name = "网址|目录")]
    intakes: Vec<String>,
    /// 以哪一天为准判断逾期（默认今天）
    #[arg(long, value_name = "日期")]
    as_of: Option<NaiveDate>,
    /// 每一类全部列出，不只列前 20 条
    #[arg(long)]
    all: bool,
}

/// Checks the bytes, then lists what the log means.
///
/// # Errors
/// As `verify`.
pub fn run(args: &Args) -> Outcome {
    let source = verify::source(&args.check)?;
    let (vkey, vouched) = args.check.vkey(|| source.offered_key())?;
    let today = args.as_of.unwrap_or_else(|| local::clock().now().with_timezone(&crate::http::zone()).date_naive());
    let vault = args.with_vault.open(&source)?;
    let audited = match &source {
        Source::Dir(_, fetch) => audited(fetch, args, &vkey, today)?,
        Source::Url(fetch) => audited(fetch, args, &vkey, today)?,
        Source::Bundle(fetch) if fetch.names("tile/entries/").next().is_none() => {
            return Err(Fault::usage("归档", "只有部分条目，不能审计").mend("请用整个账本的归档（导出时不加 --org）"));
        }
        Source::Bundle(fetch) => audited(fetch, args, &vkey, today)?,
    };
    match audited {
        Err(found) => refused(args, &found),
        Ok(Good { report, findings, unseen, intakes }) => {
            let owed = owed(args, &intakes, at(args, today))?;
            let sealed = match vault {
                Some(vault) => match verify::database(vault.layout(), &vkey, &report.checkpoint, args.check.fast)? {
                    Ok(_) => Some(vault.check(at(args, today))?),
                    Err(found) => return refused(args, &found),
                },
                None => None,
            };
            let breaches = findings.iter().filter(|finding| finding.category.is_breach()).count();
            if args.check.json {
                let mut value = machine(&report, vouched, breaches, &findings, (unseen, sealed.as_ref()));
                value["intakes"] = json!(owed);
                terminal::say(value)?;
            } else {
                human(&report, args, breaches, &findings)?;
                tell_owed(&owed)?;
                match &sealed {
                    Some(sealed) => sealed.tell(args.all)?,
                    None => terminal::say(unseen_text(unseen, report.sealed))?,
                }
            }
            let forged = owed.iter().any(Owed::is_forged);
            Ok(Verdict::of(breaches == 0 && !forged && sealed.is_none_or(|sealed| sealed.breaches() == 0)))
        }
    }
}

fn refused(args: &Args, found: &Found) -> Outcome {
    let text = if args.check.json { verify::found_json(found).to_string() } else { verify::found_text(found) };
    terminal::say(text)?;
    Ok(Verdict::No)
}

/// When a promise must have been kept: now, or at the end of the day that was given.
fn at(args: &Args, today: NaiveDate) -> DateTime<Utc> {
    let now = local::clock().now();
    let end = today
        .succ_opt()
        .and_then(|next| next.and_time(NaiveTime::MIN).and_local_timezone(crate::http::zone()).single());
    end.filter(|_| args.as_of.is_some()).map_or(now, |end| end.to_utc())
}

struct Good {
    report: Report,
    findings: Vec<Finding>,
    unseen: Unseen,
    intakes: Vec<Intake>,
}

type Audited = Result<Good, Found>;

fn audited<F: Fetch>(fetch: &F, args: &Args, vkey: &VerifierKey, today: NaiveDate) -> Result<Audited, Fault> {
    let reading = Reading::new(fetch)?;
    let keys = match checking::keys_of(fetch, vkey)? {
        Ok(keys) => keys,
        Err(found) => return Ok(Err(found)),
    };
    let mut auditor = Auditor::new(keys.first(), &reading);
    let checked = checking::run(fetch, &mut auditor, &keys, &args.check, "审计", "")?;
    Ok(checked.map(|report| {
        let unseen = auditor.unseen();
        let intakes = auditor.world().intakes().cloned().collect();
        Good { report, findings: auditor.finish(today), unseen, intakes }
    }))
}

/// What the ledger owes the intakes whose logs were given.
fn owed(args: &Args, intakes: &[Intake], at: DateTime<Utc>) -> Result<Vec<Owed>, Fault> {
    args.intakes.iter().map(|place| watch::owed(place, intakes, at)).collect()
}

fn tell_owed(owed: &[Owed]) -> Result<(), Fault> {
    for owed in owed {
        let Owed { intake, size, answered, .. } = owed;
        terminal::say(format_args!("\n网上收件处 {intake}：{size} 批，已答复到第 {answered} 批之前"))?;
        for sentence in owed.sentences() {
            terminal::say(format_args!("  {sentence}"))?;
        }
    }
    Ok(())
}

/// What nobody sees without the vault.
fn unseen_text(unseen: Unseen, periods: u64) -> String {
    let Unseen { slots, cells, reviews } = unseen;
    format!(
        "没有用限阅库核对，看不到的有：未公开的字段槽 {slots} 个（空槽也在内，外人分不出）、封存的单元格 {cells} 个、\
         封存时段 {periods} 个、审核 {reviews} 项"
    )
}

fn machine(
    report: &Report,
    vouched: bool,
    breaches: usize,
    findings: &[Finding],
    (unseen, sealed): (Unseen, Option<&Sealed>),
) -> Value {
    let mut value = verify::report_json(report, vouched);
    value["ok"] = (breaches == 0).into();
    value["breaches"] = breaches.into();
    value["remarks"] = (findings.len() - breaches).into();
    value["findings"] = json!(findings);
    match sealed {
        Some(sealed) => {
            value["ok"] = (breaches == 0 && sealed.breaches() == 0).into();
            value["vault"] = sealed.to_json();
        }
        None => value["unseen"] = json!(unseen),
    }
    value
}

fn human(report: &Report, args: &Args, breaches: usize, findings: &[Finding]) -> Result<(), Fault> {
    terminal::say(format_args!("字节核验通过：{}", verify::summary(report)))?;
    terminal::say(format_args!("违反规则 {breaches} 处，提示 {} 处", findings.len() - breaches))?;
    let mut by_category: BTreeMap<Category, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_category.entry(finding.category).or_default().push(finding);
    }
    for (category, findings) in by_category {
        terminal::say(format_args!("\n{}（{} 处）", category.label(), findings.len()))?;
        let shown = if args.all { findings.len() } else { SHOWN_MAX };
        for finding in findings.iter().take(shown) {
            terminal::say(format_args!("  第 {} 号  {}  [{}]", finding.index, finding.sentence, finding.stream))?;
        }
        if findings.len() > shown {
            terminal::say(format_args!("  另有 {} 处，加 --all 全部列出", findings.len() - shown))?;
        }
    }
    Ok(())
}
