//! What the ledger itself says, signed by its intake key: that it stopped and went on, and the root of its map.
//!
//! These statements go the way of all others, through judgement and a batch. The periods of sealed events are no statements
//! and are made elsewhere (`sealed_sequencer`).

use chrono::{DateTime, Utc};
use gongkai_domain::{Command, Head, Refusal, Setting, kind, prepare};
use gongkai_log::{Content, Digest, MapRoot, SignedStatement, Signer, StreamId, map::BEHIND_MAX};
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    admission::{self, Admitted},
    error::{StoreError, SubmitError},
    event_store::{EventStore, Halt},
    ledger::Accepted,
    map::Spoken,
    reader::{READ_ENTRIES_MAX, chain, parse_entry},
    sequencer::{Answer, Item, Sequencer, china_time},
};

impl<S: EventStore> Sequencer<S> {
    /// Appends `ledger.halted` and `ledger.resumed`, signed by the intake key, as one batch.
    pub(crate) async fn put_on_record(&mut self, halt: &Halt) -> Result<(), SubmitError> {
        let Some(genesis) = self.genesis().await? else { return Ok(()) };
        let stream = genesis.statement.stream.clone();
        self.look_up(Vec::new(), std::iter::once(stream.to_string())).await?;
        let head = self.streams.get_mut(&stream.to_string()).map_err(SubmitError::Storage)?.0;
        let (last, observed) = (china(self.head.recorded_at), china(halt.observed_at));
        let halted = json!({"cause": halt.cause, "last_recorded_at": last, "observed_at": observed});
        let (first, head) = self.say("ledger.halted.v1", &genesis, &stream, head, &halted)?;
        let (second, _) = self.say("ledger.resumed.v1", &genesis, &stream, head, &json!({"cause": halt.cause}))?;
        let (items, answers): (Vec<_>, Vec<_>) = [first, second].into_iter().map(item).unzip();
        self.turn(items, None, true).await;
        for answer in answers {
            answer.await.map_err(|_| SubmitError::Busy)??;
        }
        Ok(())
    }

    /// Says the root of the map, in a stream of its own.
    pub(crate) async fn say_root(&mut self, root: MapRoot) -> Result<Spoken, SubmitError> {
        let said = self.say_root_in_turn(root).await;
        // Where it was recorded the turn has ended with it.
        self.store.pass().await;
        said
    }

    async fn say_root_in_turn(&mut self, root: MapRoot) -> Result<Spoken, SubmitError> {
        if let Some(reason) = self.shared.halted() {
            return Err(SubmitError::Halted(reason));
        }
        if let Err(error) = self.begin_turn().await {
            return Err(self.fall_back(error).await);
        }
        if self.head.size.saturating_sub(root.size) > BEHIND_MAX {
            return Ok(Spoken::TooLate);
        }
        if self.is_rooted_since(root.size).await? {
            return Ok(Spoken::Overtaken);
        }
        let Some(genesis) = self.genesis().await? else { return Ok(Spoken::TooEarly) };
        if self.world.organization(&genesis.statement.org).is_none() {
            return Ok(Spoken::TooEarly);
        }
        // One id for one root, so that no randomness is needed.
        let seed = Digest::of(&[root.root.as_bytes().as_slice(), &root.size.to_be_bytes()].concat());
        let mut random = [0; 10];
        random.copy_from_slice(&seed.as_bytes()[..10]);
        let millis = self.clock.now().timestamp_millis().max(0).cast_unsigned();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let stream = StreamId::new("map", id).expect("a family's name of three letters");
        let fields = json!({"size": root.size, "root": root.root});
        let (said, _) = self.say("map.rooted.v1", &genesis, &stream, None, &fields)?;
        let (item, answer) = item(said);
        self.turn(vec![item], None, true).await;
        match answer.await.map_err(|_| SubmitError::Busy)?? {
            Accepted::Entry(receipt) => Ok(Spoken::Entry(receipt.index)),
            Accepted::Promise(_) => Err(SubmitError::Busy),
        }
    }

    /// Whether a root was said from this entry on: roots are of growing sizes, whoever says them.
    async fn is_rooted_since(&mut self, from: u64) -> Result<bool, StoreError> {
        let mut next = from;
        while next < self.head.size {
            let to = self.head.size.min(next + READ_ENTRIES_MAX);
            for row in self.store.load_range(next, to).await? {
                let entry = parse_entry(row.index, row.bytes)?;
                if entry.content.statement().is_some_and(|signed| kind::map::rooted(&signed.statement).is_some()) {
                    return Ok(true);
                }
            }
            next = to;
        }
        Ok(false)
    }

    pub(crate) async fn genesis(&mut self) -> Result<Option<SignedStatement>, SubmitError> {
        let Some(first) = self.store.load_range(0, 1).await?.into_iter().next() else { return Ok(None) };
        match parse_entry(0, first.bytes)?.content {
            Content::Statement(genesis) => Ok(Some(genesis)),
            Content::Sealed(_) => Ok(None),
        }
    }

    /// Prepares and signs something that the ledger itself says.
    pub(crate) fn say(
        &self,
        kind: &str,
        genesis: &SignedStatement,
        stream: &StreamId,
        head: Option<Head>,
        fields: &serde_json::Value,
    ) -> Result<(Admitted, Option<Head>), SubmitError> {
        let Some(keys) = &self.keys else { return Err(SubmitError::Busy) };
        let key = &keys.intake;
        let command = json!({"kind": kind, "stream": stream, "org": genesis.statement.org, "fields": fields});
        let setting = Setting {
            origin: &self.shared.origin,
            stream: stream.clone(),
            head,
            signers: vec![Signer { role: "intake".into(), key: key.name().into() }],
            declared_at: china_time(self.clock.now()),
        };
        // These kinds have no slots; what fills the empty ones must only be unknown to others.
        let secret = key.seed();
        let mut count = 0_u64;
        let mut entropy = |buffer: &mut [u8]| {
            for part in buffer.chunks_mut(32) {
                let seed = [&secret[..], self.head.entry_hash.as_bytes(), &count.to_be_bytes(), kind.as_bytes()];
                part.copy_from_slice(&Digest::of(&seed.concat()).as_bytes()[..part.len()]);
                count += 1;
            }
        };
        let prepared = prepare(&Command::from_value(command)?, &setting, &mut entropy)?;
        let signed = SignedStatement::sign(&prepared.statement, &[key]).map_err(|e| Refusal::Signature(chain(&e)))?;
        let head = Head { revision: prepared.statement.revision, hash: signed.hash };
        let note = signed.note.to_string();
        let submission = prepared.into_submission(note);
        let admitted = admission::admit_public(&self.shared.origin, submission, |name| self.shared.key(name))?;
        Ok((admitted, Some(head)))
    }
}

fn item(admitted: Admitted) -> (Item, oneshot::Receiver<Answer>) {
    let (answer, receive) = oneshot::channel();
    (Item { key: None, admitted: Box::new(admitted), answer }, receive)
}

fn china(time: DateTime<Utc>) -> String {
    china_time(time).to_rfc3339()
}
