//! The story as commands: read from `api/demo`, dated, named, and put in the order in which they are recorded.
//!
//! Nothing is signed or submitted here, and nothing is judged: what a command means is the ledger's business. What a
//! step needs from earlier ones (the number of an entry, the slot of a text) is filled in by [`Story::ready`].
//!
//! A line of a data file is a step: `id` (it opens a stream of that name) or `of` (it continues one), `kind`, `org`,
//! `by` (a person), `as` (in which role), `with` (`role:person`, who sign too), `at` (date and time), `recorded` (if it
//! was entered later), `proxy`, `fields`. A text of a field that begins with `@` is a reference: `@name` a stream,
//! `@entry:name` the number of the entry that opened it, `@slots:name:field` where a text of that entry lies,
//! `@verifier:key` a key, `@sealing:person` the key to which a receiver's matters are encrypted. To tell more, add
//! lines; a new kind of event needs nothing here.
//!
//! What citizens hand in is said by `intake`. A line with `encrypted` goes to the receivers of its organization. One
//! with `review` was drafted before, at `drafted`, for the review of that `id`; the gates are lines of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use gongkai_domain::{
    Command, Role,
    calendar::Calendar,
    field::{PersonId, SealingKey},
    kind::{self, Kind, review},
    procedure::REFERENCE,
};
use gongkai_log::{Digest, Proxy, SigningKey, StreamId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    books,
    template::{Dates, TemplateError},
};
use crate::exchange::{self, Mapping, MappingError, table};

/// Registrars of the ledger, who are there from its first entry.
pub const REGISTRARS: [&str; 2] = ["registrar-1", "registrar-2"];

/// Who says what somebody without a key hands in: the ledger's intake key.
pub const INTAKE: &str = "intake";

/// China has one zone, eight hours ahead of UTC, without summer time.
const ZONE_SECONDS: i32 = 8 * 3600;

/// The hour of the day of the demo until which things have happened.
const NOW_HOUR: u32 = 8;

const ORGANIZATIONS: (&str, &str) =
    (include_str!("../../demo/organizations.csv"), include_str!("../../demo/organizations.toml"));
const PEOPLE: &str = include_str!("../../demo/people.jsonl");
const REGISTRY: &str = include_str!("../../demo/registry.jsonl");
const STEPS: [(&str, &str); 8] = [
    ("registry.jsonl", REGISTRY),
    ("pledges.jsonl", include_str!("../../demo/pledges.jsonl")),
    ("vacancies.jsonl", include_str!("../../demo/vacancies.jsonl")),
    ("nominations.jsonl", include_str!("../../demo/nominations.jsonl")),
    ("notices.jsonl", include_str!("../../demo/notices.jsonl")),
    ("story.jsonl", include_str!("../../demo/story.jsonl")),
    ("disclosures.jsonl", include_str!("../../demo/disclosures.jsonl")),
    ("sealed.jsonl", include_str!("../../demo/sealed.jsonl")),
];

/// Why the story cannot be told. Each is a fault of the shipped data or of its files' mappings.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// A line is no step.
    #[error("{file}, line {line}")]
    Line {
        /// Data file.
        file: &'static str,
        /// From 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A date that is none.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A mapping that is none.
    #[error("a mapping of the demo")]
    Mapping(#[from] MappingError),
    /// A table did not give the commands that it should.
    #[error("{file}: {problem}")]
    Table {
        /// Data file.
        file: String,
        /// The first problem, in Chinese.
        problem: String,
    },
    /// Anything else that a step says and that does not exist.
    #[error("step {step}: {what}")]
    Step {
        /// Its name, or its kind.
        step: String,
        /// What is wrong.
        what: String,
    },
}

/// A line of a data file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: Option<String>,
    of: Option<String>,
    kind: String,
    org: String,
    by: String,
    #[serde(rename = "as")]
    role: Option<String>,
    #[serde(default)]
    with: Vec<String>,
    at: String,
    recorded: Option<String>,
    proxy: Option<ProxyLine>,
    #[serde(default)]
    encrypted: bool,
    review: Option<ReviewLine>,
    fields: Map<String, Value>,
}

/// The review that a statement passes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewLine {
    id: String,
    drafted: String,
}

