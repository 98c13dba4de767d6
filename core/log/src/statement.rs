//! Statements: what an author signs (design 3.1).
//!
//! A statement is a signed note whose text has three lines: the form, the origin of the ledger, one
//! line of canonical JSON. Its hash is BLAKE3 over the text, signatures excluded. Exactly the
//! listed signers sign, in the listed order.
//!
//! Not here: what a kind means, who may sign it, whether it may follow the statements before it in
//! its stream. A new member of the JSON is a new form, `gongkai.statement/v2`, beside this one.

use std::{borrow::Cow, fmt::Write as _};

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::canonical::{self, CanonicalError, INTEGER_MAX, Parser};
use crate::hash::Digest;
use crate::key::{SigningKey, VerifierKey, valid_key_name};
use crate::note::{self, Note, NoteError, NoteSignature};
use crate::stream::StreamId;
use crate::time::{format_declared, parse_declared};

/// First line of a statement's text.
pub const STATEMENT_FORM: &str = "gongkai.statement/v1";

/// Most signers of one statement; a note's signatures are accepted up to 16 everywhere.
pub const SIGNERS_MAX: usize = 16;

/// Most bytes of `kind`, `org` and a role each.
pub const CODE_BYTES_MAX: usize = 128;

/// The ways in which a statement by another person reached whoever entered it (代录).
pub const PROXY_CHANNELS: [&str; 6] = ["网", "短信", "电话", "信函", "来访", "会议"];

/// Why a text is no statement, or its signatures are not those of its signers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not a signed note.
    #[error("not a signed note")]
    Note(#[from] NoteError),
    /// Not three lines, or another first line.
    #[error("not three lines that begin with {STATEMENT_FORM}")]
    Form,
    /// The second line is no origin.
    #[error("{0:?} is no origin")]
    Origin(String),
    /// The third line is not canonical JSON.
    #[error("the JSON line")]
    Json(#[from] CanonicalError),
    /// The third line is no object.
    #[error("the JSON line is no object")]
    NoObject,
    /// A member is missing, unknown, or has no valid value.
    #[error("member {member:?} {reason}")]
    Member {
        /// The member.
        member: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A listed signer did not sign.
    #[error("the signature of {key} ({role}) is missing")]
    SignatureMissing {
        /// Role of the signer.
        role: String,
        /// Key name of the signer.
        key: String,
    },
    /// Somebody signed who is not listed, or signed twice.
    #[error("{key} signed and is no signer, or signed twice")]
    SignatureExtra {
        /// Key name in the signature line.
        key: String,
    },
    /// The signatures are not in the order of the signers.
    #[error("the signature of {key} is out of order")]
    SignatureOrder {
        /// Key name in the signature line.
        key: String,
    },
    /// No key of that name, or a signature under another key id.
    #[error("the key {key} is not known")]
    KeyUnknown {
        /// Key name.
        key: String,
    },
    /// Strict verification failed.
    #[error("the signature of {key} does not verify")]
    SignatureBad {
        /// Key name.
        key: String,
    },
}

impl StatementError {
    /// The key whose signature is at fault, if one is.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::SignatureMissing { key, .. }
            | Self::SignatureExtra { key }
            | Self::SignatureOrder { key }
            | Self::KeyUnknown { key }
            | Self::SignatureBad { key } => Some(key),
            _ => None,
        }
    }
}

/// One who signs: in which role, with which key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
pub struct Signer {
    /// Role, `author` first.
    pub role: String,
    /// Key name, unique in a ledger.
    pub key: String,
}

impl From<(String, String)> for Signer {
    fn from((role, key): (String, String)) -> Self {
        Self { role, key }
    }
}

impl From<Signer> for (String, String) {
    fn from(signer: Signer) -> Self {
        (signer.role, signer.key)
    }
}

