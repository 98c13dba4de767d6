//! The audit with the vault finds what was done to it, names the place, and finds nothing where nothing was done.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::{
    audit_sealed::{Category, Finding},
    draft::Draft,
    kind::tally,
    procedure,
};
use gongkai_log::{Digest, Signer, StreamId};
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::helpers::{copy, operator, verifies};
use crate::{
    Promised, ReadStore, Receipt, SealedReport, Vault, VaultFault,
    clock::Clock as _,
    sealed_audit,
    testing::{COUNTY, Fixture, ORIGIN, master, pledge, sign, vault_entropy},
};

const TEXT: &str = "金丝雀一三八零零一三八零零零";
const PUBLISHER: &[(&str, &str)] = &[("publisher", "丙")];
const ERASERS: &[(&str, &str)] = &[("approver", "丁"), ("registrar", "甲")];

async fn town() -> Fixture {
    let mut fixture = Fixture::with_vault().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.officer("丁", COUNTY, "approver").await;
    fixture
}

/// A public statement with one sealed slot.
async fn sealed_pledge(fixture: &mut Fixture) -> Receipt {
    let mut command = pledge(COUNTY, 1);
    command["fields"]["contact"] = json!(TEXT);
    fixture.submit(&command, PUBLISHER).await.unwrap()
}

/// A public list with one sealed cell.
async fn roster(fixture: &mut Fixture) -> Receipt {
    let command = json!({"kind": "disclosure.published.v1", "org": COUNTY, "fields": {
        "class": "village", "content": "roster", "period": "2026", "published_by": "self",
        "title": "补助发放名册(虚构)", "lines": [
            {"masked_name": "方**", "full_name": "方禾生(虚构)", "item": "种粮补助", "amount": 100},
            {"masked_name": "林**", "item": "种粮补助", "amount": 200}]}});
    fixture.submit(&command, PUBLISHER).await.unwrap()
}

async fn access(fixture: &mut Fixture) -> Promised {
    let command = json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": "letter/0196ac8e-0000-4000-8000-000000000001", "revision": 0, "purpose": "inspection",
        "reason": TEXT}});
    fixture.seal(&command, PUBLISHER).await.unwrap()
}

async fn at(fixture: &Fixture, now: DateTime<Utc>) -> SealedReport {
    let (store, vault) = (fixture.ledger.reader(), fixture.ledger.vault().unwrap());
    let report = sealed_audit::run(store, vault, now, &|_, _| ()).await.unwrap();
    for finding in &report.findings {
        assert!(!format!("{finding:?}").contains(TEXT), "{finding:?}");
    }
    report
}

async fn audit(fixture: &Fixture) -> SealedReport {
    at(fixture, fixture.clock.now()).await
}

/// Audits, and the findings are of these categories.
async fn finds(fixture: &Fixture, categories: &[Category]) -> Vec<Finding> {
    let report = audit(fixture).await;
    let found: Vec<_> = report.counts.keys().copied().collect();
    assert_eq!(found, categories, "{:#?}", report.findings);
    report.findings
}

/// Changes the database as somebody with root does.
async fn tamper(fixture: &Fixture, statements: &[&'static str]) {
    let mut connection = operator(&fixture.layout()).await;
    let triggers = "DROP TRIGGER IF EXISTS sealed_events_are_never_deleted; \
                    DROP TRIGGER IF EXISTS sealed_events_are_never_changed; \
                    DROP TRIGGER IF EXISTS inventories_are_never_deleted; \
                    DROP TRIGGER IF EXISTS inventories_are_never_changed; PRAGMA ignore_check_constraints = ON;";
    sqlx::raw_sql(triggers).execute(&mut connection).await.unwrap();
    for statement in statements {
        let done = sqlx::raw_sql(*statement).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement} changed nothing");
    }
    connection.close().await.unwrap();
}

/// Everything that can be sealed, in two periods, and one event that waits.
pub(super) async fn busy() -> Fixture {
    let mut fixture = town().await;
    sealed_pledge(&mut fixture).await;
    roster(&mut fixture).await;
    access(&mut fixture).await;
    access(&mut fixture).await;
    fixture.ledger.end_period().await.unwrap();
    sealed_pledge(&mut fixture).await;
    access(&mut fixture).await;
    fixture.ledger.end_period().await.unwrap();
    access(&mut fixture).await;
    fixture
}