/// How it came, and a description whose hash stands for the original.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProxyLine {
    channel: String,
    original: String,
}

/// A line of `people.jsonl`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonLine {
    id: String,
    name: String,
    org: String,
    #[serde(default)]
    keys: Vec<String>,
    /// When the second key takes the first one's place.
    rekeyed: Option<String>,
    #[serde(default)]
    roles: Vec<(String, String)>,
}

/// What is done with a step besides signing it.
#[derive(Debug, Clone, Default)]
pub enum Way {
    /// Nothing.
    #[default]
    Plain,
    /// It is encrypted to the receivers of its organization.
    Encrypted,
    /// It submits the draft of this statement.
    Draft(Box<Step>),
    /// It was drafted for this review, and says exactly that.
    Drafted(StreamId),
}

/// Something that somebody says in the story.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name of the stream that it opens.
    pub id: Option<String>,
    /// Who signs, author first: role and person.
    pub signers: Vec<(Role, String)>,
    /// What the ledger's clock shows then.
    pub recorded_at: DateTime<Utc>,
    /// What is said; references to earlier steps are still open.
    pub command: Command,
    /// How.
    pub way: Way,
}

/// Where a step went in the ledger.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// Number of its entry; `None` of what is sealed.
    pub index: Option<u64>,
    /// Names and numbers of its slots that hold a text.
    pub slots: Vec<(String, u8)>,
}

/// Names of a person's keys, and from when the next one signs.
#[derive(Debug, Clone, Default)]
struct KeyNames {
    /// Name of the person, with roles and organizations' codes.
    holder: String,
    names: Vec<String>,
    rekeyed: Option<DateTime<FixedOffset>>,
}

/// The private keys of the story's people. A registrar's key is found by the registrar's place, any other by its name.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, Arc<SigningKey>>, BTreeMap<String, SealingKey>);

impl Keys {
    /// Takes a key in, to be found by its name.
    pub fn add(&mut self, key: SigningKey) {
        let name = key.name().to_owned();
        self.add_as(&name, key);
    }

    /// Takes a key in, to be found by another name than its own.
    pub fn add_as(&mut self, name: &str, key: SigningKey) {
        self.0.insert(name.to_owned(), Arc::new(key));
    }

    /// Takes in to which key a person's matters are encrypted.
    pub fn add_sealing(&mut self, person: &str, key: SealingKey) {
        self.1.insert(person.to_owned(), key);
    }

    /// A key.
    pub fn get(&self, name: &str) -> Option<&Arc<SigningKey>> {
        self.0.get(name)
    }
}

/// The whole story, in the order in which it is recorded.
#[derive(Debug)]
pub struct Story {
    /// When the ledger was created.
    pub created_at: DateTime<FixedOffset>,
    /// What is said after that.
    pub steps: Vec<Step>,
    people: BTreeMap<String, KeyNames>,
    streams: BTreeMap<String, StreamId>,
}

impl Story {
    /// The story as it stands on the morning of `today`.
    ///
    /// # Errors
    /// [`StoryError`]: a fault of the shipped data.
    pub fn on(today: NaiveDate) -> Result<Self, StoryError> {
        let dates = Dates::on(today, calendar()?);
        let created_at = moment(&dates, "{month-14:06} 09:00")?;
        let mut story = Self { created_at, steps: Vec::new(), people: BTreeMap::new(), streams: BTreeMap::new() };
        let mut lines = organizations(&dates)?;
        lines.extend(story.cast(&dates)?);
        for (file, text) in STEPS {
            lines.extend(parse::<Line>(file, text)?.into_iter().map(|line| (line, dates.clone())));
        }
        lines.extend(books::sheets(&dates)?.into_iter().map(sheet_line));
        story.name_streams(&lines)?;
        for (number, (line, dates)) in lines.into_iter().enumerate() {
            let (drafted, step) = story.step(line, &dates, number)?;
            // What has not happened yet on that morning is left out, such as a sheet that is due tomorrow.
            story.steps.extend(drafted.into_iter().chain([step]).filter(|step| step.recorded_at <= now(today)));
        }
        story.steps.sort_by_key(|step| step.recorded_at);
        Ok(story)
    }

