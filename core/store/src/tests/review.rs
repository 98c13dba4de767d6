//! The four steps through the ledger: the review is sealed in the vault, the statement that it approved is public.

use gongkai_domain::{
    Command, Prepared, Submission,
    field::PersonId,
    kind::review,
    procedure::{Procedure, REFERENCE},
};
use gongkai_log::{Signer, SigningKey, StreamId};
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::helpers::{operator, verifies};
use crate::{
    Accepted, SubmitError,
    testing::{COUNTY, Entropy, Fixture, pledge, refusal, sign},
};

const TOWN: &str = "341599101";
const VILLAGE: &str = "341599101201";

const COUNTY_GATES: [(&str, &str); 5] =
    [("political", "审一"), ("policy", "审二"), ("facts", "审三"), ("wording", "审四"), ("secrecy", "审五")];
const COUNTY_SIGNERS: &[(&str, &str)] = &[("publisher", "丙"), ("approver", "县书记")];
const VILLAGE_SIGNERS: &[(&str, &str)] =
    &[("publisher", "会计"), ("supervisor", "监一"), ("supervisor", "监二"), ("approver", "村书记")];
/// Who takes the village's steps: gate, or none for the approval; role; name.
const VILLAGE_STEPS: [(Option<&str>, &str, &str); 4] = [
    (Some("supervision"), "supervisor", "监一"),
    (Some("supervision"), "supervisor", "监二"),
    (None, "approver", "村书记"),
    (Some("filing"), "reviewer", "镇审"),
];

/// Everybody who is needed, and the rule for pledges at every level.
async fn ruled() -> Fixture {
    let mut fixture = Fixture::with_vault().await;
    fixture.org(TOWN, "township", Some(COUNTY)).await;
    fixture.org(VILLAGE, "village", Some(TOWN)).await;
    fixture
        .officers(&[
            ("丙", COUNTY, "publisher"),
            ("县书记", COUNTY, "approver"),
            ("会计", TOWN, "publisher"),
            ("监一", VILLAGE, "supervisor"),
            ("监二", VILLAGE, "supervisor"),
            ("村书记", VILLAGE, "approver"),
            ("镇审", TOWN, "reviewer"),
        ])
        .await;
    fixture.officers(&COUNTY_GATES.map(|(_, name)| (name, COUNTY, "reviewer"))).await;
    turn_on(&mut fixture).await;
    fixture
}