#[tokio::test]
async fn a_ledger_that_nobody_touched_has_no_findings() {
    let fixture = busy().await;
    let report = audit(&fixture).await;
    assert_eq!(report.findings, Vec::new());
    assert_eq!((report.events, report.waiting, report.periods, report.values), (4, 1, 2, 3));
    assert_eq!(report.entries, fixture.ledger.health().committed);
}

#[tokio::test]
async fn it_is_audited_beside_a_running_server_and_without_one_and_nothing_is_changed() {
    let fixture = busy().await;
    let layout = fixture.layout();
    let open = || Vault::open_read_only(&layout, ORIGIN, vec![master()], vault_entropy(9));
    let beside = ReadStore::open(&layout).await.unwrap();
    let vault = open().await.unwrap();
    let now = fixture.clock.now();
    assert_eq!(sealed_audit::run(&beside, &vault, now, &|_, _| ()).await.unwrap().findings, Vec::new());
    vault.close().await.unwrap();
    beside.close().await;
    fixture.ledger.shutdown().await;
    let before = (fs::read(layout.wraps()).unwrap(), fs::read(layout.database()).unwrap());
    let (alone, vault) = (ReadStore::open(&layout).await.unwrap(), open().await.unwrap());
    assert_eq!(sealed_audit::run(&alone, &vault, now, &|_, _| ()).await.unwrap().findings, Vec::new());
    vault.close().await.unwrap();
    alone.close().await;
    assert_eq!((fs::read(layout.wraps()).unwrap(), fs::read(layout.database()).unwrap()), before);
}

#[tokio::test]
async fn what_was_erased_and_withdrawn_on_record_is_no_finding() {
    let mut fixture = busy().await;
    let receipt = sealed_pledge(&mut fixture).await;
    let listed = roster(&mut fixture).await;
    let promised = access(&mut fixture).await;
    let order = |target: Value| {
        let mut fields = json!({"basis": "personal_data", "reason": "当事人要求删除(虚构)", "appeal": "无(虚构)"});
        fields.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": fields})
    };
    fixture.submit(&order(json!({"entry": receipt.index})), ERASERS).await.unwrap();
    fixture.submit(&order(json!({"entry": listed.index})), ERASERS).await.unwrap();
    fixture.submit(&order(json!({"commitment": promised.commitment})), ERASERS).await.unwrap();
    let stored = fixture.ledger.entry(receipt.index).await.unwrap().unwrap();
    let slot = stored.openings.unwrap().open.iter().find(|opening| opening.name == "title").unwrap().slot;
    let withdrawal = json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {"entry": receipt.index,
        "slot_numbers": [slot], "basis": "court", "reason": "法院要求(虚构)", "appeal": "无(虚构)"}});
    fixture.submit(&withdrawal, &[("publisher", "丙"), ("registrar", "甲")]).await.unwrap();
    fixture.ledger.end_period().await.unwrap();
    let report = audit(&fixture).await;
    assert_eq!(report.findings, Vec::new());
    assert_eq!(report.erased, 1);
    verifies(&fixture).await;
}

#[tokio::test]
async fn every_deleted_row_of_the_vault_is_found_also_where_a_field_may_be_empty() {
    let fixture = busy().await;
    tamper(&fixture, &["DELETE FROM sealed_values WHERE event = -1"]).await;
    let findings = finds(&fixture, &[Category::Missing]).await;
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding.sealed_event == Some(0)));
    // The contact of a pledge is optional.
    let fixture = busy().await;
    tamper(
        &fixture,
        &["DELETE FROM sealed_values WHERE event = \
                        (SELECT min(event) FROM sealed_values WHERE event >= 0 AND line IS NULL)"],
    )
    .await;
    let findings = finds(&fixture, &[Category::Missing, Category::Spare]).await;
    assert_eq!(findings.len(), 2, "{findings:?}");
    let missing = findings.iter().find(|finding| finding.category == Category::Missing).unwrap();
    assert!(missing.entry.is_some() && missing.field.as_deref().unwrap().starts_with("slot "));
    let fixture = busy().await;
    tamper(&fixture, &["DELETE FROM sealed_values WHERE event >= 0 AND line = 0"]).await;
    let findings = finds(&fixture, &[Category::Missing, Category::Spare]).await;
    assert_eq!(findings[1].field.as_deref(), Some("lines[0].full_name"));
    assert!(findings[1].entry.is_some());
}

