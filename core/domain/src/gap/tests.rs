//! What crosses the gap opens for one reader, and cannot be shortened, lengthened or exchanged on its way.

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_log::{
    Digest, Entry, KeyKind, SealedPeriod, Signer, SigningKey, Statement, StreamId, note,
    sealed::{decoy, verify_period_path},
};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::{answer::decoys, *};
use crate::{
    command::{Command, Head, Setting, prepare},
    draft::Draft,
    kind,
    submission::{self, Filled, Submission},
    vault::{NONCE_BYTES, TierSecret},
    world::{AnsweredTo, Intake},
};

const LEDGER: &str = "ledger.example";
const INTAKE: &str = "ledger.example/intake";

fn entropy(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut stream = blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof();
    move |buffer: &mut [u8]| stream.fill(buffer)
}

fn secret(seed: u8) -> TierSecret {
    TierSecret::from_bytes(&[seed; 32]).unwrap()
}

fn content(text: &str) -> Content {
    let submission = Submission { note: text.to_owned(), openings: Vec::new(), lines: Vec::new(), envelope: None };
    let said = Said::Submission { code: None, submission: Box::new(submission) };
    Content { follow: Secret::of_code("ABCDEFGH0123456789ABCDEF"), said }
}

/// The note of what was handed in.
fn noted(content: Content) -> String {
    match content.said {
        Said::Submission { submission, .. } => submission.note,
        Said::Asking(note) => panic!("a submission, not {note}"),
    }
}

fn packet(text: &str, seed: u64) -> Packet {
    Packet::seal(&content(text), (LEDGER, INTAKE), &secret(1).key(), &mut entropy(seed)).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(INTAKE, KeyKind::Ed25519, [seed; 32]).unwrap()
}

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_413_200, 0).unwrap() + TimeDelta::minutes(minutes)
}

/// A period of an intake, as it makes one.
fn batch(index: u64, prev: Digest, texts: &[&str], key: &SigningKey) -> Batch {
    let nonce = Digest::of(&index.to_be_bytes());
    let mut packets: Vec<Item> = (0..)
        .zip(texts)
        .map(|(number, text)| Item {
            leaf: 0,
            salt: Digest::of(&[number]),
            packet: packet(text, u64::from(number)).to_text(),
        })
        .collect();
    let leaves: Vec<Digest> = packets.iter().map(Item::commitment).collect();
    let planted = plant(&leaves, &nonce).unwrap();
    for (item, (leaf, _)) in packets.iter_mut().zip(&planted.leaves) {
        item.leaf = *leaf;
    }
    packets.sort_by_key(|item| item.leaf);
    let text = SealedPeriod::text(key.name(), &planted.root).unwrap();
    let note = note::sign(&text, &[key]).unwrap();
    let entry = Entry::seal(index, at(0), prev, &note).unwrap();
    Batch { entry: String::from_utf8(entry).unwrap(), nonce, packets }
}

