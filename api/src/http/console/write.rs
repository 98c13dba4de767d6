//! `/internal/write/{kind}`: the form of any kind that one may write.
//!
//! The page carries the kind's own table (`table`); its script makes the form of it, has it judged while one writes, shows
//! what the public will see, and signs. Nothing is prepared or judged here.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::kind::{Described as _, family_label, nomination, notice, vacancy};
use gongkai_domain::procedure::{self, Procedure};
use gongkai_domain::world::Grant;
use gongkai_domain::{KINDS, Kind, Role};
use gongkai_log::StreamId;
use gongkai_log::statement::PROXY_CHANNELS;
use gongkai_projections::Reader as Views;
use serde_json::{Value, json};

use super::{answer, is_for, roles, table, who};
use crate::http::App;
use crate::http::pages::{Frame, frame, hand_in, parts};
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::site::console::WritePage;
use crate::site::parts::Link;

/// Kinds whose period is counted while it is written.
const CLOCKED: [&str; 3] = [nomination::Announced::KIND, notice::Published::KIND, vacancy::Announced::KIND];

/// Roles that sign beside an author.
const BESIDE: [Role; 4] = [Role::Registrar, Role::Reviewer, Role::Approver, Role::Supervisor];

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    Path(slug): crate::http::pages::Id,
) -> Response {
    answer(&app, &headers, &uri, async |reader| make(&app, &uri, &slug, &reader).await).await
}

async fn make(app: &App, uri: &Uri, slug: &str, reader: &Reader) -> Result<WritePage, Problem> {
    let nothing = || Problem::not_found("没有这种事项，或者不由您的职责起草");
    let kind = KINDS.iter().find(|kind| hand_in::slug(kind) == slug).ok_or_else(nothing)?;
    if !is_for(kind, &roles(app, reader)?) {
        return Err(nothing());
    }
    let params = Params::of(uri)?;
    let Frame { site, .. } = frame(app).await?;
    let mut views = app.read().await?;
    // What begins a matter continues none: there `about` is a field of it like any other.
    let about = params.text("about").filter(|_| !kind.opens);
    let about = about.map(|about| about.parse::<StreamId>().map_err(|_| nothing())).transpose()?;
    let grants = grants(app, |role| kind.authors.contains(&role), reader, params.text("for"))?;
    let mut table = table::of(kind);
    table["key"] = json!(reader.key());
    table["about"] = json!(about);
    table["given"] = given(kind, &params);
    table["today"] = json!(app.today());
    table["places"] = places(app, &grants, Some(kind), &mut views).await?;
    table["beside"] = beside(app, reader, &mut views).await?;
    table["channels"] = json!(PROXY_CHANNELS);
    table["clocked"] = json!(CLOCKED.contains(&kind.name));
    Ok(WritePage {
        site,
        who: who(app, reader, &mut views).await?,
        label: kind.label.to_owned(),
        family: family_label(kind.family()).to_owned(),
        table: table.to_string(),
        about: about.map(|about| Link::new(parts::href(&about.to_string()), about.to_string())),
        is_sealed: kind.sealed,
    })
}

/// Values that the address brings: what a QR code or a link fills in.
fn given(kind: &Kind, params: &Params) -> Value {
    let fields = kind.fields.iter().filter_map(|field| Some((field.name.to_owned(), json!(params.text(field.name)?))));
    Value::Object(fields.collect())
}

/// What of the reader's roles may write it; first of all for an organization below, if the address names one.
pub(super) fn grants(
    app: &App,
    may: impl Fn(Role) -> bool,
    reader: &Reader,
    below: Option<&str>,
) -> Result<Vec<Grant>, Problem> {
    Ok(app.ledger()?.with_world(|world| {
        let own: Vec<&Grant> = world.grants(reader.person()).iter().filter(|grant| may(grant.role)).collect();
        let reaches = |grant: &Grant, org: &str| grant.org.as_deref().is_none_or(|above| world.is_within(org, above));
        let below = below.filter(|org| world.organization(org).is_some());
        let mut all: Vec<Grant> = Vec::new();
        if let Some(org) = below {
            let reaching = own.iter().filter(|grant| reaches(grant, org));
            all.extend(reaching.map(|grant| Grant { org: Some(org.to_owned()), ..(*grant).clone() }));
        }
        for grant in own {
            if !all.iter().any(|known| known.role == grant.role && known.org == grant.org) {
                all.push(grant.clone());
            }
        }
        all
    }))
}

