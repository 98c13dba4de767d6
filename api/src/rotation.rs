//! The way of a new log key: the file that is carried to the recovery key and back, and the key's place on the machine.
//!
//! The file holds the exact statement and what opens it; whoever endorses adds one signature line. It holds no secret. The
//! new private key is made on the ledger's machine as `keys/log-next.key` and stays there; once the rotation is recorded it
//! becomes `keys/log.key` ([`install`], which every start runs: a machine that stopped between goes on). A replaced key is kept
//! as `keys/log-former.key` only while it signs beside the new one, and removed otherwise.
//!
//! Not here: which rotation is valid (the domain), and what signs a checkpoint (the store).

use std::fs;
use std::path::Path;

use gongkai_domain::kind::{self, rotation::KeyRotated};
use gongkai_domain::submission::Filled;
use gongkai_domain::{Prepared, Submission};
use gongkai_log::{Note, NoteSignature, SigningKey, Statement, VerifierKey};
use gongkai_store::backup::flush_folder;
use gongkai_store::{Layout, Ledger};
use serde::{Deserialize, Serialize};

use crate::keyfile;
use crate::outcome::{Fault, chain};

/// The key that is to come, below `keys/`.
pub const NEXT_KEY: &str = "log-next.key";

/// The key that was replaced and signs on for a time.
pub const FORMER_KEY: &str = "log-former.key";

/// Value of the field `form`.
const FORM: &str = "gongkai.key-rotation/v1";

/// Most bytes of a file: a statement with a checkpoint.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationFile {
    form: String,
    statement: String,
    openings: Vec<Filled>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endorsement: Option<String>,
}

impl RotationFile {
    /// The file of a statement that nobody has endorsed yet.
    pub fn new(prepared: Prepared) -> Self {
        let Prepared { text, openings, .. } = prepared;
        Self { form: FORM.to_owned(), statement: text, openings, endorsement: None }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// No such file, or something else.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let place = || path.display().to_string();
        let unusable = |reason: String| Fault::usage(place(), reason).mend("请用 gongkai rotate-key prepare 重新准备");
        let size = fs::metadata(path).map_err(|error| Fault::usage(place(), error.to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(unusable("不是更换钥匙的文件".into()));
        }
        let bytes = fs::read(path).map_err(|error| Fault::failed(place(), &error))?;
        let file: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(format!("不是更换钥匙的文件（{error}）")))?;
        if file.form != FORM {
            return Err(unusable("不是更换钥匙的文件".into()));
        }
        file.parsed().map_err(unusable)?;
        Ok(file)
    }

    /// Writes a new file.
    ///
    /// # Errors
    /// There is a file already, or the disk fails.
    pub fn write(&self, path: &Path) -> Result<(), Fault> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| Fault::failed("更换钥匙的文件", &error))?;
        text.push('\n');
        keyfile::write_private(path, text.as_bytes()).map_err(Fault::from)
    }

    fn parsed(&self) -> Result<(Statement, KeyRotated), String> {
        let statement = Statement::parse(&self.statement).map_err(|error| chain(&error))?;
        let rotated = kind::body::<KeyRotated>(&statement.kind, &statement.body);
        rotated.map(|rotated| (statement, rotated)).ok_or_else(|| "里面不是更换账本钥匙的声明".to_owned())
    }

    /// What it says.
    ///
    /// # Errors
    /// It would be refused whoever signed it.
    pub fn said(&self) -> Result<(Statement, KeyRotated), Fault> {
        let (statement, rotated) = self.parsed().map_err(|reason| Fault::usage("更换钥匙的文件", reason))?;
        rotated.overlap(statement.declared_at)?;
        Ok((statement, rotated))
    }

    /// With the signature of the recovery key.
    ///
    /// # Errors
    /// It is not the key that the statement names.
    pub fn endorsed(mut self, recovery: &SigningKey) -> Result<Self, Fault> {
        let (statement, _) = self.said()?;
        let named = statement.signers.first().map(|signer| signer.key.clone()).unwrap_or_default();
        if named != recovery.name() {
            let cause = format!("这把钥匙叫「{}」，要由恢复钥匙「{named}」背书", recovery.name());
            return Err(Fault::usage("--key", cause));
        }
        self.endorsement = Some(signature(&self.statement, recovery).to_string());
        Ok(self)
    }

    /// What is submitted, once the new key has signed too.
    ///
    /// # Errors
    /// Nobody has endorsed it.
    pub fn submission(&self, new: &SigningKey) -> Result<Submission, Fault> {
        let line = self.endorsement.as_deref().and_then(NoteSignature::parse);
        let line = line.ok_or_else(|| {
            Fault::usage("更换钥匙的文件", "还没有恢复钥匙的背书").mend("请先用 gongkai rotate-key endorse 背书")
        })?;
        let (statement, _) = self.said()?;
        let note =
            Note { text: self.statement.clone(), signatures: vec![line, signature(&self.statement, new)] }.to_string();
        let prepared =
            Prepared { statement, text: self.statement.clone(), openings: self.openings.clone(), lines: Vec::new() };
        Ok(prepared.into_submission(note))
    }
}

