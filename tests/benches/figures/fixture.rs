//! A made-up county and what its people say: the same bytes in every run, but for the time.
//!
//! People, places and pledges are fictional and say so. Texts are put together from short lists, so
//! that words are as frequent as in practice: a common one is in every tenth pledge, a name in a few.

use std::thread;

use chrono::{DateTime, Datelike as _, Duration, FixedOffset, NaiveDate, Utc};
use gongkai_domain::{Command, Head, Setting, Submission, prepare};
use gongkai_log::{Digest, KeyKind, SignedStatement, Signer, SigningKey, StreamId};
use gongkai_store::Clock as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::Outcome;

/// Code of the county, which keeps the ledger.
pub(crate) const COUNTY: &str = "341599";
/// Townships of the county.
const TOWNSHIPS: u64 = 20;
/// Villages of each township.
const VILLAGES: u64 = 50;

const SURNAMES: &str = "方陆秦苏叶沈韩顾邵温柳乔岳贺龚";
const GIVEN: &str = "禾生云山秋水安宁立新青松明远文清春华子仪若谷长风";
const PLACES: [&str; 24] = [
    "柳溪", "青禾", "石桥", "东河", "白杨", "云岭", "沙湾", "竹园", "金坪", "茶山", "杏林", "双塘", "高坝", "南岗",
    "上湾", "鹤鸣", "梅坞", "乌石", "清泉", "龙洞", "西畈", "长冲", "桂花", "三汊",
];
const ACTIONS: [&str; 10] = ["修建", "整修", "硬化", "疏浚", "安装", "改造", "新建", "绿化", "清理", "加固"];
const THINGS: [&str; 20] = [
    "通组道路",
    "灌溉水渠",
    "太阳能路灯",
    "公共厕所",
    "便民桥",
    "蓄水池",
    "垃圾收集点",
    "文化广场",
    "村卫生室",
    "小学操场",
    "农田水利设施",
    "自来水管网",
    "老年食堂",
    "幼儿活动室",
    "电商服务站",
    "苗圃大棚",
    "果园道路",
    "提灌泵站",
    "防洪堤",
    "健身步道",
];
const MEASURES: [&str; 12] = [
    "召开村民代表会议讨论方案并公布结果",
    "向镇里申请以工代赈资金并公开使用明细",
    "请三家施工队报价后由监委会比选",
    "每月十日前公布进度和支出",
    "优先安排本村劳动力参加施工",
    "完工后请群众代表验收",
    "雨季前完成主体工程",
    "由村民小组长负责日常巡查",
    "接受群众监督并当场答复询问",
    "占用的田地按标准补偿到户",
    "建立管护台账明确责任人",
    "与相邻村协商用水时间",
];

/// A small generator (Steele, Lea, Flood 2014), seeded by what it is for: speed matters here, secrecy
/// does not.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6a09_e667_f3bc_c908)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let place = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        &from[place]
    }

    fn char(&mut self, from: &str) -> char {
        let chars: Vec<char> = from.chars().collect();
        *self.pick(&chars)
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    fn name(&mut self) -> String {
        format!("{}{}{}", self.char(SURNAMES), self.char(GIVEN), self.char(GIVEN))
    }
}

/// Somebody who publishes for a township and its villages.
struct Author {
    key: SigningKey,
    township: u64,
}

/// A signature with everything that verifying it takes.
pub(crate) struct Signed {
    pub(crate) text: String,
    pub(crate) signature: [u8; 64],
    pub(crate) public: [u8; 32],
}

/// A submission with its idempotency key.
pub(crate) type Keyed = (String, Submission);

/// Streams with their latest statements.
pub(crate) type Heads = Vec<(StreamId, Head)>;

/// Makes signed submissions.
pub(crate) struct Press {
    origin: String,
    authors: Vec<Author>,
    declared_at: DateTime<FixedOffset>,
}

fn township(number: u64) -> String {
    format!("{COUNTY}{:03}", 100 + number)
}

fn village(township_number: u64, number: u64) -> String {
    format!("{}{:03}", township(township_number), 200 + number)
}

fn seed(purpose: &str, number: u64) -> [u8; 32] {
    *Digest::of(format!("gongkai benchmark {purpose} {number}").as_bytes()).as_bytes()
}

fn stream(family: &str, number: u64) -> Outcome<StreamId> {
    let bytes: [u8; 16] = seed(family, number)[..16].try_into()?;
    Ok(StreamId::new(family, uuid::Builder::from_random_bytes(bytes).into_uuid())?)
}