    /// Who receives what is encrypted to a body.
    pub fn receivers(&self) -> BTreeSet<&str> {
        let keys = self.steps.iter().filter_map(|step| step.command.fields.get("sealing_key")?.as_str());
        keys.filter_map(|key| key.strip_prefix("@sealing:")).collect()
    }

    /// The stream of a person.
    pub fn person(&self, id: &str) -> Option<PersonId> {
        self.streams.get(&format!("person:{id}")).cloned().map(PersonId)
    }

    /// Names of the keys that the story's people need, without the registrars', and who holds them.
    pub fn key_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.people.values().flat_map(|person| person.names.iter().map(|name| (name.as_str(), person.holder.as_str())))
    }

    /// Under which name [`Keys`] has the key with which a person signs at a time.
    ///
    /// # Errors
    /// [`StoryError::Step`] for somebody who has no key.
    pub fn key_name<'a>(&'a self, person: &'a str, at: DateTime<FixedOffset>) -> Result<&'a str, StoryError> {
        if REGISTRARS.contains(&person) || person == INTAKE {
            return Ok(person);
        }
        let keys = self.people.get(person);
        let place = usize::from(keys.and_then(|keys| keys.rekeyed).is_some_and(|from| at > from));
        keys.and_then(|keys| keys.names.get(place))
            .map(String::as_str)
            .ok_or_else(|| StoryError::Step { step: person.into(), what: "has no key".into() })
    }

    /// A step's command with everything filled in that earlier steps gave.
    ///
    /// # Errors
    /// [`StoryError::Step`] for a reference to nothing.
    pub fn ready(&self, step: &Step, told: &BTreeMap<String, Placed>, keys: &Keys) -> Result<Command, StoryError> {
        let fields = step.command.fields.iter().map(|(name, value)| {
            let filled = self.filled(value, told, keys).map_err(|reference| StoryError::Step {
                step: step.id.clone().unwrap_or_else(|| step.command.kind.clone()),
                what: format!("there is no @{reference}"),
            })?;
            Ok((name.clone(), filled))
        });
        Ok(Command { fields: fields.collect::<Result<_, StoryError>>()?, ..step.command.clone() })
    }

    /// A value with its references resolved, also those in lines; the error is a reference to nothing.
    fn filled(&self, value: &Value, told: &BTreeMap<String, Placed>, keys: &Keys) -> Result<Value, String> {
        match value {
            Value::String(text) => match text.strip_prefix('@') {
                Some(reference) => self.reference(reference, told, keys).ok_or_else(|| reference.to_owned()),
                None => Ok(value.clone()),
            },
            Value::Array(all) => all.iter().map(|one| self.filled(one, told, keys)).collect(),
            Value::Object(all) => {
                let pairs = all.iter().map(|(name, one)| Ok((name.clone(), self.filled(one, told, keys)?)));
                pairs.collect::<Result<_, String>>().map(Value::Object)
            }
            other => Ok(other.clone()),
        }
    }

    fn reference(&self, reference: &str, told: &BTreeMap<String, Placed>, keys: &Keys) -> Option<Value> {
        if let Some(step) = reference.strip_prefix("entry:") {
            return Some(json!(told.get(step)?.index?));
        }
        if let Some(slot) = reference.strip_prefix("slots:") {
            let (step, name) = slot.rsplit_once(':')?;
            let (_, number) = told.get(step)?.slots.iter().find(|(known, _)| known == name)?;
            return Some(json!([number]));
        }
        if let Some(key) = reference.strip_prefix("verifier:") {
            return Some(json!(keys.get(key)?.verifier().to_string()));
        }
        if let Some(person) = reference.strip_prefix("sealing:") {
            return Some(json!(keys.1.get(person)?.0));
        }
        Some(json!(self.streams.get(reference)?.to_string()))
    }

    /// The people with their keys and roles, as lines of the registry.
    fn cast(&mut self, dates: &Dates) -> Result<Vec<(Line, Dates)>, StoryError> {
        let mut lines = Vec::new();
        for person in parse::<PersonLine>("people.jsonl", PEOPLE)? {
            let rekeyed = person.rekeyed.as_ref().map(|at| moment(dates, at)).transpose()?;
            lines.extend(person_lines(&person).into_iter().map(|line| (line, dates.clone())));
            let holder = holder(&person);
            self.people.insert(person.id, KeyNames { holder, names: person.keys, rekeyed });
        }
        Ok(lines)
    }

    /// Every opening step gets the id of its stream, so that steps can name each other in any order.
    fn name_streams(&mut self, lines: &[(Line, Dates)]) -> Result<(), StoryError> {
        for (line, dates) in lines {
            let at = moment(dates, &line.at)?;
            if let Some(review) = &line.review {
                self.name_stream(line, &review.id, review::SUBMITTED, at)?;
            }
            if let Some(id) = &line.id {
                self.name_stream(line, id, &line.kind, at)?;
            }
        }
        Ok(())
    }

    fn name_stream(&mut self, line: &Line, id: &str, kind: &str, at: DateTime<FixedOffset>) -> Result<(), StoryError> {
        let kind = kind::find(kind).ok_or_else(|| fault(line, "no such kind"))?;
        if !kind.opens {
            return Ok(());
        }
        let stream = stream_of(kind, id, at);
        match self.streams.insert(id.to_owned(), stream) {
            Some(_) => Err(fault(line, "this name is used twice")),
            None => Ok(()),
        }
    }

    /// What a line says, and the submission of its draft before.
    fn step(&self, line: Line, dates: &Dates, number: usize) -> Result<(Option<Step>, Step), StoryError> {
        let Some(review) = line.review.clone() else { return Ok((None, self.one_step(line, dates, number)?)) };
        let stream = self.streams.get(&review.id).cloned().ok_or_else(|| fault(&line, "no such review"))?;
        let mut published = self.one_step(line, dates, number)?;
        published.command.fields.insert(REFERENCE.to_owned(), json!(stream));
        let declared_at = moment(dates, &review.drafted)?;
        let command = Command {
            kind: review::SUBMITTED.to_owned(),
            stream: Some(stream.clone()),
            declared_at: Some(declared_at),
            fields: Map::new(),
            ..published.command.clone()
        };
        let drafted = Step {
            id: Some(review.id),
            signers: published.signers.iter().take(1).cloned().collect(),
            recorded_at: (declared_at + TimeDelta::seconds(200)).to_utc(),
            command,
            way: Way::Draft(Box::new(published.clone())),
        };
        published.way = Way::Drafted(stream);
        Ok((Some(drafted), published))
    }

    fn one_step(&self, line: Line, dates: &Dates, number: usize) -> Result<Step, StoryError> {
        let kind = kind::find(&line.kind).ok_or_else(|| fault(&line, "no such kind"))?;
        let declared_at = moment(dates, &line.at)?;
        let stream = self.streams.get(line.of.as_ref().or(line.id.as_ref()).map_or("", String::as_str)).cloned();
        let stream = stream.ok_or_else(|| fault(&line, "it continues nothing"))?;
        let recorded_at = match &line.recorded {
            Some(text) => moment(dates, text)?,
            // A clerk takes a few minutes from the declared time to the submission; not always as many.
            None => declared_at + delay(&line, number),
        };
        let role = match &line.role {
            Some(role) => Role::from_wire(role).ok_or_else(|| fault(&line, "no such role"))?,
            None => kind.authors.iter().copied().find(|role| fits(*role, &line.by)).unwrap_or(Role::Publisher),
        };
        let mut signers = vec![(role, line.by.clone())];
        for cosigner in &line.with {
            let (role, person) = cosigner.split_once(':').ok_or_else(|| fault(&line, "a cosigner is role:person"))?;
            signers.push((Role::from_wire(role).ok_or_else(|| fault(&line, "no such role"))?, person.to_owned()));
        }
        let proxy = line
            .proxy
            .as_ref()
            .map(|proxy| Proxy { channel: proxy.channel.clone(), original: Digest::of(proxy.original.as_bytes()) });
        let fields = dates.resolve_map(&line.fields)?;
        let way = if line.encrypted { Way::Encrypted } else { Way::Plain };
        let command = Command {
            kind: line.kind,
            stream: Some(stream),
            org: line.org,
            declared_at: Some(declared_at),
            proxy,
            fields,
        };
        Ok(Step { id: line.id, signers, recorded_at: recorded_at.to_utc(), command, way })
    }
}

