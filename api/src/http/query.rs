//! The query of a list: strictly read, every parameter known, every value bounded.
//!
//! The same parser serves pages and API, so a filtered page and its download show the same matters.
//! An empty value means "not given", because filter forms send every field. To add a filter: a member
//! of [`Listing`], a line in its parser, and a [`Param`](super::openapi::Param) for the description.

use axum::extract::{FromRequestParts, Query};
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use chrono::NaiveDate;
use gongkai_domain::field::is_org_code;

use super::problem::Problem;

/// Most results on one page of the API.
pub const LIMIT_MAX: u64 = 100;
/// Results on one page when nothing is said.
pub const LIMIT_DEFAULT: u64 = 30;
/// Highest page. Deeper lists are downloaded as a whole.
pub const PAGE_MAX: u64 = 100_000;
/// Longest value of a parameter, in bytes. A search of 200 Chinese characters has 600.
pub const VALUE_BYTES_MAX: usize = 1_024;

/// The parameters of a query, each at most once; empty ones are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query of an address.
    pub fn of(uri: &Uri) -> Result<Self, Problem> {
        Ok(Self::with_several(uri, None)?.0)
    }

    /// Reads the query of an address in which one parameter may be given several times; gives its different
    /// values apart, in their order.
    pub fn of_several(uri: &Uri, name: &str) -> Result<(Self, Vec<String>), Problem> {
        Self::with_several(uri, Some(name))
    }

    fn with_several(uri: &Uri, several: Option<&str>) -> Result<(Self, Vec<String>), Problem> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Err(Problem::new("bad_query", "地址中的查询条件读不出来"));
        };
        let mut kept: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            let again = several == Some(name.as_str());
            if !again && kept.iter().any(|(known, _)| *known == name) {
                return Err(Problem::query(&name, "只能给一次"));
            }
            if value.len() > VALUE_BYTES_MAX || value.chars().any(char::is_control) {
                return Err(Problem::query(&name, "太长，或含有控制字符"));
            }
            kept.push((name, value));
        }
        kept.retain(|(_, value)| !value.trim().is_empty());
        let (apart, kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(name, _)| several == Some(name.as_str()));
        let mut values: Vec<String> = Vec::new();
        for (_, value) in apart {
            let value = value.trim().to_owned();
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok((Self(kept), values))
    }

    /// Refuses parameters that nobody asked for: a misspelt filter must not look like an unfiltered list.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(Problem::query(name, &format!("没有这个参数，可用的有 {}", known.join("、")))),
        }
    }

    /// A value as text, without space around it.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// A value as a whole number within bounds.
    pub fn number(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(number) if digits && (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(Problem::query(name, &format!("应是 {min} 至 {max} 的整数"))),
        }
    }

    /// How many rows are asked for, at most `max`.
    pub fn limit(&self, max: usize) -> Result<usize, Problem> {
        let limit = self.number("limit", 1, max as u64)?.unwrap_or(LIMIT_DEFAULT);
        Ok(usize::try_from(limit).unwrap_or(max))
    }

    /// A value as a day.
    pub fn day(&self, name: &str) -> Result<Option<NaiveDate>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(day) if day.to_string() == text => Ok(Some(day)),
            _ => Err(Problem::query(name, "应是像 2026-03-10 这样的日期")),
        }
    }

    /// A value as a day that is not after today; today is the present and none.
    pub fn past_day(&self, name: &str, today: NaiveDate) -> Result<Option<NaiveDate>, Problem> {
        match self.day(name)? {
            Some(day) if day > today => Err(Problem::query(name, "这一天还没有到")),
            day => Ok(day.filter(|day| *day < today)),
        }
    }

    /// An entry that the caller has seen: the answer reflects it, or says that it does not yet.
    pub fn at_least(&self) -> Result<Option<u64>, Problem> {
        self.number("at_least", 0, gongkai_domain::field::INTEGER_MAX.unsigned_abs())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

/// In what form a list leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One page as a JSON object.
    Json,
    /// The whole result as CSV.
    Csv,
    /// The whole result, one JSON object a line.
    JsonLines,
}

