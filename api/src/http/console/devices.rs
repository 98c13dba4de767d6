//! `/internal/devices`: the keys of whoever is signed in; a lost one is revoked here, from another device. A registrar
//! revokes anybody's.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::{Role, World, world::Key};
use gongkai_log::StreamId;
use serde_json::json;

use super::{answer, who};
use crate::http::App;
use crate::http::pages::{Frame, frame, parts};
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::site::console_gates::{DeviceLine, DevicesPage};

pub(super) async fn show(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&app, &headers, &uri, async |reader| make(&app, &uri, &reader).await).await
}

async fn make(app: &App, uri: &Uri, reader: &Reader) -> Result<DevicesPage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["key"])?;
    let Frame { site, .. } = frame(app).await?;
    let mut views = app.read().await?;
    let ledger = app.ledger()?;
    let own: Vec<(String, Key)> = ledger.with_world(|world| {
        let own = world.keys().filter(|(_, key)| key.person.as_ref() == Some(reader.person()));
        own.map(|(name, key)| (name.to_owned(), key.clone())).collect()
    });
    let mut lines = Vec::with_capacity(own.len());
    for (name, key) in &own {
        lines.push(line(app, reader, name, key).await?);
    }
    let is_registrar =
        ledger.with_world(|world| world.grants(reader.person()).iter().any(|grant| grant.role == Role::Registrar));
    let wanted = params.text("key").unwrap_or_default().trim().to_owned();
    let named = ledger.with_world(|world| world.key(&wanted).cloned()).filter(|_| is_registrar);
    let found = match named.as_ref().and_then(|key| Some((key, key.person.as_ref()?.to_string()))) {
        Some((key, person)) => {
            let holder = views.person_names(std::slice::from_ref(&person)).await?.remove(&person);
            Some((holder.unwrap_or(person), line(app, reader, &wanted, key).await?))
        }
        None => None,
    };
    Ok(DevicesPage { site, who: who(app, reader, &mut views).await?, own: lines, is_registrar, found, wanted })
}

async fn line(app: &App, reader: &Reader, name: &str, key: &Key) -> Result<DeviceLine, Problem> {
    let day = |at: chrono::DateTime<chrono::Utc>| parts::moment(at).to_string();
    let authorized = app.entry(key.authorized_at).await?;
    let statement = authorized.as_ref().and_then(|entry| entry.content.statement()).map(|signed| &signed.statement);
    let since = authorized.as_ref().map(|entry| day(entry.recorded_at)).unwrap_or_default();
    let state = match key.revoked_at {
        Some(index) => {
            let at = app.entry(index).await?.map(|entry| day(entry.recorded_at));
            format!("{} 已注销", at.unwrap_or_default())
        }
        None => format!("{since} 启用"),
    };
    let is_this = name == reader.key();
    let revocable = statement.filter(|_| key.revoked_at.is_none() && !is_this);
    let revocation = revocable.and_then(|statement| {
        let (stream, org) = (&statement.stream, statement.org.as_str());
        let role = app.ledger().ok()?.with_world(|world| role(reader.person(), key, org, world))?;
        let command = json!({"kind": "key.revoked.v1", "stream": stream, "org": org, "fields": {"reason": "lost"},
            "signers": [[role.wire(), reader.key()]]});
        Some(command.to_string())
    });
    Ok(DeviceLine { name: name.to_owned(), state, is_this, revocation })
}

/// In which role the reader revokes it: a registrar anybody's, everybody else their own, at the organization that
/// authorized it.
fn role(reader: &StreamId, key: &Key, org: &str, world: &World) -> Option<Role> {
    const OWN: [Role; 6] =
        [Role::Publisher, Role::Reviewer, Role::Approver, Role::Supervisor, Role::Inspector, Role::Operator];
    let holds = |role: &Role| world.holds(reader, *role, Some(org));
    let own = || OWN.into_iter().filter(|_| key.person.as_ref() == Some(reader)).find(holds);
    Some(Role::Registrar).filter(holds).or_else(own)
}