#[tokio::test]
async fn an_inventory_that_is_gone_changed_or_anothers_is_found() {
    const OF_A_PLEDGE: &str = "event = (SELECT min(event) FROM sealed_values WHERE event >= 0 AND line IS NULL)";
    for (change, category) in [
        ("DELETE FROM inventories WHERE ", Category::Missing),
        ("UPDATE inventories SET slots = 0 WHERE ", Category::Commitment),
        (
            "UPDATE inventories SET (slots, mac) = (SELECT slots, mac FROM inventories WHERE event = 3) WHERE ",
            Category::Commitment,
        ),
    ] {
        let fixture = busy().await;
        let change: &'static str = format!("{change}{OF_A_PLEDGE}").leak();
        tamper(&fixture, &[change]).await;
        let findings = finds(&fixture, &[category]).await;
        assert_eq!((findings.len(), findings[0].field.as_deref()), (1, Some("inventory")), "{change}");
    }
    let fixture = busy().await;
    tamper(&fixture, &["DELETE FROM inventories WHERE event < 0"]).await;
    let findings = finds(&fixture, &[Category::Missing]).await;
    assert!(findings.iter().all(|finding| finding.sealed_event.is_some()), "{findings:?}");
}

#[tokio::test]
async fn rows_that_were_swapped_are_found_at_both_places() {
    let fixture = busy().await;
    tamper(
        &fixture,
        &["CREATE TABLE kept AS SELECT event, nonce, bytes FROM sealed_values WHERE event >= 0 AND line IS NULL; \
           UPDATE sealed_values SET (nonce, bytes) = (SELECT nonce, bytes FROM kept WHERE kept.event != \
           sealed_values.event) WHERE event >= 0 AND line IS NULL; DROP TABLE kept"],
    )
    .await;
    let findings = finds(&fixture, &[Category::Commitment]).await;
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.field.as_deref().unwrap().starts_with("slot ")));
}

#[tokio::test]
async fn rows_without_a_commitment_are_found() {
    let fixture = busy().await;
    tamper(
        &fixture,
        &[
            "INSERT INTO sealed_values SELECT 999, ordinal, line, tier, commitment, nonce, bytes FROM sealed_values \
           WHERE event = -1 AND ordinal = (SELECT min(ordinal) FROM sealed_values WHERE event = -1)",
            "INSERT INTO sealed_values SELECT -1000, ordinal, line, tier, commitment, nonce, bytes FROM sealed_values \
           WHERE event = -1 AND ordinal = (SELECT min(ordinal) FROM sealed_values WHERE event = -1)",
            "INSERT INTO periods VALUES (1, zeroblob(32))",
        ],
    )
    .await;
    let findings = finds(&fixture, &[Category::Stray]).await;
    let places: Vec<_> = findings.iter().map(|finding| (finding.entry, finding.sealed_event)).collect();
    assert_eq!(places, [(None, Some(999)), (Some(1), None), (Some(999), None)]);
}

#[tokio::test]
async fn a_tampered_note_is_found() {
    let fixture = busy().await;
    tamper(&fixture, &["UPDATE sealed_events SET note = zeroblob(length(note)) WHERE seq = 1"]).await;
    let findings = finds(&fixture, &[Category::Commitment]).await;
    assert_eq!((findings[0].sealed_event, findings[0].field.as_deref()), (Some(1), Some("note")));
}

#[tokio::test]
async fn a_removed_sealed_event_leaves_a_gap_and_a_period_that_cannot_be_built_again() {
    let fixture = busy().await;
    tamper(&fixture, &["DELETE FROM sealed_values WHERE event = -2", "DELETE FROM sealed_events WHERE seq = 1"]).await;
    let findings = finds(&fixture, &[Category::Sequence, Category::Period, Category::Spare]).await;
    let gap = findings.iter().find(|finding| finding.category == Category::Sequence).unwrap();
    assert_eq!(gap.sealed_event, Some(1));
}

