//! A kind's form: how each of its fields is asked for, and from a posted form back to a command.
//!
//! Everything follows from the kind's own table, so a kind that is added later has its form by itself. The script of the
//! page reads the same words from the page (`data-shape`) and does the same. What people need not write is filled in: the
//! matter that it is about, the day, and that it came over the network. Left out is what belongs to paper (postmarks),
//! what needs files, and what is public at once, because what citizens write is masked before it is published.
//!
//! Not here: whether it is accepted (`hand_in` and the ledger), how it looks (`site::hand_in`).

use std::str::FromStr as _;

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest as _};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Request};
use chrono::NaiveDate;
use gongkai_domain::field::{Choice, Field, ORG_CODE_BYTES_MAX, Place, Shape};
use gongkai_domain::{Command, Kind};
use gongkai_log::{StreamId, Tier};
use serde_json::{Map, Value, json};

use crate::http::problem::Problem;

/// Media type of a posted form.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";
/// How a matter came that is handed in here.
const WEB: &str = "web";
/// Letters of a hash in base64.
const HASH_CHARS: usize = 44;

/// How a field is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Not at all: the matter that it is about.
    Thing,
    /// Not at all: the present day.
    Today,
    /// Not at all: that it came over the network.
    Web,
    /// Not at all, and it stays empty.
    Never,
    /// A text of at most so many characters.
    Write(usize),
    /// A word of at most so many characters, such as a code.
    Word(usize),
    /// One of these.
    Choose(&'static [Choice]),
    /// Yes or no.
    Tick,
    /// A number from 0, or one of the lines of the matter where they are known.
    Number,
    /// A line of a sheet, which its page counts from 1.
    Line,
    /// Numbers of several lines.
    Numbers,
    /// Several hashes.
    Hashes,
    /// Persons whom the registry names.
    People,
    /// One of the organizations above.
    Above,
    /// Not of people: the public matter that it speaks of, which the page that led here filled in.
    Refers,
}

impl Ask {
    /// How a field of a kind is asked for.
    pub fn of(kind: &Kind, field: &Field) -> Self {
        let thing = kind.opens.then(|| kind.about()).flatten();
        match field.shape {
            _ if field.place == Place::Slot(Tier::Public) && !field.required => Self::Never,
            Shape::Link(family) if field.required && thing == Some(family) => Self::Thing,
            Shape::Text(chars_max) => Self::Write(chars_max),
            Shape::Choice(choices) if choices.iter().any(|(wire, _)| *wire == WEB) => Self::Web,
            Shape::Choice(choices) => Self::Choose(choices),
            Shape::Flag => Self::Tick,
            Shape::Date if field.required => Self::Today,
            Shape::Count if field.name == "line" => Self::Line,
            Shape::Count => Self::Number,
            Shape::Counts => Self::Numbers,
            Shape::Hash => Self::Word(HASH_CHARS),
            Shape::Org if field.required => Self::Above,
            Shape::Org => Self::Word(ORG_CODE_BYTES_MAX),
            Shape::Stream if !field.required => Self::Refers,
            Shape::Records([Field { shape: Shape::Link("person"), .. }]) => Self::People,
            Shape::Records([Field { shape: Shape::Hash, .. }]) => Self::Hashes,
            _ => Self::Never,
        }
    }

    /// The word by which the page's script knows it.
    pub fn shape(self) -> &'static str {
        match self {
            Self::Write(_) => "text",
            Self::Tick => "flag",
            Self::Number => "number",
            Self::Line => "line",
            Self::Numbers => "numbers",
            Self::Hashes => "hashes",
            Self::People => "people",
            Self::Refers => "refers",
            _ => "word",
        }
    }

    /// The value of what was posted under the field's name. What is no number stays a text, so that the ledger says what
    /// is wrong with it.
    fn value(self, posted: &[&str], about: Option<&StreamId>, today: NaiveDate) -> Option<Value> {
        let text = posted.first().map_or(String::new(), |text| text.replace("\r\n", "\n").trim().to_owned());
        let number = |text: &str, from: u64| match u64::from_str(text) {
            Ok(number) if number >= from => json!(number - from),
            _ => json!(text),
        };
        let split = |text| str::split(text, [',', '，', '、', ' ', '\n', '\r']).filter(|part| !part.is_empty());
        let parts = || posted.iter().copied().flat_map(split);
        match self {
            Self::Thing => about.map(|about| json!(about)),
            Self::Today => Some(json!(today)),
            Self::Web => Some(json!(WEB)),
            Self::Never => None,
            Self::Tick => Some(json!(!posted.is_empty())),
            Self::People => {
                let people: Vec<Value> = posted.iter().map(|person| json!({ "person": person })).collect();
                (!people.is_empty()).then(|| json!(people))
            }
            _ if text.is_empty() => None,
            Self::Number => Some(number(&text, 0)),
            Self::Line => Some(number(&text, 1)),
            Self::Numbers => Some(parts().map(|part| number(part, 0)).collect()),
            Self::Hashes => Some(parts().map(|hash| json!({ "hash": hash })).collect()),
            Self::Write(_) | Self::Word(_) | Self::Choose(_) | Self::Above | Self::Refers => Some(json!(text)),
        }
    }
}

/// What a form held, by name.
#[derive(Clone, Debug, Default)]
pub struct Posted(Vec<(String, String)>);

