//! `review show`: a draft under review and the opinions on it, each after the access to it is on record.

use gongkai_domain::Command;
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::draft::{Draft, Read};
use gongkai_domain::kind;
use gongkai_log::StreamId;
use gongkai_projections::internal::InternalViews;
use gongkai_projections::internal::content::{Content, OpenError};
use gongkai_store::SubmitError;
use serde_json::{Value, json};

use super::terminal;
use crate::client::{Client, Hand};
use crate::outcome::{Fault, Outcome, Verdict};
use crate::reviewing::{self, Desk};

/// Shows all statements of a review, in their order.
///
/// # Errors
/// It does not exist, or not for whoever asks; the access is on record then as well.
pub async fn show(client: &mut Client, desk: &Desk<'_>, hand: &Hand, review: &StreamId, json: bool) -> Outcome {
    let Desk::Here(ledger) = desk else {
        let remedy = format!("请用 gongkai read --url … --key … matters/{review}");
        return Err(Fault::usage("--url", "show 只用于本机的账本目录").mend(remedy));
    };
    let standing = desk.standing(review).await?;
    let views = InternalViews::open(ledger.layout(), ledger).await;
    let views = views.map_err(|error| Fault::failed("限阅库", &error))?.ok_or_else(reviewing::locked)?;
    let none = || Fault::no(review.to_string(), "没有这项审核，或不对您公开");
    let reader = ledger.with_world(|world| Reader::of_key(hand.key.name(), world)).ok_or_else(none)?;
    for revision in 0..standing.kinds.len() {
        let command = json!({"kind": kind::access::KIND, "org": standing.body.code, "fields": {
            "read": review, "revision": revision, "purpose": "review"}});
        let access = client.signed(&Command::from_value(command)?, std::slice::from_ref(hand)).await??;
        let content = views.read(&reader, None, access).await.map_err(fault)?.ok_or_else(none)?;
        terminal::say(if json { json!(content).to_string() } else { human(&content) })?;
    }
    if !json {
        terminal::say(standing.sentence(review))?;
    }
    Ok(Verdict::Yes)
}

fn fault(error: OpenError) -> Fault {
    match error {
        OpenError::Submit(SubmitError::Refused(refusal)) => refusal.into(),
        other => Fault::failed("查阅", &other),
    }
}

/// A statement for people: its fields by their Chinese names, a draft with what it says.
fn human(content: &Content) -> String {
    let statement = gongkai_log::SignedStatement::parse(&content.note).ok().map(|signed| signed.statement);
    let label = statement.as_ref().and_then(|statement| kind::find(&statement.kind)).map_or("", |kind| kind.label);
    let signers = statement.iter().flat_map(|statement| &statement.signers).map(|signer| signer.key.as_str());
    let mut lines = vec![format!("【{label}】{}", signers.collect::<Vec<_>>().join("、"))];
    for field in &content.fields {
        match (field.name.as_str(), field.value.as_str()) {
            ("draft", Some(text)) => lines.extend(draft(text)),
            (name, _) => {
                let kind = statement.as_ref().and_then(|statement| kind::find(&statement.kind));
                let value = kind
                    .and_then(|kind| kind.field(name))
                    .map_or_else(|| plain(&field.value), |known| shown(known, &field.value));
                lines.push(format!("  {}：{value}", field.label));
            }
        }
    }
    lines.join("\n")
}

/// What a draft says.
fn draft(text: &str) -> Vec<String> {
    let read = Draft::parse(text).and_then(|draft| {
        let origin = gongkai_log::Statement::parse(&draft.statement).map(|statement| statement.origin);
        let lines = draft.lines.clone();
        Ok((draft.read(&origin.unwrap_or_default())?, lines))
    });
    let Ok((Read { statement, open, withheld }, rows)) = read else {
        return vec!["  送审稿：读不懂".to_owned()];
    };
    let kind = kind::find(&statement.kind);
    let line = |name: &str, value: &Value| {
        let field = kind.and_then(|kind| kind.field(name));
        let value = field.map_or_else(|| plain(value), |field| shown(field, value));
        format!("    {}：{value}", field.map_or(name, |field| field.label))
    };
    let title = kind.map_or(statement.kind.as_str(), |kind| kind.label);
    let mut lines = vec![format!("  送审稿：{title}，{} 第 {} 版", statement.stream, statement.revision)];
    lines.extend(statement.body.iter().map(|(name, value)| line(name, value)));
    lines.extend(open.iter().map(|opening| line(&opening.name, &opening.value)));
    lines.extend(rows.iter().map(|row| format!("    第{}行：{}", row.line + 1, json!(row.row))));
    if !withheld.is_empty() {
        lines.push(format!("    另有 {} 项只对特定对象公开，送审稿里只有封存值", withheld.len()));
    }
    lines
}

/// A value as people read it: a choice by its Chinese name.
fn shown(field: &gongkai_domain::field::Field, value: &Value) -> String {
    let gongkai_domain::field::Shape::Choice(choices) = field.shape else { return plain(value) };
    let label = choices.iter().find(|(wire, _)| value.as_str() == Some(*wire)).map(|(_, label)| (*label).to_owned());
    label.unwrap_or_else(|| plain(value))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
