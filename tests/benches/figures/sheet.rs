//! A large sheet as an accountant uploads it: read and checked, and then signed, judged, recorded and published.
//!
//! Checking is what the endpoint does with a body that has arrived; publishing is everything from the fields that it
//! gives to the checkpoint that covers them.

use std::{fmt::Write as _, sync::Arc, time::Instant};

use gongkai_api::sheets::{self, Asked, Books, Sheet};
use gongkai_domain::Submission;
use gongkai_store::{Layout, SystemClock};
use serde_json::json;

use crate::{
    Outcome, Setup,
    fixture::{COUNTY, Press, Random},
    table::{Figure, Table, whole},
    writing::{FILE, init, median},
};

/// Lines of the sheet: a large township's month.
const LINES: u64 = 5_000;
const ROUNDS: u64 = 5;

/// Checks and publishes.
pub(crate) async fn measure(setup: &Setup, press: &Press, table: &mut Table) -> Outcome<()> {
    let layout = Layout::new(init(setup, "sheet", FILE)?);
    let clock = Arc::new(SystemClock::default());
    let ledger = gongkai_api::cli::local::open(&layout, clock).await.map_err(|fault| fault.to_string())?;
    let registrar = gongkai_api::cli::local::ledger_key(&layout, "registrar-1").map_err(|fault| fault.to_string())?;
    let has_county = ledger.with_world(|world| world.organization(COUNTY).is_some());
    let registry = press.registry(&registrar, has_county)?;
    for answer in ledger.submit_many(registry.into_iter().map(|(key, one)| (Some(key), one)).collect()).await {
        answer?;
    }
    let (mut checked, mut split, mut published) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let text = text(2_001 + round)?;
        let start = Instant::now();
        let rows: usize = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>().len()).sum();
        split.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let mut sheet = check(text.into_bytes());
        checked.push(start.elapsed().as_secs_f64());
        if sheet.blocking > 0 || sheet.lines.len() as u64 != LINES || rows == 0 {
            return Err(format!("the sheet was not read: {:?}", sheet.problems.first()).into());
        }
        let mut fields = std::mem::take(&mut sheet.fields);
        fields.insert("class".into(), json!("finance"));
        fields.insert("content".into(), json!("finance"));
        fields.insert("lines".into(), json!(sheet.lines));
        let start = Instant::now();
        let (key, submission) = press.publication(round, &fields)?;
        let (text, _) = submission.note.split_once("\n\n").ok_or("a note has signatures")?;
        ledger.rehearse(Submission { note: format!("{text}\n"), ..submission.clone() }).await?;
        ledger.submit(Some(key), submission).await?;
        let committed = *ledger.committed().borrow();
        ledger.published().wait_for(|published| *published >= committed).await?;
        published.push(start.elapsed().as_secs_f64());
    }
    let lines = whole(LINES);
    let figure = Figure::new(format!("a {lines}-line sheet checked"), median(checked), "s");
    table.add(figure.beside("s, the same text cut at its commas", median(split)).at_most(1.0));
    table.add(Figure::new(format!("a {lines}-line sheet published"), median(published), "s").at_most(3.0));
    ledger.shutdown().await;
    ledger.reader().close().await;
    Ok(())
}

fn check(bytes: Vec<u8>) -> Sheet {
    let asked = Asked::default();
    let mut sheet = sheets::read(bytes, &asked);
    let period = sheet.period(&asked);
    sheet.balance(period.as_deref(), &Books { previous_closing: Some(0), other_fen_max: 100_000 });
    sheet
}

/// A month of payments with everything that a sheet has around them.
fn text(year: u64) -> Outcome<String> {
    let mut random = Random::new(year);
    let mut text = format!(
        "柳溪镇{year}年2月收支明细（虚构）\n日期,凭证号,摘要,科目,类别,收入,支出,往来单位,经手人,审批人,监督人,附件张数\n"
    );
    let mut fen = 0;
    for line in 0..LINES {
        let amount = 100 + random.below(900_000);
        fen += amount;
        let (yuan, cents) = (amount / 100, amount % 100);
        writeln!(
            text,
            "{year}/2/{},记-{line},第{}组公厕水电费,管理费用,水电费,,￥{yuan}.{cents:02},供电所,纪小满,方禾生,孟长河,{}",
            1 + random.below(28),
            random.below(40),
            random.below(9),
        )?;
    }
    writeln!(text, "合 计,,,,,,{}.{:02},,,,,", fen / 100, fen % 100)?;
    Ok(text)
}
