//! What reading costs: a page looks into an index for what it shows, however much there is beside it.
//!
//! SQLite plans without statistics, so the next index can take a statement over from the one that was made for it. Not
//! here: how long anything takes, which the benchmark measures. A new statement is looked at without being listed.

use super::*;

/// What goes through all matters or all events of a family, and why that is so.
const GOES_THROUGH: &[(&str, &str)] = &[
    ("matters.list", "in the order of the page, until it is full; a text is looked for in every row"),
    ("matters.count", "a text is looked for in every row; of vacancies there are few"),
    ("matters.by_key", "a text is looked for in every row; of vacancies there are few"),
    ("matters.years", "one look into the index a year"),
    ("moved.calendars", "of a family of which there are few"),
    ("past.candidates", "in the order of the page, until it is full"),
    ("past.total", "counted in the index alone"),
    ("fulfilment.settled", "a whole ledger of few events"),
    ("fulfilment.events", "a whole ledger of few events"),
    ("timeline.latest", "in the order of the page, until it is full"),
    ("timeline.latest_matters", "in the order of the page, until it is full"),
    ("timeline.newest", "of a family of which there are few"),
    ("timeline.until", "in the order of the page, until it is full"),
    ("timeline.until_count", "counted in the table's own order"),
    ("timeline.count", "counted page by page"),
    ("timeline.count_of", "counted in the index alone"),
    ("timeline.back_filled", "what was recorded late alone"),
    ("timeline.back_filled_count", "what was recorded late alone"),
];

/// Statements and the index in which each finds its matters.
const FOUND_BY: &[(&str, &str)] = &[
    ("fulfilment.settled_within", "COVERING INDEX matters_by_org_first"),
    ("matters.latest_within", "matters_by_org (org=? AND family=? AND last_index>?)"),
    ("matters.list_within", "matters_by_org (org=? AND family=? AND last_index>?)"),
    ("matters.count_within", "matters_by_org (org=? AND family=? AND last_index>?)"),
    ("matters.open_periods", "matters_open_periods (org=? AND family=? AND state=?)"),
    ("matters.open_periods_within", "matters_open_periods (org=? AND family=? AND state=?)"),
    ("matters.open_pledges", "matters_open_pledges (org=? AND family=? AND due_on>? AND due_on<?)"),
    ("matters.open_pledges_by_day", "matters_open_pledges (org=? AND family=? AND due_on>? AND due_on<?)"),
    ("board.own_pledges", "matters_open_pledges (org=? AND family=? AND due_on>? AND due_on<?)"),
    ("counted.overdue", "matters_open_pledges (org=? AND family=? AND due_on<?)"),
    ("counted.overdue_within", "matters_open_pledges (org=? AND family=? AND due_on<?)"),
    ("counted.overdue_list", "matters_open_pledges (org=? AND family=? AND due_on<?)"),
    ("counted.overdue_list_within", "matters_open_pledges (org=? AND family=? AND due_on<?)"),
    ("counted.overdue_below", "matters_open_pledges (org=? AND family=? AND due_on<?)"),
    ("compliance.villages", "matters_finance (org=? AND family=?"),
    ("compliance.sheets", "matters_finance (org=? AND family=? AND period_start<?)"),
    ("compliance.owed", "matters_finance (org=? AND family=? AND period_start<?)"),
    ("compliance.owed_within", "matters_finance (org=? AND family=? AND period_start<?)"),
    ("dossier.sheets", "matters_finance (org=? AND family=? AND period_start<?)"),
    ("comparison.earlier", "matters_by_period (org=? AND content=? AND period_start<?)"),
    ("timeline.count_in_name", "events_by_org (org=? AND entry_index<?)"),
    ("disclosures.neighbours", "matters_by_period (org=? AND content=?"),
];