impl Press {
    /// People of the ledger of this origin, whose clocks are an hour behind ours.
    pub(crate) fn new(origin: &str) -> Outcome<Self> {
        let author = |township| {
            let key =
                SigningKey::from_seed(&format!("clerk-{township}.{origin}"), KeyKind::Ed25519, seed("key", township))?;
            Ok(Author { key, township })
        };
        let authors: Outcome<_> = (0..TOWNSHIPS).map(author).collect();
        let now: DateTime<Utc> = gongkai_store::SystemClock::default().now() - Duration::hours(1);
        let china = FixedOffset::east_opt(8 * 3_600).ok_or("eight hours are an offset")?;
        let declared_at = DateTime::from_timestamp(now.timestamp(), 0).ok_or("now is a time")?.with_timezone(&china);
        Ok(Self { origin: origin.to_owned(), authors: authors?, declared_at })
    }

    /// The townships and villages, the people, their keys and roles, signed by a registrar. The county
    /// itself is registered too unless the ledger has it.
    pub(crate) fn registry(&self, registrar: &SigningKey, has_county: bool) -> Outcome<Vec<Keyed>> {
        let mut commands = Vec::new();
        if !has_county {
            commands.push(organization(COUNTY, "county", None, "青禾县(虚构)"));
        }
        for number in 0..TOWNSHIPS {
            let code = township(number);
            let place = PLACES[usize::try_from(number)? % PLACES.len()];
            commands.push(organization(&code, "township", Some(COUNTY), &format!("{place}镇(虚构)")));
            for place in 0..VILLAGES {
                let name = format!("{}村(虚构)", PLACES[usize::try_from(number + place)? % PLACES.len()]);
                commands.push(organization(&village(number, place), "village", Some(&code), &name));
            }
        }
        for author in &self.authors {
            let (person, org) = (stream("person", author.township)?, township(author.township));
            let name = format!("{}(虚构)", Random::new(author.township).name());
            let key = author.key.verifier().to_string();
            commands.extend([
                json!({"kind": "person.registered.v1", "stream": person, "org": org, "fields": {"name": name}}),
                json!({"kind": "key.authorized.v1", "org": org, "fields": {"person": person, "key": key}}),
                json!({"kind": "role.granted.v1", "org": org, "fields": {"person": person, "role": "publisher"}}),
            ]);
        }
        let signed = commands.into_iter().enumerate().map(|(place, command)| {
            let mut command = Command::from_value(command)?;
            let family = command.kind()?.family();
            if command.stream.is_none() {
                command.stream = Some(stream(family, place as u64)?);
            }
            let (_, submission) =
                self.sign(&command, ("registrar", registrar), None, &mut Random::new(place as u64))?;
            Ok((format!("registry-{place}"), submission))
        });
        signed.collect()
    }

    /// The stream of pledge `number`; they sort by when they were begun, as version 7 does.
    pub(crate) fn pledge(&self, number: u64) -> Outcome<StreamId> {
        let millis = u64::try_from(self.declared_at.timestamp_millis())? + number;
        let random: [u8; 10] = seed("pledge", number)[..10].try_into()?;
        let id: Uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        Ok(StreamId::new("pledge", id)?)
    }

    fn author(&self, number: u64) -> Outcome<&Author> {
        Ok(&self.authors[usize::try_from(number)? % self.authors.len()])
    }

    /// Pledge `number`, signed.
    fn made(&self, number: u64) -> Outcome<(SignedStatement, Submission)> {
        let mut random = Random::new(number);
        let fields = made(&mut random, self.declared_at.date_naive())?;
        self.say(number, "pledge.made.v1", None, fields, &mut random)
    }

    /// Something about pledge `number`.
    fn say(
        &self,
        number: u64,
        kind: &str,
        head: Option<Head>,
        fields: Value,
        random: &mut Random,
    ) -> Outcome<(SignedStatement, Submission)> {
        let author = self.author(number)?;
        let org = village(author.township, number / self.authors.len() as u64 % VILLAGES);
        let command = json!({"kind": kind, "stream": self.pledge(number)?, "org": org, "fields": fields});
        self.sign(&Command::from_value(command)?, ("publisher", &author.key), head, random)
    }

