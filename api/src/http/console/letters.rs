//! `/internal/answers/letter/{id}`: a letter in hand. What may be done now is the domain's to say
//! (`InternalViews::next_steps`), by whom follows from roles; the ledger judges what is then written.
//!
//! Class and consent of the letter are content: the page knows neither, its script learns them with the reading.

use std::collections::HashSet;

use chrono::NaiveDate;
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::kind::access;
use gongkai_domain::kind::intake::PointResult;
use gongkai_domain::kind::letter::{Answered, Published, Received, Registered, Step, Urged};
use gongkai_domain::kind::{self, Described as _};
use gongkai_domain::world::Grant;
use gongkai_domain::{Kind, World};
use gongkai_log::StreamId;
use gongkai_projections::internal::read::{DueRow, EventRow, MatterRow};
use gongkai_projections::internal::steps::NextStep as Next;
use serde_json::{Value, json};

use super::answers::{current, dues, role_at, sealed_matter};
use super::{board, who};
use crate::http::App;
use crate::http::pages::{Frame, frame, hand_in, nothing, parts};
use crate::http::problem::Problem;
use crate::http::query::push;
use crate::site::console_letter::{LetterPage, NextStep, PastStep};
use crate::site::follow::Due;
use crate::site::format::Day;
use crate::site::parts::{Link, Row};

/// The statements that are read together, with their titles.
const READ: [(&str, &str); 3] = [(Received::KIND, "来信"), (Registered::KIND, "登记"), (Answered::KIND, "答复")];

/// A step with the role in which the reader takes it.
struct Open {
    next: Next,
    kind: &'static Kind,
    role: &'static str,
    /// Of a supervision, what its form is filled in with.
    given: Value,
}

pub(super) async fn make(app: &App, reader: &Reader, stream: &StreamId) -> Result<LetterPage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let mut views = current(app).await?;
    let internal = app.internal.as_ref().ok_or_else(nothing)?;
    let (purpose, matter, events) = sealed_matter(app, reader, stream).await?;
    let next = internal.next_steps(reader, purpose, stream, app.today()).await?.ok_or_else(nothing)?;
    let steps: Vec<Open> =
        next.into_iter().filter_map(|next| open(app, reader, next).transpose()).collect::<Result<_, _>>()?;
    let names = views.org_names([matter.org.as_str()]).await?;
    let mut rows = vec![
        Row::new("受理机构", names.get(&matter.org).unwrap_or(&matter.org).as_str()),
        Row::new("收到", parts::moment(matter.received_at).to_string()),
    ];
    let published = internal.published_letter(reader, purpose, stream).await?;
    let publish = publisher(app, reader, &matter, &events)?.filter(|_| published.is_none());
    let access = kind::find(access::KIND).ok_or_else(nothing)?;
    let readings = events.iter().filter_map(|event| {
        let (_, label) = READ.iter().find(|(kind, _)| *kind == event.kind)?;
        Some(json!({"revision": event.revision, "label": label}))
    });
    let table = json!({
        "stream": stream, "org": matter.org, "key": reader.key(), "today": app.today(),
        "role": role_at(app, reader, access.authors, &matter.org)?, "purpose": purpose,
        "readings": readings.collect::<Vec<_>>(), "results": PointResult::CHOICES,
        "steps": steps.iter().map(Open::to_json).collect::<Vec<_>>(),
        "publish": publish.map(|role| json!({"org": matter.org, "role": role})),
    });
    let mut steps: Vec<NextStep> = steps.into_iter().map(|step| step.shown(stream)).collect();
    let said = once(&mut steps);
    rows.extend(dues(&matter).filter(|row| !said.contains(&row.label)));
    Ok(LetterPage {
        site,
        who: who(app, reader, &mut views).await?,
        rows,
        steps,
        is_done: matter.dues.is_empty(),
        may_publish: publish.is_some(),
        published: published.map(|index| Link::new(format!("/n/{index}"), format!("№{index}"))),
        past: events.iter().map(past).collect(),
        table: table.to_string(),
    })
}

/// The step as the reader may take it; `None` for who may not.
fn open(app: &App, reader: &Reader, next: Next) -> Result<Option<Open>, Problem> {
    let kind = kind::find(next.step.kind()).ok_or_else(nothing)?;
    if next.step == Step::Urged {
        let today = app.today();
        return Ok(app.ledger()?.with_world(|world| {
            let grant = above(world.grants(reader.person()), &next.org, world)?;
            let (role, given) = (grant.role.wire(), urging(grant, &next.org, today, world));
            Some(Open { next, kind, role, given })
        }));
    }
    let role = role_at(app, reader, kind.authors, &next.org).ok();
    Ok(role.map(|role| Open { next, kind, role, given: json!({}) }))
}

/// The nearest grant by which somebody may set an organization a day (督办): one above it.
pub(super) fn above<'g>(grants: &'g [Grant], org: &str, world: &World) -> Option<&'g Grant> {
    let issues = |grant: &&Grant| Urged::AUTHORS.contains(&grant.role);
    let reaching = grants.iter().filter(issues).filter(|grant| grant.org.as_deref() != Some(org));
    let mut reaching = reaching.filter(|grant| grant.org.as_deref().is_none_or(|above| world.is_within(org, above)));
    reaching.next()
}

/// What the form of a supervision is filled in with.
pub(super) fn urging(grant: &Grant, org: &str, today: NaiveDate, world: &World) -> Value {
    let root = || world.chain(org).last().filter(|root| *root != org).map(str::to_owned);
    let by = grant.org.clone().or_else(root);
    json!({"by": by, "urged_on": today, "due_on": board::proposed_day(today, world)})
}

/// The role in which the reader publishes the letter, once there is an answer.
fn publisher(
    app: &App,
    reader: &Reader,
    matter: &MatterRow,
    events: &[EventRow],
) -> Result<Option<&'static str>, Problem> {
    let kind = kind::find(Published::KIND).ok_or_else(nothing)?;
    let is_answered = events.iter().any(|event| event.kind == Answered::KIND && !event.hidden);
    Ok(role_at(app, reader, kind.authors, &matter.org).ok().filter(|_| is_answered))
}

/// Leaves a day that several steps meet at the first of them; gives what these days are for.
fn once(steps: &mut [NextStep]) -> HashSet<String> {
    let mut said = HashSet::new();
    for step in steps {
        step.due = step.due.take().filter(|due| said.insert(due.what.clone()));
    }
    said
}

fn past(event: &EventRow) -> PastStep {
    PastStep { label: event.label.clone(), at: parts::moment(event.received_at) }
}

fn due(due: DueRow) -> Due {
    Due { what: due.what, on: Day(due.due_on), days_over: due.days_over, rule: due.rule.unwrap_or_default() }
}

impl Open {
    fn to_json(&self) -> Value {
        json!({"kind": self.kind.name, "label": self.kind.label, "org": self.next.org, "role": self.role,
            "given": self.given})
    }

    fn shown(self, stream: &StreamId) -> NextStep {
        let mut href = format!("/internal/write/{}", hand_in::slug(self.kind));
        push(&mut href, "about", &stream.to_string());
        push(&mut href, "for", &self.next.org);
        for (name, value) in self.given.as_object().into_iter().flatten() {
            push(&mut href, name, value.as_str().unwrap_or_default());
        }
        NextStep {
            kind: self.kind.name.to_owned(),
            label: self.kind.label.to_owned(),
            act: if self.next.step == Step::Answered { "逐项答复" } else { "办理" }.to_owned(),
            due: self.next.due.map(due),
            href,
        }
    }
}