/// Every statement of the reading side with the steps of its plan.
async fn plans() -> BTreeMap<String, Vec<String>> {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    sqlx::raw_sql(SCHEMA_SQLITE).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(PAGE_INDEXES_SQLITE).execute(&mut connection).await.unwrap();
    let mut plans = BTreeMap::new();
    for (name, sql) in crate::read::statements() {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(&mut connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{name}: {error}"));
        plans.insert(name.to_owned(), rows.iter().map(|row| row.get::<String, _>("detail")).collect());
    }
    plans
}

/// A bound that leaves everything of a family, or everything.
const BOUNDED: &[&str] = &["family=? AND first_index<", "family=? AND last_index>?", "rowid<", "rowid>"];

/// Whether a step can meet every matter, or every event, of a family or of all.
fn is_everything(step: &str) -> bool {
    let by = step.split_once(" (").map_or("", |(_, by)| by);
    let is_large =
        ["INDEX matters_", "INDEX events_", "SEARCH e USING INTEGER"].iter().any(|index| step.contains(index));
    let is_open = by == "family=?)" || BOUNDED.iter().any(|bound| by.starts_with(bound));
    (step.starts_with("SCAN m") && !step.contains("matter_counts"))
        || step.starts_with("SCAN e")
        || (is_large && is_open)
}

#[tokio::test]
async fn a_page_goes_through_all_matters_or_events_only_where_it_says_why() {
    let plans = plans().await;
    let through: Vec<&str> = plans
        .iter()
        .filter(|(_, steps)| steps.iter().any(|step| is_everything(step)))
        .map(|(name, _)| name.as_str())
        .collect();
    let mut said: Vec<&str> = GOES_THROUGH.iter().map(|(name, _)| *name).collect();
    said.sort_unstable();
    assert_eq!(through, said);
}

#[tokio::test]
async fn every_statement_finds_its_matters_in_the_index_that_was_made_for_it() {
    let plans = plans().await;
    let found = |(name, index): &&(&str, &str)| {
        let steps = plans.get(*name).unwrap_or_else(|| panic!("no statement {name}"));
        steps.iter().any(|step| step.contains(index))
    };
    let taken_over: Vec<_> = FOUND_BY.iter().filter(|row| !found(row)).map(|(name, _)| (name, &plans[*name])).collect();
    assert!(taken_over.is_empty(), "{taken_over:#?}");
}

/// Counts as the database keeps them, and as they are counted.
async fn counts(dir: &Path, views: &Views) -> [Vec<String>; 2] {
    let options = SqliteConnectOptions::new().filename(rows_file(dir, views)).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let kept = "SELECT family, org, year, category, state, back_filled, no_movement, total, revisions FROM matter_counts WHERE total <> 0";
    let counted = "SELECT family, COALESCE(org, '') AS org, COALESCE(year, 0) AS year, COALESCE(category, '') AS category, \
         COALESCE(state, '') AS state, COALESCE(back_filled, 0) AS back_filled, COALESCE(no_movement, 0) AS no_movement, \
         COUNT(*) AS total, SUM(revisions) AS revisions FROM matters GROUP BY 1, 2, 3, 4, 5, 6, 7";
    let mut found = [Vec::new(), Vec::new()];
    for (sql, found) in [kept, counted].into_iter().zip(&mut found) {
        let row = format!(
            "SELECT family || ' ' || org || ' ' || year || ' ' || category || ' ' || state || ' ' || back_filled || no_movement \
             || ' ' || total || ' ' || revisions AS said FROM ({sql}) ORDER BY 1"
        );
        let rows = sqlx::query(AssertSqlSafe(row)).fetch_all(&mut connection).await.unwrap();
        found.extend(rows.iter().map(|row| row.get::<String, _>("said")));
    }
    connection.close().await.unwrap();
    found
}

#[tokio::test]
async fn what_is_counted_is_what_is_there_after_every_report_amendment_and_withdrawal() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let first = log.pledge(1, "2026-03-10", "修路");
    for number in 2..=6 {
        log.pledge(number, "2026-12-31", "装灯");
    }
    let (views, mut engine) = views(&log, dir.path()).await;
    let [kept, counted] = counts(dir.path(), &views).await;
    assert_eq!(kept, counted);
    assert_eq!(kept, [format!("pledge {VILLAGE} 2026 practical made 00 6 6")]);
    log.say("2026-02-01", report(2, "progressed", json!({"percent": 60, "report": "过半"})));
    log.say("2026-02-02", report(2, "fulfilled", json!({"report": "完成"})));
    log.say("2026-02-02", report(3, "amended", json!({"due": "2027-03-31", "reason": "顺延"})));
    log.say("2026-03-01", announced(1));
    log.withdraw_slot(1, first, "title");
    engine.catch_up().await.unwrap();
    let [kept, counted] = counts(dir.path(), &views).await;
    assert_eq!(kept, counted);
    assert!(kept.contains(&format!("pledge {VILLAGE} 2026 practical made 00 5 6")), "{kept:?}");
    assert!(kept.contains(&format!("pledge {VILLAGE} 2026 practical fulfilled 00 1 3")), "{kept:?}");
    assert_eq!(kept.len(), 3, "{kept:?}");
}

#[tokio::test]
async fn a_list_of_a_status_has_as_many_pledges_as_its_total_and_the_newest_first() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    for number in 0..30 {
        log.pledge(number, if number % 3 == 0 { "2026-03-10" } else { "2026-12-31" }, "修路");
        if number % 5 == 0 {
            log.say("2026-02-01", report(number, "fulfilled", json!({"report": "完成"})));
        }
    }
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let mut seen = 0;
    for status in [Status::NotReported, Status::OverdueUnreported, Status::Fulfilled, Status::Superseded] {
        for org in [None, Some(COUNTY), Some(VILLAGE)] {
            let of = |statuses: &[Status], offset, limit| Filter {
                org: org.map(str::to_owned),
                statuses: statuses.to_vec(),
                offset,
                limit,
                ..Filter::default()
            };
            let all = reader.pledges(&of(&[status], 0, 100)).await.unwrap();
            let mut picked = reader.pledges(&of(&[], 0, 100)).await.unwrap().items;
            picked.retain(|pledge| pledge.status == status);
            assert_eq!(all.items, picked, "{status:?} {org:?}");
            assert_eq!(all.total, all.items.len() as u64);
            assert!(all.items.is_sorted_by(|a, b| a.last_index > b.last_index));
            let second = reader.pledges(&of(&[status], 2, 2)).await.unwrap();
            assert_eq!(second.items, all.items.iter().skip(2).take(2).cloned().collect::<Vec<_>>());
            seen += all.items.len();
        }
    }
    assert_eq!(seen, 3 * 30);
}
