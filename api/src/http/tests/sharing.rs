//! What people carry away from a page: feeds, short addresses and texts, scripts for the loudspeaker, what a line opens to.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::pages::matters;
use super::{Answer, Town, ask};
use crate::share::short::CHARS_MAX;

/// The values of an attribute of the tags that begin so.
fn values<'a>(html: &'a str, tag: &str, attribute: &str) -> Vec<&'a str> {
    let start = format!("{attribute}=\"");
    let tags = html.split(tag).skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter_map(|tag| tag.split(start.as_str()).nth(1)?.split('"').next()).collect()
}

/// The addresses of the feeds that a page names to programs.
fn feeds(html: &str) -> Vec<&str> {
    values(html, "<link rel=\"alternate\" type=\"application/atom+xml\"", "href")
}

/// What a page offers to send on.
fn say(html: &str) -> &str {
    html.split("data-say>").nth(1).and_then(|rest| rest.split("</textarea>").next()).unwrap_or_else(|| panic!("{html}"))
}

async fn ok(town: &Town, path: &str) -> Answer {
    let answer = town.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_leads_to_the_feeds_that_bring_what_is_new_there() {
    let town = Town::with_matters().await;
    let mut wanted = vec![
        ("/".to_owned(), vec!["/feeds/all".to_owned()]),
        ("/timeline".to_owned(), vec!["/feeds/all".to_owned()]),
        ("/pledges".to_owned(), vec!["/feeds/pledges".to_owned()]),
        (format!("/organizations/{COUNTY}"), vec![format!("/feeds/organizations/{COUNTY}")]),
    ];
    for (page, stream) in matters(&town).await {
        let board = page.rsplit_once('/').unwrap().0;
        let here = format!("/feeds/streams/{stream}");
        let above = format!("/feeds/organizations/{COUNTY}");
        wanted.push((format!("/streams/{stream}"), vec![here.clone(), above.clone()]));
        wanted.push((page.clone(), vec![here, above, format!("/feeds{board}")]));
    }
    for (page, wanted) in wanted {
        let html = ok(&town, &page).await;
        assert_eq!(feeds(html.text()), wanted, "{page}");
        for feed in &wanted {
            assert!(html.text().contains(&format!("<a class=\"btn\" href=\"{feed}\">")), "{page}: {feed} can be seen");
            assert_eq!(ok(&town, feed).await.header("content-type"), "application/atom+xml; charset=utf-8");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_of_a_person_has_the_pledges_that_name_the_person_and_not_those_of_another_or_what_was_only_signed() {
    let mut town = Town::with_matters().await;
    let clerk = town.fixture.person("方禾生", COUNTY).await.to_string();
    town.say("pledge.made.v1", |fields| {
        fields["person"] = json!(clerk);
        fields["title"] = json!("方禾生的承诺(虚构)");
    })
    .await;
    town.catch_up().await;
    let id = clerk.strip_prefix("person/").unwrap();
    let path = format!("/feeds/persons/{id}");
    let feed = ok(&town, &path).await;
    assert!(feed.text().contains("<title>有关方禾生(虚构)的公开记录"), "{}", feed.text());
    assert!(
        feed.text().contains("方禾生的承诺(虚构)") && feed.text().contains("人员登记") || feed.text().contains("登记")
    );
    assert_eq!(feed.text().matches("<entry>").count(), 3, "registration, key and pledge: {}", feed.text());
    assert!(!feed.text().contains("alert(1)"), "a pledge that does not name the person");
    let page = ok(&town, &format!("/streams/{clerk}")).await;
    assert!(feeds(page.text()).contains(&path.as_str()));
    let pledge =
        feed.text().split("href=\"https://gongkai.example/pledges/").nth(1).unwrap().split('"').next().unwrap();
    let page = ok(&town, &format!("/pledges/{pledge}")).await;
    assert!(feeds(page.text()).contains(&path.as_str()), "the pledge leads to its pledger's feed");
    for unknown in ["/feeds/persons/1", "/feeds/persons/018f0000-0000-7000-8000-00000000ffff"] {
        assert_eq!(town.get(unknown).await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_a_page_is_its_short_address_and_its_code_is_drawn_here() {
    let town = Town::with_matters().await;
    for (page, _) in matters(&town).await {
        let html = ok(&town, &page).await;
        let number = html.text().split("/view\">№").nth(1).unwrap().split('<').next().unwrap();
        let short = town.get(&format!("/n/{number}")).await;
        assert_eq!((short.status, short.header("location")), (StatusCode::PERMANENT_REDIRECT, page.as_str()));
        assert!(values(html.text(), "<img", "src").contains(&format!("/n/{number}/qr.svg").as_str()), "{page}");
        let code = ok(&town, &format!("/n/{number}/qr.svg")).await;
        assert_eq!(code.header("content-type"), "image/svg+xml");
        assert!(code.text().starts_with("<svg ") && !code.text().contains("<text"));
    }
    for nothing in ["/n/999999", "/n/999999/qr.svg"] {
        assert_eq!(town.get(nothing).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
    assert_eq!(town.get("/n/x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_matter_has_a_text_for_one_message_that_ends_in_its_short_address() {
    let town = Town::with_matters().await;
    for (page, _) in matters(&town).await {
        let html = ok(&town, &page).await;
        let text = say(html.text());
        // Only the hostile title has anything that was escaped, and it only grows by that.
        let chars = text.chars().count();
        assert!(chars <= CHARS_MAX || text.contains("&#"), "{chars}: {text}");
        let number = html.text().split("/view\">№").nth(1).unwrap().split('<').next().unwrap();
        assert!(text.ends_with(&format!(" https://gongkai.example/n/{number}")), "{text}");
    }
    let (sheet, _) = matters(&town).await.pop().unwrap();
    let html = ok(&town, &sheet).await;
    let text = say(html.text());
    assert!(text.contains("：2026 年 2 月收支公开表") && text.contains("。支出673.36元。 https://"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sheets_notices_and_nominations_have_a_script_on_a_page_of_its_own() {
    let town = Town::with_matters().await;
    let found = matters(&town).await;
    for (page, _) in &found[2..] {
        let path = format!("{page}/loudspeaker");
        let html = ok(&town, page).await;
        assert!(html.text().contains(&format!("<a href=\"{path}\">大喇叭稿</a>")), "{page}");
        let script = ok(&town, &path).await;
        let said = script.text().split("data-script>").nth(1).unwrap().split("</article>").next().unwrap();
        assert!(said.starts_with("<p>各位乡亲，请大家注意听。</p>"), "{said}");
        assert!(!said.contains(|char: char| char.is_ascii_digit()), "{said}");
        assert!(script.text().contains("data-read hidden"), "the button is there only where it can do something");
    }
    let script = ok(&town, &format!("{}/loudspeaker", found[4].0)).await;
    assert!(script.text().contains("支出六百七十三元三角六分"), "{}", script.text());
    for (page, _) in &found[..2] {
        assert!(!ok(&town, page).await.text().contains("loudspeaker"), "{page} has no script");
        assert_eq!(town.get(&format!("{page}/loudspeaker")).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(
        town.get("/notices/018f0000-0000-7000-8000-000000000001/loudspeaker").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_opens_to_what_it_was_compared_with_its_voucher_and_what_was_asked_about_it() {
    let mut town = Town::with_matters().await;
    let line = |summary: &str, account: &str, fen: i64| json!({"date": "2026-03-03", "voucher": "记-20", "summary": summary, "account": account, "expense": fen, "attachments": 2});
    let receipt = town
        .say("disclosure.published.v1", |fields| {
            fields["period"] = json!("2026-03");
            fields["expense"] = json!(71_046);
            fields["lines"] = json!([line("公厕电费", "管理费用", 71_036), line("茶水", "会议费", 10)]);
        })
        .await;
    town.catch_up().await;
    let stream = town.stream_of(receipt.index).await;
    let html = ok(&town, &format!("/disclosures/{}", stream.split('/').nth(1).unwrap())).await;
    let row = |number: u32| {
        let row = html.text().split(&format!("<tr id=\"L{number}\">")).nth(1).unwrap();
        row.split("</tr>").next().unwrap().to_owned()
    };
    assert!(row(1).contains("<summary>比上月多37元</summary>"), "{}", row(1));
    assert!(row(1).contains("管理费用：2026年3月1笔共710.36元；2026年2月2笔共673.36元。"), "{}", row(1));
    assert!(row(1).contains("凭证记-20，后附2张。"), "{}", row(1));
    assert!(row(2).contains("<summary>上月没有这一项</summary>") && row(2).contains("2026年2月没有。"), "{}", row(2));
    let (first, _) = matters(&town).await.into_iter().next_back().unwrap();
    let listed = town.get("/api/v1/disclosures").await.json();
    let earlier = listed["items"].as_array().unwrap().iter().find(|item| item["period"] == "2026-02").unwrap();
    let earlier = earlier["stream"].as_str().unwrap().replace("disclosure/", "/disclosures/");
    assert!(row(1).contains(&format!("href=\"{earlier}\"")), "{first}");
    assert!(!ok(&town, &earlier).await.text().contains("比上月"), "the first month has nothing before it");
}

/// Hands a file in; gives it as a statement names it.
async fn hand_in(town: &Town, bytes: &[u8], media_type: &str) -> Value {
    let request = Request::put("/api/v1/attachments").body(Body::from(bytes.to_vec())).unwrap();
    let stored = ask(&town.internal, request).await.json();
    json!({"hash": stored["hash"], "size": bytes.len(), "media_type": media_type})
}

fn address_of(file: &Value) -> String {
    let hash = gongkai_log::Digest::parse(file["hash"].as_str().unwrap()).unwrap();
    format!("/log/attachment/{}", hash.to_hex())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_opens_to_the_files_of_its_own_voucher_and_without_any_to_those_of_the_sheet() {
    let mut town = Town::with_matters().await;
    let (photo, scan) = (b"\xff\xd8\xff a receipt".as_slice(), b"%PDF the whole sheet".as_slice());
    let own = hand_in(&town, photo, "image/jpeg").await;
    let sheets = hand_in(&town, scan, "application/pdf").await;
    let line = |voucher: Option<&str>| {
        let mut line = json!({"date": "2026-03-03", "summary": "公厕电费", "account": "管理费用", "expense": 10});
        line.as_object_mut().unwrap().extend(voucher.map(|voucher| ("voucher".to_owned(), json!(voucher))));
        line
    };
    let (mut numbered, mut nameless) = (line(Some("记-20")), line(None));
    numbered["files"] = json!([own]);
    nameless["files"] = json!([own, own]);
    let receipt = town
        .say("disclosure.published.v1", |fields| {
            fields["period"] = json!("2026-03");
            fields["expense"] = json!(30);
            fields["attachments"] = json!([sheets]);
            fields["lines"] = json!([numbered, line(Some("记-21")), nameless]);
        })
        .await;
    town.catch_up().await;
    let stream = town.stream_of(receipt.index).await;
    let page = stream.replace("disclosure/", "/disclosures/");
    let html = ok(&town, &page).await;
    let row = |number: u32| {
        let row = html.text().split(&format!("<tr id=\"L{number}\">")).nth(1).unwrap();
        row.split("</tr>").next().unwrap().to_owned()
    };
    let linked = format!("<a href=\"{}\">附件：凭证文件 1（image/jpeg）</a>", address_of(&own));
    assert!(row(1).contains("凭证记-20。") && row(1).contains(&linked), "{}", row(1));
    assert!(!row(1).contains("#files") && !row(1).contains(&address_of(&sheets)), "{}", row(1));
    assert!(row(2).contains("<a href=\"#files\">看随表公开的附件</a>"), "{}", row(2));
    assert!(!row(2).contains("/log/attachment/"), "{}", row(2));
    assert!(row(3).contains("凭证没有编号。") && row(3).contains("凭证文件 2（image/jpeg）"), "{}", row(3));
    for number in 1..=3 {
        assert!(
            !["<img", "<iframe", "<object", "<embed"].iter().any(|tag| row(number).contains(tag)),
            "{}",
            row(number)
        );
        assert!(!row(number).contains("media_type"), "a file is not shown as data: {}", row(number));
    }
    let answer = ok(&town, &address_of(&own)).await;
    assert_eq!((&answer.body[..], answer.header("content-type")), (photo, "application/octet-stream"));
    let request = Request::get(&page).header("cookie", "lang=en").body(Body::empty()).unwrap();
    let english = ask(&town.public, request).await;
    assert!(
        english.text().contains("The voucher has no number.") && english.text().contains("Voucher file 1 (image/jpeg)"),
        "{}",
        english.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_lines_are_in_every_form_of_the_lines() {
    let mut town = Town::with_matters().await;
    let file = hand_in(&town, b"a receipt", "image/jpeg").await;
    let receipt = town
        .say("disclosure.published.v1", |fields| {
            fields["lines"][1]["files"] = json!([file]);
        })
        .await;
    town.catch_up().await;
    let lines = format!("/api/v1/disclosures/{}/lines", town.stream_of(receipt.index).await.split('/').nth(1).unwrap());
    let answer = town.get(&lines).await.json();
    assert_eq!(answer["lines"][1]["row"]["files"], json!([file]));
    assert!(answer["lines"][0]["row"].get("files").is_none(), "absent stays absent");
    assert!(answer["columns"].as_array().unwrap().contains(&json!(["files", "凭证文件"])));
    let answer = town.get(&format!("{lines}?format=jsonl")).await;
    let second: Value = serde_json::from_str(answer.text().lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["row"]["files"], json!([file]));
    let table = town.get(&format!("{lines}?format=csv")).await;
    let mut rows = csv::Reader::from_reader(table.text().trim_start_matches('\u{feff}').as_bytes());
    let at = rows.headers().unwrap().iter().position(|name| name == "files").unwrap();
    let cells: Vec<String> = rows.records().map(|row| row.unwrap()[at].to_owned()).collect();
    assert_eq!((cells[0].as_str(), serde_json::from_str::<Value>(&cells[1]).unwrap()), ("", json!([file])));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_matter_has_a_long_picture_that_is_an_image_of_this_site() {
    let mut town = Town::with_matters().await;
    for (page, _) in matters(&town).await {
        let html = ok(&town, &page).await;
        let path = values(html.text(), "<a", "href").into_iter().find(|href| href.ends_with("/picture")).unwrap();
        let shown = ok(&town, path).await;
        assert_eq!(shown.header("content-security-policy"), crate::http::guard::CSP);
        let image = values(shown.text(), "<img class=\"long\"", "src")[0];
        let picture = ok(&town, image).await;
        assert_eq!(picture.header("content-type"), "image/svg+xml");
        let mut reader = quick_xml::Reader::from_str(picture.text());
        let mut texts = 0;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(start) => match start.name().as_ref() {
                    "text" => texts += 1,
                    "script" => panic!("{page}: a value became markup"),
                    _ => {}
                },
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert!(texts > 6, "{page}: {}", picture.text());
        assert!(
            picture.text().contains(&format!(">https://gongkai.example{}</text>", path.trim_end_matches("/picture")))
        );
    }
    let (sheet, _) = matters(&town).await.pop().unwrap();
    let number =
        ok(&town, &sheet).await.text().split("/view\">№").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let picture = ok(&town, &format!("/n/{number}/picture.svg")).await;
    for said in [">支出</text>", ">673.36 元</text>", ">管理费用</text>", ">花得最多的几项</text>"] {
        assert!(picture.text().contains(said), "{said}: {}", picture.text());
    }
    let (pledge, stream) = matters(&town).await.remove(0);
    let index = town.get(&format!("/api/v1{pledge}")).await.json()["matter"]["first_index"].as_u64().unwrap();
    for (kind, fields, shows) in [
        ("pledge.progressed.v1", json!({"percent": 60, "on": "2026-03-02", "report": "修了一半(虚构)"}), true),
        ("pledge.fulfilled.v1", json!({"on": "2026-03-02", "report": "修好了(虚构)"}), false),
    ] {
        let command = json!({"kind": kind, "stream": stream, "org": COUNTY, "fields": fields});
        town.fixture.submit(&command, &[("publisher", "文书")]).await.unwrap();
        town.catch_up().await;
        let picture = ok(&town, &format!("/n/{index}/picture.svg")).await;
        assert_eq!(picture.text().contains("报告的进度"), shows, "{kind}: {}", picture.text());
    }
    for nothing in ["/n/999999/picture", "/n/999999/picture.svg", "/n/0/picture"] {
        assert_eq!(town.get(nothing).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}
