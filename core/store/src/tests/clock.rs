//! Case 8: the clock goes back a second, an hour, or ahead ten years.

use std::time::Duration;

use chrono::TimeDelta;
use gongkai_log::{Entry, SignedStatement};

use super::helpers::verifies;
use crate::{
    SubmitError,
    clock::Clock,
    testing::{COUNTY, Fixture, pledge},
};

async fn recorded(fixture: &Fixture) -> Vec<(Entry, String)> {
    let entries = fixture.ledger.entries(0, 1_000).await.unwrap();
    let parse = |bytes| {
        let entry = Entry::parse(bytes).unwrap();
        let kind = entry.content.statement().unwrap().statement.kind.clone();
        (entry, kind)
    };
    entries.into_iter().map(|stored| parse(stored.bytes)).collect()
}

async fn with_publisher() -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.clock.advance(Duration::from_mins(1));
    fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    fixture
}

fn shift(fixture: &Fixture, by: TimeDelta) {
    fixture.clock.set_wall(fixture.clock.now() + by);
}

#[tokio::test]
async fn a_step_back_of_a_second_is_clamped() {
    let mut fixture = with_publisher().await;
    shift(&fixture, -TimeDelta::seconds(1));
    fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await.unwrap();
    let entries = recorded(&fixture).await;
    assert_eq!(entries[5].0.recorded_at, entries[6].0.recorded_at);
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_step_back_of_an_hour_stops_the_ledger_until_the_clock_is_right_and_is_on_record() {
    let mut fixture = with_publisher().await;
    let submission = fixture.opening(&pledge(COUNTY, 2), &[("publisher", "丙")]);
    shift(&fixture, -TimeDelta::hours(1));
    let answer = fixture.ledger.submit(None, submission.clone()).await;
    assert!(matches!(&answer, Err(SubmitError::Halted(reason)) if reason.contains("时钟倒退")), "{answer:?}");
    let answer = fixture.ledger.submit(None, submission.clone()).await;
    assert!(matches!(answer, Err(SubmitError::Halted(_))), "it stays so");
    assert!(matches!(fixture.ledger.resume().await, Err(SubmitError::Halted(_))), "the clock is still wrong");
    fixture.reopen().await.unwrap();
    assert!(fixture.ledger.health().halted.is_some(), "also after a restart");
    assert_eq!(fixture.ledger.entries(0, 100).await.unwrap().len(), 6, "reading goes on");
    shift(&fixture, TimeDelta::hours(1));
    fixture.ledger.resume().await.unwrap();
    let receipt = fixture.ledger.submit(None, submission).await.unwrap();
    assert_eq!(receipt.index, 8);
    let entries = recorded(&fixture).await;
    assert_eq!((entries[6].1.as_str(), entries[7].1.as_str()), ("ledger.halted.v1", "ledger.resumed.v1"));
    let halted: &SignedStatement = entries[6].0.content.statement().unwrap();
    assert_eq!(halted.statement.body["cause"], "clock_back");
    assert_eq!(halted.statement.body["last_recorded_at"], "2026-03-02T09:01:00+08:00");
    assert_eq!(halted.statement.body["observed_at"], "2026-03-02T08:01:00+08:00");
    assert!(entries.iter().zip(&entries[1..]).all(|(a, b)| a.0.recorded_at <= b.0.recorded_at));
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_jump_ahead_of_ten_years_stops_the_ledger_and_is_on_record_when_it_starts_again() {
    let mut fixture = with_publisher().await;
    let submission = fixture.opening(&pledge(COUNTY, 2), &[("publisher", "丙")]);
    shift(&fixture, TimeDelta::days(3_650));
    let answer = fixture.ledger.submit(None, submission.clone()).await;
    assert!(matches!(&answer, Err(SubmitError::Halted(reason)) if reason.contains("时钟跳前")), "{answer:?}");
    shift(&fixture, -TimeDelta::days(3_650));
    fixture.reopen().await.unwrap();
    assert_eq!(fixture.ledger.health().halted, None);
    fixture.ledger.submit(None, submission).await.unwrap();
    let entries = recorded(&fixture).await;
    assert_eq!((entries[6].1.as_str(), entries[7].1.as_str()), ("ledger.halted.v1", "ledger.resumed.v1"));
    assert_eq!(entries[6].0.content.statement().unwrap().statement.body["cause"], "clock_ahead");
    assert!(entries.iter().all(|(entry, _)| entry.recorded_at < fixture.clock.now() + TimeDelta::days(1)));
    fixture.reopen().await.unwrap();
    assert_eq!(fixture.ledger.health().committed, 9, "once is enough");
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_jump_within_the_limit_and_quiet_hours_do_not_stop_it() {
    let mut fixture = with_publisher().await;
    shift(&fixture, TimeDelta::minutes(59));
    fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await.unwrap();
    fixture.clock.advance(Duration::from_hours(24 * 30));
    fixture.submit(&pledge(COUNTY, 3), &[("publisher", "丙")]).await.unwrap();
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_clock_that_is_behind_at_the_start_leaves_the_ledger_readable_only() {
    let mut fixture = with_publisher().await;
    fixture.ledger.shutdown().await;
    shift(&fixture, -TimeDelta::days(1));
    fixture.open().await.unwrap();
    assert!(fixture.ledger.health().halted.is_some_and(|reason| reason.contains("时钟倒退")));
    assert_eq!(fixture.ledger.entries(0, 100).await.unwrap().len(), 6);
    shift(&fixture, TimeDelta::days(1));
    fixture.reopen().await.unwrap();
    fixture.published().await;
    assert_eq!(fixture.ledger.health(), crate::Health { halted: None, committed: 8, published: 8 });
}

#[tokio::test]
async fn a_declaration_from_the_future_is_refused() {
    let mut fixture = with_publisher().await;
    let mut command = pledge(COUNTY, 2);
    command["declared_at"] = "2026-03-02T09:07:00+08:00".into();
    let submission = fixture.signed(&command, &[("publisher", "丙")]).await.unwrap();
    let answer = fixture.ledger.submit(None, submission.clone()).await;
    assert!(matches!(crate::testing::refusal(answer), gongkai_domain::Refusal::Future { .. }));
    fixture.clock.advance(Duration::from_mins(2));
    fixture.ledger.submit(None, submission).await.unwrap();
}