/// A statement entered for somebody else (代录).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// How it came, one of [`PROXY_CHANNELS`].
    pub channel: String,
    /// BLAKE3 of the original: scan, recording, letter.
    pub original: Digest,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Origin of the ledger that it is made for.
    pub origin: String,
    /// Wire name with version, such as `pledge.made.v1`.
    pub kind: String,
    /// What it is about.
    pub stream: StreamId,
    /// Place in the stream, from 0.
    pub revision: u64,
    /// Hash of the previous statement of the stream; absent at revision 0 and only there.
    pub parent: Option<Digest>,
    /// Code of the organization in whose name it is said.
    pub org: String,
    /// The author's time, whole seconds with offset.
    pub declared_at: DateTime<FixedOffset>,
    /// Who signs, author first, at least one, no key twice.
    pub signers: Vec<Signer>,
    /// Set when it was entered for somebody else.
    pub proxy: Option<Proxy>,
    /// What is structured and no personal data.
    pub body: Map<String, Value>,
    /// Root of the 16 slot commitments.
    pub slots: Digest,
}

fn member(member: &str, reason: &'static str) -> StatementError {
    StatementError::Member { member: member.to_owned(), reason }
}

fn valid_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= CODE_BYTES_MAX && !text.chars().any(char::is_control)
}

fn valid_kind(text: &str) -> bool {
    valid_code(text) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'))
}

impl Statement {
    /// `<stream>#<revision>`, the name that commitments are bound to.
    pub fn id(&self) -> String {
        statement_id(&self.stream, self.revision)
    }

    /// Root of its list, if it has one (design 3.1).
    pub fn lines_root(&self) -> Option<Digest> {
        Digest::parse(self.body.get("lines")?.as_str()?).ok()
    }

    /// How many lines its list has, as it says.
    pub fn lines_count(&self) -> Option<u64> {
        self.body.get("count")?.as_u64()
    }

    /// The exact text that is signed: three lines, each ending in LF.
    pub fn text(&self) -> Result<String, StatementError> {
        self.check()?;
        let mut object = Map::new();
        object.insert("body".into(), Value::Object(self.body.clone()));
        let declared_at = format_declared(&self.declared_at)
            .map_err(|_| member("declared_at", "has no whole seconds or no four-digit year"))?;
        object.insert("declared_at".into(), declared_at.into());
        object.insert("kind".into(), self.kind.as_str().into());
        object.insert("org".into(), self.org.as_str().into());
        if let Some(parent) = &self.parent {
            object.insert("parent".into(), parent.to_string().into());
        }
        if let Some(proxy) = &self.proxy {
            let original = proxy.original.to_string();
            object.insert("proxy".into(), json!({"channel": proxy.channel, "original": original}));
        }
        object.insert("revision".into(), self.revision.into());
        let signers = self.signers.iter().map(|s| json!([s.role, s.key]));
        object.insert("signers".into(), signers.collect());
        object.insert("slots".into(), self.slots.to_string().into());
        object.insert("stream".into(), self.stream.to_string().into());
        let json = canonical::to_string(&Value::Object(object))?;
        if json.len() > canonical::JSON_BYTES_MAX {
            return Err(CanonicalError::TooLong { bytes: json.len(), bytes_max: canonical::JSON_BYTES_MAX }.into());
        }
        Ok(format!("{STATEMENT_FORM}\n{}\n{json}\n", self.origin))
    }

