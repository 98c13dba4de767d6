//! The secretary's board, through the whole router: whose it is, what it counts, and what stops a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use gongkai_store::testing::{COUNTY, pledge};
use serde_json::{Value, json};

use super::queue_tests::{OTHER, REVIEW, Scene, TOWNSHIP, VILLAGE};

const BOARD: &str = "/internal/api/v1/board";
const DAY: Duration = Duration::from_hours(24);
/// A title that a spreadsheet would compute.
const FORMULA: &str = "=HYPERLINK(\"http://evil.example\")(虚构)";

/// A village with a draft under review, an overdue pledge and a letter, ten days later.
async fn county() -> (Scene, String, String) {
    let mut scene = Box::pin(Scene::new()).await;
    let officers = [
        ("镇书记", TOWNSHIP, "approver"),
        ("邻镇书记", OTHER, "approver"),
        ("县督查", COUNTY, "inspector"),
        ("邻镇督查", OTHER, "inspector"),
        ("县运维", COUNTY, "operator"),
    ];
    scene.town.fixture.officers(&officers).await;
    let mut overdue = pledge(VILLAGE, 2);
    overdue["fields"]["due"] = json!("2026-03-05");
    overdue["fields"]["title"] = json!(FORMULA);
    let receipt = scene.town.fixture.submit(&overdue, &[("publisher", "会计")]).await.unwrap();
    let (letter, _) = scene.town.fixture.citizen(&step("letter.received.v1", None, &json!({}))).await.unwrap();
    scene.town.catch_up().await;
    let pledge = scene.town.stream_of(receipt.index).await;
    scene.town.fixture.clock.advance(DAY * 10);
    (scene, pledge, letter.to_string())
}

/// The sample of a letter's step, at the village.
fn step(kind: &str, stream: Option<&str>, fields: &Value) -> Value {
    let mut command = (gongkai_domain::kind::find(kind).unwrap().sample)();
    command["org"] = json!(VILLAGE);
    command.as_object_mut().unwrap().remove("stream");
    if let Some(stream) = stream {
        command["stream"] = json!(stream);
    }
    for (name, value) in fields.as_object().unwrap() {
        command["fields"][name] = value.clone();
    }
    command
}

/// The numbers that are not 0, without the months that nobody disclosed.
fn numbers(board: &Value) -> BTreeMap<String, u64> {
    let counts = board["counts"].as_array().unwrap().iter();
    let counts = counts.map(|count| (count["list"].as_str().unwrap().to_owned(), count["total"].as_u64().unwrap()));
    counts.filter(|(list, total)| *total > 0 && list != "undisclosed" && list != "due_soon").collect()
}

