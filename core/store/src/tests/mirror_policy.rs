//! A mirror whose operator demands witnesses, and the policy that a mirror publishes.

use std::fs;

use gongkai_log::{KeyKind, Note, Policy, SigningKey, cosignature};

use super::{
    cosigning::{One, watched},
    helpers::append,
    mirror::{Place, disk, follow, refused},
};
use crate::{
    Cosigners as _,
    mirror::{Followed, Refused, source::DirectorySource},
    testing::{COUNTY, Fixture},
};

async fn witnessed() -> Fixture {
    let mut fixture = Fixture::with(watched(&One::new(true))).await;
    fixture.publisher("丙", COUNTY).await;
    append(&mut fixture, 3).await;
    fixture
}

fn policy(text: &str) -> (Policy, String) {
    (Policy::parse(text).unwrap(), text.to_owned())
}

fn own() -> (Policy, String) {
    policy(&format!("# of the mirror\nwitness mine {}\nquorum mine\n", One::key().verifier()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_too_few_cosigned_is_not_accepted_and_one_that_enough_did_is() {
    let fixture = witnessed().await;
    let disk = disk(&fixture);
    let source = DirectorySource::new(disk.path());
    let size = *fixture.ledger.committed().borrow();
    let stranger = SigningKey::from_seed("stranger.example", KeyKind::CosignatureV1, [8; 32]).unwrap();
    let both = format!(
        "witness w {}\nwitness s {}\ngroup both all w s\nquorum both\n",
        One::key().verifier(),
        stranger.verifier()
    );
    let place = Place::new();
    let (demanded, text) = policy(&both);
    let mut mirror = place.open(&fixture).demanding(demanded, text);
    assert!(matches!(refused(follow(&mut mirror, &source)), Refused::Quorum(_)));
    assert!(!place.layout().checkpoint().exists() && !mirror.is_begun());

    // The same checkpoint, now by both.
    let path = disk.path().join("checkpoint");
    let mut note = Note::parse(&fs::read_to_string(&path).unwrap()).unwrap();
    note.signatures.push(cosignature::cosign(&note.text, &stranger, 1_770_000_000).unwrap());
    fs::write(&path, note.to_string()).unwrap();
    assert_eq!(follow(&mut mirror, &source).unwrap(), Followed::Accepted { from: 0, size, withdrawals: 0 });
    assert_eq!(fs::read_to_string(place.layout().policy()).unwrap(), both, "its own, not that of the source");

    // One false line under a key that it knows condemns all.
    note.signatures[1].signature[20] ^= 1;
    fs::write(&path, note.to_string()).unwrap();
    assert!(matches!(refused(follow(&mut mirror, &source)), Refused::Quorum(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_cosignatures_of_one_checkpoint_are_taken_by_whoever_checks_them() {
    let fixture = witnessed().await;
    let disk = disk(&fixture);
    let source = DirectorySource::new(disk.path());
    let (trusting, demanding) = (Place::new(), Place::new());
    let (demanded, text) = own();
    let mut mirrors = [trusting.open(&fixture), demanding.open(&fixture).demanding(demanded, text)];
    for mirror in &mut mirrors {
        follow(mirror, &source).unwrap();
    }
    let path = disk.path().join("checkpoint");
    let old = fs::read_to_string(&path).unwrap();
    let mut note = Note::parse(&old).unwrap();
    note.signatures[1] = cosignature::cosign(&note.text, &One::key(), 1_770_000_300).unwrap();
    fs::write(&path, note.to_string()).unwrap();
    for mirror in &mut mirrors {
        assert_eq!(follow(mirror, &source).unwrap(), Followed::Nothing);
    }
    assert_eq!(fs::read_to_string(trusting.layout().checkpoint()).unwrap(), old);
    assert_eq!(fs::read_to_string(demanding.layout().checkpoint()).unwrap(), note.to_string());
    // It opens again with what it took, and takes no older ones.
    fs::write(&path, old).unwrap();
    let (demanded, text) = own();
    let mut again = demanding.open(&fixture).demanding(demanded, text);
    assert_eq!(follow(&mut again, &source).unwrap(), Followed::Nothing);
    assert_eq!(fs::read_to_string(demanding.layout().checkpoint()).unwrap(), note.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_source_is_passed_on_as_long_as_it_is_one_and_the_operator_has_none() {
    let fixture = witnessed().await;
    let disk = disk(&fixture);
    let source = DirectorySource::new(disk.path());
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    follow(&mut mirror, &source).unwrap();
    assert_eq!(fs::read_to_string(place.layout().policy()).unwrap(), One::new(true).policy());
    for (given, published) in [(Some("quorum none\n"), true), (Some("quorum nobody\n"), false), (None, false)] {
        match given {
            Some(text) => fs::write(disk.path().join("policy"), text).unwrap(),
            None => fs::remove_file(disk.path().join("policy")).unwrap(),
        }
        follow(&mut mirror, &source).unwrap();
        let there = fs::read_to_string(place.layout().policy()).ok();
        assert_eq!(there.as_deref(), given.filter(|_| published));
    }
    let (demanded, text) = own();
    let mut mirror = mirror.demanding(demanded, text.clone());
    follow(&mut mirror, &source).unwrap();
    assert_eq!(fs::read_to_string(place.layout().policy()).unwrap(), text);
}