    /// Reads the text; every byte is checked.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        let rest = text.strip_prefix(STATEMENT_FORM).ok_or(StatementError::Form)?;
        let rest = rest.strip_prefix('\n').ok_or(StatementError::Form)?;
        let rest = rest.strip_suffix('\n').ok_or(StatementError::Form)?;
        let (origin, json) = rest.split_once('\n').ok_or(StatementError::Form)?;
        let statement = Self::read(origin, json)?;
        statement.check()?;
        Ok(statement)
    }

    fn read(origin: &str, json: &str) -> Result<Self, StatementError> {
        canonical::check_length(json, canonical::JSON_BYTES_MAX)?;
        let mut parser = Parser::new(json);
        if !json.starts_with('{') {
            parser.value::<()>(0)?;
            parser.end()?;
            return Err(StatementError::NoObject);
        }
        let mut draft = Draft::default();
        parser.object(|parser, name| draft.read(&name, parser))?;
        parser.end()?;
        draft.finish(origin)
    }

    /// The rules that hold for every statement, read or written.
    fn check(&self) -> Result<(), StatementError> {
        if !valid_key_name(&self.origin) {
            return Err(StatementError::Origin(self.origin.clone()));
        }
        if !valid_kind(&self.kind) {
            return Err(member("kind", "is not 1 to 128 of a-z, 0-9, _ and ."));
        }
        if !valid_code(&self.org) {
            return Err(member("org", "is empty, too long, or has control characters"));
        }
        if self.revision > INTEGER_MAX {
            return Err(member("revision", "is beyond 2^53 - 1"));
        }
        match (self.revision, &self.parent) {
            (0, Some(_)) => return Err(member("parent", "is present at revision 0")),
            (1.., None) => return Err(member("parent", "is missing after revision 0")),
            _ => {}
        }
        if let Some(proxy) = &self.proxy
            && !PROXY_CHANNELS.contains(&proxy.channel.as_str())
        {
            return Err(member("proxy", "has an unknown channel"));
        }
        check_signers(&self.signers)
    }
}

fn check_signers(signers: &[Signer]) -> Result<(), StatementError> {
    if signers.is_empty() || signers.len() > SIGNERS_MAX {
        return Err(member("signers", "lists none or more than 16"));
    }
    for (place, signer) in signers.iter().enumerate() {
        if !valid_code(&signer.role) {
            return Err(member("signers", "has an empty or malformed role"));
        }
        if !valid_key_name(&signer.key) {
            return Err(member("signers", "has a malformed key name"));
        }
        if signers[..place].iter().any(|other| other.key == signer.key) {
            return Err(member("signers", "names a key twice"));
        }
    }
    Ok(())
}

/// `<stream>#<revision>`.
pub fn statement_id(stream: &StreamId, revision: u64) -> String {
    let mut id = String::with_capacity(80);
    write!(id, "{stream}#{revision}").expect("writing to a String cannot fail");
    id
}

/// The members read so far. Each is written once: the canonical form has no duplicates.
#[derive(Default)]
struct Draft {
    kind: Option<String>,
    stream: Option<StreamId>,
    revision: Option<u64>,
    parent: Option<Digest>,
    org: Option<String>,
    declared_at: Option<DateTime<FixedOffset>>,
    signers: Option<Vec<Signer>>,
    proxy: Option<Proxy>,
    body: Option<Map<String, Value>>,
    slots: Option<Digest>,
}

/// Depth of a member's value.
const MEMBER_DEPTH: usize = 1;

fn string<'t>(name: &str, parser: &mut Parser<'t>) -> Result<Cow<'t, str>, StatementError> {
    if parser.is_next(b'"') {
        return Ok(parser.string()?);
    }
    parser.value::<()>(MEMBER_DEPTH)?;
    Err(member(name, "is no string"))
}

/// Reads a member that is a text of some form.
fn formed<T>(
    name: &str,
    parser: &mut Parser<'_>,
    form: impl Fn(&str) -> Option<T>,
    reason: &'static str,
) -> Result<T, StatementError> {
    let text = if parser.is_next(b'"') { Some(parser.string()?) } else { None };
    if text.is_none() {
        parser.value::<()>(MEMBER_DEPTH)?;
    }
    text.and_then(|text| form(&text)).ok_or_else(|| member(name, reason))
}

fn digest(name: &str, parser: &mut Parser<'_>) -> Result<Digest, StatementError> {
    formed(name, parser, |text| Digest::parse(text).ok(), "is no hash")
}

fn signers(parser: &mut Parser<'_>) -> Result<Vec<Signer>, StatementError> {
    let refuse = || member("signers", "is no list of [role, key name]");
    let Value::Array(items) = parser.value(MEMBER_DEPTH)? else {
        return Err(refuse());
    };
    if items.len() > SIGNERS_MAX {
        return Err(member("signers", "lists none or more than 16"));
    }
    let pair = |item: Value| match item {
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([Value::String(role), Value::String(key)]) => Ok(Signer { role, key }),
            _ => Err(refuse()),
        },
        _ => Err(refuse()),
    };
    items.into_iter().map(pair).collect()
}

