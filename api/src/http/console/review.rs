//! `/internal/reviews/{id}` and `/internal/drafts/{id}`: a draft under review, and a statement that waits for a signature.
//!
//! The pages tell where things stand; what a draft says is fetched by their scripts, from a review only after the reader's
//! signed access is on record. Whether a step may be taken is judged by the ledger, never here.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::procedure::Gate;
use gongkai_domain::{Role, World};
use gongkai_log::StreamId;
use gongkai_projections::Reader as Views;
use gongkai_projections::internal::queue::{StandingRow, StepRow, Taken};
use serde_json::{Value, json};

use super::{answer, who};
use crate::http::App;
use crate::http::internal::matters;
use crate::http::pages::{Frame, frame, nothing, parts};
use crate::http::problem::Problem;
use crate::site::console::Who;
use crate::site::console_gates::{CosignPage, ReviewPage, StepLine};

/// In which role somebody looks, the first that they hold.
const READING_ROLES: [Role; 5] = [Role::Reviewer, Role::Supervisor, Role::Approver, Role::Publisher, Role::Inspector];

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    Path(id): crate::http::pages::Id,
) -> Response {
    answer(&app, &headers, &uri, async |reader| make(&app, &id, &reader).await).await
}

pub(super) async fn cosign(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    Path(id): crate::http::pages::Id,
) -> Response {
    answer(&app, &headers, &uri, async |reader| {
        let Frame { site, .. } = frame(&app).await?;
        let mut views = app.read().await?;
        let who = who(&app, &reader, &mut views).await?;
        Ok(CosignPage { site, who, facts: json!({"id": id, "key": reader.key()}).to_string() })
    })
    .await
}

async fn make(app: &App, id: &str, reader: &Reader) -> Result<ReviewPage, Problem> {
    let stream: StreamId = format!("review/{id}").parse().map_err(|_| nothing())?;
    let found = matters::views(app)?.standing(reader, &stream).await?;
    let standing = found.ok_or_else(nothing)?;
    let Frame { site, .. } = frame(app).await?;
    let mut views = app.read().await?;
    let who = who(app, reader, &mut views).await?;
    let names = names(&standing, &mut views).await?;
    let name = |person: &str| names.iter().find(|(id, _)| id == person).map_or(person, |(_, name)| name).to_owned();
    let taken = |taken: &Taken| format!("{} {}", name(&taken.person), parts::moment(taken.at));
    let next = standing.steps.iter().position(|step| (step.taken.len() as u64) < step.people);
    let line = |(place, step): (usize, &StepRow)| StepLine {
        gate: step.gate_label.clone(),
        who: format!("{}{}", if step.above { "上级机构的" } else { "" }, step.role_label),
        taken: step.taken.iter().map(taken).collect(),
        missing: step.people.saturating_sub(step.taken.len() as u64),
        is_next: standing.returned.is_none() && next == Some(place),
    };
    let author = standing.author.as_deref().map(name).unwrap_or_default();
    let orgs = views.org_names(std::iter::once(standing.org.as_str())).await?;
    Ok(ReviewPage {
        site,
        org: orgs.get(&standing.org).unwrap_or(&standing.org).clone(),
        submitted: format!("{author} {} 送审", parts::moment(standing.submitted_at)),
        steps: standing.steps.iter().enumerate().map(line).collect(),
        returned: standing.returned.as_ref().map(taken),
        published: standing.published,
        act: act(&standing),
        facts: app.ledger()?.with_world(|world| facts(&stream, &standing, (reader, &who), world)).to_string(),
        who,
    })
}

fn act(standing: &StandingRow) -> &'static str {
    match standing {
        _ if standing.mine.is_some() => "pass",
        _ if standing.published.is_some() => "",
        _ if standing.is_own && standing.is_complete => "publish",
        _ if standing.is_own && standing.returned.is_some() => "mend",
        _ => "",
    }
}

/// The names of all who did something, by person.
async fn names(standing: &StandingRow, views: &mut Views) -> Result<Vec<(String, String)>, Problem> {
    let taken = standing.steps.iter().flat_map(|step| &step.taken).chain(&standing.returned);
    let mut persons: Vec<String> = taken.map(|taken| taken.person.clone()).collect();
    persons.extend(standing.author.clone());
    Ok(views.person_names(&persons).await?.into_iter().collect())
}

/// What the script needs: the step that is waited for, who signs the publication, in which role the reader looks.
fn facts(stream: &StreamId, standing: &StandingRow, (reader, who): (&Reader, &Who), world: &World) -> Value {
    let org = standing.org.as_str();
    let role = READING_ROLES.into_iter().find(|role| world.holds(reader.person(), *role, Some(org)));
    let step = standing.mine.as_ref().and_then(|gate| standing.steps.iter().find(|step| step.gate == *gate));
    let step = step.map(|step| {
        let kind = if step.gate == Gate::Approval.wire() { "review.approved.v1" } else { "review.gate_passed.v1" };
        json!({"gate": step.gate, "label": step.gate_label, "role": step.role, "kind": kind})
    });
    let cosigners = standing
        .steps
        .iter()
        .filter(|step| step.cosigns)
        .flat_map(|step| step.taken.iter().map(|taken| json!([step.role, live(taken, world)])));
    json!({
        "review": stream, "org": org, "revision": standing.revision, "key": who.key, "person": reader.person(),
        "role": role.map(Role::wire), "step": step, "cosigners": cosigners.collect::<Vec<_>>(),
    })
}

/// The key with which somebody signs who decided: the one that they used then, or another of theirs where it is revoked.
fn live(taken: &Taken, world: &World) -> String {
    let is_live = |name: &str| world.key(name).is_some_and(|key| key.revoked_at.is_none());
    if is_live(&taken.key) {
        return taken.key.clone();
    }
    let own = |person: &StreamId| person.to_string() == taken.person;
    let mut others = world.keys().filter(|(name, key)| is_live(name) && key.person.as_ref().is_some_and(own));
    others.next().map_or_else(|| taken.key.clone(), |(name, _)| name.to_owned())
}