/// A clerk takes a few minutes from the declared time to the submission, not always as many. The registrars' steps keep
/// the order of their lines: a role is granted to somebody who is registered.
fn delay(line: &Line, number: usize) -> TimeDelta {
    let number = i64::try_from(number).unwrap_or(0);
    if line.by == REGISTRARS[0] {
        return TimeDelta::seconds(120 + 7 * number);
    }
    TimeDelta::seconds(120 + 97 * number % 480)
}

/// The registrars sign as such and nobody else does; so does the intake key.
fn fits(role: Role, person: &str) -> bool {
    (role == Role::Registrar) == REGISTRARS.contains(&person) && (role == Role::Intake) == (person == INTAKE)
}

fn fault(line: &Line, what: &str) -> StoryError {
    let step = line.id.clone().or_else(|| line.of.clone()).unwrap_or_else(|| line.kind.clone());
    StoryError::Step { step, what: what.into() }
}

/// The morning of the demo.
fn now(today: NaiveDate) -> DateTime<Utc> {
    let morning = today.and_hms_opt(NOW_HOUR, 0, 0).expect("every day has a morning");
    (morning - TimeDelta::seconds(i64::from(ZONE_SECONDS))).and_utc()
}

/// `{today-3} 09:15`, in China.
fn moment(dates: &Dates, text: &str) -> Result<DateTime<FixedOffset>, StoryError> {
    let zone = FixedOffset::east_opt(ZONE_SECONDS).expect("eight hours are less than a day");
    let resolved = dates.resolve(text)?;
    NaiveDateTime::parse_from_str(&resolved, "%Y-%m-%d %H:%M")
        .ok()
        .and_then(|local| local.and_local_timezone(zone).single())
        .ok_or_else(|| StoryError::Step { step: text.into(), what: "is no date with a time".into() })
}

