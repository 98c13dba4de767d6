//! What one keeps of something that was handed in, and what of it is in no address and on no other page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gongkai_store::testing::COUNTY;

use super::citizen::Office;
use super::forms::{letter, post};

const IMAGE: &str = "data:image/png;base64,";

fn image(html: &str) -> Vec<u8> {
    let data = html.split_once(IMAGE).unwrap().1.split_once('"').unwrap().0;
    STANDARD.decode(data).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_an_image_in_its_own_page_and_in_no_other_answer() {
    let office = Office::open().await;
    let answer = post(&office, "/hand-in/letter.received", &letter("appeal"), &[]).await;
    assert!(answer.header("content-security-policy").contains("img-src 'self' data:;"));
    let text = answer.text();
    assert_eq!(image(text)[1..4], *b"PNG");
    assert!(text.contains("来信登记告知期限（信访工作条例第二十二条）"), "by when and under which rule: {text}");
    for path in ["/", "/hand-in", "/follow"] {
        assert!(!office.town.get(path).await.header("content-security-policy").contains("data:"), "{path}");
    }
    let code = text.split_once("codeword\">").unwrap().1.split_once('<').unwrap().0.to_owned();
    let asked = post(&office, "/follow/receipt", &[("code", &code)], &[]).await;
    assert_eq!((asked.status.as_u16(), asked.header("cache-control")), (200, "no-store"));
    assert!(text.contains(asked.text().trim()), "the same receipt");
    let read = post(&office, "/follow/receipt", &[("code", &code)], &[("accept-language", "en")]).await;
    assert!(read.text().contains("at the latest, Time for registering a letter ("), "{}", read.text());
    let unknown = post(&office, "/follow/receipt", &[("code", "0000-0000-0000-0000")], &[]).await;
    assert_eq!(unknown.status.as_u16(), 404);
    let forged = post(&office, "/follow/receipt", &[("code", &code)], &[("origin", "https://elsewhere.example")]).await;
    assert_eq!(forged.status.as_u16(), 403);
    assert_eq!(office.town.get(&format!("/follow/receipt?code={code}")).await.status.as_u16(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_kept_by_its_number_with_the_day_of_its_answer_and_without_its_text() {
    let mut office = Office::open().await;
    office.town.fixture.officers(&[("监督一", COUNTY, "supervisor"), ("监督二", COUNTY, "supervisor")]).await;
    let sheet = office.town.say("disclosure.published.v1", |_| {}).await;
    office.town.catch_up().await;
    let stream = office.town.stream_of(sheet.index).await;
    let fields = [
        ("_org", COUNTY),
        ("_about", stream.as_str()),
        ("topic", "amount"),
        ("line", "2"),
        ("text", "金丝雀为什么(虚构)"),
    ];
    let answer = post(&office, "/hand-in/disclosure.questioned", &fields, &[]).await;
    let text = answer.text();
    assert_eq!(answer.status.as_u16(), 200, "{text}");
    assert!(text.contains("第2行") && text.contains("询问答复期限（") && !text.contains("金丝雀"), "{text}");
    assert_eq!(image(text)[1..4], *b"PNG");
    let index = text.split_once("codeword\">№").unwrap().1.split_once('<').unwrap().0.to_owned();
    let asked = post(&office, "/follow/receipt", &[("entry", &index)], &[]).await;
    assert!(asked.text().contains("公开答复") && !asked.text().contains("金丝雀"));
    for other in [sheet.index.to_string(), "999999".into()] {
        assert_eq!(post(&office, "/follow/receipt", &[("entry", &other)], &[]).await.status.as_u16(), 404, "{other}");
    }
    // The line is filled in where the sheet's page leads to its form, and nothing where all of it is encrypted.
    let mut form = "/hand-in/disclosure.questioned?line=2&about=".to_owned();
    crate::http::query::escape(&mut form, &stream);
    assert!(office.town.get(&form).await.text().contains("value=\"2\""));
    let letter = format!("/hand-in/letter.received?org={COUNTY}&class=accusation&title=%3Cb%3E&refers_to=x");
    let shown = office.town.get(&letter).await;
    let shown = shown.text();
    assert!(shown.contains("value=\"&#60;b&#62;\"") && !shown.contains("说的是"), "{shown}");
}