impl Posted {
    /// Reads a form.
    ///
    /// # Errors
    /// No form.
    pub async fn read(headers: &HeaderMap, bytes: Bytes) -> Result<Self, Problem> {
        let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE) {
            return Err(Problem::new("unsupported_media_type", format!("内容类型应是 {MEDIA_TYPE}")));
        }
        let mut request = Request::new(Body::from(bytes));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, axum::http::HeaderValue::from_static(MEDIA_TYPE));
        let read = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        read.map(|Form(pairs)| Self(pairs)).map_err(|_| Problem::new("bad_query", "表单读不出来，请回到上一页再试"))
    }

    /// The first value under a name, without space around it; an empty one is none.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The command that the form says.
    pub fn command(&self, kind: &Kind, org: &str, about: Option<&StreamId>, today: NaiveDate) -> Command {
        let mut fields = Map::new();
        for field in kind.fields {
            let posted = self.all(field.name);
            if let Some(value) = Ask::of(kind, field).value(&posted, about, today) {
                fields.insert(field.name.to_owned(), value);
            }
        }
        let stream = if kind.opens { ballot(&fields) } else { about.cloned() };
        let kind = kind.name.to_owned();
        Command { kind, stream, org: org.to_owned(), declared_at: None, proxy: None, fields }
    }
}

/// A ballot's stream is named by its credential; everything else gets a random name.
fn ballot(fields: &Map<String, Value>) -> Option<StreamId> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let tally = text("tally")?.parse().ok()?;
    let credential = gongkai_log::Digest::parse(text("credential")?).ok()?;
    Some(gongkai_domain::kind::tally::ballot_stream(&tally, &credential))
}

#[cfg(test)]
mod tests {
    use gongkai_domain::{KINDS, kind};

    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 10).unwrap()
    }

    async fn posted(text: &'static str) -> Posted {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE.parse().unwrap());
        Posted::read(&headers, Bytes::from_static(text.as_bytes())).await.unwrap()
    }

    #[test]
    fn every_kind_for_citizens_has_a_form_that_can_say_all_that_it_must() {
        let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.is_for_citizens()).collect();
        assert!(kinds.len() >= 9, "{kinds:?}");
        for kind in kinds {
            for field in kind.fields.iter().filter(|field| field.required) {
                assert_ne!(Ask::of(kind, field), Ask::Never, "{}: {}", kind.name, field.name);
            }
            let thing = kind.fields.iter().any(|field| Ask::of(kind, field) == Ask::Thing);
            assert_eq!(thing, kind.opens && kind.about().is_some(), "{}", kind.name);
        }
    }

    #[tokio::test]
    async fn a_posted_letter_is_the_command_that_its_sample_is() {
        let kind = kind::find("letter.received.v1").unwrap();
        let text = "class=appeal&real_name=true&title=%E6%B0%B4%E6%B8%A0&text=a%0D%0Ab+&contact=&postmark_on=2020-01-01\
                    &channel=phone&attachments=x&name=%E5%91%A8";
        let command = posted(text).await.command(kind, "341599", None, day());
        assert_eq!(
            Value::Object(command.fields),
            json!({"class": "appeal", "channel": "web", "real_name": true, "consent_to_publish": false,
                "title": "水渠", "text": "a\nb", "name": "周"})
        );
        assert_eq!((command.org.as_str(), command.stream, command.proxy), ("341599", None, None));
    }

    #[tokio::test]
    async fn a_question_names_its_sheet_its_line_and_the_day_and_publishes_no_text_at_once() {
        let kind = kind::find("disclosure.questioned.v1").unwrap();
        let sheet: StreamId = "disclosure/01960000-0000-7000-8000-000000000001".parse().unwrap();
        let form = posted("line=3&topic=amount&text_masked=x&text=y").await;
        let command = form.command(kind, "341599", Some(&sheet), day());
        assert_eq!(command.stream, Some(sheet));
        let fields = json!({"line": 2, "topic": "amount", "asked_on": "2026-03-10", "text": "y"});
        assert_eq!(Value::Object(command.fields), fields);
        let command = posted("line=0&topic=amount").await.command(kind, "341599", None, day());
        assert_eq!(command.fields["line"], "0", "there is no line 0 on the page; the ledger refuses the text");
    }

    #[tokio::test]
    async fn a_ballot_is_named_by_its_credential() {
        let kind = kind::find("tally.cast.v1").unwrap();
        let tally: StreamId = "tally/01960000-0000-7000-8000-000000000001".parse().unwrap();
        let hash = gongkai_log::Digest::of(b"slip").to_string();
        let body = format!("credential={}&place=7&path={}&choices=0%2C2", escaped(&hash), escaped(&hash));
        let command = posted(body.leak()).await.command(kind, "341599", Some(&tally), day());
        assert_eq!(command.stream, Some(kind::tally::ballot_stream(&tally, &gongkai_log::Digest::of(b"slip"))));
        assert_eq!(command.fields["choices"], json!([0, 2]));
        assert_eq!(command.fields["path"], json!([{ "hash": hash }]));
    }

    fn escaped(text: &str) -> String {
        let mut escaped = String::new();
        crate::http::query::escape(&mut escaped, text);
        escaped
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        let read = Posted::read(&HeaderMap::new(), Bytes::from_static(b"a=b")).await;
        assert_eq!(read.unwrap_err().row.code, "unsupported_media_type");
    }
}
