//! Telling one step to the ledger: as `submit` does, as the four steps do, or as a citizen who encrypts.
//!
//! What is sealed gets a promise, and the period after it has its entry. Not here: what is said (`story`).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use gongkai_domain::field::SealingKey;
use gongkai_domain::kind::review;
use gongkai_domain::procedure::Procedure;
use gongkai_domain::vault::TierSecret;
use gongkai_domain::{Command, Prepared, Refusal, Submission, World, envelope};
use gongkai_log::{Digest, SignedStatement, Signer, SigningKey, StreamId};
use gongkai_store::{Accepted, Ledger, SubmitError};
use serde_json::json;

use super::story::{Keys, Placed, Step, Story, Way};
use crate::client::{Answer, Client, Hand, Item};
use crate::keyfile;
use crate::outcome::{Fault, chain};

/// Tells steps, and remembers what later ones name.
pub(super) struct Teller<'a> {
    client: &'a mut Client,
    ledger: Ledger,
    story: &'a Story,
    keys: &'a Keys,
    told: BTreeMap<String, Placed>,
    drafts: BTreeMap<StreamId, Prepared>,
    is_promised: bool,
}

impl<'a> Teller<'a> {
    pub fn new(client: &'a mut Client, ledger: Ledger, story: &'a Story, keys: &'a Keys) -> Self {
        let (told, drafts) = (BTreeMap::new(), BTreeMap::new());
        Self { client, ledger, story, keys, told, drafts, is_promised: false }
    }

    /// Records the period of what was promised since the last.
    pub async fn end_period(&mut self) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_promised) {
            self.ledger.end_period().await.map_err(|error| Fault::failed("封存时段", &error))?;
        }
        Ok(())
    }

    /// Signs and hands in one step.
    pub async fn tell(&mut self, step: &Step, number: usize) -> Result<(), Fault> {
        let place = step.id.clone().unwrap_or_else(|| format!("第 {number} 步（{}）", step.command.kind));
        let hands = self.hands(step, &place)?;
        let accepted = match &step.way {
            Way::Plain => {
                let command = self.story.ready(step, &self.told, self.keys)?;
                self.submit(&place, number, &command, &hands).await?
            }
            Way::Draft(public) => {
                let command = self.draft(step, public, &hands, &place).await?;
                self.submit(&place, number, &command, &hands).await?
            }
            Way::Drafted(review) => {
                let drafted = self.drafts.remove(review).ok_or_else(|| Fault::ours(place.clone(), "没有送审稿"))?;
                let signed_up = signed_up(drafted, step, &hands).map_err(|error| Fault::ours(place.clone(), error))?;
                let submission = signed(signed_up, &hands, &place)?;
                self.hand_in(&place, number, submission).await?
            }
            Way::Encrypted => {
                let submission = self.encrypted(step, &hands, &place).await?;
                self.hand_in(&place, number, submission).await?
            }
        };
        self.is_promised |= accepted.is_none();
        if let Some(id) = &step.id {
            let slots = match accepted {
                Some(index) => slots(&self.ledger, index).await?,
                None => Vec::new(),
            };
            self.told.insert(id.clone(), Placed { index: accepted, slots });
        }
        Ok(())
    }

    fn hands(&self, step: &Step, place: &str) -> Result<Vec<Hand>, Fault> {
        let at = step.command.declared_at.unwrap_or(self.story.created_at);
        let hand = |(role, person): &(gongkai_domain::Role, String)| {
            let name = self.story.key_name(person, at)?;
            let key = self.keys.get(name).ok_or_else(|| Fault::ours(place, format!("没有钥匙 {name}")))?;
            Ok(Hand { role: Some(*role), key: Arc::clone(key) })
        };
        step.signers.iter().map(hand).collect()
    }

    /// Prepares the public statement, keeps it, and gives the command that submits its draft.
    async fn draft(&mut self, step: &Step, public: &Step, hands: &[Hand], place: &str) -> Result<Command, Fault> {
        let command = self.story.ready(public, &self.told, self.keys)?;
        let author = hands.first().ok_or_else(|| Fault::ours(place, "没有送审人"))?;
        let prepared = self.client.draft(&command, author).await??;
        let (_, person) = step.signers.first().ok_or_else(|| Fault::ours(place, "没有送审人"))?;
        let person = self.story.person(person).ok_or_else(|| Fault::ours(place, "送审人没有登记"))?;
        let procedure = self.ledger.with_world(|world| procedure(world, &command.org));
        let procedure = procedure.ok_or_else(|| Fault::ours(place, "没有这个机构"))?;
        let submitted = review::submission_of(&prepared, procedure, &person, None)?;
        if let Some(review) = &submitted.stream {
            self.drafts.insert(review.clone(), prepared);
        }
        Ok(Command { declared_at: step.command.declared_at, ..submitted })
    }

    /// Encrypts to the receivers of the body, as a browser does.
    async fn encrypted(&mut self, step: &Step, hands: &[Hand], place: &str) -> Result<Submission, Fault> {
        let command = self.story.ready(step, &self.told, self.keys)?;
        let author = hands.first().ok_or_else(|| Fault::ours(place, "没有提交人"))?;
        let prepared = self.client.draft(&command, author).await??;
        let sealed = self.ledger.with_world(|world| sealed(&prepared, world, &mut keyfile::random));
        let (envelope, openings) = sealed.map_err(|error| Fault::failed(place, &error))?;
        let submission = signed(prepared, hands, place)?;
        Ok(Submission { openings, envelope: Some(envelope), ..submission })
    }

    /// Gives the number of the entry; none for what is sealed.
    async fn submit(
        &mut self,
        place: &str,
        number: usize,
        command: &Command,
        hands: &[Hand],
    ) -> Result<Option<u64>, Fault> {
        let item = Item { place: place.to_owned(), id: format!("demo-{number}"), command: json!(command) };
        let mut answer = None;
        self.client.submit(&[item], hands, None, &mut |_, given| answer = Some(given.clone())).await?;
        match answer {
            Some(Answer::Recorded { receipt, .. }) => Ok(Some(receipt.index)),
            Some(Answer::Promised { .. }) => Ok(None),
            Some(Answer::Refused(refused)) => Err(Fault::no(place, refused.reason)),
            None => Err(Fault::ours(place, "没有应答")),
        }
    }

    async fn hand_in(&self, place: &str, number: usize, submission: Submission) -> Result<Option<u64>, Fault> {
        match self.ledger.hand_in(Some(format!("demo-{number}")), submission).await {
            Ok(Accepted::Entry(receipt)) => Ok(Some(receipt.index)),
            Ok(Accepted::Promise(_)) => Ok(None),
            Err(SubmitError::Refused(refusal)) => Err(Fault::no(place, refusal.to_string())),
            Err(error) => Err(Fault::failed(place, &error)),
        }
    }
}