#[tokio::test]
async fn an_event_that_was_moved_to_another_leaf_or_period_is_found() {
    let fixture = busy().await;
    tamper(&fixture, &["UPDATE sealed_events SET leaf = (leaf + 1) % 65536 WHERE seq = 0"]).await;
    finds(&fixture, &[Category::Period]).await;
    let fixture = busy().await;
    tamper(&fixture, &["UPDATE sealed_events SET period = 1 WHERE seq = 0"]).await;
    let findings = finds(&fixture, &[Category::Period]).await;
    assert!(findings.iter().any(|finding| finding.sealed_event == Some(0)));
    let fixture = busy().await;
    tamper(&fixture, &["UPDATE periods SET nonce = zeroblob(32)"]).await;
    let findings = finds(&fixture, &[Category::Period]).await;
    assert_eq!(findings.len(), 2, "of each period the decoys");
}

#[tokio::test]
async fn an_erasure_without_an_order_is_found_whatever_the_table_says() {
    let fixture = busy().await;
    tamper(
        &fixture,
        &[
            "INSERT INTO erasures SELECT tag, 1 FROM sealed_events WHERE seq = 0",
            "DELETE FROM sealed_values WHERE event = -1",
            "UPDATE sealed_events SET nonce = NULL, note = NULL WHERE seq = 0",
        ],
    )
    .await;
    let findings = finds(&fixture, &[Category::Missing, Category::Erasure, Category::Spare]).await;
    assert!(findings[1..].iter().all(|finding| finding.sealed_event == Some(0)), "{findings:#?}");
}

#[tokio::test]
async fn an_order_of_erasure_that_was_not_carried_out_is_found() {
    let mut fixture = town().await;
    let receipt = sealed_pledge(&mut fixture).await;
    tamper(&fixture, &["CREATE TABLE kept AS SELECT * FROM sealed_values; UPDATE kept SET line = line"]).await;
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"entry": receipt.index,
        "basis": "personal_data", "reason": "当事人要求删除(虚构)", "appeal": "无(虚构)"}});
    let order = fixture.submit(&order, ERASERS).await.unwrap();
    finds(&fixture, &[]).await;
    tamper(&fixture, &["INSERT INTO sealed_values SELECT * FROM kept", "UPDATE erasures SET destroyed = 0"]).await;
    let findings = finds(&fixture, &[Category::Erasure]).await;
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.entry == Some(order.index)));
}

#[tokio::test]
async fn a_promise_whose_entry_never_comes_is_named_with_its_deadline() {
    let mut fixture = town().await;
    let promised = access(&mut fixture).await;
    assert_eq!(at(&fixture, promised.deadline).await.waiting, 1);
    let report = at(&fixture, promised.deadline + TimeDelta::seconds(1)).await;
    assert_eq!((report.waiting, report.breaches()), (0, 1));
    let Finding { category, sealed_event, sentence, .. } = &report.findings[0];
    assert_eq!((*category, *sealed_event), (Category::Promise, Some(0)));
    for part in [promised.commitment.to_string(), promised.deadline.to_rfc3339(), promised.received_at.to_rfc3339()] {
        assert!(sentence.contains(&part), "{sentence}");
    }
}

#[tokio::test]
async fn an_entry_that_came_after_its_deadline_is_remarked_on() {
    let mut fixture = town().await;
    let promised = access(&mut fixture).await;
    fixture.clock.advance((promised.deadline - promised.received_at).to_std().unwrap() * 2);
    fixture.ledger.end_period().await.unwrap();
    let report = audit(&fixture).await;
    assert_eq!((report.breaches(), report.remarks()), (0, 1), "{:#?}", report.findings);
    assert_eq!(report.findings[0].category, Category::Late);
}

#[tokio::test]
async fn a_vault_from_before_the_last_events_is_said_to_be_older_than_the_log() {
    let mut fixture = town().await;
    access(&mut fixture).await;
    fixture.ledger.shutdown().await;
    let backup = tempfile::tempdir().unwrap();
    copy(&fixture.layout().vault(), backup.path());
    fixture.open().await.unwrap();
    access(&mut fixture).await;
    sealed_pledge(&mut fixture).await;
    fixture.ledger.shutdown().await;
    fs::remove_dir_all(fixture.layout().vault()).unwrap();
    copy(backup.path(), &fixture.layout().vault());
    fixture.open().await.unwrap();
    let findings = finds(&fixture, &[Category::Key, Category::Older]).await;
    assert_eq!(findings.len(), 3);
    assert!(findings.iter().any(|finding| finding.sentence.contains("2 处内容没有数据密钥")), "{findings:#?}");
    verifies(&fixture).await;
}

