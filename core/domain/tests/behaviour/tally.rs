//! Tallies: eligibility without names, one ballot a credential, counts that hold every ballot.

use gongkai_domain::kind::tally::{ballot_stream, ballots_root, credential_hash, credential_path, credentials_root};
use gongkai_log::{Digest, StreamId};
use serde_json::{Value, json};

use super::ledger::{Ledger, VILLAGE, refused, sample, with};

const TELLER: [(&str, &str); 2] = [("publisher", "clerk"), ("supervisor", "super1")];
const TALLY: &str = "tally/018f0000-0000-7000-8000-00000000beef";

/// The slips that people draw.
fn slips() -> Vec<Digest> {
    (0..8_u8).map(|n| Digest::of(&[n, 7])).collect()
}

fn hashes(tally: &StreamId) -> Vec<Digest> {
    slips().iter().map(|slip| credential_hash(tally, slip)).collect()
}

fn opened(ledger: &mut Ledger) -> StreamId {
    let tally: StreamId = TALLY.parse().unwrap();
    let root = credentials_root(&hashes(&tally)).unwrap();
    let fields = json!({"credentials": root, "eligible": 8});
    let command = with(sample("tally.opened.v1", VILLAGE, Some(TALLY)), &fields);
    ledger.at("2026-03-02");
    assert_eq!(refused(ledger.village(&command)), "cosigners_missing");
    ledger.say(&command, &TELLER).unwrap();
    tally
}

fn ballot(tally: &StreamId, place: usize, choices: &Value) -> Value {
    let slip = slips()[place];
    let path: Vec<Value> =
        credential_path(&hashes(tally), place).unwrap().iter().map(|hash| json!({"hash": hash})).collect();
    json!({"kind": "tally.cast.v1", "stream": ballot_stream(tally, &slip), "org": VILLAGE, "fields": {
        "tally": tally, "credential": slip, "place": place, "path": path, "choices": choices}})
}

fn closed(ledger: &mut Ledger) {
    ledger.at("2026-03-06");
    ledger.village(&sample("tally.closed.v1", VILLAGE, Some(TALLY))).unwrap();
}

#[test]
fn a_credential_casts_once() {
    let mut ledger = Ledger::new();
    let tally = opened(&mut ledger);
    ledger.citizen(&ballot(&tally, 3, &json!([0]))).unwrap();
    // The second ballot would be the same stream; a new opening of it is refused, whatever it says.
    let mut again = ballot(&tally, 3, &json!([1]));
    assert!(["stream_exists", "stale_parent"].contains(&refused(ledger.citizen(&again))));
    again["stream"] = json!("tally/5ea1ed00-0000-4000-8000-000000000001");
    assert_eq!(refused(ledger.citizen(&again)), "field", "another stream is not the credential's");
    ledger.citizen(&ballot(&tally, 4, &json!([1]))).unwrap();
}

#[test]
fn a_code_that_was_not_given_out_or_for_another_place_casts_nothing() {
    let mut ledger = Ledger::new();
    let tally = opened(&mut ledger);
    let mut made_up = ballot(&tally, 3, &json!([0]));
    let code = Digest::of(b"made up");
    made_up["fields"]["credential"] = json!(code);
    made_up["stream"] = json!(ballot_stream(&tally, &code));
    assert_eq!(refused(ledger.citizen(&made_up)), "field");
    let mut moved = ballot(&tally, 3, &json!([0]));
    moved["fields"]["place"] = json!(2);
    assert_eq!(refused(ledger.citizen(&moved)), "field");
    // The empty leaves of the tree are no credentials.
    assert_eq!(credential_path(&hashes(&tally), 8), None);
}

#[test]
fn a_ballot_fits_the_options_and_the_window() {
    let mut ledger = Ledger::new();
    let tally = opened(&mut ledger);
    for choices in [json!([3]), json!([0, 1]), json!([0, 0])] {
        assert_eq!(refused(ledger.citizen(&ballot(&tally, 0, &choices))), "field", "{choices}");
    }
    ledger.citizen(&ballot(&tally, 0, &json!([]))).unwrap();
    ledger.at("2026-03-06");
    let refusal = ledger.citizen(&ballot(&tally, 1, &json!([0]))).unwrap_err();
    assert!(refusal.to_string().contains("2026-03-05"), "{refusal}");
}

#[test]
fn counts_are_co_signed_complete_and_bound_to_every_accepted_ballot() {
    let mut ledger = Ledger::new();
    let tally = opened(&mut ledger);
    let mut ballots = Vec::new();
    for place in 0..6 {
        let stream = ledger.citizen(&ballot(&tally, place, &json!([place % 2]))).unwrap();
        ballots.push(ledger.hash(&stream));
    }
    let root = ballots_root(&ballots);
    ballots.reverse();
    assert_eq!(ballots_root(&ballots), root, "the order tells nothing");
    let published = |accepted: u64, counts: [u64; 3]| {
        let counts: Vec<Value> =
            counts.iter().enumerate().map(|(option, votes)| json!({"option": option, "votes": votes})).collect();
        let fields = json!({"accepted": accepted, "ballots": root, "counts": counts});
        with(sample("tally.published.v1", VILLAGE, Some(TALLY)), &fields)
    };
    assert_eq!(refused(ledger.say(&published(6, [3, 3, 0]), &TELLER)), "state");
    closed(&mut ledger);
    assert_eq!(refused(ledger.village(&published(6, [3, 3, 0]))), "cosigners_missing");
    assert_eq!(refused(ledger.say(&published(9, [3, 3, 0]), &TELLER)), "field");
    assert_eq!(refused(ledger.say(&published(6, [4, 3, 0]), &TELLER)), "field");
    ledger.say(&published(6, [3, 3, 0]), &TELLER).unwrap();
    assert_eq!(refused(ledger.say(&published(6, [3, 3, 0]), &TELLER)), "state");
}

#[test]
fn too_few_ballots_are_counted_but_not_broken_down() {
    let mut ledger = Ledger::new();
    opened(&mut ledger);
    closed(&mut ledger);
    let counts = json!([{"option": 0, "votes": 4}, {"option": 1, "votes": 0}, {"option": 2, "votes": 0}]);
    let mut published =
        with(sample("tally.published.v1", VILLAGE, Some(TALLY)), &json!({"accepted": 4, "counts": counts}));
    assert_eq!(refused(ledger.say(&published, &TELLER)), "field");
    published["fields"].as_object_mut().unwrap().remove("counts");
    ledger.say(&published, &TELLER).unwrap();
}