/// The name of a step's matter; what is random elsewhere is the hash of the step's name.
fn stream_of(kind: &Kind, name: &str, at: DateTime<FixedOffset>) -> StreamId {
    let hash = Digest::of(name.as_bytes());
    kind.new_stream(at.to_utc(), &mut |buffer| buffer.copy_from_slice(&hash.as_bytes()[..buffer.len()]))
}

fn parse<T: serde::de::DeserializeOwned>(file: &'static str, text: &str) -> Result<Vec<T>, StoryError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|source| StoryError::Line { file, line: number + 1, source })
        })
        .collect()
}

/// The calendars of the story's registry, for counting working days before there is a ledger.
fn calendar() -> Result<Calendar, StoryError> {
    let mut calendar = Calendar::default();
    for line in parse::<Line>("registry.jsonl", REGISTRY)? {
        if let Some(published) = kind::body::<kind::calendar::Published>(&line.kind, &line.fields) {
            calendar.publish(published.year.0, &published.off_days, &published.work_days);
        }
    }
    Ok(calendar)
}

/// Reads one table through a mapping, as `import` does.
///
/// # Errors
/// [`StoryError::Table`] with the first problem.
pub(super) fn import(file: &str, text: &str, mapping: &Mapping) -> Result<Vec<Map<String, Value>>, StoryError> {
    let input = table::Input { name: file.to_owned(), bytes: text.as_bytes().to_vec(), folder: None };
    let (mut problems, mut notes) = (exchange::Problems::default(), Vec::new());
    let tables = table::read(&input, &mapping.read_options(), &mut problems, &mut notes);
    let plan = exchange::plan(mapping, &tables, &exchange::Context::default());
    problems.append(plan.problems);
    if let Some(problem) = problems.shown.first() {
        return Err(StoryError::Table { file: file.to_owned(), problem: problem.to_string() });
    }
    Ok(plan.commands.into_iter().filter_map(|command| command.json.as_object().cloned()).collect())
}

/// The tables that the story is imported from, with their mappings: file name and text.
///
/// # Errors
/// [`StoryError`]: a fault of the shipped data.
pub fn inputs(today: NaiveDate) -> Result<Vec<(String, String)>, StoryError> {
    let dates = Dates::on(today, calendar()?);
    let mut inputs = vec![
        ("organizations.csv".to_owned(), ORGANIZATIONS.0.to_owned()),
        ("organizations.toml".to_owned(), ORGANIZATIONS.1.to_owned()),
        ("books.toml".to_owned(), books::MAPPING.to_owned()),
    ];
    if let Some(sheet) = books::text(dates.february, &dates)? {
        inputs.push((format!("{}.csv", dates.february.format("%Y-%m")), sheet));
    }
    Ok(inputs)
}

