//! Which language a reader gets: Chinese, or English.
//!
//! What a link asks for (`?lang=en`) goes before the cookie that such a link sets, and that before `Accept-Language`
//! (RFC 9110 §12.5.4); who asks for nothing gets Chinese. The cookie holds the choice and nothing else, and nobody gets
//! one who did not choose. Handlers know none of this: they see the address without `lang` and answer in Chinese;
//! what they answer is translated here as a whole (`site::english`), and has another entity tag, because a tag is made
//! from the bytes. `Vary` tells caches what the answer hangs on.
//!
//! Not here: the console, files of the log, feeds and the API's data, which have one language; a problem of the API has its
//! sentences translated, because the site's scripts show them.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, ETAG, IF_NONE_MATCH,
    SET_COOKIE, VARY,
};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, response};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::caching;
use super::problem::Problem;
use super::server::Secured;
use crate::site::english;

/// Largest answer that is translated; no page has a tenth of it.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// Most ranges of an `Accept-Language` that are looked at.
const RANGES_MAX: usize = 32;
/// What an answer hangs on.
const VARIES: HeaderValue = HeaderValue::from_static("accept-language, cookie");
/// The parameter and the cookie.
const NAME: &str = "lang";

/// A language of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// The master.
    Chinese,
    /// By the catalogue.
    English,
}

impl Language {
    /// Its tag (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        [Self::Chinese, Self::English].into_iter().find(|language| language.tag() == tag)
    }

    /// The language of a request, and whether its address asked for it.
    fn of(uri: &Uri, headers: &HeaderMap) -> (Self, bool) {
        let asked = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("lang=")));
        if let Some(asked) = asked.and_then(Self::from_tag) {
            return (asked, true);
        }
        (in_cookie(headers).or_else(|| preferred(headers)).unwrap_or(Self::Chinese), false)
    }
}

fn in_cookie(headers: &HeaderMap) -> Option<Language> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).and_then(|(_, tag)| Language::from_tag(tag))
}