#[tokio::test]
async fn keys_that_nobody_needs_are_a_remark() {
    let mut fixture = town().await;
    access(&mut fixture).await;
    let mut wraps = sqlx::SqliteConnection::connect(&fixture.layout().wraps().display().to_string()).await.unwrap();
    let query = sqlx::query("INSERT INTO wraps SELECT zeroblob(16), tier, org, epoch, wrap FROM wraps LIMIT 1");
    query.execute(&mut wraps).await.unwrap();
    wraps.close().await.unwrap();
    let report = audit(&fixture).await;
    assert_eq!((report.breaches(), report.remarks()), (0, 1), "{:#?}", report.findings);
    assert_eq!(report.findings[0].category, Category::Spare);
}

#[tokio::test]
async fn a_tampered_wrap_is_found_at_whatever_its_key_opened() {
    let mut fixture = town().await;
    access(&mut fixture).await;
    sealed_pledge(&mut fixture).await;
    fixture.ledger.shutdown().await;
    let mut wraps = sqlx::SqliteConnection::connect(&fixture.layout().wraps().display().to_string()).await.unwrap();
    let query = sqlx::query("UPDATE wraps SET wrap = zeroblob(length(wrap))");
    assert!(query.execute(&mut wraps).await.unwrap().rows_affected() >= 2);
    wraps.close().await.unwrap();
    fixture.open().await.unwrap();
    let findings = finds(&fixture, &[Category::Commitment]).await;
    assert!(findings.iter().any(|finding| finding.sealed_event == Some(0)), "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.entry.is_some()), "{findings:#?}");
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_vault_that_is_made_to_seem_younger_than_its_statements_does_not_open() {
    let fixture = town().await;
    fixture.ledger.shutdown().await;
    let mut wraps = sqlx::SqliteConnection::connect(&fixture.layout().wraps().display().to_string()).await.unwrap();
    let query = sqlx::query("UPDATE vault SET since = since + 100");
    assert_eq!(query.execute(&mut wraps).await.unwrap().rows_affected(), 1);
    wraps.close().await.unwrap();
    let opened = Vault::open(&fixture.layout(), ORIGIN, vec![master()], vault_entropy(1)).await;
    assert!(matches!(opened, Err(VaultFault::Master { .. })), "{opened:?}");
}

/// A body with one receiver, and an objection that was encrypted to it.
async fn objected() -> Fixture {
    let mut fixture = town().await;
    let (key, person) = {
        let key = gongkai_domain::vault::TierSecret::from_bytes(&[51; 32]).unwrap().key();
        (gongkai_domain::field::SealingKey::from(&key).0, fixture.people["丁"].stream.to_string())
    };
    let appointed = json!({"kind": "receiver.appointed.v1", "org": COUNTY,
        "fields": {"person": person, "sealing_key": key}});
    fixture.submit(&appointed, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
    let notice = "notice/018f0000-0000-7000-8000-000000000001";
    let objection = json!({"kind": "notice.objected.v1", "org": COUNTY,
        "fields": {"notice": notice, "real_name": false, "text": TEXT}});
    fixture.encrypted(&objection).await.unwrap();
    fixture
}

#[tokio::test]
async fn what_is_encrypted_to_a_body_is_judged_by_what_can_be_seen_of_it() {
    let fixture = objected().await;
    let report = audit(&fixture).await;
    assert_eq!((report.enveloped, report.breaches(), report.remarks()), (1, 0, 0), "{:#?}", report.findings);
}

#[tokio::test]
async fn an_envelope_that_was_changed_or_taken_away_is_found() {
    let fixture = objected().await;
    tamper(&fixture, &["UPDATE sealed_events SET envelope = zeroblob(length(envelope)) WHERE envelope IS NOT NULL"])
        .await;
    let findings = finds(&fixture, &[Category::Commitment]).await;
    assert_eq!((findings[0].sealed_event, findings[0].field.as_deref()), (Some(0), Some("envelope")));
    let fixture = objected().await;
    tamper(&fixture, &["UPDATE sealed_events SET envelope = NULL WHERE envelope IS NOT NULL"]).await;
    let findings = finds(&fixture, &[Category::Missing]).await;
    assert_eq!((findings[0].sealed_event, findings[0].field.as_deref()), (Some(0), Some("slots")));
}

#[tokio::test]
async fn what_a_lost_vault_held_can_still_be_counted() {
    let fixture = busy().await;
    assert_eq!(sealed_audit::count(fixture.ledger.reader()).await.unwrap(), (4, 3));
}

const GATES: [(&str, &str); 5] =
    [("political", "关一"), ("policy", "关二"), ("facts", "关三"), ("wording", "关四"), ("secrecy", "关五")];

/// A county in which a pledge is published after the four steps.
async fn reviewed() -> (Fixture, Receipt) {
    let mut fixture = town().await;
    fixture.officers(&GATES.map(|(_, name)| (name, COUNTY, "reviewer"))).await;
    let rule = json!({"kind": "rule.published.v1", "org": COUNTY, "fields": {"rule": "pledge_review", "value": 1,
        "unit": "scheme", "from": "2026-03-01", "basis": "青禾县审核办法(虚构)"}});
    fixture.submit(&rule, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
    let review = "review/5ea1ed00-0000-4000-8000-000000000001";
    let mut command = pledge(COUNTY, 1);
    command["fields"][procedure::REFERENCE] = json!(review);
    let signers = [("publisher", "丙"), ("approver", "丁")];
    let named =
        signers.map(|(role, name)| Signer { role: role.to_owned(), key: fixture.people[name].key.name().to_owned() });
    let command = fixture.command(&command);
    let mut entropy = crate::testing::Entropy::new(77);
    let drafted = fixture.ledger.prepare(command, named.to_vec(), &mut |buffer| entropy.fill(buffer)).await.unwrap();
    let submitted = json!({"kind": "review.submitted.v1", "stream": review, "org": COUNTY, "fields": {
        "kind": drafted.statement.kind, "digest": procedure::digest(&drafted.statement).unwrap(),
        "target": drafted.statement.stream, "procedure": "county", "author": fixture.people["丙"].stream,
        "draft": Draft::of(&drafted).unwrap().to_text().unwrap()}});
    fixture.seal(&submitted, PUBLISHER).await.unwrap();
    for (gate, name) in GATES {
        let passed = json!({"kind": "review.gate_passed.v1", "stream": review, "org": COUNTY, "fields": {
            "gate": gate, "person": fixture.people[name].stream, "opinion": "同意(虚构)"}});
        fixture.seal(&passed, &[("reviewer", name)]).await.unwrap();
    }
    let approved = json!({"kind": "review.approved.v1", "stream": review, "org": COUNTY, "fields": {
        "person": fixture.people["丁"].stream}});
    fixture.seal(&approved, &[("approver", "丁")]).await.unwrap();
    let keys = signers.map(|(_, name)| &fixture.people[name].key);
    let receipt = fixture.ledger.submit(None, sign(drafted, &keys)).await.unwrap();
    (fixture, receipt)
}

#[tokio::test]
async fn a_published_statement_whose_review_is_missing_from_the_vault_is_found() {
    let (fixture, receipt) = reviewed().await;
    assert_eq!(audit(&fixture).await.findings, Vec::new());
    tamper(&fixture, &["DELETE FROM sealed_values WHERE event < 0", "DELETE FROM sealed_events"]).await;
    let findings = finds(&fixture, &[Category::Review, Category::Spare]).await;
    assert_eq!((findings[1].entry, findings[1].field.as_deref()), (Some(receipt.index), Some(procedure::REFERENCE)));
}

#[tokio::test]
async fn a_review_without_its_last_step_permits_nothing() {
    let (fixture, receipt) = reviewed().await;
    // As if the approval had been recorded only after the publication.
    tamper(&fixture, &["UPDATE sealed_events SET as_of = as_of + 1 WHERE seq = 6"]).await;
    let findings = finds(&fixture, &[Category::Review]).await;
    assert!(findings.iter().any(|f| f.category == Category::Review && f.entry == Some(receipt.index)));
}

#[tokio::test]
async fn a_review_that_was_erased_on_record_cannot_be_judged_again_and_is_no_breach() {
    let (mut fixture, receipt) = reviewed().await;
    let commitment: Digest = fixture.ledger.sealed_reader().unwrap().event(0).await.unwrap().unwrap().row.commitment;
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": commitment,
        "basis": "retention", "reason": "保存期满(虚构)", "appeal": "无(虚构)"}});
    fixture.submit(&order, ERASERS).await.unwrap();
    let report = audit(&fixture).await;
    assert_eq!((report.breaches(), report.remarks(), report.erased), (0, 1, 7), "{:#?}", report.findings);
    assert_eq!((report.findings[0].category, report.findings[0].entry), (Category::Unjudged, Some(receipt.index)));
}

#[tokio::test]
async fn a_sealed_event_by_somebody_who_had_no_authority_then_is_found() {
    let mut fixture = town().await;
    access(&mut fixture).await;
    // As if it had been received before its author was registered.
    tamper(&fixture, &["UPDATE sealed_events SET as_of = 2 WHERE seq = 0"]).await;
    let report = audit(&fixture).await;
    let rule = report.findings.iter().find(|finding| finding.category == Category::Rule).unwrap();
    assert_eq!(rule.sealed_event, Some(0));
    assert!(!rule.sentence.contains("丙"), "{rule:?}");
}

const TALLY: &str = "tally/018f0000-0000-7000-8000-00000000beef";
const TELLER: &[(&str, &str)] = &[("publisher", "丙"), ("supervisor", "戊")];

/// A tally with six ballots that is closed; gives the ballots' choices by hash.
async fn tallied() -> (Fixture, Vec<(Digest, Vec<u64>)>) {
    let mut fixture = town().await;
    fixture.officer("戊", COUNTY, "supervisor").await;
    let tally: StreamId = TALLY.parse().unwrap();
    let slips: Vec<Digest> =
        (0..8).map(|n| tally::slip_credential(&tally, &format!("AAAA-AAAA-AAAA-000{n}"))).collect();
    let hashes: Vec<Digest> = slips.iter().map(|slip| tally::credential_hash(&tally, slip)).collect();
    let day = |days: i64| (fixture.clock.now() + TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let (from, to, after) = (day(-1), day(1), day(2));
    let opened = json!({"kind": "tally.opened.v1", "stream": TALLY, "org": COUNTY, "fields": {
        "purpose": "appraisal", "opens_on": from, "closes_on": to, "eligible": 8, "choices_max": 1,
        "credentials": tally::credentials_root(&hashes), "title": "民主评议(虚构)",
        "lines": [{"option": "满意"}, {"option": "不满意"}]}});
    fixture.submit(&opened, TELLER).await.unwrap();
    let mut ballots = Vec::new();
    for (place, slip) in slips.iter().enumerate().take(6) {
        let path: Vec<_> =
            tally::credential_path(&hashes, place).unwrap().iter().map(|hash| json!({"hash": hash})).collect();
        let stream = tally::ballot_stream(&tally, slip);
        let choice = (place % 2) as u64;
        let cast = json!({"kind": "tally.cast.v1", "stream": stream, "org": COUNTY, "fields": {
            "tally": TALLY, "credential": slip, "place": place, "path": path, "choices": [choice]}});
        fixture.citizen(&cast).await.unwrap();
        let events = fixture.ledger.sealed_reader().unwrap().stream(&stream).await.unwrap();
        ballots.push((events[0].opened.as_ref().unwrap().signed.hash, vec![choice]));
    }
    fixture.ledger.end_period().await.unwrap();
    fixture.clock.advance(TimeDelta::days(2).to_std().unwrap());
    let closed = json!({"kind": "tally.closed.v1", "stream": TALLY, "org": COUNTY, "fields": {"closed_on": after}});
    fixture.submit(&closed, PUBLISHER).await.unwrap();
    (fixture, ballots)
}

async fn publish(fixture: &mut Fixture, counted: &tally::Counted) -> Receipt {
    let command = json!({"kind": "tally.published.v1", "stream": TALLY, "org": COUNTY, "fields": counted});
    fixture.submit(&command, TELLER).await.unwrap()
}

#[tokio::test]
async fn counts_that_every_accepted_ballot_is_in_are_no_finding() {
    let (mut fixture, ballots) = tallied().await;
    publish(&mut fixture, &tally::count(&ballots, 2)).await;
    finds(&fixture, &[]).await;
}

#[tokio::test]
async fn counts_with_a_ballot_left_out_or_added_to_another_option_are_found() {
    type Ballots = Vec<(Digest, Vec<u64>)>;
    for spoil in [|ballots: &mut Ballots| ballots.truncate(5), |ballots: &mut Ballots| ballots[0].1 = vec![1]] {
        let (mut fixture, mut ballots) = tallied().await;
        spoil(&mut ballots);
        let receipt = publish(&mut fixture, &tally::count(&ballots, 2)).await;
        let findings = finds(&fixture, &[Category::Rule]).await;
        assert_eq!((findings[0].entry, findings[0].field.as_deref()), (Some(receipt.index), Some("ballots")));
    }
}

#[tokio::test]
async fn counts_of_ballots_that_were_erased_since_cannot_be_judged_again() {
    let (mut fixture, ballots) = tallied().await;
    publish(&mut fixture, &tally::count(&ballots, 2)).await;
    let commitment = fixture.ledger.sealed_reader().unwrap().events(0, 1).await.unwrap()[0].row.commitment;
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": commitment,
        "basis": "personal_data", "reason": "当事人要求删除(虚构)", "appeal": "无(虚构)"}});
    fixture.submit(&order, ERASERS).await.unwrap();
    finds(&fixture, &[Category::Unjudged]).await;
}

