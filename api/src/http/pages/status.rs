//! `/status`: the last checkpoint, who cosigned it, what was brought back, who copies the log, and which replicas of the database pages are read from.
//!
//! Who cosigned is read off the published checkpoint and policy, so that a copy of the log says the same; what happened
//! when a witness was asked is known only where it is asked from.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::DateTime;
use gongkai_domain::world::Recovery;
use gongkai_log::Policy;
use gongkai_projections::replicas::{Standing, Stands};

use super::{Frame, answer, frame, parts, roots};
use crate::cosigning::{Cosigning, Standing as Holding, State as Witnessing};
use crate::gap::watch::Found;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::published::Signed;
use crate::mirrors::{Mirrors, State as Followed};
use crate::pushing::keeping::{self, Kept};
use crate::site::format::Count;
use crate::site::status::{self, IntakeRow, MirrorRow, RecoveryRow, StatusPage, WitnessRow};

/// The page.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let page = make(&app).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App) -> Result<StatusPage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let (signed, policy) = (app.published.checkpoint().await?, app.published.policy().await?);
    let note = signed.as_deref().map(|signed| &signed.note);
    let roots = roots::card(app, signed.as_deref()).await?;
    Ok(StatusPage {
        site,
        has_quorum: policy.as_ref().zip(note).is_some_and(|(policy, note)| policy.check(note).is_ok()),
        witnesses: policy.map(|policy| witnesses(app, &policy, signed.as_deref())).unwrap_or_default(),
        checkpoint: signed.map(|signed| status::Standing {
            size: Count(signed.checkpoint.size),
            root: signed.checkpoint.root.to_string(),
            at: parts::moment(signed.written_at),
        }),
        roots,
        mirrors: mirrors(&app.about.mirrors),
        handed: handed(&app.about.kept),
        looked_at: app.about.mirrors.found().map(|(at, _)| parts::moment(at)),
        recoveries: app.read().await?.world().recoveries().iter().map(recovery).collect(),
        intakes: app.about.intakes.found().iter().map(intake).collect(),
        replicas: (1..).zip(app.views.replicas()).map(replica).collect(),
    })
}

/// Where it is nobody needs to know.
fn replica((number, stands): (usize, Stands)) -> MirrorRow {
    let sentence = match stands.standing {
        Standing::Reading { behind: 0 } => "已跟上主库".to_owned(),
        Standing::Reading { behind } => format!("比主库少 {behind} 条，新的内容由主库应答"),
        Standing::Silent => "连不上，页面由主库应答".to_owned(),
        Standing::NotFollowing => "没有在跟随主库，不从它读取".to_owned(),
        Standing::Lacking => "没有正在使用的查询库，不从它读取".to_owned(),
        Standing::Other => "内容和主库不同，不从它读取".to_owned(),
    };
    let is_alarm = matches!(stands.standing, Standing::NotFollowing | Standing::Other);
    MirrorRow { url: format!("从库 {number}"), sentence, is_alarm }
}

fn witnesses(app: &App, policy: &Policy, signed: Option<&Signed>) -> Vec<WitnessRow> {
    // A policy with a false line under it says of nobody that they cosigned.
    let cosigned = signed.and_then(|signed| policy.cosigned(&signed.note).ok()).unwrap_or_default();
    let standings = app.about.cosigning.as_ref().map(Cosigning::standings).unwrap_or_default();
    let row = |(place, name): (usize, &String)| {
        let at = cosigned.get(place).copied().flatten().and_then(|seconds| i64::try_from(seconds).ok());
        let state = standings.iter().find(|standing| standing.name == *name).map(|standing| &standing.state);
        WitnessRow {
            name: name.clone(),
            cosigned: at.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).map(parts::moment),
            sentence: state.map(Witnessing::sentence),
            is_alarm: state.is_some_and(Witnessing::is_wrong),
        }
    };
    policy.witnesses().iter().map(|listed| &listed.name).enumerate().map(row).collect()
}

fn recovery(recovery: &Recovery) -> RecoveryRow {
    let Recovery { index, recorded_at, said } = recovery;
    RecoveryRow {
        index: *index,
        at: parts::moment(*recorded_at),
        first: said.from_size,
        last: said.size.saturating_sub(1),
        source: said.source.label(),
        openings_lost: Count(said.openings_lost),
        openings_undecided: Count(said.openings_undecided),
        periods_lost: Count(said.periods_lost),
    }
}

fn intake((place, found): &Found) -> IntakeRow {
    match found {
        Ok(owed) => IntakeRow {
            name: owed.intake.clone(),
            batches: Some((Count(owed.size), Count(owed.answered))),
            owed: owed.sentences(),
        },
        Err(unread) => IntakeRow { name: place.clone(), batches: None, owed: vec![unread.clone()] },
    }
}

fn mirrors(known: &Mirrors) -> Vec<MirrorRow> {
    let reports = known.found().map(|(_, reports)| reports).unwrap_or_default();
    let row = |url: &String| {
        let state = reports.iter().find(|report| report.url == *url).map(|report| &report.state);
        MirrorRow {
            url: url.clone(),
            sentence: state.map_or_else(|| "还没有核对".to_owned(), Followed::sentence),
            is_alarm: state.is_some_and(Followed::is_wrong),
        }
    };
    known.urls().iter().map(row).collect()
}

fn handed(kept: &Kept) -> Vec<MirrorRow> {
    let row = |standing: &Holding| MirrorRow {
        url: standing.name.clone(),
        sentence: keeping::sentence(&standing.state),
        is_alarm: standing.state.is_wrong(),
    };
    kept.standings().iter().map(row).collect()
}
