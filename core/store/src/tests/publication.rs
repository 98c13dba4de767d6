//! What is published: complete before the checkpoint names it, and mended on start.

use std::{fs, time::Duration};

use gongkai_log::{checkpoint, tile};

use super::helpers::{files, fsck_files, verifies};
use crate::{
    Settings,
    testing::{COUNTY, Fixture, ledger_keys, pledge},
};

async fn with_entries(count: usize) -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    let many = fixture.pledges(count - 5, "丙", COUNTY).into_iter().map(|s| (None, s)).collect();
    assert!(fixture.ledger.submit_many(many).await.iter().all(Result::is_ok));
    fixture
}

#[tokio::test]
async fn every_tile_of_the_published_size_is_there() {
    for size in [6, 255, 256, 257, 600] {
        let fixture = with_entries(size).await;
        assert_eq!(verifies(&fixture).await.size, size as u64);
        for level in tile::tiles_for(size as u64) {
            for number in 0..level.full {
                let path = gongkai_log::TilePath::hashes(level.level, number, 256).unwrap();
                assert!(fixture.layout().tile(&path).is_file(), "{path} of {size}");
            }
            if level.partial > 0 {
                let path = gongkai_log::TilePath::hashes(level.level, level.full, level.partial).unwrap();
                assert!(fixture.layout().tile(&path).is_file(), "{path} of {size}");
            }
        }
        let vkey = fs::read_to_string(fixture.layout().vkey()).unwrap();
        assert_eq!(vkey.trim_end(), ledger_keys().log.verifier().to_string());
    }
}

#[tokio::test]
async fn the_first_entry_after_a_quiet_time_is_published_at_once_and_the_next_with_its_batch() {
    let settings = Settings { publish_interval: Duration::from_hours(1), ..Settings::default() };
    let mut fixture = Fixture::with(settings).await;
    fixture.published_at_least(2).await;
    fixture.publisher("丙", COUNTY).await;
    let receipt = fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    let health = fixture.ledger.health();
    assert!(health.published < receipt.index + 1, "receipts do not wait for the publisher");
    fixture.ledger.shutdown().await;
    assert_eq!(fixture.ledger.health().published, receipt.index + 1, "but the end does");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_polls_never_meets_a_missing_tile_a_smaller_size_or_another_root() {
    let settings = Settings { publish_interval: Duration::ZERO, batch_max: 16, ..Settings::default() };
    let mut fixture = Fixture::with(settings).await;
    fixture.publisher("丙", COUNTY).await;
    let pledges = fixture.pledges(600, "丙", COUNTY);
    let ledger = fixture.ledger.clone();
    let writer = tokio::spawn(async move {
        for pledge in pledges {
            ledger.submit(None, pledge).await.unwrap();
        }
    });
    let (mut last, mut seen) = ((0, None), 0);
    while !writer.is_finished() {
        let note = fs::read_to_string(fixture.layout().checkpoint()).unwrap();
        let (found, _) = checkpoint::open(&note, &ledger_keys().log.verifier()).unwrap();
        assert!(found.size >= last.0, "{} after {}", found.size, last.0);
        if found.size == last.0 {
            assert!(last.1.is_none_or(|root| root == found.root));
            tokio::task::yield_now().await;
            continue;
        }
        for path in tile::new_tiles(last.0, found.size) {
            assert!(fixture.layout().tile(&path).is_file(), "{path} at size {}", found.size);
        }
        last = (found.size, Some(found.root));
        seen += 1;
    }
    writer.await.unwrap();
    assert!(seen > 3, "{seen} checkpoints were seen");
    verifies(&fixture).await;
}

#[tokio::test]
async fn missing_and_torn_files_of_the_tail_are_mended_and_reported() {
    let mut fixture = with_entries(600).await;
    fixture.ledger.shutdown().await;
    for (name, torn) in [
        ("checkpoint", false),
        ("tile/0/002.p/88", true),
        ("tile/0/002.p/88", false),
        ("tile/0/001", true),
        ("tile/entries/001", true),
        ("tile/entries/001", false),
        ("tile/1/000.p/2", true),
        ("openings/001", true),
        ("openings/002", false),
        ("vkey", false),
    ] {
        let path = fixture.layout().log().join(name);
        let good = fs::read(&path).unwrap();
        if torn {
            fs::write(&path, &good[..good.len() / 2]).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        fixture.open().await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), good, "{name}");
        let recovery = fixture.ledger.recovery();
        assert!(recovery.repaired.contains(&name.to_owned()), "{name}: {recovery:?}");
        fixture.ledger.shutdown().await;
    }
    fsck_files(&fixture.layout()).await.unwrap();
}

#[tokio::test]
async fn everything_that_is_published_can_be_made_again_from_the_database() {
    let mut fixture = with_entries(600).await;
    fixture.ledger.shutdown().await;
    let content = |fixture: &Fixture| -> Vec<_> {
        let mut all = files(&fixture.layout().log());
        all.retain(|path| !path.to_string_lossy().contains(".p/"));
        all.sort();
        all.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before = content(&fixture);
    fs::remove_dir_all(fixture.layout().log()).unwrap();
    fixture.open().await.unwrap();
    assert_eq!(content(&fixture), before);
    let recovery = fixture.ledger.recovery();
    assert_eq!(recovery.verified_from, 0);
    assert!(!recovery.alarms.is_empty(), "somebody removed it: {recovery:?}");
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_start_checks_the_tail_and_on_demand_everything() {
    let mut fixture = with_entries(1_300).await;
    fixture.reopen().await.unwrap();
    assert_eq!(fixture.ledger.recovery().verified_from, 1_024);
    fixture.ledger.shutdown().await;
    let old = fixture.layout().log().join("tile/entries/000");
    let good = fs::read(&old).unwrap();
    fs::write(&old, b"torn").unwrap();
    fixture.settings.republish_all = true;
    fixture.open().await.unwrap();
    assert_eq!(fixture.ledger.recovery().verified_from, 0);
    assert_eq!(fixture.ledger.recovery().repaired, ["tile/entries/000"]);
    assert_eq!(fs::read(&old).unwrap(), good);
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_torn_tile_below_the_tail_is_found_when_the_tree_no_longer_fits() {
    let mut fixture = with_entries(1_300).await;
    fixture.ledger.shutdown().await;
    let old = fixture.layout().log().join("tile/0/000");
    let good = fs::read(&old).unwrap();
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    fs::write(&old, flipped).unwrap();
    fixture.open().await.unwrap();
    assert_eq!(fs::read(&old).unwrap(), good);
    let recovery = fixture.ledger.recovery();
    assert_eq!((recovery.verified_from, recovery.repaired.clone()), (0, vec!["tile/0/000".to_owned()]));
    assert!(recovery.alarms[0].contains("do not fit together"), "{recovery:?}");
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_publisher_does_not_replace_a_larger_checkpoint() {
    let mut fixture = with_entries(300).await;
    fixture.published().await;
    let size = fixture.ledger.health().committed + 10;
    let ahead = gongkai_log::Checkpoint {
        origin: crate::testing::ORIGIN.into(),
        size,
        root: gongkai_log::merkle::empty_root(),
    };
    let ahead = checkpoint::sign(&ahead, &[&ledger_keys().log]).unwrap();
    fs::write(fixture.layout().checkpoint(), &ahead).unwrap();
    fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.shutdown().await;
    assert_eq!(fs::read_to_string(fixture.layout().checkpoint()).unwrap(), ahead);
    assert!(fixture.ledger.health().halted.is_some_and(|reason| reason.contains("已停止发布")));
}
