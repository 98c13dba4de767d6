//! Policies (c2sp.org/tlog-policy): which logs are trusted, which witnesses, and how many suffice.
//!
//! A file of lines `log`, `witness`, `group` and one `quorum`. Names are defined before they are used,
//! and each counts towards at most one group, so that a witness contributes in only one way.
//!
//! Not here: asking witnesses for cosignatures; the addresses are only read.

use std::collections::HashMap;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::cosignature;
use crate::key::{KeyError, KeyKind, VerifierKey};
use crate::note::{Note, NoteError};

/// Most logs, witnesses and groups each; the specification asks for at least 32.
pub const POLICY_ITEMS_MAX: usize = 1_024;

/// Most bytes of a policy file.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Why a file is no policy. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFileError {
    /// A line is malformed.
    #[error("line {line}: {reason}")]
    Line {
        /// Line number.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A key is malformed.
    #[error("line {line}: the key")]
    Key {
        /// Line number.
        line: usize,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
    /// The file says no quorum.
    #[error("there is no quorum line")]
    NoQuorum,
    /// The file is too long.
    #[error("a policy of {0} bytes is too long")]
    TooLong(usize),
}

/// Why a checkpoint does not satisfy a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No listed log signed it, or a signature is false.
    #[error("the log's signature")]
    Log(#[source] NoteError),
    /// Not a checkpoint.
    #[error("the checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// A listed witness's cosignature is false.
    #[error("the cosignature of witness {0} does not verify")]
    Witness(String),
    /// Too few witnesses.
    #[error("cosigned by {witnesses:?}, which is no quorum of {quorum}")]
    Quorum {
        /// Names of the witnesses that cosigned.
        witnesses: Vec<String>,
        /// Name of the quorum.
        quorum: String,
    },
}

/// A log or witness that a policy lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name in the policy; of a log, its origin.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Its address, when one is given.
    pub url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Witness(usize),
    Group(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Named>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Listed>,
    witnesses: Vec<Listed>,
    // Members of a group come before it.
    groups: Vec<Group>,
    quorum: Option<Named>,
    quorum_name: String,
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(text: &str) -> Result<Self, PolicyFileError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyFileError::TooLong(text.len()));
        }
        let mut reader = Reader::default();
        for (place, line) in text.split('\n').enumerate() {
            reader.line = place + 1;
            reader.read(line)?;
        }
        // Lines end in LF; the piece after the last one is empty.
        if !text.ends_with('\n') {
            return Err(reader.refuse("the last line has no newline"));
        }
        let (quorum_name, quorum) = reader.quorum.ok_or(PolicyFileError::NoQuorum)?;
        Ok(Self { logs: reader.logs, witnesses: reader.witnesses, groups: reader.groups, quorum, quorum_name })
    }

    /// The logs, in their order.
    pub fn logs(&self) -> &[Listed] {
        &self.logs
    }

    /// The witnesses, in their order.
    pub fn witnesses(&self) -> &[Listed] {
        &self.witnesses
    }

    /// Name of the quorum; `none` when no witness is needed.
    pub fn quorum(&self) -> &str {
        &self.quorum_name
    }

    /// Checks a checkpoint note: signed by a listed log under its own origin, no false line under a
    /// listed key, and a quorum of witnesses. Gives the checkpoint and the witnesses that cosigned.
    /// A policy without logs leaves the log's signature to the caller.
    pub fn check(&self, note: &Note) -> Result<(Checkpoint, Vec<&Listed>), PolicyError> {
        let checkpoint = Checkpoint::parse(&note.text)?;
        if !self.logs.is_empty() {
            let own = self.logs.iter().filter(|log| log.name == checkpoint.origin);
            let keys: Vec<_> = own.map(|log| log.key.clone()).collect();
            note.open(&keys).map_err(PolicyError::Log)?;
        }
        let cosigned: Vec<bool> = self.cosigned(note)?.iter().map(Option::is_some).collect();
        let witnesses = self.witnesses.iter().zip(&cosigned);
        let witnesses = witnesses.filter(|(_, cosigned)| **cosigned).map(|(w, _)| w);
        let witnesses: Vec<&Listed> = witnesses.collect();
        if self.suffices(&cosigned) {
            Ok((checkpoint, witnesses))
        } else {
            Err(PolicyError::Quorum {
                witnesses: witnesses.iter().map(|w| w.name.clone()).collect(),
                quorum: self.quorum_name.clone(),
            })
        }
    }

    /// For each witness, in the policy's order, when it cosigned a checkpoint note (Unix seconds), if it did.
    ///
    /// # Errors
    /// [`PolicyError::Witness`]: a line under a listed key that does not verify.
    pub fn cosigned(&self, note: &Note) -> Result<Vec<Option<u64>>, PolicyError> {
        let mut cosigned = vec![None; self.witnesses.len()];
        for (witness, cosigned) in self.witnesses.iter().zip(&mut cosigned) {
            for line in note.signatures.iter().filter(|line| line.is_by(&witness.key)) {
                let time = cosignature::verify(&note.text, line, &witness.key)
                    .map_err(|_| PolicyError::Witness(witness.name.clone()))?;
                *cosigned = Some(time.max(cosigned.unwrap_or(0)));
            }
        }
        Ok(cosigned)
    }

    /// Whether cosignatures of these witnesses, in their order in the policy, are a quorum.
    pub fn suffices(&self, cosigned: &[bool]) -> bool {
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |groups: &[bool], named: &Named| match named {
            Named::Witness(place) => cosigned.get(*place).copied().unwrap_or(false),
            Named::Group(place) => groups[*place],
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| holds(&groups, member));
            let satisfied = count.count() >= group.threshold;
            groups.push(satisfied);
        }
        self.quorum.is_none_or(|quorum| holds(&groups, &quorum))
    }
}