const RATED: &str = "pledge/018f0000-0000-7000-8000-00000000cafe";

/// A pledge that six people rated, of whom one did so on the day on which the counts are published.
async fn rated() -> Fixture {
    let mut fixture = town().await;
    let made = json!({"kind": "pledge.made.v1", "stream": RATED, "org": COUNTY, "fields": {
        "year": 2026, "pledger_kind": "organization", "category": "practical", "pledger": "县局(虚构)",
        "title": "修好机耕路(虚构)"}});
    fixture.submit(&made, PUBLISHER).await.unwrap();
    for (number, grade) in ["good", "good", "fair", "poor", "excellent", "poor"].into_iter().enumerate() {
        if number == 5 {
            fixture.ledger.end_period().await.unwrap();
            fixture.clock.advance(TimeDelta::days(2).to_std().unwrap());
        }
        let rated = json!({"kind": "pledge.rated.v1", "org": COUNTY, "fields": {"pledge": RATED, "grade": grade}});
        fixture.citizen(&rated).await.unwrap();
    }
    fixture.ledger.end_period().await.unwrap();
    fixture
}

/// Publishes counts of the ratings through the day before.
async fn evaluate(fixture: &mut Fixture, [excellent, good, fair, poor]: [u64; 4], proxy: bool) -> Receipt {
    let held_on = (fixture.clock.now() - TimeDelta::days(1)).format("%Y-%m-%d").to_string();
    let mut command = json!({"kind": "pledge.evaluated.v1", "stream": RATED, "org": COUNTY, "fields": {"by": "online",
        "held_on": held_on, "excellent": excellent, "good": good, "fair": fair, "poor": poor}});
    if proxy {
        command["proxy"] = json!({"channel": "网", "original": Digest::of(b"table")});
    }
    fixture.submit(&command, PUBLISHER).await.unwrap()
}