    fn sign(
        &self,
        command: &Command,
        (role, key): (&str, &SigningKey),
        head: Option<Head>,
        random: &mut Random,
    ) -> Outcome<(SignedStatement, Submission)> {
        let setting = Setting {
            origin: &self.origin,
            stream: command.stream.clone().ok_or("every command of the fixture names its stream")?,
            head,
            signers: vec![Signer { role: role.to_owned(), key: key.name().to_owned() }],
            declared_at: self.declared_at,
        };
        let prepared = prepare(command, &setting, &mut |buffer: &mut [u8]| random.fill(buffer))?;
        let signed = SignedStatement::sign(&prepared.statement, &[key])?;
        let submission = prepared.into_submission(signed.note.to_string());
        Ok((signed, submission))
    }

    /// Pledges `from..to`, each under a key of its own; made on all cores.
    pub(crate) fn pledges(&self, from: u64, to: u64) -> Outcome<Vec<Keyed>> {
        self.on_all_cores(from, to, |number| Ok(vec![(format!("made-{number:012}"), self.made(number)?.1)]))
    }

    /// Pledges `from..to`, each followed by a report on it: for submitters who wait for each receipt.
    pub(crate) fn pledges_and_reports(&self, from: u64, to: u64) -> Outcome<Vec<Keyed>> {
        self.on_all_cores(from, to, |number| {
            let (signed, made) = self.made(number)?;
            let head = Head { revision: 0, hash: signed.hash };
            let mut random = Random::new(!number);
            let fields = json!({"percent": random.below(100), "report": format!("已{}。", random.pick(&MEASURES))});
            let (_, progressed) = self.say(number, "pledge.progressed.v1", Some(head), fields, &mut random)?;
            Ok(vec![(format!("made-{number:012}"), made), (format!("progressed-{number:012}"), progressed)])
        })
    }

    /// The day on which everything is declared.
    pub(crate) fn today(&self) -> NaiveDate {
        self.declared_at.date_naive()
    }

    /// Code of a village of a township.
    pub(crate) fn village(&self, township: u64, number: u64) -> String {
        village(township, number % VILLAGES)
    }

    /// Name of the key of a township's clerk.
    pub(crate) fn key_name(&self, township: u64) -> Outcome<String> {
        Ok(self.author(township)?.key.name().to_owned())
    }

    /// Sheets to ask about, and their heads.
    pub(crate) fn sheets(&self, count: u64) -> Outcome<(Vec<Keyed>, Heads)> {
        let (mut made, mut heads) = (Vec::new(), Vec::new());
        for number in 0..count {
            let author = self.author(number)?;
            let mut stream = stream("disclosure", number)?;
            stream.id =
                uuid::Builder::from_unix_timestamp_millis(number, &stream.id.as_bytes()[..10].try_into()?).into_uuid();
            let command = json!({"kind": "disclosure.published.v1", "stream": stream, "org": township(author.township),
                "fields": {"class": "village", "content": "text", "period": self.today().year().to_string(),
                    "title": "村务公开(虚构)", "text": "本年度村务公开内容(虚构)"}});
            let command = Command::from_value(command)?;
            let (signed, submission) =
                self.sign(&command, ("publisher", &author.key), None, &mut Random::new(number))?;
            heads.push((stream, Head { revision: 0, hash: signed.hash }));
            made.push((format!("sheet-{number}"), submission));
        }
        Ok((made, heads))
    }

    /// A sheet of the first township with these fields, signed; made in order, each of another period.
    pub(crate) fn publication(&self, number: u64, fields: &Map<String, Value>) -> Outcome<Keyed> {
        let author = self.author(0)?;
        let mut stream = stream("disclosure", u64::MAX - number)?;
        stream.id =
            uuid::Builder::from_unix_timestamp_millis(number, &stream.id.as_bytes()[..10].try_into()?).into_uuid();
        let command =
            json!({"kind": "disclosure.published.v1", "stream": stream, "org": self.township(), "fields": fields});
        let command = Command::from_value(command)?;
        let (_, submission) = self.sign(&command, ("publisher", &author.key), None, &mut Random::new(number))?;
        Ok((format!("publication-{number}"), submission))
    }

    /// Code of the first township.
    pub(crate) fn township(&self) -> String {
        township(0)
    }