async fn counted(scene: &Scene, name: &str, query: &str) -> BTreeMap<String, u64> {
    let answer = scene.get(name, &format!("{BOARD}{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
    numbers(&answer.json())
}

fn these(lists: &[&str]) -> BTreeMap<String, u64> {
    lists.iter().map(|list| ((*list).to_owned(), 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secretary_counts_the_own_subtree_and_a_neighbour_nothing_of_it() {
    let (scene, pledge, letter) = county().await;
    let all = these(&["overdue_pledges", "unanswered", "drafts"]);
    assert_eq!(counted(&scene, "镇书记", "").await, all);
    assert_eq!(counted(&scene, "村书记", "").await, all);
    assert_eq!(counted(&scene, "镇书记", &format!("?org={VILLAGE}")).await, all);
    assert_eq!(counted(&scene, "县督查", "").await, all, "an inspector of the county counts all");
    assert_eq!(counted(&scene, "监一", "").await, these(&["overdue_pledges", "drafts"]), "supervisors read no letters");
    for name in ["邻镇书记", "邻镇督查", "邻镇审"] {
        assert_eq!(counted(&scene, name, "").await, these(&[]), "{name}");
        let absent = scene.get(name, &format!("{BOARD}?org=999999999999")).await;
        for org in [TOWNSHIP, VILLAGE, COUNTY] {
            for path in [BOARD.to_owned(), format!("{BOARD}/unanswered"), format!("{BOARD}/overdue_pledges")] {
                let answer = scene.get(name, &format!("{path}?org={org}")).await;
                assert_eq!((answer.status, answer.json()), (StatusCode::NOT_FOUND, absent.json()), "{name} {path}");
            }
        }
    }
    assert_eq!(scene.get("县运维", BOARD).await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.get("镇书记", &format!("{BOARD}/everything")).await.status, StatusCode::NOT_FOUND);

    let board = scene.get("镇书记", BOARD).await.json();
    assert_eq!((&board["sealed"], &board["today"]), (&json!(true), &json!("2026-03-12")));
    assert_eq!(board["orgs"], json!([[TOWNSHIP, format!("{TOWNSHIP}号机构(虚构)")]]));
    let row = async |list: &str| scene.get("镇书记", &format!("{BOARD}/{list}")).await.json()["rows"][0].clone();
    let (overdue, unanswered, draft) = (row("overdue_pledges").await, row("unanswered").await, row("drafts").await);
    assert_eq!((&overdue["stream"], &overdue["days"]), (&json!(pledge), &json!(7)));
    assert_eq!(
        (&unanswered["stream"], &unanswered["days"], &unanswered["title"]),
        (&json!(letter), &json!(10), &Value::Null)
    );
    assert_eq!((&unanswered["due_on"], &unanswered["sealed"]), (&json!("2026-03-17"), &json!(true)));
    assert_eq!(
        (&draft["stream"], &draft["awaits"], &draft["days"]),
        (&json!(REVIEW), &json!("村监会审核"), &json!(10))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_leaves_the_board_with_its_answer_and_nobody_counts_what_is_said_about_them() {
    let (mut scene, _, letter) = county().await;
    let registered = step("letter.registered.v1", Some(&letter), &json!({}));
    scene.seal(&registered, ("publisher", "会计")).await;
    assert_eq!(counted(&scene, "镇书记", "").await.get("unanswered"), Some(&1), "it still waits for its answer");
    let list = scene.get("镇书记", &format!("{BOARD}/unanswered")).await.json();
    assert_eq!(
        (&list["rows"][0]["awaits"], list["rows"][0]["rule"].as_str().unwrap().contains("信访工作条例")),
        (&json!("办结并答复"), true)
    );

    let concerned = json!({"concerns": [{"person": scene.town.fixture.people["镇书记"].stream}]});
    scene.town.fixture.citizen(&step("letter.received.v1", None, &concerned)).await.unwrap();
    scene.town.catch_up().await;
    assert_eq!(counted(&scene, "镇书记", "").await.get("unanswered"), Some(&1));
    assert_eq!(counted(&scene, "村书记", "").await.get("unanswered"), Some(&2));

    let today = json!({"answered_on": "2026-03-12", "told_on": "2026-03-12"});
    scene.seal(&step("letter.answered.v1", Some(&letter), &today), ("publisher", "会计")).await;
    assert_eq!(counted(&scene, "镇书记", "").await.get("unanswered"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secretary_sets_a_day_for_an_overdue_matter_and_the_answer_of_the_overseen_stops_the_clock() {
    let (mut scene, pledge, _) = county().await;
    let issued = json!({"kind": "supervision.issued.v1", "org": TOWNSHIP, "fields": {
        "to": VILLAGE, "about": pledge, "issued_on": "2026-03-12", "due_on": "2026-03-15",
        "title": "限期兑现路灯承诺(虚构)", "text": "请于15日前办结并说明原因。(虚构)"}});
    // Not a neighbour's, and not an organization's that lies beside.
    assert!(scene.town.fixture.submit(&issued, &[("approver", "邻镇书记")]).await.is_err());
    let receipt = scene.town.fixture.submit(&issued, &[("approver", "镇书记")]).await.unwrap();
    scene.town.catch_up().await;
    let supervision = scene.town.stream_of(receipt.index).await;
    for name in ["镇书记", "村书记", "县督查"] {
        assert_eq!(counted(&scene, name, "").await.get("supervisions"), Some(&1), "{name}");
    }
    let row = scene.get("镇书记", &format!("{BOARD}/supervisions")).await.json()["rows"][0].clone();
    assert_eq!((&row["days"], &row["about"], &row["by"]), (&json!(-3), &json!(pledge), &json!(TOWNSHIP)));
    let overdue = scene.get("镇书记", &format!("{BOARD}/overdue_pledges")).await.json();
    assert_eq!(overdue["rows"][0]["supervision"], json!(supervision));
    let soon = scene.get("镇书记", &format!("{BOARD}/due_soon")).await.json();
    assert!(soon["rows"].as_array().unwrap().iter().any(|row| row["stream"] == json!(supervision)), "{soon}");

    scene.town.fixture.clock.advance(DAY * 5);
    let row = scene.get("镇书记", &format!("{BOARD}/supervisions")).await.json()["rows"][0].clone();
    assert_eq!(row["days"], json!(2), "the clock runs on when nobody answers");
    let answered = json!({"kind": "supervision.answered.v1", "stream": supervision, "org": VILLAGE, "fields": {
        "result": "done", "answered_on": "2026-03-17", "text": "路灯已经装好(虚构)"}});
    scene.town.fixture.submit(&answered, &[("publisher", "会计")]).await.unwrap();
    scene.town.catch_up().await;
    assert_eq!(counted(&scene, "镇书记", "").await.get("supervisions"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_downloaded_whole_in_chinese_and_computes_nothing_in_a_spreadsheet() {
    let (scene, pledge, _) = county().await;
    let answer = scene.get("镇书记", &format!("{BOARD}/overdue_pledges?format=csv")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("text/csv"));
    let text = answer.text().strip_prefix('\u{feff}').unwrap();
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let names = table.headers().unwrap().clone();
    let place = |name: &str| names.iter().position(|known| known == name).unwrap();
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(&rows[0][place("标题")], format!("'{FORMULA}"));
    assert_eq!((&rows[0][place("逾期天数")], &rows[0][place("事项编号")]), ("7", pledge.as_str()));
    let months = scene.get("镇书记", &format!("{BOARD}/due_soon?format=csv")).await;
    assert_eq!(months.text().lines().count(), 1, "an empty list has its first line");
    let neighbour = scene.get("邻镇书记", &format!("{BOARD}/overdue_pledges?format=csv&org={VILLAGE}")).await;
    assert_eq!(neighbour.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_counts_as_the_api_does_and_offers_supervision_to_those_above_alone() {
    let (scene, pledge, letter) = county().await;
    let board = scene.get("镇书记", "/internal/board").await;
    assert_eq!((board.status, board.header("cache-control")), (StatusCode::OK, "no-store"));
    for list in ["overdue_pledges", "unanswered", "drafts"] {
        assert!(board.text().contains(&format!("/internal/board/{list}\"><b>1</b>")), "{list}: {}", board.text());
    }
    let offer = format!("/internal/write/supervision.issued?to={VILLAGE}&amp;about={}", pledge.replace('/', "%2F"));
    let offer = offer.replace("&amp;", "&#38;");
    for (name, is_offered) in [("镇书记", true), ("县督查", true), ("会计", true), ("村书记", false), ("监一", false)]
    {
        let list = scene.get(name, "/internal/board/overdue_pledges").await;
        assert!(list.text().contains("逾期 7 天"), "{name}: {}", list.text());
        assert_eq!(list.text().contains(&offer), is_offered, "{name}: {}", list.text());
    }
    let unanswered = scene.get("镇书记", "/internal/board/unanswered").await;
    assert!(unanswered.text().contains("内容封存") && unanswered.text().contains("已等 10 天"));
    assert!(
        !unanswered.text().contains("supervision.issued"),
        "a public supervision would show that there is a letter"
    );
    assert!(unanswered.text().contains(&format!("/internal/answers/{letter}")));
    for path in ["/internal/board", "/internal/board/overdue_pledges"] {
        let there = scene.get("邻镇书记", &format!("{path}?org={VILLAGE}")).await;
        assert_eq!(there.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(scene.get("县运维", path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(scene.get("镇书记", "/internal/board/everything").await.status, StatusCode::NOT_FOUND);
    assert!(!scene.get("县运维", "/internal/").await.text().contains("督办看板"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_urged_from_the_board_by_those_above_and_nothing_public_tells_of_it() {
    let (mut scene, _, letter) = county().await;
    let page = async |scene: &Scene, name: &str| scene.get(name, "/internal/board/unanswered").await.text().to_owned();
    let offer = format!("/internal/write/letter.urged?about={}", letter.replace('/', "%2F"));
    for (name, is_offered) in [("镇书记", true), ("县督查", true), ("会计", true), ("村书记", false)] {
        assert_eq!(page(&scene, name).await.contains(&offer), is_offered, "{name}");
    }
    let before = scene.town.fixture.ledger.health().committed;
    let fields = json!({"by": TOWNSHIP, "urged_on": "2026-03-12", "due_on": "2026-03-16"});
    scene.seal(&step("letter.urged.v1", Some(&letter), &fields), ("approver", "镇书记")).await;
    assert_eq!(scene.town.fixture.ledger.health().committed, before, "no entry of its own");
    let urged = page(&scene, "镇书记").await;
    assert!(urged.contains("正在督办") && !urged.contains(&offer), "{urged}");
    let rows = scene.get("村书记", &format!("{BOARD}/unanswered")).await.json();
    let (awaits, due) = (&rows["rows"][0]["awaits"], &rows["rows"][0]["due_on"]);
    assert_eq!((awaits, due), (&json!("按督办时限办结并答复"), &json!("2026-03-16")), "it stays with the village");
    for list in ["supervisions", "due_soon"] {
        let rows = scene.get("镇书记", &format!("{BOARD}/{list}")).await.json()["rows"].to_string();
        assert!(!rows.contains("supervision/"), "{list}: {rows}");
    }
    assert_eq!(scene.town.get(&format!("/streams/{letter}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letters_page_offers_the_steps_of_now_and_tells_nothing_of_it_before_it_is_read() {
    let (mut scene, _, letter) = county().await;
    let path = format!("/internal/answers/{letter}");
    let steps = async |scene: &Scene, name: &str| {
        let page = scene.get(name, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{name}: {}", page.text());
        assert!(!page.text().contains("水渠"), "{name} reads what is sealed");
        let parts = page.text().split("data-step=\"letter.").skip(1);
        parts.map(|part| part.split('.').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(steps(&scene, "村书记").await, ["registered", "forwarded", "not_accepted"]);
    assert_eq!(steps(&scene, "镇书记").await, ["registered", "forwarded", "not_accepted", "urged"]);
    let page = scene.get("村书记", &path).await;
    assert!(page.text().contains("2026年3月17日") && page.text().contains("信访工作条例第二十二条"), "{}", page.text());
    for name in ["监一", "邻镇书记", "县运维"] {
        assert_eq!(scene.get(name, &path).await.status, StatusCode::NOT_FOUND, "{name}");
    }
    let today = json!({"registered_on": "2026-03-12", "told_on": "2026-03-12"});
    scene.seal(&step("letter.registered.v1", Some(&letter), &today), ("publisher", "会计")).await;
    assert_eq!(steps(&scene, "村书记").await, ["answered", "extended", "forwarded", "not_accepted"]);
    let today = json!({"answered_on": "2026-03-12", "told_on": "2026-03-12"});
    scene.seal(&step("letter.answered.v1", Some(&letter), &today), ("publisher", "会计")).await;
    assert_eq!(steps(&scene, "村书记").await, [""; 0]);
    let offers = async |scene: &Scene, name: &str| scene.get(name, &path).await.text().contains("data-publishing");
    assert!(offers(&scene, "会计").await && !offers(&scene, "村书记").await, "a publisher publishes");

    let mut published = step("letter.published.v1", None, &json!({"letter": letter, "answered_on": "2026-03-12"}));
    published["fields"]["received_on"] = json!("2026-03-02");
    let receipt = scene.town.fixture.submit(&published, &[("publisher", "会计")]).await.unwrap();
    scene.town.catch_up().await;
    let page = scene.get("会计", &path).await;
    assert!(page.text().contains(&format!("/n/{}", receipt.index)), "{}", page.text());
    assert!(!offers(&scene, "会计").await, "once is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_reminds_those_who_have_to_act_within_three_days_and_not_those_above() {
    let (mut scene, ..) = county().await;
    for (number, due, title) in [(3, "2026-03-15", "三天内的承诺(虚构)"), (4, "2026-03-16", "四天后的承诺(虚构)")]
    {
        let mut soon = pledge(VILLAGE, number);
        soon["fields"]["due"] = json!(due);
        soon["fields"]["title"] = json!(title);
        scene.town.fixture.submit(&soon, &[("publisher", "会计")]).await.unwrap();
    }
    scene.town.catch_up().await;
    let village = scene.get("村书记", "/internal/").await;
    assert!(
        village.text().contains("三天内的承诺(虚构)") && village.text().contains("还有 3 天"),
        "{}",
        village.text()
    );
    assert!(!village.text().contains("四天后的承诺"), "it is not near yet");
    let town = scene.get("镇书记", "/internal/").await;
    assert!(!town.text().contains("三天内的承诺"), "it is the village's to keep");
    assert!(scene.get("镇书记", "/internal/board/due_soon").await.text().contains("三天内的承诺(虚构)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_above_is_led_to_publish_in_place_of_a_village_and_its_own_people_are_not() {
    let (scene, ..) = county().await;
    // The village is of March: that month is its first, and due on 10 April.
    scene.town.fixture.clock.advance(DAY * 40);
    let offered = format!("/internal/write/disclosure.published?for={VILLAGE}");
    let list = scene.get("会计", "/internal/board/undisclosed").await;
    assert!(list.text().contains("到期未公开（村·月）"), "a row is a month of a village: {}", list.text());
    assert!(list.text().contains(&offered) && list.text().contains("published_by=substitute"), "{}", list.text());
    assert!(!scene.get("村书记", "/internal/board/undisclosed").await.text().contains(&offered));
    let form = scene.get("会计", &format!("{offered}&published_by=substitute")).await;
    let text = form.text().replace("&#34;", "\"").replace("&quot;", "\"");
    let places = text.split("\"places\":").nth(1).unwrap();
    assert!(places.split("\"org\":\"").nth(1).unwrap().starts_with(VILLAGE), "{text}");
    let elsewhere = scene.get("会计", "/internal/write/disclosure.published?for=341599102").await;
    assert!(!elsewhere.text().contains("341599102号机构"), "not for an organization beside one's own");
}