/// Where these roles are held, and the gates that a kind passes there.
pub(super) async fn places(
    app: &App,
    grants: &[Grant],
    gated: Option<&Kind>,
    views: &mut Views,
) -> Result<Value, Problem> {
    let names = views.org_names(grants.iter().filter_map(|grant| grant.org.as_deref())).await?;
    let (ledger, today) = (app.ledger()?, app.today());
    let place = |grant: &Grant| {
        let org = grant.org.as_deref();
        let name = org.map(|org| names.get(org).map_or(org, String::as_str));
        let demanded = gated
            .filter(|kind| kind.is_gated())
            .zip(org)
            .and_then(|(kind, org)| ledger.with_world(|world| procedure::demanded_at(world, kind.name, org, today)));
        let passing = |procedure: Procedure| {
            let demanded = demanded.as_ref()?;
            let steps: Vec<_> = procedure.steps().iter().map(|step| step.gate.label()).collect();
            Some(json!({"label": procedure.label(), "steps": steps, "basis": demanded.rule.basis}))
        };
        let passed = demanded.as_ref().and_then(|demanded| passing(demanded.procedure));
        json!({"role": grant.role.wire(), "role_label": grant.role.label(), "org": org, "org_name": name,
            "gates": passed, "gates_instead": passing(Procedure::INSTEAD)})
    };
    Ok(grants.iter().map(place).collect())
}

/// Who may sign beside the reader: people with live keys in a role at one of the reader's organizations or above.
pub(super) async fn beside(app: &App, reader: &Reader, views: &mut Views) -> Result<Value, Problem> {
    let found: Vec<(String, Role, Option<String>, String)> = app.ledger()?.with_world(|world| {
        let own: Vec<&str> = world.grants(reader.person()).iter().filter_map(|grant| grant.org.as_deref()).collect();
        let is_near = |org: &Option<String>| match org {
            None => true,
            Some(org) => own.iter().any(|own| world.is_within(own, org)),
        };
        let live = world.keys().filter(|(_, key)| key.revoked_at.is_none());
        let others = live.filter_map(|(name, key)| Some((name, key.person.as_ref()?)));
        let others = others.filter(|(_, person)| *person != reader.person());
        let roles = others.flat_map(|(name, person)| {
            let grants = world.grants(person).iter();
            let near = grants.filter(|grant| BESIDE.contains(&grant.role) && is_near(&grant.org));
            near.map(move |grant| (name.to_owned(), grant.role, grant.org.clone(), person.to_string()))
        });
        roles.collect()
    });
    let orgs = views.org_names(found.iter().filter_map(|(_, _, org, _)| org.as_deref())).await?;
    let persons: Vec<String> = found.iter().map(|(.., person)| person.clone()).collect();
    let names = views.person_names(&persons).await?;
    // Those of the same organization first: the longer a code, the nearer.
    let mut found = found;
    found.sort_by_key(|(key, _, org, _)| (std::cmp::Reverse(org.as_ref().map_or(0, String::len)), key.clone()));
    let row = |(key, role, org, person): &(String, Role, Option<String>, String)| {
        let place = org.as_deref().map_or("全账本", |org| orgs.get(org).map_or(org, String::as_str));
        let name = names.get(person).unwrap_or(key);
        json!({"key": key, "role": role.wire(), "label": format!("{name}（{place} {}）", role.label())})
    };
    Ok(found.iter().map(row).collect())
}