    /// Questions about these sheets in turn, each with three sealed slots; the heads go on.
    pub(crate) fn questions(&self, count: u64, heads: &mut [(StreamId, Head)]) -> Outcome<Vec<Keyed>> {
        let mut made = Vec::new();
        for number in 0..count {
            let place = usize::try_from(number)? % heads.len();
            let author = self.author(place as u64)?;
            let (stream, head) = &mut heads[place];
            let mut random = Random::new(head.revision << 20 | number);
            let command = json!({"kind": "disclosure.questioned.v1", "stream": stream,
                "org": township(author.township), "fields": {"topic": "amount", "asked_on": self.today().to_string(),
                    "text": format!("{}为什么多了{}元？", random.pick(&THINGS), random.below(9_000)),
                    "asker": format!("{}(虚构)", random.name()), "contact": "村东头第三户(虚构)"}});
            let command = Command::from_value(command)?;
            let (signed, submission) = self.sign(&command, ("publisher", &author.key), Some(*head), &mut random)?;
            *head = Head { revision: signed.statement.revision, hash: signed.hash };
            made.push((format!("question-{stream}-{}", head.revision), submission));
        }
        Ok(made)
    }

    /// Accesses: sealed events with three slots, each a subject of its own.
    pub(crate) fn accesses(&self, from: u64, to: u64) -> Outcome<Vec<Keyed>> {
        self.on_all_cores(from, to, |number| {
            let read = stream("letter", number)?;
            Ok(vec![self.access(&format!("access-{number}"), number, &read)?])
        })
    }

    /// A clerk's access to a letter of the first township.
    pub(crate) fn access_to(&self, number: u64, letter: &StreamId) -> Outcome<Keyed> {
        self.access(&format!("reading-{number}"), u64::MAX - number * TOWNSHIPS - u64::MAX % TOWNSHIPS, letter)
    }

    fn access(&self, key: &str, number: u64, read: &StreamId) -> Outcome<Keyed> {
        let author = self.author(number)?;
        let command = json!({"kind": "access.recorded.v1", "stream": stream("access", number)?,
            "org": township(author.township), "fields": {"read": read, "revision": 0, "purpose": "handling"}});
        let command = Command::from_value(command)?;
        let (_, submission) = self.sign(&command, ("publisher", &author.key), None, &mut Random::new(number))?;
        Ok((key.to_owned(), submission))
    }

    /// The letter with this place among those to a township.
    pub(crate) fn letter_of(&self, township: u64, place: u64) -> Outcome<StreamId> {
        stream("letter", township + place * TOWNSHIPS)
    }

    /// Letters that came on paper, each to a township in turn.
    pub(crate) fn letters(&self, from: u64, to: u64) -> Outcome<Vec<Keyed>> {
        self.on_all_cores(from, to, |number| {
            let (author, mut random) = (self.author(number)?, Random::new(number));
            let command = json!({"kind": "letter.received.v1", "stream": stream("letter", number)?,
                "org": township(author.township),
                "proxy": {"channel": "信函", "original": Digest::of(&number.to_be_bytes())},
                "fields": {"class": "opinion", "channel": "letter", "real_name": true, "consent_to_publish": false,
                    "title": format!("关于{}的建议", random.pick(&THINGS)), "name": format!("{}(虚构)", random.name()),
                    "text": format!("建议{}，{}。", random.pick(&ACTIONS), random.pick(&MEASURES))}});
            let command = Command::from_value(command)?;
            let (_, submission) = self.sign(&command, ("publisher", &author.key), None, &mut random)?;
            Ok(vec![(format!("letter-{number:012}"), submission)])
        })
    }

    /// A consultation of the county, and what opens it.
    pub(crate) fn consultation(&self) -> Outcome<(StreamId, Vec<Keyed>)> {
        let (author, mut random, stream) = (self.author(0)?, Random::new(0xc0), stream("consultation", 1)?);
        let command = json!({"kind": "consultation.opened.v1", "stream": stream, "org": township(0), "fields": {
            "opens_on": self.today(), "closes_on": self.today() + Duration::days(20), "title": "公交线路意见征集(虚构)",
            "text": "拟调整两条通村公交线路，请提出意见。"}});
        let (_, opened) = self.sign(&Command::from_value(command)?, ("publisher", &author.key), None, &mut random)?;
        Ok((stream, vec![("consultation".to_owned(), opened)]))
    }

