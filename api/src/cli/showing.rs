//! `review show`: a draft under review and the opinions on it, each after the access to it is on record.

use std::sync::Arc;

use gongkai_domain::confidentiality::Reader;
use gongkai_domain::draft::{Draft, Read};
use gongkai_domain::field::Column;
use gongkai_domain::submission::Line;
use gongkai_domain::{Command, Role, Submission, kind};
use gongkai_log::{Digest, Opening, SignedStatement, Statement, StreamId, Tier};
use gongkai_projections::internal::InternalViews;
use gongkai_projections::internal::content::OpenError;
use gongkai_store::SubmitError;
use serde_json::{Value, json};

use super::visit::ROOT;
use super::{open, terminal, values};
use crate::client::{Client, Hand};
use crate::outcome::{Fault, Outcome, Verdict};
use crate::reviewing::{self, Desk};

/// In which role somebody looks.
const READING_ROLES: [Role; 5] = [Role::Reviewer, Role::Supervisor, Role::Approver, Role::Publisher, Role::Inspector];

/// Shows all statements of a review, in their order.
///
/// # Errors
/// It does not exist, or not for whoever asks; the access is on record then as well.
pub async fn show(client: &mut Client, desk: &Desk<'_>, hand: &Hand, review: &StreamId, json: bool) -> Outcome {
    let standing = desk.standing(review).await?;
    let hand = Hand { role: desk.role(&standing.body, &READING_ROLES)?, key: Arc::clone(&hand.key) };
    for revision in 0..standing.kinds.len() {
        let command = json!({"kind": kind::access::KIND, "org": standing.body.code, "fields": {
            "read": review, "revision": revision, "purpose": "review"}});
        let access = client.signed(&Command::from_value(command)?, std::slice::from_ref(&hand)).await??;
        let content = content(desk, &hand, review, access).await?;
        terminal::say(if json { content.to_string() } else { human(&content) })?;
    }
    if !json {
        terminal::say(standing.sentence(review))?;
    }
    Ok(Verdict::Yes)
}

/// Has the access recorded and gives what it is about.
async fn content(desk: &Desk<'_>, hand: &Hand, review: &StreamId, access: Submission) -> Result<Value, Fault> {
    let ledger = match desk {
        Desk::There(visit) => {
            let id = Digest::of(access.note.as_bytes()).to_hex();
            let text = visit.post(&format!("{ROOT}readings"), &id, &access)?;
            open::check(&text).map_err(|reason| Fault::no(review.to_string(), reason))?;
            return serde_json::from_str(&text).map_err(|error| Fault::failed("查阅", &error));
        }
        Desk::Here(ledger) => ledger,
    };
    let views = InternalViews::open(ledger.layout(), ledger).await;
    let views = views.map_err(|error| Fault::failed("限阅库", &error))?.ok_or_else(reviewing::locked)?;
    let none = || Fault::no(review.to_string(), "没有这项审核，或不对您公开");
    let reader = ledger.with_world(|world| Reader::of_key(hand.key.name(), world)).ok_or_else(none)?;
    Ok(json!(views.read(&reader, None, access).await.map_err(fault)?.ok_or_else(none)?))
}

fn fault(error: OpenError) -> Fault {
    match error {
        OpenError::Submit(SubmitError::Refused(refusal)) => refusal.into(),
        other => Fault::failed("查阅", &other),
    }
}

/// A statement for people: its fields by their Chinese names, a draft with what it says.
pub fn human(content: &Value) -> String {
    let note = content["note"].as_str().unwrap_or_default();
    let statement = SignedStatement::parse(note).ok().map(|signed| signed.statement);
    let kind = statement.as_ref().and_then(|statement| kind::find(&statement.kind));
    let signers = statement.iter().flat_map(|statement| &statement.signers).map(|signer| signer.key.as_str());
    let title = kind.map_or("", |kind| kind.label);
    let mut lines = vec![format!("【{title}】{}", signers.collect::<Vec<_>>().join("、"))];
    for field in content["fields"].as_array().into_iter().flatten() {
        let (name, value) = (field["name"].as_str().unwrap_or_default(), &field["value"]);
        if let ("draft", Some(text)) = (name, value.as_str()) {
            lines.extend(draft(text));
            continue;
        }
        let known = kind.is_some_and(|kind| kind.field(name).is_some());
        // A cell of a list has its label from the ledger.
        let label = field["label"].as_str().filter(|_| !known).unwrap_or(name);
        lines.push(format!("  {}", values::line(kind, label, value)));
    }
    lines.join("\n")
}

/// What a draft says.
fn draft(text: &str) -> Vec<String> {
    let read = Draft::parse(text).and_then(|draft| {
        let origin = Statement::parse(&draft.statement).map(|statement| statement.origin);
        let lines = draft.lines.clone();
        Ok((draft.read(&origin.unwrap_or_default())?, lines))
    });
    let Ok((Read { statement, open, withheld }, rows)) = read else {
        return vec!["  送审稿：读不懂".to_owned()];
    };
    let title = kind::find(&statement.kind).map_or(statement.kind.as_str(), |kind| kind.label);
    let mut lines = vec![format!("  送审稿：{title}，{} 第 {} 版", statement.stream, statement.revision)];
    lines.extend(said(&statement, &open, &rows).into_iter().map(|line| format!("    {line}")));
    if !withheld.is_empty() {
        lines.push(format!("    另有 {} 项只对特定对象公开，送审稿里只有封存值", withheld.len()));
    }
    lines
}

/// What a statement says, line by line: its body, its open slots, its list.
pub fn said(statement: &Statement, open: &[Opening], rows: &[Line]) -> Vec<String> {
    let kind = kind::find(&statement.kind);
    let line = |name: &str, value: &Value| values::line(kind, name, value);
    let is_list = |name: &str| !rows.is_empty() && matches!(name, "lines" | "count");
    let body = statement.body.iter().filter(|(name, _)| !is_list(name)).map(|(name, value)| line(name, value));
    let open = open.iter().map(|opening| line(&opening.name, &opening.value));
    let columns = kind.and_then(|kind| kind.list.shape(&statement.body)).map_or(&[][..], |(shape, _)| shape.columns);
    let cell = |column: &Column, row: &Line| {
        let value = row.row.get(column.name).filter(|_| column.tier == Tier::Public)?;
        Some(format!("{}：{}", column.label, values::shown(&column.shape, value)))
    };
    let row = |row: &Line| {
        let cells: Vec<_> = columns.iter().filter_map(|column| cell(column, row)).collect();
        format!("第 {} 行：{}", row.line + 1, cells.join("，"))
    };
    body.chain(open).chain(rows.iter().map(row)).collect()
}