/// Which procedure an organization's statements pass.
pub(super) fn procedure(world: &World, org: &str) -> Option<Procedure> {
    world.organization(org).map(|organization| Procedure::of(organization.level))
}

/// A draft with those who sign it at last, at the time at which they do.
pub(super) fn signed_up(drafted: Prepared, step: &Step, hands: &[Hand]) -> Result<Prepared, String> {
    let mut prepared = drafted;
    let signer = |((role, _), hand): (&(gongkai_domain::Role, String), &Hand)| Signer {
        role: role.wire().into(),
        key: hand.key.name().into(),
    };
    prepared.statement.signers = step.signers.iter().zip(hands).map(signer).collect();
    prepared.statement.declared_at = step.command.declared_at.unwrap_or(prepared.statement.declared_at);
    prepared.text = prepared.statement.text().map_err(|error| chain(&error))?;
    Ok(prepared)
}

type Hidden = (envelope::Envelope, Vec<gongkai_domain::submission::Filled>);

/// Encrypts a statement's slots to all receivers of its organization.
pub(super) fn sealed(
    prepared: &Prepared,
    world: &World,
    entropy: &mut dyn FnMut(&mut [u8]),
) -> Result<Hidden, gongkai_domain::vault::VaultError> {
    let receivers = world.receivers(&prepared.statement.org);
    let to = receivers.iter().map(|it| envelope::To { receiver: &it.stream, key: &it.key, may_open: true });
    envelope::seal(&prepared.statement, &prepared.openings, &to.collect::<Vec<_>>(), entropy)
}

fn signed(prepared: Prepared, hands: &[Hand], place: &str) -> Result<Submission, Fault> {
    let keys: Vec<&SigningKey> = hands.iter().map(|hand| hand.key.as_ref()).collect();
    let signed = SignedStatement::sign(&prepared.statement, &keys)
        .map_err(|error| Fault::from(Refusal::Signature(format!("{place}：{}", chain(&error)))))?;
    Ok(prepared.into_submission(signed.note.to_string()))
}

/// Names and numbers of an entry's open slots.
async fn slots(ledger: &Ledger, index: u64) -> Result<Vec<(String, u8)>, Fault> {
    let entry = ledger.entry(index).await.map_err(|error| Fault::from(&error))?;
    let open = entry.and_then(|entry| entry.openings).map(|openings| openings.open).unwrap_or_default();
    Ok(open.into_iter().map(|opening| (opening.name, opening.slot)).collect())
}

/// Makes the secret with which a receiver opens envelopes, in a file of the receiver's, and gives its public half.
pub(super) fn make_sealing_key(path: &Path) -> Result<SealingKey, Fault> {
    let mut secret = [0; 32];
    keyfile::random(&mut secret);
    let key = TierSecret::from_bytes(&secret).map_err(|error| Fault::failed(path.display().to_string(), &error))?;
    let written = keyfile::private_file()
        .open(path)
        .and_then(|mut file| writeln!(file, "gongkai.sealing/v1\n{}", Digest::from_bytes(secret)));
    written.map_err(|error| Fault::failed(path.display().to_string(), &error))?;
    Ok(SealingKey::from(&key.key()))
}
