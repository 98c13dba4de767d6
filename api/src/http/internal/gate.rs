//! What every request to an endpoint of the internal side passes: who asks, whether they may, and from where.
//!
//! Whoever signed in sends their token as `Authorization: Bearer`, or a browser its cookie. The person and their
//! roles are looked up in the world of this moment. A request that changes something and comes from a
//! browser must come from our own pages: with a cookie the browser has to say so, without one it must not say
//! otherwise. Not here: which endpoint is for whom (the table in `mod.rs`), what a handler then shows.

use axum::extract::{FromRequestParts, OriginalUri, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use gongkai_domain::confidentiality::{Callers, Reader};

use super::sign_in::Moment;
use super::{COOKIE_NAME, Unseen};
use crate::http::problem::Problem;
use crate::http::{App, pages};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whoever is signed in. Behind the gate it is there wherever the endpoint's [`Callers`] demand it.
#[derive(Clone, Debug)]
pub struct SignedIn(pub Reader);

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(not_signed_in)
    }
}

/// One endpoint's gate.
#[derive(Clone)]
pub struct Gate {
    pub(super) app: App,
    pub(super) callers: Callers,
    pub(super) unseen: Unseen,
}

/// A token as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credential<'a> {
    /// From a program.
    Bearer(&'a str),
    /// From a browser, which sends it unasked.
    Cookie(&'a str),
}

impl<'a> Credential<'a> {
    /// What a request carries; an `Authorization` goes before cookies.
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        if let Some(value) = headers.get(AUTHORIZATION) {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            return scheme.eq_ignore_ascii_case("bearer").then_some(Self::Bearer(token.trim()));
        }
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, token)| Self::Cookie(token))
    }

    /// The token.
    pub fn token(self) -> &'a str {
        match self {
            Self::Bearer(token) | Self::Cookie(token) => token,
        }
    }
}

/// The middleware.
pub async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let credential = Credential::of(request.headers());
    let Ok(reader) = gate.admit(credential) else {
        let uri = request.uri().clone();
        return gate.refuse(uri).await;
    };
    if changes(request.method()) && !is_from_us(request.headers(), matches!(credential, Some(Credential::Cookie(_)))) {
        return Problem::new("cross_origin", "这个请求来自别的网站，没有执行").into_response();
    }
    if let Some(reader) = reader {
        request.extensions_mut().insert(SignedIn(reader));
    }
    let mut response = next.run(request).await;
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Gate {
    /// Who asks, if the endpoint is for them.
    fn admit(&self, credential: Option<Credential<'_>>) -> Result<Option<Reader>, ()> {
        let ledger = self.app.ledger.as_ref().ok_or(())?;
        let now = Moment::of(self.app.clock.as_ref());
        ledger.with_world(|world| {
            let reader = credential.and_then(|it| self.app.sign_in.resume(it.token(), now, world));
            if self.callers.admit(reader.as_ref(), world) { Ok(reader) } else { Err(()) }
        })
    }

    async fn refuse(self, uri: Uri) -> Response {
        match self.unseen {
            Unseen::Told => {
                let mut response = not_signed_in().into_response();
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Unseen::Absent => pages::not_found(State(self.app), OriginalUri(uri)).await,
        }
    }
}

fn not_signed_in() -> Problem {
    Problem::new("not_signed_in", "请先登录；登录过的，可能已经过期，或钥匙已注销")
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Whether a page of ours made the request, as the browser tells; programs tell nothing.
pub(in crate::http) fn is_from_us(headers: &HeaderMap, must_tell: bool) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(&SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    match text(&ORIGIN) {
        // Over plain HTTP some browsers tell the origin only.
        Some(origin) => origin.split_once("://").is_some_and(|(_, host)| text(&HOST) == Some(host)),
        None => !must_tell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_request_is_from_us_when_the_browser_says_so() {
        for (list, with_cookie, without) in [
            (&[][..], false, true),
            (&[("sec-fetch-site", "same-origin")], true, true),
            (&[("sec-fetch-site", "same-site")], false, false),
            (&[("sec-fetch-site", "cross-site")], false, false),
            (&[("sec-fetch-site", "none")], false, false),
            (&[("origin", "https://gk.example:8081"), ("host", "gk.example:8081")], true, true),
            (&[("origin", "https://gk.example"), ("host", "gk.example:8081")], false, false),
            (&[("origin", "https://evil.example"), ("host", "gk.example")], false, false),
            (&[("origin", "null"), ("host", "gk.example")], false, false),
        ] {
            let headers = headers(list);
            assert_eq!((is_from_us(&headers, true), is_from_us(&headers, false)), (with_cookie, without), "{list:?}");
        }
    }

    #[test]
    fn a_bearer_goes_before_a_cookie_and_other_schemes_are_nothing() {
        let cookie = format!("a=b; {COOKIE_NAME}=one");
        let both = headers(&[("authorization", "bearer two"), ("cookie", &cookie)]);
        assert_eq!(Credential::of(&both), Some(Credential::Bearer("two")));
        assert_eq!(Credential::of(&headers(&[("cookie", &cookie)])), Some(Credential::Cookie("one")));
        assert_eq!(Credential::of(&headers(&[("authorization", "Basic eDp5"), ("cookie", &cookie)])), None);
        assert_eq!(Credential::of(&headers(&[("cookie", "a=b")])), None);
    }
}