#[test]
fn a_packet_opens_for_its_ledger_and_its_intake_alone_and_shows_no_length() {
    let (short, long) = (packet("是", 1), packet(&"不是".repeat(1_000), 2));
    assert_eq!(short.to_text().len(), long.to_text().len());
    assert_eq!(Packet::parse(&short.to_text()), Ok(short.clone()));
    assert_eq!(noted(short.open((LEDGER, INTAKE), &secret(1)).unwrap()), "是");
    for (ledger, intake, seed) in
        [("other.example", INTAKE, 1), (LEDGER, "ledger.example/other", 1), (LEDGER, INTAKE, 2)]
    {
        assert_eq!(short.open((ledger, intake), &secret(seed)).err(), Some(GapError::Sealed));
    }
    let text = short.to_text();
    for wrong in
        [text.replace("packet/v1", "packet/v2"), text.replacen('{', "{ ", 1), format!("{text} "), String::new()]
    {
        assert!(Packet::parse(&wrong).is_err());
    }
    assert_eq!(Packet::parse(&"x".repeat(PACKET_BYTES_MAX + 1)), Err(GapError::Limit("packet")));
    let too_long = content(&"x".repeat(300 << 10));
    let sealed = Packet::seal(&too_long, (LEDGER, INTAKE), &secret(1).key(), &mut entropy(3));
    assert_eq!(sealed, Err(GapError::Limit("packet")));
    assert!(!format!("{:?}", content("是")).contains('是'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_packet_that_was_changed_anywhere_is_no_packet_or_does_not_open(place in 0_usize..23_000, byte in 32_u8..127) {
        let text = packet("一封信", 7).to_text();
        let mut bytes = text.clone().into_bytes();
        let place = place % bytes.len();
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        let opened = Packet::parse(&changed).and_then(|packet| packet.open((LEDGER, INTAKE), &secret(1)));
        prop_assert!(opened.is_err());
    }

    #[test]
    fn planted_leaves_lead_to_their_root_and_everything_else_opens_as_a_decoy(count in 0_usize..40, seed in any::<u64>()) {
        let nonce = Digest::of(&seed.to_be_bytes());
        let leaves: Vec<Digest> = (0..count as u64).map(|leaf| Digest::of(&leaf.to_be_bytes())).collect();
        let planted = plant(&leaves, &nonce).unwrap();
        prop_assert_eq!(&plant(&leaves, &nonce).unwrap(), &planted);
        let mut all = decoys(&nonce);
        for (leaf, (place, path)) in leaves.iter().zip(&planted.leaves) {
            let place = usize::try_from(*place).unwrap();
            prop_assert_eq!(all[place], decoy(&decoy_salt(&nonce, place as u64)));
            prop_assert!(verify_period_path(&planted.root, place, leaf, path));
            all[place] = *leaf;
        }
        prop_assert_eq!(gongkai_log::sealed::period_root(&all).unwrap(), planted.root);
    }
}

#[test]
fn a_batch_is_exactly_what_was_promised_where_it_belongs() {
    let first = batch(0, Digest::ZERO, &["一", "二", "三"], &key(9));
    let vkey = key(9).verifier();
    let checked = check(&first, 0, &Digest::ZERO, &vkey).unwrap();
    let second = batch(1, checked.entry_hash, &[], &key(9));
    check(&second, 1, &checked.entry_hash, &vkey).unwrap();

    let mut left_out = first.clone();
    left_out.packets.remove(1);
    let mut put_in = first.clone();
    put_in.packets.push(Item { leaf: 65_535, ..first.packets[0].clone() });
    let mut exchanged = first.clone();
    exchanged.packets[0].packet = packet("四", 44).to_text();
    let mut moved = first.clone();
    moved.packets[0].leaf += 1;
    let mut beyond = first.clone();
    beyond.packets[2].leaf = 65_536;
    let mut swapped = first.clone();
    swapped.packets.swap(0, 1);
    let other_nonce = Batch { nonce: Digest::ZERO, ..first.clone() };
    for (what, wrong) in [
        ("left out", left_out),
        ("put in", put_in),
        ("exchanged", exchanged),
        ("moved", moved),
        ("beyond", beyond),
        ("swapped", swapped),
        ("other decoys", other_nonce),
        ("another key", batch(0, Digest::ZERO, &["一"], &key(8))),
    ] {
        assert!(check(&wrong, 0, &Digest::ZERO, &vkey).is_err(), "{what}");
    }
    let foreign = SigningKey::from_seed("ledger.example/other", KeyKind::Ed25519, [9; 32]).unwrap();
    assert!(check(&batch(0, Digest::ZERO, &[], &foreign), 0, &Digest::ZERO, &vkey).is_err());
    assert!(check(&first, 1, &Digest::ZERO, &vkey).is_err(), "another number");
    assert!(check(&second, 1, &Digest::ZERO, &vkey).is_err(), "does not follow");
}

#[test]
fn a_file_of_batches_survives_its_text_and_one_that_was_cut_does_not() {
    let first = batch(0, Digest::ZERO, &["一"], &key(9));
    let second = batch(1, Digest::of(first.entry.as_bytes()), &[], &key(9));
    let file = Batches { intake: key(9).verifier().to_string(), from: 0, batches: vec![first, second] };
    let text = file.to_text();
    assert_eq!(Batches::parse(&text), Ok(file));
    let without_last = text.trim_end().rsplit_once('\n').unwrap().0;
    for wrong in [
        "",
        "\n",
        without_last,
        &format!("{without_last}\n"),
        &text[..text.len() - 9],
        &text.replace("batches/v1", "batches/v2"),
    ] {
        assert!(Batches::parse(wrong).is_err());
    }
}

#[test]
fn a_request_for_batches_is_good_for_one_intake_under_the_ledgers_key() {
    let ledger = SigningKey::from_seed(LEDGER, KeyKind::Ed25519, [1; 32]).unwrap();
    let other = SigningKey::from_seed(LEDGER, KeyKind::Ed25519, [2; 32]).unwrap();
    let note = note::sign(&pull_text(INTAKE, 7, at(0)).unwrap(), &[&ledger]).unwrap();
    assert_eq!(read_pull(&note, INTAKE, &ledger.verifier()), Ok((7, at(0))));
    assert_eq!(read_pull(&note, INTAKE, &other.verifier()), Err(GapError::Signature));
    assert_eq!(read_pull(&note, "ledger.example/other", &ledger.verifier()), Err(GapError::Form("request")));
    assert_eq!(read_pull(&note.replace("\n7\n", "\n0\n"), INTAKE, &ledger.verifier()), Err(GapError::Signature));
}

fn status() -> Status {
    let answer =
        Answer { intake: INTAKE, commitment: Digest::of(b"packet"), outcome: Outcome::Accepted, note: "a promise" };
    let salt = Digest::of(b"salt");
    let planted = plant(&[answer.leaf(&salt)], &Digest::of(b"nonce")).unwrap();
    let (leaf, path) = planted.leaves[0].clone();
    let proof = AnswerProof {
        index: 12,
        commitment: answer.commitment,
        outcome: answer.outcome,
        note: answer.note.to_owned(),
        salt,
        leaf,
        path,
    };
    assert!(proof.is_under(&planted.root, INTAKE));
    assert!(!proof.is_under(&planted.root, "ledger.example/other"));
    assert!(!AnswerProof { outcome: Outcome::Refused, ..proof.clone() }.is_under(&planted.root, INTAKE));
    assert!(!AnswerProof { note: "another".into(), ..proof.clone() }.is_under(&planted.root, INTAKE));
    let matter = Matter { code: None, continues: None, shown: json!({"state": "已收到"}), is_cut: false };
    Status { as_of: at(0), answer: proof, matter: Some(matter), waiting: None }
}

#[test]
fn a_capsule_opens_with_its_code_and_all_are_of_one_size() {
    let (mine, other) = (Secret::of_code("ABCDEFGH0123456789ABCDEF"), Secret::of_code("ABCDEFGH0123456789ABCDE0"));
    let capsule = mine.seal(INTAKE, &status(), [3; NONCE_BYTES]).unwrap();
    let bare = other.seal(INTAKE, &Status { matter: None, ..status() }, [4; NONCE_BYTES]).unwrap();
    assert_eq!((capsule.len(), bare.len()), (CAPSULE_BYTES, CAPSULE_BYTES));
    assert_eq!(mine.open(INTAKE, &capsule).unwrap(), status());
    assert_eq!(other.open(INTAKE, &capsule).err(), Some(GapError::Sealed));
    assert_eq!(mine.open("ledger.example/other", &capsule).err(), Some(GapError::Sealed));
    let mut relabelled = capsule.clone();
    relabelled[..LABEL_BYTES].copy_from_slice(&other.label());
    assert!(other.open(INTAKE, &relabelled).is_err() && mine.open(INTAKE, &relabelled).is_err());
    let mut long = status();
    long.matter.as_mut().unwrap().shown = json!("长".repeat(3_000));
    assert_eq!(mine.seal(INTAKE, &long, [3; NONCE_BYTES]).err(), Some(GapError::Limit("status")));
    assert_eq!([0, 1, 64, 65, 129].map(capsules_count), [64, 64, 64, 128, 256]);
}

#[test]
fn a_file_of_capsules_is_the_ledgers_for_this_intake_or_nothing() {
    let ledger = SigningKey::from_seed(LEDGER, KeyKind::Ed25519, [1; 32]).unwrap();
    let other = SigningKey::from_seed(LEDGER, KeyKind::Ed25519, [2; 32]).unwrap();
    let file = Capsules { as_of: at(0), answered: 3, capsules: vec![vec![7; CAPSULE_BYTES], vec![8; CAPSULE_BYTES]] };
    let signed = |key: &SigningKey| file.to_file(&note::sign(&file.text(INTAKE).unwrap(), &[key]).unwrap());
    let text = signed(&ledger);
    assert_eq!(Capsules::open(&text, INTAKE, &ledger.verifier()), Ok(file.clone()));
    assert_eq!(Capsules::open(&signed(&other), INTAKE, &ledger.verifier()), Err(GapError::Signature));
    assert!(Capsules::open(&text, "ledger.example/other", &ledger.verifier()).is_err());
    let without_last = text.trim_end().rsplit_once('\n').unwrap().0;
    assert!(Capsules::open(&format!("{without_last}\n"), INTAKE, &ledger.verifier()).is_err());
    assert!(Capsules::open(&format!("{text}AAAA\n"), INTAKE, &ledger.verifier()).is_err());
}

fn intake(answers: &[(u64, Digest, i64)]) -> Intake {
    let answered = |(to, entry_hash, minutes): &(u64, Digest, i64)| AnsweredTo {
        to: *to,
        entry_hash: *entry_hash,
        answers: Digest::ZERO,
        index: 20,
        recorded_at: at(*minutes),
    };
    Intake {
        stream: StreamId::new("intake", Uuid::from_u128(1)).unwrap(),
        org: "341599".into(),
        opened_at: 4,
        key: key(9).verifier(),
        sealing_key: secret(1).key(),
        answer_hours: 1,
        answers: answers.iter().map(answered).collect(),
        is_closed: false,
    }
}

#[test]
fn what_a_ledger_owes_is_found_by_whoever_reads_both_logs() {
    let hash = |index: u64| Digest::of(&index.to_be_bytes());
    let minute = |index: u64| i64::try_from(index).unwrap() * 10;
    let periods: Vec<Period> =
        (0..12).map(|index| Period { index, recorded_at: at(minute(index)), entry_hash: hash(index) }).collect();
    let found = |answers: &[(u64, Digest, i64)], now| lapses(&intake(answers), &periods, at(now));
    assert_eq!(found(&[(12, hash(11), 60)], 1_000), []);
    assert_eq!(found(&[], 60), [], "due is not yet over");
    assert_eq!(found(&[], 71), [Lapse::Missing { from: 0, to: 2, due_at: at(60) }]);
    assert_eq!(found(&[(2, hash(1), 30)], 10_000), [Lapse::Missing { from: 2, to: 12, due_at: at(80) }]);
    let late = Lapse::Late { from: 0, to: 1, due_at: at(60), answered_at: at(61) };
    assert_eq!(found(&[(2, hash(1), 61), (12, hash(11), 70)], 1_000), [late]);
    assert_eq!(found(&[(2, hash(7), 30), (12, hash(11), 60)], 1_000), [Lapse::Other { index: 1 }]);
    assert_eq!(found(&[(13, hash(12), 30)], 1_000), [Lapse::Beyond { size: 12, answered: 13 }]);
    let sentence = Lapse::Missing { from: 2, to: 12, due_at: at(80) }.sentence(|at| at.format("%H:%M").to_string());
    assert_eq!(sentence, "网上收件第 2 至 11 批应于 02:20 前答复，账本至今没有答复");
}

fn late(places: &[Option<(u64, u64)>]) -> Late {
    let packets = (0..).zip(places).map(|(minute, place)| LatePacket { place: *place, deadline: at(minute) });
    Late { as_of: at(60), count: places.len() as u64, packets: packets.collect() }
}

fn listed(late: &Late) -> String {
    note::sign(&late.text(INTAKE).unwrap(), &[&key(3)]).unwrap()
}

#[test]
fn what_is_late_is_listed_by_its_place_and_deadline_and_what_was_answered_since_is_not() {
    let all = late(&[Some((2, 40_001)), Some((3, 0)), None]);
    let read = Late::open(&listed(&all), &key(3).verifier()).unwrap();
    assert_eq!(read, all);
    let left = read.beyond(3);
    assert_eq!((left.count, &left.packets[..]), (2, &all.packets[1..]));
    let said: Vec<String> = left.packets.iter().map(|packet| packet.sentence(|_| "周三".to_owned())).collect();
    assert_eq!(
        said,
        [
            "网上收件第 3 批 0 位的一件，承诺 周三 前答复，已经过期",
            "网上收件有一件承诺 周三 前答复，收件处还没有记进日志"
        ]
    );
}

#[test]
fn a_list_of_what_is_late_has_one_spelling_one_signer_and_its_bounds() {
    let vkey = key(3).verifier();
    let good = listed(&late(&[Some((2, 1))]));
    assert_eq!(Late::open(&good, &key(4).verifier()), Err(GapError::Signature));
    let signed = |text: &str| note::sign(text, &[&key(3)]).unwrap();
    let text = late(&[Some((2, 1))]).text(INTAKE).unwrap();
    for (old, new) in [
        (INTAKE, "ledger.example/another"),
        ("late/v1", "late/v2"),
        ("\n1\n", "\n2\n"),
        ("2 1 ", "02 1 "),
        ("2 1 ", "2 65536 "),
        ("2 1 ", "2 - "),
        ("2 1 ", "2 1 1 "),
    ] {
        let changed = text.replacen(old, new, 1);
        assert_ne!(changed, text, "{old}");
        assert_eq!(Late::open(&signed(&changed), &vkey), Err(GapError::Form("list of late packets")), "{old} → {new}");
    }
    let mut early = late(&[Some((2, 1))]);
    early.as_of = at(0);
    assert!(Late::open(&listed(&early), &vkey).is_err(), "its deadline is not past");
    let mut many = late(&[None; 59]);
    many.packets = vec![many.packets[0]; LATE_MAX + 1];
    many.count = many.packets.len() as u64;
    assert!(Late::open(&listed(&many), &vkey).is_err(), "more than are listed");
    many.packets.truncate(LATE_MAX);
    assert_eq!(Late::open(&listed(&many), &vkey).unwrap().count, LATE_MAX as u64 + 1);
}

/// A question about a sheet, after the statement with this revision, as it travels.
fn question(after: u64) -> Submission {
    let command = Command::from_value((kind::find("disclosure.questioned.v1").unwrap().sample)()).unwrap();
    let setting = Setting {
        origin: LEDGER,
        stream: command.stream.clone().unwrap(),
        head: Some(Head { revision: after, hash: Digest::of(&after.to_be_bytes()) }),
        signers: vec![Signer { role: "intake".into(), key: INTAKE.into() }],
        declared_at: at(0).fixed_offset(),
    };
    let prepared = prepare(&command, &setting, &mut entropy(3)).unwrap();
    let text = prepared.text.clone();
    prepared.into_submission(text)
}

#[test]
fn what_was_overtaken_says_the_same_words_after_another_statement_and_only_what_is_in_the_clear_can() {
    let asked = question(1);
    let after = Head { revision: 5, hash: Digest::of(b"the last one") };
    let moved_on = moved(&asked, &after).unwrap();
    let [before, now] = [&asked, &moved_on].map(|submission| Statement::parse(&submission.note).unwrap());
    assert_eq!((now.revision, now.parent), (6, Some(after.hash)));
    assert_ne!(now.slots, before.slots, "commitments are bound to the place");
    let words = submission::check_draft(LEDGER, &now, moved_on.openings.clone(), Vec::new()).unwrap();
    assert_eq!(words, submission::check_draft(LEDGER, &before, asked.openings.clone(), Vec::new()).unwrap());
    assert_eq!(Statement { revision: before.revision, parent: before.parent, slots: before.slots, ..now }, before);
    assert_eq!(moved(&asked, &after).unwrap().note, moved_on.note, "found again by the same bytes");

    let mut hidden = question(1);
    hidden.openings[0] = Filled::Hidden { slot: hidden.openings[0].slot(), commitment: Digest::ZERO };
    let mut short = question(1);
    short.openings.pop();
    let first = Submission { note: Statement { revision: 0, parent: None, ..before }.text().unwrap(), ..question(1) };
    for fixed in [hidden, short, first] {
        assert!(moved(&fixed, &after).is_err());
    }
}

fn asking(count: usize) -> Asking {
    let given = (0..count).map(|number| Given { draft: Uuid::from_u128(number as u128), signature: "AAAA".into() });
    Asking { asked_at: at(3), given: given.collect() }
}

#[test]
fn what_is_asked_with_a_key_is_read_for_its_ledger_its_intake_and_its_key_alone_and_in_one_spelling() {
    let key = SigningKey::from_seed("wang.example/1", KeyKind::Ed25519, [7; 32]).unwrap();
    let other = SigningKey::from_seed("wang.example/1", KeyKind::Ed25519, [8; 32]).unwrap();
    for count in [0, 1, SIGNATURES_MAX] {
        let text = asking(count).text((LEDGER, INTAKE)).unwrap();
        let note = note::sign(&text, &[&key]).unwrap();
        assert_eq!(Asking::key_of(&note).as_deref(), Some("wang.example/1"));
        assert_eq!(Asking::open(&note, (LEDGER, INTAKE), &key.verifier()), Ok(asking(count)));
        assert_eq!(Asking::open(&note, (LEDGER, INTAKE), &other.verifier()), Err(GapError::Signature));
        for place in [("other.example", INTAKE), (LEDGER, "ledger.example/other")] {
            assert!(Asking::open(&note, place, &key.verifier()).is_err(), "{place:?}");
        }
        for (from, to) in [("Z\n", "+00:00\n"), ("00000000-", "00000000"), ("v1\n", "v2\n"), ("\n", "\n\n")] {
            if text.contains(from) {
                let note = note::sign(&text.replace(from, to), &[&key]).unwrap();
                assert!(Asking::open(&note, (LEDGER, INTAKE), &key.verifier()).is_err(), "{from:?} as {to:?}");
            }
        }
    }
    assert_eq!(asking(SIGNATURES_MAX + 1).text((LEDGER, INTAKE)), Err(GapError::Limit("asking for signatures")));
}

#[test]
fn a_packet_says_one_thing_and_no_two() {
    let secret = Secret::of_code("ABCDEFGH0123456789ABCDEF");
    let asks = Content { follow: secret, said: Said::Asking("某人问(虚构)".to_owned()) };
    let text = serde_json::to_value(&asks).unwrap();
    let back: Content = serde_json::from_value(text.clone()).unwrap();
    assert!(matches!(back.said, Said::Asking(note) if note == "某人问(虚构)"));
    let handed = serde_json::to_value(content("是")).unwrap();
    let mut both = handed.clone();
    both["asking"] = json!("某人问(虚构)");
    let mut coded = text.clone();
    coded["code"] = json!("7K2M");
    let mut neither = text;
    neither.as_object_mut().unwrap().remove("asking");
    for wrong in [both, coded, neither] {
        assert!(serde_json::from_value::<Content>(wrong).is_err());
    }
    assert_eq!(noted(serde_json::from_value(handed).unwrap()), "是");
}

fn request(number: u128, length: usize) -> Request {
    let content = Draft { statement: " ".repeat(length), openings: Vec::new(), lines: Vec::new() };
    Request {
        draft: Uuid::from_u128(number),
        label: "三月村务(虚构)".into(),
        content,
        left: vec!["wang.example/1".into()],
    }
}

#[test]
fn what_waits_comes_in_pieces_of_one_size_each_under_a_label_of_its_own() {
    let secret = Secret::of_code("ABCDEFGH0123456789ABCDEF");
    // Spaces at the ends of pieces are part of the text, and not padding.
    let requests = vec![request(1, 20_000), request(2, 5), request(3, 400_000), request(4, 9_000)];
    let (waiting, pieces) = Waiting::pack(requests.clone());
    assert_eq!((waiting.pieces, waiting.left_out), (4, 1), "what is too long is counted");
    let mut labels = vec![secret.label()];
    let mut opened = Vec::new();
    for (number, piece) in (0_u8..).zip(&pieces) {
        let own = secret.piece(number.into());
        let capsule = own.seal_text(INTAKE, piece, [number; NONCE_BYTES]).unwrap();
        assert_eq!(capsule.len(), CAPSULE_BYTES);
        assert!(secret.open_text(INTAKE, &capsule).is_err() && !labels.contains(&own.label()));
        labels.push(own.label());
        opened.push(own.open_text(INTAKE, &capsule).unwrap().to_vec());
    }
    let read = waiting.unpack(&opened).unwrap();
    assert_eq!(read, [requests[0].clone(), requests[1].clone(), requests[3].clone()]);
    opened.swap(0, 1);
    assert!(waiting.unpack(&opened).is_err() && waiting.unpack(&opened[..3]).is_err());
    let (none, no_pieces) = Waiting::pack(vec![request(5, 400_000)]);
    assert_eq!((none.left_out, none.unpack(&no_pieces)), (1, Ok(Vec::new())));
    assert!(none.unpack(&opened).is_err());
}