impl Format {
    /// `?format=` decides; without it the `Accept` header does.
    pub fn of(params: &Params, headers: &HeaderMap) -> Result<Self, Problem> {
        match params.text("format") {
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some("jsonl") => Ok(Self::JsonLines),
            Some(_) => Err(Problem::query("format", "应是 json、csv 或 jsonl")),
            None => Ok(Self::accepted(headers)),
        }
    }

    fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
        for range in first {
            match range {
                "text/csv" => return Self::Csv,
                "application/jsonl" | "application/x-ndjson" => return Self::JsonLines,
                "application/json" => return Self::Json,
                _ => {}
            }
        }
        Self::Json
    }
}

/// The filter of a board and the place in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Organization with all below it.
    pub org: Option<String>,
    /// Year.
    pub year: Option<i32>,
    /// Wire name of a status.
    pub status: Option<String>,
    /// Wire name of a type.
    pub kind: Option<String>,
    /// Words in the title.
    pub text: Option<String>,
    /// Page, from 1.
    pub page: u64,
    /// Results a page.
    pub limit: u64,
    /// The past day at whose end the list is shown; none is today.
    pub on: Option<NaiveDate>,
    /// Place in the list of a past day: only matters that were opened before this entry.
    pub before: Option<u64>,
    /// Entry that the caller has seen and that the list must reflect.
    pub at_least: Option<u64>,
}

/// Parameters that every list knows.
pub const LIST_PARAMS: [&str; 11] =
    ["org", "year", "status", "type", "q", "page", "limit", "format", "on", "before", "at_least"];

impl Listing {
    /// Reads a list's parameters. A past day has its own way through the list, because its order is another.
    pub fn of(params: &Params, today: NaiveDate) -> Result<Self, Problem> {
        params.only(&LIST_PARAMS)?;
        let on = params.past_day("on", today)?;
        if on.is_none() && params.text("before").is_some() {
            return Err(Problem::query("before", "只和过去的一天（on）同用"));
        }
        if on.is_some() && params.text("page").is_some() {
            return Err(Problem::query("page", "看过去某一天的清单，用 before 翻页"));
        }
        let year = params.number("year", 1900, 2999)?.and_then(|year| i32::try_from(year).ok());
        Ok(Self {
            org: code(params)?,
            year,
            status: word(params, "status")?,
            kind: params.text("type").map(str::to_owned),
            text: params.text("q").map(str::to_owned),
            page: params.number("page", 1, PAGE_MAX)?.unwrap_or(1),
            limit: params.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT),
            on,
            before: params.number("before", 0, gongkai_domain::field::INTEGER_MAX.unsigned_abs())?,
            at_least: params.at_least()?,
        })
    }

    /// Results before this page.
    pub fn offset(&self) -> u64 {
        (self.page - 1) * self.limit
    }

    /// The address of another page of the same list, below `path`.
    pub fn href(&self, path: &str, page: u64) -> String {
        let mut href = self.base(path);
        if page > 1 {
            push(&mut href, "page", &page.to_string());
        }
        href
    }

    /// The address at which a list of a past day goes on.
    pub fn further(&self, path: &str, before: u64) -> String {
        let mut href = self.base(path);
        push(&mut href, "before", &before.to_string());
        href
    }

    /// The address of the same list today.
    pub fn now(&self, path: &str) -> String {
        Self { on: None, ..self.clone() }.base(path)
    }

    /// The address of the whole list in another form.
    pub fn download(&self, path: &str, format: &str) -> String {
        let mut href = self.base(path);
        push(&mut href, "format", format);
        href
    }

    /// The same list with another status.
    pub fn with_status(&self, path: &str, status: &str) -> String {
        let mut other = self.clone();
        other.status = (!status.is_empty()).then(|| status.to_owned());
        other.base(path)
    }

    fn base(&self, path: &str) -> String {
        let mut href = path.to_owned();
        let (year, on) = (self.year.map(|year| year.to_string()), self.on.map(|on| on.to_string()));
        for (name, value) in [
            ("org", &self.org),
            ("year", &year),
            ("status", &self.status),
            ("type", &self.kind),
            ("q", &self.text),
            ("on", &on),
        ] {
            if let Some(value) = value {
                push(&mut href, name, value);
            }
        }
        if self.limit != LIMIT_DEFAULT {
            push(&mut href, "limit", &self.limit.to_string());
        }
        href
    }
}