fn signature(text: &str, key: &SigningKey) -> NoteSignature {
    NoteSignature {
        name: key.name().to_owned(),
        id: key.verifier().id(),
        signature: key.sign(text.as_bytes()).to_vec(),
    }
}

/// Puts the key of now into `keys/log.key`, and takes away what nobody signs with any more.
///
/// # Errors
/// The disk.
pub fn install(layout: &Layout, ledger: &Ledger) -> Result<(), Fault> {
    let now = ledger.clock().now();
    let signs_on = ledger.with_world(|world| world.log_key_beside().is_some_and(|(_, until)| now < until));
    put_in_place(layout, &ledger.vkey(), signs_on)
}

fn put_in_place(layout: &Layout, current: &VerifierKey, signs_on: bool) -> Result<(), Fault> {
    let [own, next, former] = ["log.key", NEXT_KEY, FORMER_KEY].map(|name| layout.keys().join(name));
    let is_current =
        |path: &Path| path.is_file() && keyfile::read(path, || None).is_ok_and(|key| key.verifier() == *current);
    let failed = |path: &Path| {
        let place = path.display().to_string();
        move |error: std::io::Error| Fault::failed(place, &error)
    };
    if !is_current(&own) && is_current(&next) {
        if own.is_file() && signs_on {
            fs::rename(&own, &former).map_err(failed(&former))?;
        } else if own.is_file() {
            fs::remove_file(&own).map_err(failed(&own))?;
        }
        // If we stop here the next start opens with the key that is to come, and goes on.
        fs::rename(&next, &own).map_err(failed(&own))?;
        flush_folder(&layout.keys()).map_err(|error| Fault::from(&error))?;
    }
    if former.is_file() && !signs_on {
        fs::remove_file(&former).map_err(failed(&former))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(layout: &Layout, name: &str) -> VerifierKey {
        let key = keyfile::generate("ledger.example").unwrap();
        keyfile::write(&layout.keys().join(name), &key, None).unwrap();
        key.verifier()
    }

    fn there(layout: &Layout) -> Vec<(String, VerifierKey)> {
        let names = ["log.key", NEXT_KEY, FORMER_KEY].into_iter();
        let read = |name: &str| keyfile::read(&layout.keys().join(name), || None).ok().map(|key| key.verifier());
        names.filter_map(|name| Some((name.to_owned(), read(name)?))).collect()
    }

    fn place() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        fs::create_dir(layout.keys()).unwrap();
        (folder, layout)
    }

    #[test]
    fn a_stolen_key_is_kept_for_nothing_and_one_that_signs_on_until_its_time() {
        for signs_on in [false, true] {
            let (_folder, layout) = place();
            let (old, new) = (key(&layout, "log.key"), key(&layout, NEXT_KEY));
            put_in_place(&layout, &old, false).unwrap();
            assert_eq!(there(&layout).len(), 2, "nothing is recorded yet");
            put_in_place(&layout, &new, signs_on).unwrap();
            let mut expected = vec![("log.key".to_owned(), new.clone())];
            if signs_on {
                expected.push((FORMER_KEY.to_owned(), old));
            }
            assert_eq!(there(&layout), expected);
            put_in_place(&layout, &new, false).unwrap();
            assert_eq!(there(&layout), [("log.key".to_owned(), new)]);
        }
    }

    #[test]
    fn a_machine_that_stopped_while_the_key_was_put_in_place_goes_on() {
        let (_folder, layout) = place();
        let new = key(&layout, NEXT_KEY);
        put_in_place(&layout, &new, false).unwrap();
        assert_eq!(there(&layout), [("log.key".to_owned(), new)]);
    }
}
