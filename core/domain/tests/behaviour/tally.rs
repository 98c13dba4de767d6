//! Tallies: eligibility without names, one ballot a credential, counts that hold every ballot.

use gongkai_domain::kind::tally::{
    Count, ballot_path, ballot_stream, ballots_root, count, credential_hash, credential_path, credentials_root,
    hashes_text, read_hashes, slip_credential,
};
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
fn every_voter_finds_their_ballot_under_the_published_root_and_a_ballot_that_was_left_out_is_not_there() {
    let ballots: Vec<(Digest, Vec<u64>)> = (0..7_u8).map(|n| (Digest::of(&[n]), vec![u64::from(n % 3)])).collect();
    let counted = count(&ballots, 3);
    assert_eq!(
        (counted.accepted, counted.counts.as_deref()),
        (7, Some(&[Count { option: 0, votes: 3 }, Count { option: 1, votes: 2 }, Count { option: 2, votes: 2 }][..]))
    );
    let hashes: Vec<Digest> = ballots.iter().map(|(hash, _)| *hash).collect();
    for hash in &hashes {
        let (place, path) = ballot_path(&hashes, hash).unwrap();
        assert!(gongkai_log::list::verify_path(&counted.ballots, place, counted.accepted, hash, &path));
        assert!(!gongkai_log::list::verify_path(&counted.ballots, place, counted.accepted, &Digest::of(b"x"), &path));
    }
    assert_eq!(ballot_path(&hashes, &Digest::of(b"left out")), None);
    let few = count(&ballots[..4], 3);
    assert_eq!((few.accepted, few.counts), (4, None), "of so few it would show who chose what");
    assert_eq!(count(&[], 3).ballots, ballots_root(&[]));
}

#[test]
fn the_published_hashes_are_read_back_and_a_code_is_for_one_tally_only() {
    let tally: StreamId = TALLY.parse().unwrap();
    let hashes = hashes(&tally);
    let text = hashes_text(&hashes);
    assert_eq!(read_hashes(&text).unwrap(), hashes);
    for wrong in [text.trim_end(), &text.replace('\n', "\r\n"), "abc\n"] {
        assert_eq!(read_hashes(wrong), None, "{wrong}");
    }
    let other: StreamId = "tally/018f0000-0000-7000-8000-00000000cafe".parse().unwrap();
    let code = "ABCD-EF01-2345-6789";
    assert_eq!(slip_credential(&tally, code), slip_credential(&tally, code));
    assert_ne!(slip_credential(&tally, code), slip_credential(&other, code));
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