#[tokio::test]
async fn published_ratings_are_counted_again_through_their_day_and_a_poor_one_left_out_is_found() {
    let mut fixture = rated().await;
    evaluate(&mut fixture, [1, 2, 1, 1], false).await;
    finds(&fixture, &[]).await;
    let mut fixture = rated().await;
    let receipt = evaluate(&mut fixture, [2, 2, 1, 0], false).await;
    let findings = finds(&fixture, &[Category::Rule]).await;
    assert_eq!((findings[0].entry, findings[0].field.as_deref()), (Some(receipt.index), Some("excellent")));
}

#[tokio::test]
async fn ratings_that_another_site_counted_are_entered_with_their_original_and_not_counted_again() {
    let mut fixture = rated().await;
    evaluate(&mut fixture, [60, 40, 13, 6], true).await;
    finds(&fixture, &[]).await;
}

#[tokio::test]
async fn published_ratings_of_which_one_was_erased_since_cannot_be_judged_again() {
    let mut fixture = rated().await;
    evaluate(&mut fixture, [1, 2, 1, 1], false).await;
    let commitment = fixture.ledger.sealed_reader().unwrap().events(0, 1).await.unwrap()[0].row.commitment;
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": commitment,
        "basis": "personal_data", "reason": "当事人要求删除(虚构)", "appeal": "无(虚构)"}});
    fixture.submit(&order, ERASERS).await.unwrap();
    finds(&fixture, &[Category::Unjudged]).await;
}
