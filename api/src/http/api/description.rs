//! `GET /api/v1/openapi.json`: the description of all this.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use crate::http::App;
use crate::http::caching::{self, REVALIDATE};
use crate::http::openapi::{self, Answer, Endpoint};

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/openapi.json",
        id: "openapi",
        summary: "本接口的说明(OpenAPI 3.1)",
        params: &[],
        body: None,
        answers: &[Answer { status: 200, about: "说明", media: &[("application/json", "")] }],
        problems: &[],
        writes: false,
        handler: get(describe),
    }
}

async fn describe(State(app): State<App>, headers: HeaderMap) -> Response {
    let document = openapi::document(&openapi::everything(), &app.about.name, &app.about.base_url);
    caching::tagged(&headers, "application/json", REVALIDATE, document.to_string().into_bytes())
}
