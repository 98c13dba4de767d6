//! Public pages from a replica of the database, and from the database itself where the replica is lost on the way.
//!
//! A page is made of many questions about one moment, and a replica may fail, or cancel one of them, between any two. What
//! was made by then is thrown away, and the whole request is answered again from the primary: it only reads, so doing it
//! twice is doing it once. An answer that leaves before it is whole (a table that is downloaded) cannot be made again and
//! reads the primary from the start ([`App::read_whole`](super::App::read_whole)).
//!
//! Not here: which replica is read and when (`gongkai_projections::replicas`).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use gongkai_projections::replicas::Asking;

use super::App;

tokio::task_local! {
    /// The request that is being answered, where it may be read from replicas. Whatever runs elsewhere has none and reads
    /// the primary.
    static ASKING: Asking;
}

/// The request that is being answered here, where it may be read from replicas.
pub fn asking() -> Option<Asking> {
    ASKING.try_with(Clone::clone).ok()
}

/// The middleware: lets what only reads be answered from replicas.
pub async fn read(State(app): State<App>, request: Request, next: Next) -> Response {
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !only_reads || !app.views.has_replicas() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let again = Request::from_parts(parts.clone(), Body::empty());
    let asking = Asking::default();
    let answer = ASKING.scope(asking.clone(), next.clone().run(Request::from_parts(parts, body))).await;
    if !asking.lost_one() {
        return answer;
    }
    tracing::info!("a replica was lost while it was read; the primary answers");
    next.run(again).await
}