/// The language that the reader's browser prefers; nothing when it names neither.
fn preferred(headers: &HeaderMap) -> Option<Language> {
    let values = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(',')).take(RANGES_MAX).filter_map(range);
    // Weights in thousandths; of equal ones the first counts.
    let mut best: Option<(Language, u16)> = None;
    for (language, weight) in ranges {
        if weight > 0 && best.is_none_or(|(_, known)| weight > known) {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

/// One range with its weight; languages that the site does not have are nothing.
fn range(text: &str) -> Option<(Language, u16)> {
    let (range, weight) = text.split_once(';').map_or((text, None), |(range, weight)| (range, Some(weight)));
    let primary = range.trim().split('-').next().unwrap_or_default();
    let language = match primary {
        _ if primary.eq_ignore_ascii_case("zh") => Language::Chinese,
        _ if primary.eq_ignore_ascii_case("en") => Language::English,
        _ => return None,
    };
    Some((language, weight.map_or(Some(1_000), quality)?))
}

/// `q=0.8` in thousandths; at most three digits (RFC 9110 §12.4.2).
fn quality(weight: &str) -> Option<u16> {
    let value = weight.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim();
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{digits:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

/// The address without `lang`, so that no handler has to know of it.
fn without_lang(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let kept: Vec<&str> = query.split('&').filter(|pair| *pair != NAME && !pair.starts_with("lang=")).collect();
    let kept = kept.join("&");
    let path = if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{kept}", uri.path()) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

/// The middleware around pages.
pub async fn page(mut request: Request, next: Next) -> Response {
    let (language, was_asked) = Language::of(request.uri(), request.headers());
    if let Some(uri) = without_lang(request.uri()) {
        *request.uri_mut() = uri;
    }
    let (uri, method) = (request.uri().clone(), request.method().clone());
    let is_secured = request.extensions().get::<Secured>().is_some();
    // The reader's tag may be of the other language: only the answer in the right one is compared with it.
    let known = request.headers_mut().remove(IF_NONE_MATCH);
    let answer = next.run(request).await;
    let (mut parts, body) = answer.into_parts();
    if !is_of(&parts.headers, "text/html") {
        return unless_known(parts, body, known);
    }
    let Ok(bytes) = axum::body::to_bytes(body, PAGE_BYTES_MAX).await else { return too_large() };
    let html = String::from_utf8_lossy(&bytes);
    let html = match language {
        Language::Chinese => html.into_owned(),
        Language::English => english::page(&html),
    };
    let is_answer = method != Method::GET && method != Method::HEAD;
    let html = if is_answer { without_links(&html) } else { with_query(html, uri.query()) };
    parts.headers.append(VARY, VARIES);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    if was_asked && let Ok(cookie) = HeaderValue::from_str(&cookie(language, is_secured)) {
        parts.headers.insert(SET_COOKIE, cookie);
        // No cache that many share hands one reader's choice to another.
        parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    if parts.headers.contains_key(ETAG)
        && let Ok(tag) = HeaderValue::from_str(&caching::tag(html.as_bytes()))
    {
        parts.headers.insert(ETAG, tag);
    }
    unless_known(parts, Body::from(html), known)
}

/// The answer, or 304 when the reader has it.
fn unless_known(mut parts: response::Parts, body: Body, known: Option<HeaderValue>) -> Response {
    let tag = parts.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let mut asked = HeaderMap::new();
    asked.extend(known.map(|known| (IF_NONE_MATCH, known)));
    if parts.status == StatusCode::OK && tag.is_some_and(|tag| caching::is_known(&asked, &tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, body)
}

fn too_large() -> Response {
    Problem::new("internal", "这一页太大").into_response()
}

/// Kept for a year, for this site only, out of the reach of scripts; what came over TLS goes back over nothing else.
fn cookie(language: Language, is_secured: bool) -> String {
    let secure = if is_secured { "; Secure" } else { "" };
    format!("{NAME}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly{secure}", language.tag())
}

/// The links to the other language keep the rest of the address.
fn with_query(html: String, query: Option<&str>) -> String {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return html };
    let mut escaped = String::new();
    for char in query.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("%22"),
            '<' => escaped.push_str("%3C"),
            '>' => escaped.push_str("%3E"),
            other => escaped.push(other),
        }
    }
    html.replacen("href=\"?lang=", &format!("href=\"?{escaped}&amp;lang="), 2)
}

/// What was posted is answered once; a link to the other language would lose the answer.
fn without_links(html: &str) -> String {
    const BEGIN: &str = "<p class=\"tongues\">";
    let links = html.find(BEGIN).and_then(|at| Some((at, at + html[at..].find("</p>")? + "</p>".len())));
    links.map_or_else(|| html.to_owned(), |(begin, end)| [&html[..begin], &html[end..]].concat())
}

/// The middleware that lets scripts show a problem in the reader's language.
pub async fn problem(request: Request, next: Next) -> Response {
    let (language, _) = Language::of(request.uri(), request.headers());
    let is_inside = request.uri().path().starts_with("/internal");
    let answer = next.run(request).await;
    if language == Language::Chinese || is_inside || !is_of(answer.headers(), "application/problem+json") {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, PAGE_BYTES_MAX).await else { return too_large() };
    let translated = serde_json::from_slice(&bytes).ok().map(translated);
    parts.headers.append(VARY, VARIES);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, translated.map_or_else(|| Body::from(bytes), |json| Body::from(json.to_string())))
}

fn translated(mut problem: Value) -> Value {
    for name in ["title", "detail"] {
        if let Some(Value::String(text)) = problem.get_mut(name) {
            *text = english::sentence(text).into_owned();
        }
    }
    problem
}

fn is_of(headers: &HeaderMap, media_type: &str) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with(media_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(uri: &str, cookie: Option<&str>, accept: Option<&str>) -> Language {
        let mut headers = HeaderMap::new();
        headers.extend(cookie.map(|cookie| (COOKIE, HeaderValue::from_str(cookie).unwrap())));
        headers.extend(accept.map(|accept| (ACCEPT_LANGUAGE, HeaderValue::from_str(accept).unwrap())));
        Language::of(&uri.parse().unwrap(), &headers).0
    }

    #[test]
    fn a_link_goes_before_the_cookie_and_the_cookie_before_the_browser() {
        assert_eq!(chosen("/", None, None), Language::Chinese);
        assert_eq!(chosen("/", None, Some("en")), Language::English);
        assert_eq!(chosen("/", Some("a=b; lang=zh-CN"), Some("en")), Language::Chinese);
        assert_eq!(chosen("/?q=1&lang=en", Some("lang=zh-CN"), Some("zh")), Language::English);
        assert_eq!(chosen("/?lang=fr", Some("lang=en"), None), Language::English);
        assert_eq!(chosen("/", Some("lang=fr"), None), Language::Chinese);
    }

    #[test]
    fn the_browser_is_heard_by_its_weights() {
        for (accept, language) in [
            ("en-US,en;q=0.9,zh-CN;q=0.8", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en;q=0.8, zh;q=0.9", Language::Chinese),
            ("EN-gb ; Q=0.5", Language::English),
            ("en;q=0, zh;q=0.001", Language::Chinese),
            ("en;q=0", Language::Chinese),
            ("fr-FR, fr;q=0.9, en;q=0.1", Language::English),
            ("bo, ug;q=0.9", Language::Chinese),
            ("*", Language::Chinese),
            ("en;q=1.5", Language::Chinese),
            ("en;q=0.12345", Language::Chinese),
            ("en;q=x, en-GB", Language::English),
            ("enough", Language::Chinese),
            (";;,,", Language::Chinese),
        ] {
            assert_eq!(chosen("/", None, Some(accept)), language, "{accept}");
        }
    }

    #[test]
    fn handlers_see_the_address_without_the_language() {
        for (asked, seen) in [
            ("/pledges?lang=en", "/pledges"),
            ("/pledges?org=1&lang=en&year=2026", "/pledges?org=1&year=2026"),
            ("/search?q=lang%3Den", "/search?q=lang%3Den"),
            ("/search?language=x", "/search?language=x"),
        ] {
            assert_eq!(without_lang(&asked.parse().unwrap()).unwrap().to_string(), seen);
        }
    }

    #[test]
    fn a_link_to_the_other_language_keeps_the_query_and_cannot_leave_its_attribute() {
        let html = with_query("<a href=\"?lang=en\">".to_owned(), Some("q=\"><script>&page=2"));
        assert_eq!(html, "<a href=\"?q=%22%3E%3Cscript%3E&amp;page=2&amp;lang=en\">");
    }
}