#[derive(Default)]
struct Reader {
    line: usize,
    logs: Vec<Listed>,
    witnesses: Vec<Listed>,
    groups: Vec<Group>,
    // Each name, and whether a group has it as a member already.
    names: HashMap<String, (Named, bool)>,
    quorum: Option<(String, Option<Named>)>,
}

impl Reader {
    fn refuse(&self, reason: &'static str) -> PolicyFileError {
        PolicyFileError::Line { line: self.line, reason }
    }

    fn read(&mut self, line: &str) -> Result<(), PolicyFileError> {
        let forbidden = |byte: u8| (byte < 0x20 && byte != b'\t') || byte == 0x7f;
        if line.bytes().any(forbidden) {
            return Err(self.refuse("a control character"));
        }
        let words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] => self.log(key, None),
            ["log", key, url] => self.log(key, Some(url)),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            _ => Err(self.refuse("not a log, witness, group or quorum line")),
        }
    }

    fn key(&self, text: &str, kind: KeyKind) -> Result<VerifierKey, PolicyFileError> {
        let line = self.line;
        let key = VerifierKey::parse(text).map_err(|source| PolicyFileError::Key { line, source })?;
        if key.kind() != kind {
            return Err(self.refuse("a key of the wrong kind: logs sign (1), witnesses cosign (4)"));
        }
        Ok(key)
    }

    fn listed(
        &self,
        list: &[Listed],
        name: &str,
        key: VerifierKey,
        url: Option<&str>,
    ) -> Result<Listed, PolicyFileError> {
        if list.iter().any(|listed| listed.key.public() == key.public()) {
            return Err(self.refuse("this key is listed already"));
        }
        if list.len() == POLICY_ITEMS_MAX {
            return Err(self.refuse("too many of these"));
        }
        Ok(Listed { name: name.to_owned(), key, url: url.map(str::to_owned) })
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), PolicyFileError> {
        let key = self.key(key, KeyKind::Ed25519)?;
        let name = key.name().to_owned();
        let listed = self.listed(&self.logs, &name, key, url)?;
        self.logs.push(listed);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), PolicyFileError> {
        let key = self.key(key, KeyKind::CosignatureV1)?;
        let listed = self.listed(&self.witnesses, name, key, url)?;
        self.define(name, Named::Witness(self.witnesses.len()))?;
        self.witnesses.push(listed);
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), PolicyFileError> {
        if self.groups.len() == POLICY_ITEMS_MAX {
            return Err(self.refuse("too many of these"));
        }
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            number => crate::entry::decimal(number)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or_else(|| self.refuse("a threshold is all, any or a number"))?,
        };
        if threshold == 0 || threshold > members.len() {
            return Err(self.refuse("a threshold is from 1 to the number of members"));
        }
        let mut group = Group { threshold, members: Vec::with_capacity(members.len()) };
        for member in members {
            let undefined = self.refuse("a member that is not defined above");
            let twice = self.refuse("a member that is a member already");
            let (named, taken) = self.names.get_mut(*member).ok_or(undefined)?;
            if std::mem::replace(taken, true) {
                return Err(twice);
            }
            group.members.push(*named);
        }
        self.define(name, Named::Group(self.groups.len()))?;
        self.groups.push(group);
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyFileError> {
        if self.quorum.is_some() {
            return Err(self.refuse("a second quorum"));
        }
        let named = match (name, self.names.get(name)) {
            ("none", _) => None,
            (_, Some((named, _))) => Some(*named),
            (_, None) => return Err(self.refuse("a quorum that is not defined above")),
        };
        self.quorum = Some((name.to_owned(), named));
        Ok(())
    }

    fn define(&mut self, name: &str, named: Named) -> Result<(), PolicyFileError> {
        if name == "none" {
            return Err(self.refuse("the name none is reserved"));
        }
        if self.names.contains_key(name) {
            return Err(self.refuse("this name is defined already"));
        }
        self.names.insert(name.to_owned(), (named, false));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint;
    use crate::key::SigningKey;
    use crate::merkle::empty_root;

    fn log() -> SigningKey {
        SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32]).unwrap()
    }

    fn witness(number: u8) -> SigningKey {
        let name = format!("witness.example/{number}");
        SigningKey::from_seed(&name, KeyKind::CosignatureV1, [100 + number; 32]).unwrap()
    }

    fn note(witnesses: &[u8]) -> Note {
        let checkpoint = Checkpoint { origin: "ledger.example".to_owned(), size: 0, root: empty_root() };
        let note = checkpoint::sign(&checkpoint, &[&log()]).unwrap();
        let mut note = Note::parse(&note).unwrap();
        for number in witnesses {
            let line = cosignature::cosign(&note.text, &witness(*number), 1_770_000_000);
            note.signatures.push(line.unwrap());
        }
        note
    }

    fn file(tail: &str) -> String {
        use std::fmt::Write as _;
        let mut text = format!("# policy\n\nlog {} https://log.example/\n", log().verifier());
        for number in 1..=6 {
            writeln!(text, "witness w{number}\t{}", witness(number).verifier()).unwrap();
        }
        format!("{text}{tail}")
    }

    #[test]
    fn groups_of_groups_decide() {
        let policy =
            Policy::parse(&file("group x 2 w1 w2 w3\ngroup y any w4 w5 w6\n  group both all x y\nquorum both\n"))
                .unwrap();
        assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
        assert_eq!(policy.witnesses().len(), 6);
        let names = |witnesses: &[u8]| {
            let checked = policy.check(&note(witnesses));
            checked.map(|(_, who)| who.iter().map(|w| w.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(names(&[1, 3, 6]), Ok(vec!["w1".into(), "w3".into(), "w6".into()]));
        for short in [&[][..], &[1, 2, 3], &[1, 6], &[4, 5, 6], &[1, 1, 4]] {
            assert!(matches!(names(short), Err(PolicyError::Quorum { .. })), "{short:?}");
        }
    }

    #[test]
    fn the_log_must_sign_and_no_listed_witness_may_sign_falsely() {
        let policy = Policy::parse(&file("quorum none\n")).unwrap();
        assert!(policy.check(&note(&[])).is_ok());
        let mut forged = note(&[1]);
        forged.signatures[1].signature[20] ^= 1;
        assert_eq!(policy.check(&forged), Err(PolicyError::Witness("w1".to_owned())));
        let mut unsigned = note(&[1]);
        unsigned.signatures.remove(0);
        assert_eq!(policy.check(&unsigned), Err(PolicyError::Log(NoteError::Unsigned)));
        let mut stranger = note(&[9]);
        assert!(policy.check(&stranger).is_ok());
        stranger.text = stranger.text.replace("ledger.example", "other.example");
        assert!(matches!(policy.check(&stranger), Err(PolicyError::Log(_))));
    }

    #[test]
    fn malformed_policies_are_refused() {
        let one = format!("witness w7 {}\n", witness(7).verifier());
        let same_key = format!("witness w8 {}\n", witness(1).verifier());
        let same_name = format!("witness w1 {}\n", witness(7).verifier());
        let wrong_kind = format!("witness w7 {}\n", log().verifier());
        for bad in [
            String::new(),
            "quorum none".to_owned(),
            "quorum none\nquorum none\n".to_owned(),
            "quorum later\n".to_owned(),
            "group g all\nquorum none\n".to_owned(),
            "group g 0 w1\nquorum none\n".to_owned(),
            "group g 3 w1 w2\nquorum none\n".to_owned(),
            "group g 01 w1\nquorum none\n".to_owned(),
            "group g some w1\nquorum none\n".to_owned(),
            "group g any w1 w1\nquorum none\n".to_owned(),
            "group g any w1\ngroup h any w1\nquorum none\n".to_owned(),
            "group g any g\nquorum none\n".to_owned(),
            "group g any none\nquorum none\n".to_owned(),
            "group none any w1\nquorum none\n".to_owned(),
            "group w1 any w2\nquorum none\n".to_owned(),
            "log nonsense\nquorum none\n".to_owned(),
            "peer w9\nquorum none\n".to_owned(),
            "quorum none\r\n".to_owned(),
            format!("{same_key}quorum none\n"),
            format!("{same_name}quorum none\n"),
            format!("{wrong_kind}quorum none\n"),
            format!("log {}\nquorum none\n", log().verifier()),
        ] {
            assert!(Policy::parse(&file(&bad)).is_err(), "{bad}");
        }
        assert!(Policy::parse(&file(&format!("{one}group g all w7 w1\nquorum g\n"))).is_ok());
    }
}