/// Code of an organization.
fn code(params: &Params) -> Result<Option<String>, Problem> {
    let Some(code) = params.text("org") else { return Ok(None) };
    if is_org_code(code) { Ok(Some(code.to_owned())) } else { Err(Problem::query("org", "不是机构代码")) }
}

/// A wire name: letters, digits, `-` and `_`.
fn word(params: &Params, name: &str) -> Result<Option<String>, Problem> {
    let Some(word) = params.text(name) else { return Ok(None) };
    let usable = word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if usable { Ok(Some(word.to_owned())) } else { Err(Problem::query(name, "没有这个选项")) }
}

/// Appends `name=value` to an address, with the value escaped (RFC 3986: only unreserved stays).
pub fn push(href: &mut String, name: &str, value: &str) {
    href.push(if href.contains('?') { '&' } else { '?' });
    href.push_str(name);
    href.push('=');
    escape(href, value);
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub fn escape(into: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn listing(query: &str) -> Result<Listing, Problem> {
        let today = NaiveDate::from_ymd_opt(2026, 7, 1).unwrap();
        Listing::of(&Params::of(&format!("/api/v1/pledges?{query}").parse().unwrap())?, today)
    }

    #[test]
    fn a_form_with_nothing_chosen_is_the_whole_list() {
        let all = listing("org=&year=&status=&type=&q=+").unwrap();
        assert_eq!(all, Listing { page: 1, limit: LIMIT_DEFAULT, ..Listing::default() });
        assert_eq!(all.href("/pledges", 1), "/pledges");
    }

    #[test]
    fn a_parameter_that_is_misspelt_doubled_or_out_of_bounds_is_refused_by_name() {
        for (query, place) in [
            ("orgg=1", "orgg"),
            ("page=0", "page"),
            ("page=1&page=2", "page"),
            ("limit=101", "limit"),
            ("limit=-1", "limit"),
            ("limit=%2B5", "limit"),
            ("year=99", "year"),
            ("year=18446744073709551616", "year"),
            ("org=a%27b", "org"),
            ("status=a%3Cb", "status"),
            ("q=a%00b", "q"),
            ("on=2026-06-31", "on"),
            ("on=30.6.2026", "on"),
            ("on=2026-07-02", "on"),
            ("before=7", "before"),
            ("on=2026-07-01&before=7", "before"),
            ("on=2026-06-30&page=2", "page"),
        ] {
            let problem = listing(query).unwrap_err();
            assert_eq!((problem.row.code, problem.place.as_deref()), ("bad_query", Some(place)), "{query}");
        }
    }

    #[test]
    fn the_next_page_keeps_the_filter_and_escapes_it() {
        let list = listing("q=%E7%94%B5%E7%BD%91%26x&org=9901&page=2&limit=10").unwrap();
        assert_eq!(list.offset(), 10);
        let href = list.href("/pledges", 3);
        assert_eq!(href, "/pledges?org=9901&q=%E7%94%B5%E7%BD%91%26x&limit=10&page=3");
        let query = href.trim_start_matches("/pledges?");
        assert_eq!(listing(query).unwrap().text.as_deref(), Some("电网&x"));
    }

    #[test]
    fn a_list_of_a_past_day_keeps_its_day_in_every_link_but_the_one_to_today() {
        let list = listing("q=x&on=2026-06-30&before=70").unwrap();
        assert_eq!(list.further("/pledges", 41), "/pledges?q=x&on=2026-06-30&before=41");
        assert_eq!(list.download("/pledges", "csv"), "/pledges?q=x&on=2026-06-30&format=csv");
        assert_eq!(list.now("/pledges"), "/pledges?q=x");
        assert_eq!(listing("on=2026-07-01").unwrap().on, None, "today is the present");
    }

    #[test]
    fn the_format_comes_from_the_query_before_the_header() {
        let format = |query: &str, accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            Format::of(&Params::of(&format!("/?{query}").parse().unwrap()).unwrap(), &headers)
        };
        assert_eq!(format("", "text/csv"), Ok(Format::Csv));
        assert_eq!(format("", "text/html, application/jsonl;q=0.5"), Ok(Format::JsonLines));
        assert_eq!(format("format=json", "text/csv"), Ok(Format::Json));
        assert_eq!(format("", "*/*"), Ok(Format::Json));
        assert!(format("format=xml", "*/*").is_err());
    }
}