fn proxy(value: Value) -> Result<Proxy, StatementError> {
    // A list of both would be read too, and is a second spelling.
    if !value.is_object() {
        return Err(member("proxy", "is no object"));
    }
    serde_json::from_value(value).map_err(|_| member("proxy", "is no channel and original"))
}

impl Draft {
    fn read(&mut self, name: &str, parser: &mut Parser<'_>) -> Result<(), StatementError> {
        match name {
            "kind" => self.kind = Some(string(name, parser)?.into_owned()),
            "stream" => {
                self.stream = Some(formed(name, parser, |text| StreamId::parse(text).ok(), "is no stream")?);
            }
            "revision" => {
                let revision = parser.value::<Value>(MEMBER_DEPTH)?.as_u64();
                self.revision = Some(revision.ok_or_else(|| member(name, "is no integer"))?);
            }
            "parent" => self.parent = Some(digest(name, parser)?),
            "org" => self.org = Some(string(name, parser)?.into_owned()),
            "declared_at" => {
                let reason = "is no time like 2026-03-10T09:12:00+08:00";
                self.declared_at = Some(formed(name, parser, |text| parse_declared(text).ok(), reason)?);
            }
            "signers" => self.signers = Some(signers(parser)?),
            "proxy" => self.proxy = Some(proxy(parser.value(MEMBER_DEPTH)?)?),
            "body" => match parser.value(MEMBER_DEPTH)? {
                Value::Object(body) => self.body = Some(body),
                _ => return Err(member(name, "is no object")),
            },
            "slots" => self.slots = Some(digest(name, parser)?),
            _ => {
                parser.value::<()>(MEMBER_DEPTH)?;
                return Err(member(name, "is unknown"));
            }
        }
        Ok(())
    }

    fn finish(self, origin: &str) -> Result<Statement, StatementError> {
        let missing = |name: &str| member(name, "is missing");
        Ok(Statement {
            origin: origin.to_owned(),
            kind: self.kind.ok_or_else(|| missing("kind"))?,
            stream: self.stream.ok_or_else(|| missing("stream"))?,
            revision: self.revision.ok_or_else(|| missing("revision"))?,
            parent: self.parent,
            org: self.org.ok_or_else(|| missing("org"))?,
            declared_at: self.declared_at.ok_or_else(|| missing("declared_at"))?,
            signers: self.signers.ok_or_else(|| missing("signers"))?,
            proxy: self.proxy,
            body: self.body.ok_or_else(|| missing("body"))?,
            slots: self.slots.ok_or_else(|| missing("slots"))?,
        })
    }
}

/// A statement with its signature lines, as it was given. Parsing does not verify: call
/// [`SignedStatement::verify`].
#[derive(Clone, Debug, PartialEq)]
pub struct SignedStatement {
    /// The note, verbatim.
    pub note: Note,
    /// What its text says.
    pub statement: Statement,
    /// BLAKE3 of the text, the `parent` of the next statement of the stream.
    pub hash: Digest,
}

impl SignedStatement {
    /// Reads a note.
    pub fn parse(note: &str) -> Result<Self, StatementError> {
        Self::from_note(Note::parse(note)?)
    }

    /// Reads the text of a parsed note.
    pub fn from_note(note: Note) -> Result<Self, StatementError> {
        let mut signed = Self::read(note)?;
        signed.hash = Digest::of(signed.note.text.as_bytes());
        Ok(signed)
    }

    /// The same without its hash.
    pub(crate) fn read(note: Note) -> Result<Self, StatementError> {
        let statement = Statement::parse(&note.text)?;
        Ok(Self { note, statement, hash: Digest::ZERO })
    }

    /// Signs a statement with the keys of its signers, in their order.
    pub fn sign(statement: &Statement, keys: &[&SigningKey]) -> Result<Self, StatementError> {
        let note = note::sign(&statement.text()?, keys)?;
        let signed = Self::parse(&note)?;
        signed.signatures().map(drop)?;
        Ok(signed)
    }

