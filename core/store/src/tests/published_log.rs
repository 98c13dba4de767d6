//! What is read from published files is proven by them, or refused.

use std::path::Path;

use gongkai_log::{Checkpoint, checkpoint};

use super::helpers::append;
use crate::{
    Layout, PublishedLog,
    published_log::FollowError,
    testing::{COUNTY, Fixture, ledger_keys},
};

async fn of_size(pledges: usize) -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    append(&mut fixture, pledges).await;
    fixture
}

fn opened(fixture: &Fixture) -> PublishedLog {
    PublishedLog::open(fixture.layout().log(), fixture.ledger.vkey()).unwrap()
}

fn put(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn files_give_what_the_database_gives_from_any_index() {
    let fixture = of_size(600).await;
    let log = opened(&fixture);
    let size = *log.size().borrow();
    assert_eq!(size, *fixture.ledger.committed().borrow());
    for (from, limit) in [(0, 10), (250, 20), (256, 256), (0, 5_000), (size - 1, 5), (size, 5)] {
        let (files, database) = (log.entries(from, limit).unwrap(), fixture.ledger.entries(from, limit).await.unwrap());
        assert_eq!(files.len() as u64, limit.min(size - from), "{from} {limit}");
        for (file, row) in files.iter().zip(&database) {
            assert_eq!((file.index, &file.bytes, &file.openings), (row.index, &row.bytes, &row.openings));
        }
    }
}

#[tokio::test]
async fn a_changed_entry_opening_or_tile_is_named_and_not_given() {
    let fixture = of_size(300).await;
    let layout: Layout = fixture.layout();
    let log = opened(&fixture);
    let named = |path: &Path, change: fn(&mut Vec<u8>), expected: &str| {
        let good = std::fs::read(path).unwrap();
        put(path, change);
        let refused = log.entries(0, 10);
        std::fs::write(path, good).unwrap();
        match refused {
            Err(FollowError::Damaged { path, .. }) => assert!(path.starts_with(expected), "{path}"),
            other => panic!("{expected}: {other:?}"),
        }
        assert_eq!(log.entries(0, 10).unwrap().len(), 10);
    };
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    named(&layout.log().join("tile/entries/000"), flip, "tile/entries/000");
    named(&layout.log().join("tile/0/000"), flip, "tile/entries/000");
    named(
        &layout.openings(0),
        |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replacen("修", "毁", 1).into_bytes();
        },
        "openings/000",
    );
    named(
        &layout.openings(0),
        |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            lines.swap(1, 2);
            *bytes = format!("{}\n", lines.join("\n")).into_bytes();
        },
        "openings/000",
    );
}

#[tokio::test]
async fn a_shorter_or_forked_checkpoint_is_refused_and_the_last_one_stays() {
    let mut fixture = of_size(300).await;
    let path = fixture.layout().checkpoint();
    let older = std::fs::read(&path).unwrap();
    append(&mut fixture, 20).await;
    let log = opened(&fixture);
    let size = *log.size().borrow();
    let newest = std::fs::read(&path).unwrap();
    std::fs::write(&path, older).unwrap();
    assert!(matches!(log.refresh(), Err(FollowError::Shorter { found, .. }) if found == size - 20));
    let forked = Checkpoint {
        origin: fixture.ledger.origin().to_owned(),
        size,
        root: gongkai_log::merkle::leaf_hash(b"another history"),
    };
    std::fs::write(&path, checkpoint::sign(&forked, &[&ledger_keys().log]).unwrap()).unwrap();
    assert!(matches!(log.refresh(), Err(FollowError::Forked { .. })));
    put(&path, |bytes| {
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
    });
    assert!(matches!(log.refresh(), Err(FollowError::Checkpoint(_))));
    assert_eq!(*log.size().borrow(), size);
    std::fs::write(&path, newest).unwrap();
    assert!(log.refresh().is_ok());
    assert!(
        PublishedLog::open(
            fixture.layout().log(),
            gongkai_log::SigningKey::from_seed(fixture.ledger.origin(), gongkai_log::KeyKind::Ed25519, [99; 32])
                .unwrap()
                .verifier()
        )
        .is_err()
    );
}
