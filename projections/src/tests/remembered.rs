//! What readers of one state remember for each other is forgotten with the state.

use super::*;
use crate::read::Reader;

/// The name that a page of the pledge shows.
async fn name(reader: &mut Reader) -> String {
    reader.matter(&stream("pledge", 1)).await.unwrap().unwrap().org_name
}

#[tokio::test]
async fn a_name_is_the_one_of_the_state_that_is_read_however_often_another_was_asked() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-12-31", "修路");
    let (views, mut engine) = views(&log, dir.path()).await;
    let mut before = views.read(day(TODAY), None).await.unwrap();
    assert_eq!(name(&mut before).await, "五里桥村(虚构)");
    let renamed = log.say(
        "2026-02-01",
        json!({"kind": "organization.renamed.v1", "stream": stream("organization", 3), "org": VILLAGE,
        "fields": {"effective_on": "2026-02-01", "name": "五里桥社区(虚构)"}}),
    );
    engine.catch_up().await.unwrap();
    let mut after = views.read(day(TODAY), None).await.unwrap();
    assert_eq!(name(&mut after).await, "五里桥社区(虚构)");
    assert_eq!(name(&mut before).await, "五里桥村(虚构)");
    drop((before, after));
    log.withdraw_slot(1, renamed, "name");
    engine.catch_up().await.unwrap();
    let mut withdrawn = views.read(day(TODAY), None).await.unwrap();
    assert_eq!(name(&mut withdrawn).await, VILLAGE);
}

#[tokio::test]
async fn readers_of_one_state_ask_for_a_name_once_between_them() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-12-31", "修路");
    let (views, _engine) = views(&log, dir.path()).await;
    let first = views.read(day(TODAY), None).await.unwrap().org_names([VILLAGE]).await.unwrap();
    // Nobody but the follower writes rows: that another value is not seen shows that they were not asked.
    let mut hand = SqliteConnectOptions::new().filename(rows_file(dir.path(), &views)).connect().await.unwrap();
    sqlx::query("UPDATE organization_names SET name = '别的名字(虚构)'").execute(&mut hand).await.unwrap();
    let second = views.read(day(TODAY), None).await.unwrap().org_names([VILLAGE]).await.unwrap();
    assert_eq!(first, second);
}