async fn turn_on(fixture: &mut Fixture) {
    let command = json!({"kind": "rule.published.v1", "org": COUNTY, "fields": {
        "rule": "pledge_review", "value": 1, "unit": "scheme", "from": "2026-03-01", "basis": "青禾县审核办法(虚构)"}});
    fixture.submit(&command, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
}

fn review(number: u8) -> StreamId {
    format!("review/5ea1ed00-0000-4000-8000-0000000000{number:02}").parse().unwrap()
}

fn person(fixture: &Fixture, name: &str) -> PersonId {
    PersonId(fixture.people[name].stream.clone())
}

/// What is said, prepared at the head of its stream for its signers.
async fn prepared(fixture: &Fixture, command: Value, signers: &[(&str, &str)]) -> Prepared {
    let command = Command::from_value(command).unwrap();
    let signer =
        |(role, name): &(&str, &str)| Signer { role: (*role).into(), key: fixture.people[*name].key.name().into() };
    let mut entropy = Entropy::new(command.fields.len() as u64 + 90);
    let signers = signers.iter().map(signer).collect();
    fixture.ledger.prepare(command, signers, &mut |buffer| entropy.fill(buffer)).await.unwrap()
}

fn signed(fixture: &Fixture, prepared: Prepared, signers: &[(&str, &str)]) -> Submission {
    let keys: Vec<&SigningKey> = signers.iter().map(|(_, name)| &fixture.people[*name].key).collect();
    sign(prepared, &keys)
}

/// A pledge as a draft, and the command that submits it.
async fn drafted(fixture: &Fixture, org: &str, number: u8) -> (Prepared, Value) {
    let (signers, procedure) =
        if org == VILLAGE { (VILLAGE_SIGNERS, Procedure::Village) } else { (COUNTY_SIGNERS, Procedure::County) };
    let mut command = pledge(org, usize::from(number));
    command["fields"][REFERENCE] = json!(review(number));
    let draft = prepared(fixture, command, signers).await;
    let submitted = review::submission_of(&draft, procedure, &person(fixture, signers[0].1), None).unwrap();
    (draft, json!(submitted))
}

/// A draft that is under review.
async fn submitted(fixture: &mut Fixture, org: &str, number: u8) -> Prepared {
    let (draft, command) = drafted(fixture, org, number).await;
    let author = if org == VILLAGE { VILLAGE_SIGNERS[0] } else { COUNTY_SIGNERS[0] };
    fixture.seal(&command, &[author]).await.unwrap();
    draft
}

fn step(fixture: &Fixture, number: u8, org: &str, gate: Option<&str>, name: &str) -> Value {
    let mut command = json!({"kind": "review.approved.v1", "stream": review(number), "org": org,
        "fields": {"person": person(fixture, name).0}});
    if let Some(gate) = gate {
        command["kind"] = json!("review.gate_passed.v1");
        command["fields"]["gate"] = json!(gate);
    }
    command
}

async fn village_steps(fixture: &mut Fixture, number: u8, upto: usize) {
    for (gate, role, name) in &VILLAGE_STEPS[..upto] {
        let command = step(fixture, number, VILLAGE, *gate, name);
        fixture.seal(&command, &[(role, name)]).await.unwrap();
    }
}

async fn publish(fixture: &Fixture, draft: Prepared, signers: &[(&str, &str)]) -> Result<Accepted, SubmitError> {
    fixture.ledger.hand_in(None, signed(fixture, draft, signers)).await
}

/// The refusal is this one, and not another with the same code.
fn refuses<T: std::fmt::Debug>(answer: Result<T, SubmitError>, sentence: &str) {
    let refusal = refusal(answer).to_string();
    assert!(refusal.contains(sentence), "{refusal}");
}

#[tokio::test]
async fn where_a_rule_demands_it_nothing_is_published_without_a_review() {
    let mut fixture = ruled().await;
    let before = fixture.ledger.health().committed;
    let alone = fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await;
    assert_eq!(refusal(alone).code(), "cosigners_missing");
    refuses(fixture.submit(&pledge(COUNTY, 1), COUNTY_SIGNERS).await, "须先经审核");
    let (draft, _) = drafted(&fixture, COUNTY, 1).await;
    refuses(publish(&fixture, draft, COUNTY_SIGNERS).await, "没有这项审核");
    assert_eq!(fixture.ledger.health().committed, before);
}

#[tokio::test]
async fn a_county_publishes_after_five_gates_and_the_secretary() {
    let mut fixture = ruled().await;
    let draft = submitted(&mut fixture, COUNTY, 1).await;
    for (gate, name) in COUNTY_GATES {
        refuses(publish(&fixture, draft.clone(), COUNTY_SIGNERS).await, "审核还没有走完");
        let command = step(&fixture, 1, COUNTY, Some(gate), name);
        fixture.seal(&command, &[("reviewer", name)]).await.unwrap();
    }
    let command = step(&fixture, 1, COUNTY, None, "县书记");
    fixture.seal(&command, &[("approver", "县书记")]).await.unwrap();
    let receipt = publish(&fixture, draft, COUNTY_SIGNERS).await.unwrap().entry().unwrap();
    fixture.ledger.end_period().await.unwrap();
    let values = fixture.ledger.sealed_reader().unwrap().values_of(receipt.index).await.unwrap().unwrap();
    let [(_, _, reference)] = values.slots.as_slice() else { panic!("{values:?}") };
    assert_eq!(reference.value, json!(review(1)));
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_village_publishes_after_two_supervisors_the_secretary_and_the_township_also_over_restarts() {
    let mut fixture = ruled().await;
    let draft = submitted(&mut fixture, VILLAGE, 1).await;
    for (gate, role, name) in VILLAGE_STEPS {
        refuses(publish(&fixture, draft.clone(), VILLAGE_SIGNERS).await, "审核还没有走完");
        fixture.reopen().await.unwrap();
        let command = step(&fixture, 1, VILLAGE, gate, name);
        fixture.seal(&command, &[(role, name)]).await.unwrap();
    }
    fixture.reopen().await.unwrap();
    publish(&fixture, draft.clone(), VILLAGE_SIGNERS).await.unwrap();
    assert_eq!(refusal(publish(&fixture, draft, VILLAGE_SIGNERS).await).code(), "stream_exists");
    verifies(&fixture).await;
}

#[tokio::test]
async fn what_was_changed_after_the_approval_is_not_published() {
    let mut fixture = ruled().await;
    let draft = submitted(&mut fixture, VILLAGE, 1).await;
    village_steps(&mut fixture, 1, 4).await;
    let mut changed = draft.clone();
    changed.statement.body.insert("due".into(), json!("2026-12-30"));
    changed.text = changed.statement.text().unwrap();
    refuses(publish(&fixture, changed, VILLAGE_SIGNERS).await, "与审核通过的不一致");
    let mut command = pledge(VILLAGE, 1);
    command["stream"] = json!(draft.statement.stream);
    command["fields"]["title"] = json!("修好村西头的路灯(虚构)");
    command["fields"][REFERENCE] = json!(review(1));
    let other = prepared(&fixture, command, VILLAGE_SIGNERS).await;
    refuses(publish(&fixture, other, VILLAGE_SIGNERS).await, "与审核通过的不一致");
    publish(&fixture, draft, VILLAGE_SIGNERS).await.unwrap();
}

#[tokio::test]
async fn a_returned_draft_is_not_published_and_its_successor_is() {
    let mut fixture = ruled().await;
    let first = submitted(&mut fixture, VILLAGE, 1).await;
    village_steps(&mut fixture, 1, 1).await;
    let command = json!({"kind": "review.returned.v1", "stream": review(1), "org": VILLAGE, "fields": {
        "gate": "supervision", "person": person(&fixture, "监二").0, "reason": "没有写明完成时限(虚构)"}});
    fixture.seal(&command, &[("supervisor", "监二")]).await.unwrap();
    refuses(publish(&fixture, first.clone(), VILLAGE_SIGNERS).await, "已经退回");
    let mut mended = pledge(VILLAGE, 1);
    mended["stream"] = json!(first.statement.stream);
    mended["fields"]["measures"] = json!("四月底前完工(虚构)");
    mended["fields"][REFERENCE] = json!(review(2));
    let second = prepared(&fixture, mended, VILLAGE_SIGNERS).await;
    let author = person(&fixture, "会计");
    let again = |previous: StreamId| {
        json!(review::submission_of(&second, Procedure::Village, &author, Some(&previous)).unwrap())
    };
    refuses(fixture.seal(&again(review(3)), &VILLAGE_SIGNERS[..1]).await, "没有这件事项");
    fixture.reopen().await.unwrap();
    fixture.seal(&again(review(1)), &VILLAGE_SIGNERS[..1]).await.unwrap();
    village_steps(&mut fixture, 2, 4).await;
    publish(&fixture, second, VILLAGE_SIGNERS).await.unwrap();
}

#[tokio::test]
async fn a_whole_procedure_in_one_batch_is_judged_in_its_order() {
    let mut fixture = ruled().await;
    let draft = {
        let (draft, command) = drafted(&fixture, VILLAGE, 1).await;
        let opening = fixture.opening(&command, &VILLAGE_SIGNERS[..1]);
        let mut batch = vec![opening];
        for (place, (gate, role, name)) in VILLAGE_STEPS.into_iter().enumerate() {
            let command = Command::from_value(step(&fixture, 1, VILLAGE, gate, name)).unwrap();
            batch.push(continued(&fixture, &command, &batch[place], (role, name)));
        }
        batch.push(signed(&fixture, draft.clone(), VILLAGE_SIGNERS));
        let answers = fixture.ledger.submit_many(batch.into_iter().map(|one| (None, one)).collect()).await;
        for answer in answers {
            answer.unwrap();
        }
        draft
    };
    fixture.reopen().await.unwrap();
    assert_eq!(refusal(publish(&fixture, draft, VILLAGE_SIGNERS).await).code(), "stream_exists");
    verifies(&fixture).await;
}

/// The statement after one that is not recorded yet.
fn continued(fixture: &Fixture, command: &Command, before: &Submission, signer: (&str, &str)) -> Submission {
    let parent = gongkai_log::SignedStatement::parse(&before.note).unwrap();
    let setting = gongkai_domain::Setting {
        origin: fixture.ledger.origin(),
        stream: review(1),
        head: Some(gongkai_domain::Head { revision: parent.statement.revision, hash: parent.hash }),
        signers: vec![Signer { role: signer.0.into(), key: fixture.people[signer.1].key.name().into() }],
        declared_at: parent.statement.declared_at,
    };
    let mut entropy = Entropy::new(parent.statement.revision + 500);
    let prepared = gongkai_domain::prepare(command, &setting, &mut |buffer: &mut [u8]| entropy.fill(buffer)).unwrap();
    signed(fixture, prepared, &[signer])
}

#[tokio::test]
async fn a_batch_continues_a_review_that_is_known_and_one_that_is_looked_up() {
    let mut fixture = ruled().await;
    submitted(&mut fixture, VILLAGE, 1).await;
    village_steps(&mut fixture, 1, 1).await;
    fixture.reopen().await.unwrap();
    // One batch names both: the first is known from the batch before, the second is not.
    let second = submitted(&mut fixture, VILLAGE, 2).await;
    let known = step(&fixture, 2, VILLAGE, Some("supervision"), "监一");
    let unknown = step(&fixture, 1, VILLAGE, Some("supervision"), "监二");
    let known = fixture.signed(&known, &[("supervisor", "监一")]).await.unwrap();
    let unknown = fixture.signed(&unknown, &[("supervisor", "监二")]).await.unwrap();
    for answer in fixture.ledger.submit_many(vec![(None, known), (None, unknown)]).await {
        answer.unwrap();
    }
    refuses(publish(&fixture, second, VILLAGE_SIGNERS).await, "还缺「村监会审核」");
}

#[tokio::test]
async fn while_the_vault_is_locked_nothing_that_needs_a_review_is_published() {
    let mut fixture = ruled().await;
    let draft = submitted(&mut fixture, VILLAGE, 1).await;
    village_steps(&mut fixture, 1, 4).await;
    fixture.ledger.shutdown().await;
    let vault = fixture.settings.vault.take();
    fixture.open().await.unwrap();
    let locked = publish(&fixture, draft.clone(), VILLAGE_SIGNERS).await;
    assert_eq!(refusal(locked).code(), "tier_needs_vault");
    refuses(fixture.submit(&pledge(VILLAGE, 1), VILLAGE_SIGNERS).await, "须先经审核");
    fixture.ledger.shutdown().await;
    fixture.settings.vault = vault;
    fixture.open().await.unwrap();
    publish(&fixture, draft, VILLAGE_SIGNERS).await.unwrap();
}

#[tokio::test]
async fn a_damaged_review_stops_its_own_statement_and_no_other() {
    let mut fixture = ruled().await;
    let broken = submitted(&mut fixture, VILLAGE, 1).await;
    village_steps(&mut fixture, 1, 4).await;
    let whole = submitted(&mut fixture, VILLAGE, 2).await;
    village_steps(&mut fixture, 2, 4).await;
    fixture.ledger.shutdown().await;
    let mut connection = operator(&fixture.layout()).await;
    // Sealed event 2 is `-3` there: the second step of the first review.
    let spoilt = "UPDATE sealed_values SET bytes = zeroblob(length(bytes)) WHERE event = -3";
    assert!(sqlx::raw_sql(spoilt).execute(&mut connection).await.unwrap().rows_affected() > 0);
    connection.close().await.unwrap();
    fixture.open().await.unwrap();
    let stopped = publish(&fixture, broken, VILLAGE_SIGNERS).await;
    assert!(matches!(stopped, Err(SubmitError::Storage(_))), "{stopped:?}");
    publish(&fixture, whole, VILLAGE_SIGNERS).await.unwrap();
}
