//! The domain's answer to "who may sign what": authority by replay of the registry's own events.
//!
//! [`Replay`] is what `verify` hands to [`gongkai_log::fsck()`]: it judges only who signed, not whether
//! the rules of a matter were kept; that is `audit`'s. To let a further kind change authority, let it
//! teach the [`World`] in its own file; nothing changes here.

use gongkai_log::{
    Authority, Beginning, Content, Digest, Entry, LogKeys, MapRoot, Openings, SealedPeriod, SignedStatement,
    VerifierKey,
};

use crate::{
    event::Recorded,
    judge, kind,
    refusal::Refusal,
    world::{Role, World},
};

/// Which genesis is the right one.
#[derive(Clone, Debug)]
enum Expected {
    /// That of this log key.
    Key(VerifierKey),
    /// That of this origin.
    Origin(String),
}

impl Expected {
    fn is(&self, key: &VerifierKey) -> bool {
        match self {
            Self::Key(expected) => key == expected,
            Self::Origin(origin) => key.name() == origin,
        }
    }
}

/// Registry and authority as of the entries observed so far.
#[derive(Clone, Debug)]
pub struct Replay {
    world: World,
    log: Expected,
    genesis: Option<Digest>,
}

impl Replay {
    /// Starts before the genesis of the ledger whose first log key is `log`.
    pub fn new(log: &VerifierKey) -> Self {
        Self { world: World::default(), log: Expected::Key(log.clone()), genesis: None }
    }

    /// Starts before the genesis of the ledger of this origin, whatever its keys; whoever asks compares them.
    pub(crate) fn of_any(origin: &str) -> Self {
        Self { world: World::default(), log: Expected::Origin(origin.to_owned()), genesis: None }
    }

    /// Registry, calendar, rules and books as of the last observed entry.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Hash of the genesis entry, which verifiers may pin.
    pub fn genesis(&self) -> Option<Digest> {
        self.genesis
    }

    fn statement(&mut self, entry: &Entry, signed: &SignedStatement) -> Result<(), Refusal> {
        let statement = &signed.statement;
        let kind = kind::find(&statement.kind).ok_or_else(|| Refusal::UnknownKind(statement.kind.clone()))?;
        let keys = judge::authority(statement, kind, &self.world)?;
        if self.genesis.is_none() {
            self.genesis = Some(entry.hash);
            // The genesis brings its own key; it must be the one that the checkpoints are read with.
            if !keys.first().is_some_and(|key| self.log.is(key)) {
                return Err(Refusal::Signature("创世条目的账本钥匙与检查点的钥匙不同".into()));
            }
        }
        self.world.evolve(&recorded(entry, signed));
        Ok(())
    }

    fn sealed(&self, period: &SealedPeriod) -> Result<(), String> {
        let intake = self.world.ledger_key(Role::Intake);
        if period.note.signatures.iter().all(|line| Some(line.name.as_str()) == intake) {
            Ok(())
        } else {
            Err("封存期条目只能由收件钥匙签名".into())
        }
    }
}

/// A statement of the log with its place and time.
pub(crate) fn recorded<'a>(entry: &Entry, signed: &'a SignedStatement) -> Recorded<'a> {
    Recorded {
        index: entry.index,
        recorded_at: entry.recorded_at,
        statement: &signed.statement,
        hash: signed.hash,
        values: None,
    }
}

impl Authority for Replay {
    const READS_OPENINGS: bool = false;

    fn key(&self, name: &str) -> Option<&VerifierKey> {
        self.world.key(name).map(|key| &key.verifier)
    }

    fn observe(&mut self, entry: &Entry, _: Option<&Openings>) -> Result<(), String> {
        match &entry.content {
            Content::Statement(signed) => self.statement(entry, signed).map_err(|refusal| refusal.to_string()),
            Content::Sealed(period) => self.sealed(period),
        }
    }

    fn log_keys(&self) -> Option<&LogKeys> {
        self.world.log_keys()
    }

    fn beginning(&self, entry: &Entry) -> Option<Beginning> {
        entry.content.statement().and_then(|signed| kind::beginning(&signed.statement))
    }

    fn map_root(&self, entry: &Entry) -> Option<MapRoot> {
        entry.content.statement().and_then(|signed| kind::map::rooted(&signed.statement))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use gongkai_log::{KeyKind, SigningKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::{Command, Setting, command::Head, prepare};

    pub(crate) fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, KeyKind::Ed25519, [seed; 32]).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn entry(index: u64, command: &Value, head: Option<Head>, role: &str, key: &SigningKey) -> Entry {
        let command = Command::from_value(command.clone()).unwrap();
        let setting = Setting {
            origin: "ledger.example",
            stream: command.stream.clone().unwrap(),
            head,
            signers: vec![gongkai_log::Signer { role: role.into(), key: key.name().into() }],
            declared_at: DateTime::parse_from_rfc3339("2026-03-01T09:00:00+08:00").unwrap(),
        };
        let mut salt = 0_u8;
        let prepared = prepare(&command, &setting, &mut |bytes: &mut [u8]| {
            salt = salt.wrapping_add(1);
            bytes.fill(salt);
        })
        .unwrap();
        let signed = SignedStatement::sign(&prepared.statement, &[key]).unwrap();
        let bytes =
            Entry::seal(index, at("2026-03-01T01:00:00.000000Z"), Digest::ZERO, &signed.note.to_string()).unwrap();
        Entry::parse(bytes).unwrap()
    }

    fn stream(family: &str, number: u128) -> String {
        format!("{family}/{}", uuid::Uuid::from_u128(number))
    }

    fn genesis(log: &SigningKey) -> Entry {
        let text = |key: &SigningKey| key.verifier().to_string();
        let command = json!({"kind": "ledger.created.v1", "stream": stream("ledger", 1), "org": "1", "fields": {
            "name": "试验账本(虚构)", "log_key": text(log), "intake_key": text(&key("ledger.example/intake", 2)),
            "recovery_key": text(&key("ledger.example/recovery", 3)),
            "registrars": [{"person": stream("person", 1), "key": text(&key("alice/1", 4))}]}});
        entry(0, &command, None, "log", log)
    }

    fn person(signer: &SigningKey) -> Entry {
        let command = json!({"kind": "organization.registered.v1", "stream": stream("organization", 2), "org": "1",
            "fields": {"code": "1", "level": "county", "name": "某县(虚构)"}});
        entry(1, &command, None, "registrar", signer)
    }

    #[test]
    fn the_first_registrar_may_register_and_a_stranger_may_not() {
        let log = key("ledger.example", 1);
        let mut replay = Replay::new(&log.verifier());
        replay.observe(&genesis(&log), None).unwrap();
        assert!(replay.key("alice/1").is_some());
        assert!(replay.observe(&person(&key("mallory/1", 9)), None).unwrap_err().contains("mallory/1"));
        replay.observe(&person(&key("alice/1", 4)), None).unwrap();
        assert!(replay.world().organization("1").is_some());
    }

    #[test]
    fn a_genesis_under_another_log_key_is_refused() {
        let mut replay = Replay::new(&key("ledger.example", 7).verifier());
        assert!(replay.observe(&genesis(&key("ledger.example", 1)), None).is_err());
    }
}
