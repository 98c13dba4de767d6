//! `import`: tables into commands, and these into the ledger.
//!
//! First everything is read and mapped: problems are told by row and cell, and nothing is written unless
//! all rows pass (or `--partial`). What a command means is judged by the ledger, in the file's order; its
//! refusals are told by row too. It knows families and mappings, and no data set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gongkai_log::Digest;
use gongkai_store::Clock;
use serde_json::json;

use super::local::{self, Place, Signing};
use super::terminal::{self, Progress};
use crate::client::{Answer, Client, Hand, Item};
use crate::exchange::{self, Mapping, Plan, PlannedCommand, Problem};
use crate::importing::{self, FAMILIES, check_commands, problem};
use crate::outbox::Outbox;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai import organizations --dir ledger --key registrar-1.key 省.csv 市.csv 县.csv --mapping orgs.toml\n  \
    $ gongkai import disclosures --url http://127.0.0.1:8081 --key chen.key --cosign wu.key --cosign zhou.key --org 341599101201 二月.xls\n  \
    $ gongkai import pledges --dir ledger --key chen.key --dry-run 承诺.xlsx\n\n\
    上级要排在下级之前；不写 --mapping 时按常见的中文表头自动对应。\n\
    有问题时列出表名、行、列，什么都不写入（除非 --partial）。中断后用同样的命令再运行一次，不会重复。"
)]
pub struct Args {
    /// 哪一类：organizations、calendars、persons、pledges、vacancies、nominations、notices、disclosures
    #[arg(value_name = "类别", value_parser = family)]
    family: &'static str,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    signing: Signing,
    /// 表格文件或文件夹，按给出的顺序
    #[arg(required = true, value_name = "文件")]
    inputs: Vec<PathBuf>,
    /// 列与各项内容的对应文件
    #[arg(long, value_name = "文件")]
    mapping: Option<PathBuf>,
    /// 表里没有机构代码时，用这个
    #[arg(long, value_name = "代码")]
    org: Option<String>,
    /// 只检查，不写入
    #[arg(long)]
    dry_run: bool,
    /// 有问题的行跳过，其余写入
    #[arg(long)]
    partial: bool,
    /// 待发箱目录：签好的内容先存在这里再发出
    #[arg(long, value_name = "目录")]
    outbox: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

fn family(text: &str) -> Result<&'static str, String> {
    let known = || FAMILIES.map(|(name, _)| name).join("、");
    FAMILIES.iter().find(|(name, _)| *name == text).map(|(name, _)| *name).ok_or_else(|| format!("可用：{}", known()))
}

/// Reads, maps, and submits.
///
/// # Errors
/// A mapping or key that cannot be used, a ledger that cannot be reached.
pub async fn run(args: Args) -> Outcome {
    let mapping_text = mapping_text(&args)?;
    let mapping = Mapping::parse(&mapping_text).map_err(|error| {
        let place = args.mapping.as_ref().map_or_else(|| args.family.to_owned(), |path| path.display().to_string());
        Fault::usage(place, error.to_string())
    })?;
    let mut plan = exchange::import(&mapping, &args.inputs, &exchange::Context::default());
    check_commands(&mut plan);
    if !args.json {
        plan.notes.iter().for_each(terminal::remark);
    }
    if !plan.problems.is_empty() && !args.partial {
        return told(&args, &plan, 0, &[]);
    }
    if args.dry_run {
        return told(&args, &plan, 0, &[]);
    }
    let hands = args.signing.hands()?;
    let (recorded, refused) = submit(&args, &plan, &mapping_text, &hands).await?;
    told(&args, &plan, recorded, &refused)
}

fn mapping_text(args: &Args) -> Result<String, Fault> {
    if let Some(path) = &args.mapping {
        return super::checking::read(path);
    }
    importing::mapping_text(args.family, args.org.as_deref()).map_err(|why| Fault::usage("--org", why))
}

/// Identity of an import: every file's content, the mapping, in their order.
fn identity(inputs: &[PathBuf], mapping: &str, commands: &[PlannedCommand]) -> Result<Digest, Fault> {
    let mut text = format!("{}\n", Digest::of(mapping.as_bytes()));
    for input in inputs.iter().filter(|input| input.is_file()) {
        let bytes = std::fs::read(input).map_err(|error| Fault::failed(input.display().to_string(), &error))?;
        text.push_str(&Digest::of(&bytes).to_hex());
        text.push('\n');
    }
    // A folder's files show in what they became.
    for command in commands {
        text += &command.json.to_string();
        text.push('\n');
    }
    Ok(Digest::of(text.as_bytes()))
}

