//! `/verify`: the page on which people check a record themselves; with `?no=` it leads to that record.

use axum::extract::State;
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{Frame, answer, frame};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::site::verify::VerifyPage;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Codes are scanned here and nowhere else; what the camera sees stays in the page.
const WITH_CAMERA: HeaderValue = HeaderValue::from_static("camera=(self), geolocation=(), microphone=()");

/// The form, or the record that was asked for.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    let asked = Params::of(&uri).ok().and_then(|params| params.text("no").map(str::to_owned));
    if let Some(index) = asked.as_deref().and_then(|text| index_in(text, &app.about.base_url)) {
        return Redirect::to(&format!("/entries/{index}/view#check")).into_response();
    }
    let page = make(&app, &uri, asked).await;
    let mut response = answer(&app, &headers, page).await;
    response.headers_mut().insert(PERMISSIONS_POLICY, WITH_CAMERA);
    response
}

async fn make(app: &App, uri: &Uri, wrong: Option<String>) -> Result<VerifyPage, Problem> {
    Params::of(uri)?.only(&["no", "lang"])?;
    let Frame { site, .. } = frame(app).await?;
    Ok(VerifyPage { site, vkey: app.vkey().to_string(), base_url: app.about.base_url.clone(), wrong })
}

/// The entry that a number (`1310`, `№1310`), a short address or a link of this site names.
fn index_in(text: &str, base_url: &str) -> Option<u64> {
    let bare = |text: &str| text.split_once("://").map_or(text, |(_, rest)| rest).to_owned();
    let number = |digits: &str| match digits.parse::<u64>() {
        Ok(index) if index.to_string() == digits => Some(index),
        _ => None,
    };
    if let Some(index) = number(text.trim_start_matches(['№', '#']).trim_start()) {
        return Some(index);
    }
    let text = bare(text);
    let path = text.strip_prefix(&bare(base_url)).unwrap_or(&text);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let rest = path.strip_prefix("/n/").or_else(|| path.strip_prefix("/entries/"))?;
    number(rest.split('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_short_address_and_a_link_name_the_same_entry() {
        let base = "https://gongkai.example";
        for text in [
            "1310",
            "№1310",
            "# 1310",
            "https://gongkai.example/n/1310",
            "http://gongkai.example/n/1310",
            "gongkai.example/n/1310",
            "/entries/1310/view#check",
            "https://gongkai.example/entries/1310/view?lang=en",
        ] {
            assert_eq!(index_in(text, base), Some(1310), "{text}");
        }
    }

    #[test]
    fn another_sites_address_and_another_spelling_name_nothing() {
        for text in ["", "01310", "-1", "1e3", "https://other.example/n/1310", "/pledges/1310", "18446744073709551616"]
        {
            assert_eq!(index_in(text, "https://gongkai.example"), None, "{text}");
        }
    }
}