    /// `<stream>#<revision>`.
    pub fn id(&self) -> String {
        self.statement.id()
    }

    /// Signers with their signature lines, if exactly the signers signed, in their order. Nothing is
    /// verified yet.
    pub fn signatures(&self) -> Result<impl Iterator<Item = (&Signer, &NoteSignature)>, StatementError> {
        let signers = &self.statement.signers;
        let lines = &self.note.signatures;
        let extra = |line: &NoteSignature| StatementError::SignatureExtra { key: line.name.clone() };
        for (place, line) in lines.iter().enumerate() {
            let listed = signers.iter().any(|signer| signer.key == line.name);
            let again = lines[..place].iter().any(|other| other.name == line.name);
            if !listed || again {
                return Err(extra(line));
            }
        }
        for signer in signers {
            if !lines.iter().any(|line| line.name == signer.key) {
                return Err(StatementError::SignatureMissing { role: signer.role.clone(), key: signer.key.clone() });
            }
        }
        // Now both lists name the same keys, each once.
        match signers.iter().zip(lines).find(|(signer, line)| signer.key != line.name) {
            Some((_, line)) => Err(StatementError::SignatureOrder { key: line.name.clone() }),
            None => Ok(signers.iter().zip(lines)),
        }
    }

    /// Verifies that exactly the signers signed, in their order, under the keys that `key` knows by
    /// name; strict Ed25519.
    pub fn verify<'k>(&self, key: impl Fn(&str) -> Option<&'k VerifierKey>) -> Result<(), StatementError> {
        for (signer, line) in self.signatures()? {
            let key = key(&signer.key)
                .filter(|key| line.is_by(key) && key.kind() == crate::KeyKind::Ed25519)
                .ok_or_else(|| StatementError::KeyUnknown { key: signer.key.clone() })?;
            let good = line.ed25519().is_some_and(|bytes| key.verify(self.note.text.as_bytes(), bytes));
            if !good {
                return Err(StatementError::SignatureBad { key: signer.key.clone() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyKind;
    use uuid::Uuid;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, KeyKind::Ed25519, [seed; 32]).unwrap()
    }

    fn sample() -> Statement {
        let signer = |role: &str, key: &str| Signer { role: role.to_owned(), key: key.to_owned() };
        Statement {
            origin: "ledger.example".to_owned(),
            kind: "example.said.v1".to_owned(),
            stream: StreamId::new("example", Uuid::from_u128(7)).unwrap(),
            revision: 1,
            parent: Some(Digest::of(b"before")),
            org: "341523104".to_owned(),
            declared_at: parse_declared("2026-03-10T09:12:00+08:00").unwrap(),
            signers: vec![signer("author", "alice/1"), signer("approver", "bob/1")],
            proxy: Some(Proxy { channel: "电话".to_owned(), original: Digest::of(b"recording") }),
            body: json!({"fen": 12, "due": "2026-12-31"}).as_object().unwrap().clone(),
            slots: Digest::of(b"slots"),
        }
    }

    #[test]
    fn a_statement_survives_its_text() {
        let statement = sample();
        let text = statement.text().unwrap();
        assert_eq!(Statement::parse(&text).unwrap(), statement);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(statement.id(), "example/00000000-0000-0000-0000-000000000007#1");
    }

    #[test]
    fn exactly_the_signers_sign_in_their_order() {
        let (alice, bob, carol) = (key("alice/1", 1), key("bob/1", 2), key("carol/1", 3));
        let keys = [alice.verifier(), bob.verifier(), carol.verifier()];
        let known = |name: &str| keys.iter().find(|key| key.name() == name);
        let statement = sample();
        let signed = SignedStatement::sign(&statement, &[&alice, &bob]).unwrap();
        assert_eq!(signed.verify(known), Ok(()));
        let text = statement.text().unwrap();
        let verdict = |signing: &[&SigningKey]| {
            let note = note::sign(&text, signing).unwrap();
            SignedStatement::parse(&note).unwrap().verify(known)
        };
        let name = |key: &str| key.to_owned();
        assert_eq!(
            verdict(&[&alice]),
            Err(StatementError::SignatureMissing { role: name("approver"), key: name("bob/1") })
        );
        assert_eq!(verdict(&[&alice, &bob, &carol]), Err(StatementError::SignatureExtra { key: name("carol/1") }));
        assert_eq!(verdict(&[&alice, &alice, &bob]), Err(StatementError::SignatureExtra { key: name("alice/1") }));
        assert_eq!(verdict(&[&bob, &alice]), Err(StatementError::SignatureOrder { key: name("bob/1") }));
        assert_eq!(verdict(&[&alice, &key("bob/1", 9)]), Err(StatementError::KeyUnknown { key: name("bob/1") }));
        let mut forged = signed.clone();
        forged.note.signatures[1].signature[0] ^= 1;
        assert_eq!(forged.verify(known), Err(StatementError::SignatureBad { key: name("bob/1") }));
        assert_eq!(signed.verify(|_| None), Err(StatementError::KeyUnknown { key: name("alice/1") }));
        assert!(SignedStatement::sign(&statement, &[&bob, &alice]).is_err());
    }

    #[test]
    fn a_statement_that_breaks_a_rule_is_neither_written_nor_read() {
        let refused = |change: fn(&mut Statement)| {
            let mut statement = sample();
            change(&mut statement);
            assert!(statement.text().is_err());
        };
        refused(|s| s.parent = None);
        refused(|s| s.revision = 0);
        refused(|s| s.revision = 1 << 53);
        refused(|s| s.origin = "two words".to_owned());
        refused(|s| s.kind = "Pledge".to_owned());
        refused(|s| s.org.clear());
        refused(|s| s.signers.clear());
        refused(|s| s.signers[1].key = "alice/1".to_owned());
        refused(|s| s.signers[1].key = "b+b".to_owned());
        refused(|s| s.proxy.as_mut().unwrap().channel = "fax".to_owned());
        refused(|s| s.declared_at += chrono::Duration::milliseconds(1));
        refused(|s| drop(s.body.insert("rate".to_owned(), json!(0.5))));
        refused(|s| drop(s.body.insert("text".to_owned(), "x".repeat(65_536).into())));
    }

    #[test]
    fn unknown_missing_and_mistyped_members_are_named() {
        let text = sample().text().unwrap();
        let named = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            match Statement::parse(&text.replacen(from, to, 1)) {
                Err(StatementError::Member { member, .. }) => member,
                other => panic!("{from} -> {to}: {other:?}"),
            }
        };
        assert_eq!(named("\"body\":{", "\"a\":1,\"body\":{"), "a");
        assert_eq!(named("\"kind\":\"example.said.v1\",", ""), "kind");
        assert_eq!(named("\"revision\":1", "\"revision\":\"1\""), "revision");
        assert_eq!(named("\"revision\":1", "\"revision\":-1"), "revision");
        assert_eq!(named("[\"author\",", "[\"author\",1,"), "signers");
        assert_eq!(named("\"channel\":", "\"by\":1,\"channel\":"), "proxy");
        let original = Digest::of(b"recording");
        let object = format!("{{\"channel\":\"电话\",\"original\":\"{original}\"}}");
        assert_eq!(named(&object, &format!("[\"电话\",\"{original}\"]")), "proxy", "the same in a second spelling");
        assert_eq!(named("+08:00", "+0800"), "declared_at");
        assert_eq!(named("\"stream\":\"example/", "\"stream\":\"Example/"), "stream");
        assert!(Statement::parse(&text.replace("/v1\n", "/v2\n")).is_err());
        assert!(Statement::parse(&text[..text.len() - 1]).is_err());
        assert!(Statement::parse(&format!("{text}\n")).is_err());
        assert!(Statement::parse(&text.replace("\"fen\":12", "\"fen\": 12")).is_err());
    }

    #[test]
    fn signers_serialize_as_pairs() {
        let json = serde_json::to_string(&sample().signers).unwrap();
        assert_eq!(json, "[[\"author\",\"alice/1\"],[\"approver\",\"bob/1\"]]");
        let back: Vec<Signer> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, sample().signers);
    }
}