async fn submit(args: &Args, plan: &Plan, mapping: &str, hands: &[Hand]) -> Result<(usize, Vec<Problem>), Fault> {
    let digest = identity(&args.inputs, mapping, &plan.commands)?;
    let hash = digest.to_hex();
    let item = |(number, planned): (usize, &PlannedCommand)| {
        let row = planned.source.first();
        let place = row.map_or_else(String::new, |row| format!("{}:{}", row.sheet, row.row));
        Item { place, id: format!("{}-{number}", &hash[..32]), command: planned.json.clone() }
    };
    let items: Vec<Item> = (1..).zip(&plan.commands).map(item).collect();
    let clock: Arc<dyn Clock> = local::clock();
    let mut client = args.place.client(clock).await?;
    let outbox = args.outbox.clone().unwrap_or_else(|| args.place.outbox());
    let (recorded, refused) = send(&mut client, &items, plan, hands, &outbox, &digest).await?;
    client.close().await;
    Ok((recorded, refused))
}

async fn send(
    client: &mut Client,
    items: &[Item],
    plan: &Plan,
    hands: &[Hand],
    outbox: &Path,
    digest: &Digest,
) -> Result<(usize, Vec<Problem>), Fault> {
    let mut outbox = Outbox::open(outbox, client.origin(), digest).map_err(|error| Fault::failed("待发箱", &error))?;
    let progress = Progress::new("导入");
    let (mut done, mut recorded, mut refused) = (0, 0, Vec::new());
    client
        .submit(items, hands, Some(&mut outbox), &mut |_, answer| {
            match answer {
                Answer::Recorded { .. } | Answer::Promised { .. } => recorded += 1,
                Answer::Refused(reason) => refused.push(problem(&plan.commands[done], &reason.reason)),
            }
            done += 1;
            progress.tell(done as u64, items.len() as u64);
        })
        .await?;
    Ok((recorded, refused))
}

/// Says what came of it: counts, and every problem with its row.
fn told(args: &Args, plan: &Plan, recorded: usize, refused: &[Problem]) -> Outcome {
    let bad = plan.problems.total + refused.len();
    if args.json {
        terminal::say(json!({"rows": plan.rows, "commands": plan.commands.len(), "recorded": recorded,
            "problems": plan.problems, "refused": refused, "notes": plan.notes, "dry_run": args.dry_run}))?;
        return Ok(Verdict::of(bad == 0));
    }
    if !plan.problems.is_empty() {
        terminal::say(plan.problems.to_string().trim_end())?;
    }
    for problem in refused {
        terminal::say(format_args!("{problem}（未受理）"))?;
    }
    let kept = if recorded == 0 { "，什么都没有写入" } else { "" };
    let outcome = if args.dry_run { "只检查".to_owned() } else { format!("已入账 {recorded} 条{kept}") };
    terminal::say(format_args!("读了 {} 行，生成 {} 条，{outcome}，问题 {bad} 处", plan.rows, plan.commands.len()))?;
    Ok(Verdict::of(bad == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(family: &str, org: Option<&str>, csv: &str) -> Plan {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("表.csv");
        std::fs::write(&file, csv).unwrap();
        let text = importing::mapping_text(family, org).unwrap();
        let mut plan = exchange::import(&Mapping::parse(&text).unwrap(), &[file], &exchange::Context::default());
        check_commands(&mut plan);
        plan
    }

    #[test]
    fn a_table_of_organizations_keeps_its_order_and_its_parents() {
        let plan = planned("organizations", None, "机构代码,名称,上级代码,层级\n34,某省,,省\n3415,某市,34,市\n");
        assert!(plan.problems.is_empty(), "{}", plan.problems);
        assert_eq!(plan.commands[0].json["org"], "34");
        assert_eq!(plan.commands[1].json["fields"]["parent"], "34");
    }

    #[test]
    fn a_sheet_of_payments_becomes_one_disclosure_with_its_sums() {
        let csv = "日期,摘要,收入,支出\n2026-02-03,公厕电费,,330.30\n2026-02-21,公厕电费,,343.06\n";
        let plan = planned("disclosures", Some("341599"), csv);
        assert!(plan.problems.is_empty(), "{}", plan.problems);
        let fields = &plan.commands[0].json["fields"];
        assert_eq!((&fields["expense"], fields["lines"].as_array().map(Vec::len)), (&json!(67_336), Some(2)));
        assert_eq!(fields["period"], "2026-02");
    }

    #[test]
    fn a_table_of_pledges_is_read_by_its_chinese_headers() {
        let csv = "年度,承诺人,类型,承诺事项,完成时限\n2026,方禾生（虚构）,实事,修路,2026-12-31\n2026,,实事,修桥,\n";
        let plan = planned("pledges", Some("341599"), csv);
        assert_eq!((plan.commands.len(), plan.problems.total), (1, 1), "{}", plan.problems);
        assert_eq!(plan.commands[0].json["fields"]["category"], "practical");
        assert_eq!(plan.problems.shown[0].row, Some(3));
    }
}