/// The county's list of organizations, read as `import` reads it.
fn organizations(dates: &Dates) -> Result<Vec<(Line, Dates)>, StoryError> {
    let planned = import("organizations.csv", ORGANIZATIONS.0, &Mapping::parse(ORGANIZATIONS.1)?)?;
    let lines = planned.iter().enumerate().map(|(number, command)| {
        let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default();
        let at = format!("{{month-14:07}} 10:{number:02}");
        let line = line(text("kind"), text("org"), REGISTRARS[0], at);
        Line { id: Some(format!("organization:{}", text("stream_key"))), fields: fields(command), ..line }
    });
    Ok(lines.map(|line| (line, dates.clone())).collect())
}

/// The fields of a planned command.
fn fields(command: &Map<String, Value>) -> Map<String, Value> {
    command.get("fields").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn line(kind: &str, org: &str, by: &str, at: String) -> Line {
    Line {
        id: None,
        of: None,
        kind: kind.into(),
        org: org.into(),
        by: by.into(),
        role: None,
        with: Vec::new(),
        at,
        recorded: None,
        proxy: None,
        encrypted: false,
        review: None,
        fields: Map::new(),
    }
}

/// A month's sheet of the village, posted by its clerk and co-signed by both supervisors.
fn sheet_line(sheet: books::Sheet) -> (Line, Dates) {
    let posted = line("disclosure.published.v1", books::VILLAGE, "ji", "{book+1:09} 15:40".into());
    let recorded = sheet.is_late.then(|| "{book+2:04} 10:20".to_owned());
    let with = vec!["supervisor:meng".to_owned(), "supervisor:luq".to_owned()];
    (Line { id: Some(sheet.id), recorded, with, fields: sheet.fields, ..posted }, sheet.dates)
}

/// Name, roles and where they are held.
fn holder(person: &PersonLine) -> String {
    let roles = person.roles.iter().map(|(role, org)| {
        let label = Role::from_wire(role).map_or_else(|| role.clone(), |role| role.label().to_owned());
        format!("{label}（{org}）")
    });
    format!("{} {}", person.name, roles.collect::<Vec<_>>().join("、"))
}

/// A person is registered, gets a key, and is given roles; both registrars sign where one is not enough.
fn person_lines(person: &PersonLine) -> Vec<Line> {
    let at = "{month-14:12} 09:30".to_owned();
    let registry = |kind: &str, org: &str, id: String, at: &str, fields: Value| Line {
        id: Some(id),
        fields: fields.as_object().cloned().unwrap_or_default(),
        ..line(kind, org, REGISTRARS[0], at.to_owned())
    };
    let id = &person.id;
    let reference = format!("@person:{id}");
    let mut lines =
        vec![registry("person.registered.v1", &person.org, format!("person:{id}"), &at, json!({"name": person.name}))];
    for (number, name) in (1..).zip(&person.keys) {
        let at = person.rekeyed.as_ref().filter(|_| number > 1).unwrap_or(&at);
        let fields = json!({"person": reference, "key": format!("@verifier:{name}")});
        lines.push(registry("key.authorized.v1", &person.org, format!("key:{id}/{number}"), at, fields));
    }
    if let Some(at) = &person.rekeyed {
        let revoked = line("key.revoked.v1", &person.org, REGISTRARS[0], at.clone());
        let fields = Map::from_iter([("reason".to_owned(), json!("replaced"))]);
        lines.push(Line { of: Some(format!("key:{id}/1")), fields, ..revoked });
    }
    for (number, (role, org)) in person.roles.iter().enumerate() {
        let mut fields = json!({"person": reference, "role": role});
        if role == Role::Supervisor.wire() {
            fields["avoidance_declared"] = json!(true);
        }
        let granted = registry("role.granted.v1", org, format!("role:{id}/{number}"), &at, fields);
        let needs_two = Role::from_wire(role).is_some_and(Role::needs_second_registrar);
        let with = needs_two.then(|| format!("registrar:{}", REGISTRARS[1])).into_iter().collect();
        lines.push(Line { with, ..granted });
    }
    lines
}
