//! `/internal/continue?about=`: what one may write of a matter that has begun.
//!
//! A matter is named by its number or by the address of its page, as people copy it.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::kind::pledge::Evaluator;
use gongkai_domain::kind::rating::{Counted, Grade};
use gongkai_domain::{KINDS, kind};
use gongkai_log::StreamId;
use gongkai_projections::internal::rating::Ratings;

use super::{answer, is_for, roles, who};
use crate::http::App;
use crate::http::internal::sums;
use crate::http::pages::{Frame, frame, hand_in, nothing, parts};
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::site::console::{ContinuePage, Feedback};
use crate::site::format::{Count, Day};
use crate::site::parts::{Family, Link};

pub(super) async fn show(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&app, &headers, &uri, async |reader| make(&app, &uri, &reader).await).await
}

async fn make(app: &App, uri: &Uri, reader: &Reader) -> Result<ContinuePage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["about"])?;
    let about = params.text("about").and_then(named).ok_or_else(nothing)?;
    let Frame { site, .. } = frame(app).await?;
    let mut views = app.read().await?;
    let stream = about.to_string();
    let events = views.history(&stream).await?;
    let first = events.first().ok_or_else(nothing)?;
    let label = gongkai_projections::read::history::latest(&events, "title").map(parts::shown);
    let label = label.map_or_else(|| first.label.clone(), |title| title.plain().to_owned());
    let roles = roles(app, reader)?;
    let more = KINDS.iter().filter(|kind| !kind.opens && kind.family() == about.family && is_for(kind, &roles));
    let link = |kind: &kind::Kind| {
        let mut href = format!("/internal/write/{}", hand_in::slug(kind));
        push(&mut href, "about", &stream);
        Link::new(href, kind.label)
    };
    let links = more.map(link).collect();
    let feedback = match about.family.as_str() {
        "pledge" => feedback(app, reader, &about).await?,
        _ => None,
    };
    Ok(ContinuePage {
        site,
        who: who(app, reader, &mut views).await?,
        about: Link::new(parts::href(&stream), label),
        links,
        feedback,
    })
}

/// The ratings of a pledge, for whoever may count them, and the form that publishes them.
async fn feedback(app: &App, reader: &Reader, pledge: &StreamId) -> Result<Option<Feedback>, Problem> {
    let Some(Ratings { through, counts }) = sums::ratings(app, reader, pledge).await? else { return Ok(None) };
    let publish = |counted: &Counted| {
        let mut href = "/internal/write/pledge.evaluated".to_owned();
        push(&mut href, "about", &pledge.to_string());
        push(&mut href, "by", Evaluator::Online.wire());
        push(&mut href, "held_on", &through.to_string());
        for (grade, count) in counted.by_grade() {
            push(&mut href, grade.wire(), &count.to_string());
        }
        Link::new(href, "公布网上反馈")
    };
    let grade = |(grade, count): (Grade, u64)| (grade.label(), Count(count));
    Ok(Some(Feedback {
        through: Day(through),
        grades: counts.iter().flat_map(Counted::by_grade).map(grade).collect(),
        publish: counts.as_ref().map(publish),
    }))
}

/// The matter that a number or a page's address names.
fn named(text: &str) -> Option<StreamId> {
    let path = text.split(['?', '#']).next()?.trim_end_matches('/');
    let mut parts = path.rsplit('/');
    let (id, family) = (parts.next()?, parts.next()?);
    let board = Family::BOARDS.iter().find(|board| board.href().trim_start_matches('/') == family);
    let family = board.map_or(family, |board| parts::wire(*board));
    StreamId::parse(&format!("{family}/{id}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matter_is_found_by_its_number_and_by_the_address_of_its_page() {
        let id = "018f0000-0000-7000-8000-000000000001";
        let stream = format!("pledge/{id}");
        for text in [
            stream.clone(),
            format!("/pledges/{id}"),
            format!("https://gk.example.gov.cn/pledges/{id}?on=2026-06-30#h1"),
            format!("https://nb.example.gov.cn:8081/streams/pledge/{id}/"),
        ] {
            assert_eq!(named(&text).map(|found| found.to_string()), Some(stream.clone()), "{text}");
        }
        for text in ["", "修路", id, "pledges"] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
