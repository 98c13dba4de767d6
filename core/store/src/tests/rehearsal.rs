//! What is judged before anybody signs is judged as when it is recorded.

use gongkai_domain::Submission;
use serde_json::{Value, json};

use crate::testing::{COUNTY, Fixture, pledge, refusal};

/// What an author hands in to be judged before anybody signs: the text alone.
fn unsigned(fixture: &mut Fixture, command: &Value, signers: &[(&str, &str)]) -> Submission {
    let submission = fixture.opening(command, signers);
    let (text, _) = submission.note.split_once("\n\n").unwrap();
    Submission { note: format!("{text}\n"), ..submission }
}

#[tokio::test]
async fn a_rehearsal_says_what_recording_would_say_and_records_nothing() {
    let mut fixture = Fixture::with_vault().await;
    fixture.publisher("丙", COUNTY).await;
    let publisher = &[("publisher", "丙")];
    let made = pledge(COUNTY, 1);
    let letter = json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": "letter/0196ac8e-0000-4000-8000-000000000001", "revision": 0, "purpose": "inspection"}});
    let before = fixture.ledger.health().committed;
    for command in [&made, &letter] {
        let submission = unsigned(&mut fixture, command, publisher);
        fixture.ledger.rehearse(submission.clone()).await.unwrap();
        fixture.ledger.rehearse(submission).await.unwrap();
    }
    assert_eq!(fixture.ledger.health().committed, before);
    let mut nobody = pledge(COUNTY, 2);
    nobody["org"] = json!("341598");
    for (command, signers) in [(&nobody, publisher), (&made, &[("registrar", "甲")])] {
        let submission = unsigned(&mut fixture, command, signers);
        let rehearsed = fixture.ledger.rehearse(submission).await;
        let signed = fixture.opening(command, signers);
        let recorded = fixture.ledger.hand_in(None, signed).await;
        assert_eq!(refusal(rehearsed).code(), refusal(recorded).code());
    }
    let forged = fixture.opening(&made, publisher);
    assert_eq!(refusal(fixture.ledger.rehearse(forged).await).code(), "malformed");
}
