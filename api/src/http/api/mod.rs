//! The JSON API: one file per endpoint or family, and the list from which router and OpenAPI are made.

pub mod attachments;
pub mod boards;
pub mod body;
pub mod completeness;
pub mod compliance;
pub mod compliance_lists;
pub mod description;
pub mod entries;
pub mod feeds;
pub mod health;
pub mod intakes;
pub mod kind_tables;
pub mod kinds;
pub mod organizations;
pub mod prepare;
pub mod problems;
pub mod search;
pub mod sheets;
pub mod streams;
pub mod submissions;
pub mod table;
pub mod uploads;
pub mod withdrawals;

use axum::Router;
use serde_json::{Map, Value};

use super::openapi::Endpoint;
use super::problem::Problem;
use super::{App, citizen};

/// Largest body of a request with JSON: a statement of 64 KiB with 50,000 lines of 150 bytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// Every endpoint, in the order of the description.
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = boards::endpoints();
    endpoints.extend(organizations::endpoints());
    endpoints.push(search::endpoint());
    endpoints.extend(entries::endpoints());
    endpoints.push(sheets::endpoint());
    endpoints.push(streams::endpoint());
    endpoints.extend(completeness::endpoints());
    endpoints.push(compliance::endpoint());
    endpoints.push(compliance_lists::endpoint());
    endpoints.extend(withdrawals::endpoints());
    endpoints.push(intakes::endpoint());
    endpoints.push(kinds::endpoint());
    endpoints.push(kind_tables::endpoint());
    endpoints.push(problems::endpoint());
    endpoints.extend(citizen::endpoints());
    endpoints.push(description::endpoint());
    endpoints.push(prepare::endpoint());
    endpoints.push(submissions::endpoint());
    endpoints.push(attachments::endpoint());
    endpoints.extend(uploads::endpoints());
    endpoints
}

/// The schemas of all answers.
pub fn schemas() -> Map<String, Value> {
    let all = [
        boards::schemas(),
        organizations::schemas(),
        search::schemas(),
        entries::schemas(),
        sheets::schemas(),
        streams::schemas(),
        compliance::schemas(),
        compliance_lists::schemas(),
        withdrawals::schemas(),
        intakes::schemas(),
        kinds::schemas(),
        kind_tables::schemas(),
        problems::schemas(),
        citizen::schemas(),
    ];
    all.into_iter().flatten().collect()
}

/// The routes of the endpoints that only read, or of those that write.
pub fn routes(writes: bool) -> Router<App> {
    let chosen = endpoints().into_iter().filter(|endpoint| endpoint.writes == writes);
    chosen.fold(Router::new(), |router, endpoint| router.route(endpoint.path, endpoint.handler))
}

/// This cannot be written here.
pub fn not_here() -> Problem {
    Problem::new(
        "not_here",
        "这里不能提交这种内容。办理人员提交声明请用内部监听地址；群众可在这里提交来信、意见、异议、推荐和询问。",
    )
}