    /// What people without keys answer to it: texts that the intake key of this name is to sign.
    pub(crate) fn answers(&self, consultation: &StreamId, count: u64, intake: &str) -> Outcome<Vec<Keyed>> {
        self.on_all_cores(0, count, |number| {
            let mut random = Random::new(number ^ 0xa5a5);
            let command = json!({"kind": "consultation.submitted.v1", "org": township(0),
                "fields": {"consultation": consultation, "consent_to_publish": false,
                    "text": format!("建议{}，{}。(虚构)", random.pick(&ACTIONS), random.pick(&MEASURES))}});
            let setting = Setting {
                origin: &self.origin,
                stream: stream("consultation", 1_000 + number)?,
                head: None,
                signers: vec![Signer { role: "intake".to_owned(), key: intake.to_owned() }],
                declared_at: self.declared_at,
            };
            let prepared = prepare(&Command::from_value(command)?, &setting, &mut |buffer: &mut [u8]| {
                random.fill(buffer);
            })?;
            let text = prepared.text.clone();
            Ok(vec![(format!("answer-{number:012}"), prepared.into_submission(text))])
        })
    }

    fn on_all_cores(
        &self,
        from: u64,
        to: u64,
        make: impl Fn(u64) -> Outcome<Vec<Keyed>> + Sync,
    ) -> Outcome<Vec<Keyed>> {
        let part = (to - from).div_ceil(crate::cores() as u64).max(1);
        let make = &make;
        thread::scope(|scope| {
            let starts = (from..to).step_by(usize::try_from(part)?);
            let threads: Vec<_> = starts
                .map(|start| {
                    scope.spawn(move || {
                        let mut made = Vec::new();
                        for number in start..to.min(start + part) {
                            made.append(&mut make(number)?);
                        }
                        Ok::<_, crate::Error>(made)
                    })
                })
                .collect();
            let mut all = Vec::new();
            for thread in threads {
                all.append(&mut thread.join().map_err(|_| "a thread that signs panicked")??);
            }
            Ok(all)
        })
    }

    /// The first statements with their signatures, for the bare limits.
    pub(crate) fn signed_statements(&self, count: usize) -> Outcome<Vec<Signed>> {
        (0..count as u64)
            .map(|number| {
                let (signed, _) = self.made(number)?;
                let line = signed.note.signatures.first().ok_or("a statement is signed")?;
                Ok(Signed {
                    signature: *line.ed25519().ok_or("Ed25519 signatures have 64 bytes")?,
                    public: *self.author(number)?.key.verifier().public(),
                    text: signed.note.text,
                })
            })
            .collect()
    }
}

fn organization(code: &str, level: &str, parent: Option<&str>, name: &str) -> Value {
    let mut fields = json!({"code": code, "level": level, "name": name});
    if let Some(parent) = parent {
        fields["parent"] = json!(parent);
    }
    json!({"kind": "organization.registered.v1", "org": parent.unwrap_or(code), "fields": fields})
}

fn made(random: &mut Random, today: NaiveDate) -> Outcome<Value> {
    let length = random.below(4_000) + 100;
    let due = today + Duration::days(i64::try_from(random.below(700))?);
    let (place, group) = (random.pick(&PLACES), random.below(12) + 1);
    let title = format!("{}{place}村{group}组{}{length}米", random.pick(&ACTIONS), random.pick(&THINGS));
    let measures = [*random.pick(&MEASURES), *random.pick(&MEASURES), *random.pick(&MEASURES)].join(";");
    Ok(json!({
        "year": today.year(),
        "pledger_kind": "official",
        "category": "practical",
        "due": due.to_string(),
        "pledger": format!("{}(虚构)", random.name()),
        "post": "村党支部书记",
        "title": title,
        "baseline": format!("现有{}米", random.below(length)),
        "target": format!("达到{length}米"),
        "measures": measures,
    }))
}

/// What people type into the search box: common words, rare names, pinyin, Traditional characters,
/// several words.
pub(crate) fn searches(count: usize) -> Vec<String> {
    const TRADITIONAL: [&str; 5] = ["農田水利", "衛生室", "學校操場", "太陽能路燈", "蓄水池"];
    const PINYIN: [&str; 5] = ["fangheshan", "liuxi", "suyunshan", "qinghe", "shiqiao"];
    let mut random = Random::new(count as u64);
    let search = |turn: usize| match turn % 6 {
        0 => (*random.pick(&THINGS)).to_owned(),
        1 => random.pick(&THINGS).chars().take(2).collect(),
        2 => random.name(),
        3 => format!("{} {}", random.pick(&PLACES), random.pick(&THINGS)),
        4 => (*random.pick(&TRADITIONAL)).to_owned(),
        _ => (*random.pick(&PINYIN)).to_owned(),
    };
    (0..count).map(search).collect()
}
