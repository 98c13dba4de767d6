//! What is kept of a letter, and what it awaits.

use chrono::NaiveDate;
use gongkai_log::StreamId;

use super::{Channel, Class, Notice, Step, next};
use crate::{
    clock::{Limit, Running},
    event::{Proposal, Recorded},
    kind::intake,
    refusal::Refusal,
    rules::RuleCode,
    world::World,
};

/// A request to the level above that was not decided yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeal {
    /// Code of the body that is asked.
    pub to: String,
    /// The day on which it was asked.
    pub on: NaiveDate,
}

/// State of a letter. What only an encrypted statement says is `None` here.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and most combinations occur")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Code of the body that has it now.
    pub org: String,
    /// Bodies that forwarded it, the latest last.
    pub passed: Vec<String>,
    /// Its class, once the ledger knows.
    pub class: Option<Class>,
    /// How it came, once the ledger knows.
    pub channel: Option<Channel>,
    /// Whether it is signed with a name, once the ledger knows.
    pub real_name: Option<bool>,
    /// Whether the sender consents to publication.
    pub consent: bool,
    /// Persons complained of, as far as the ledger knows.
    pub concerns: Vec<StreamId>,
    /// The day on which the body that has it received it.
    pub received_on: Option<NaiveDate>,
    /// The day on which that body took it up.
    pub registered_on: Option<NaiveDate>,
    /// Whether the sender was told of the acceptance.
    pub told_acceptance: bool,
    /// Whether the time was made longer.
    pub extended: bool,
    /// The last day that a body above has set.
    pub urged: Option<NaiveDate>,
    /// The day of the answer, or of the review that took its place.
    pub closed_on: Option<NaiveDate>,
    /// Whether the sender was told of the result.
    pub told_result: bool,
    /// Whether it was not accepted.
    pub not_accepted: bool,
    /// Whether the sender rated the answer.
    pub rated: bool,
    /// How often the level above was asked.
    pub appeals_count: u32,
    /// What the level above was asked and did not decide yet.
    pub appeal: Option<Appeal>,
    /// Code of the body that decided last, if that is not the one that has it.
    pub reviewer: Option<String>,
    /// Whether it was reviewed again, and so is at an end.
    pub ended: bool,
}

/// State of a published letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publication;

impl State {
    pub(super) fn received(event: &Recorded<'_>) -> Self {
        let org = event.statement.org.clone();
        Self { org, received_on: Some(intake::received_on(event)), ..Self::default() }
    }

    /// Whether a body has it, or decided it last.
    pub(super) fn is_handled_by(&self, org: &str) -> bool {
        self.org == org || self.reviewer.as_deref() == Some(org)
    }

    /// Whether masked question and answer may be published.
    ///
    /// # Errors
    /// [`Refusal::State`] without consent, for an accusation, or before the answer.
    pub fn may_be_published(&self) -> Result<(), Refusal> {
        match self.class {
            Some(Class::Accusation) => Err(Refusal::state("检举控告类来信不公开")),
            _ if !self.consent => Err(Refusal::state("来信人没有同意公开")),
            _ if self.closed_on.is_none() => Err(Refusal::state("来信还没有答复，不能公开")),
            _ => Ok(()),
        }
    }

    /// What is awaited of whom.
    pub(crate) fn running(&self) -> Vec<Running> {
        let await_of = |org: &str, what: &'static str, from: Option<NaiveDate>, codes: &[RuleCode]| {
            let limit = Limit::Rules(from?, codes.to_vec());
            Some(Running { what: what.into(), org: org.to_owned(), part: None, limit })
        };
        if self.not_accepted || self.ended {
            return Vec::new();
        }
        if let Some(appeal) = &self.appeal {
            let (what, codes): (_, &[RuleCode]) = match self.appeals_count {
                0 | 1 => (next::REVIEWING, &[RuleCode::LetterReviewDaysMax]),
                _ => (next::RE_REVIEWING, &[RuleCode::LetterRereviewDaysMax]),
            };
            return await_of(&appeal.to, what, Some(appeal.on), codes).into_iter().collect();
        }
        // What only the body's receivers can read is held to what a real-name accusation demands.
        let accusation = self.class.is_none_or(|class| class == Class::Accusation);
        let named = self.real_name != Some(false);
        if self.closed_on.is_some() {
            let told = self.told_result || !accusation || !named;
            let result = (!told).then(|| {
                await_of(&self.org, next::TELLING_RESULT, self.closed_on, &[RuleCode::AccusationResultDaysMax])
            });
            return result.flatten().into_iter().collect();
        }
        let telling: &[RuleCode] = if self.class.is_some() && accusation && named {
            &[RuleCode::AccusationAcceptDaysMax]
        } else {
            &[RuleCode::LetterRouteDaysMax]
        };
        let urged = self.urged.map(|day| Running {
            what: next::URGED.into(),
            org: self.org.clone(),
            part: None,
            limit: Limit::On(day),
        });
        if self.registered_on.is_none() {
            let registering = await_of(&self.org, next::REGISTERING, self.received_on, telling);
            return registering.into_iter().chain(urged).collect();
        }
        let told = self.told_acceptance || !named;
        let telling =
            (!told).then(|| await_of(&self.org, next::TELLING_ACCEPTANCE, self.received_on, telling)).flatten();
        let answer =
            self.answer_rules().and_then(|codes| await_of(&self.org, next::ANSWERING, self.registered_on, codes));
        telling.into_iter().chain(answer).chain(urged).collect()
    }

    /// The rules that limit the answer. The sixty days and thirty more are for 申诉求决, an opinion has a rule of its
    /// own, and whoever accuses is told of acceptance and result instead.
    fn answer_rules(&self) -> Option<&'static [RuleCode]> {
        match (self.channel, self.class) {
            (_, Some(Class::Accusation)) => None,
            (Some(Channel::Hotline), _) => Some(&[RuleCode::HotlineDaysMax]),
            (_, Some(Class::Appeal)) if self.extended => {
                Some(&[RuleCode::LetterCloseDaysMax, RuleCode::LetterExtensionDaysMax])
            }
            (_, Some(Class::Appeal)) => Some(&[RuleCode::LetterCloseDaysMax]),
            (_, Some(Class::Opinion)) => Some(&[RuleCode::OpinionDaysMax]),
            (_, None) => None,
        }
    }

    /// A step that the letter admits, said by the body that has it, by nobody whom it is about.
    pub(super) fn takes(&self, step: Step, proposal: &Proposal<'_>, world: &World) -> Result<(), Refusal> {
        intake::in_hand(proposal, self.taken_by(step), world)?;
        intake::impartial(proposal, &self.concerns, world)?;
        self.admits(step)
    }

    /// The body that decided last: who is asked next is above it.
    pub(super) fn decided_by(&self) -> &str {
        self.reviewer.as_deref().unwrap_or(&self.org)
    }

    pub(super) fn told(mut self, what: Notice) -> Self {
        match what {
            Notice::Acceptance => self.told_acceptance = true,
            Notice::Result => self.told_result = true,
        }
        self
    }

    /// In the hands of another body, for which time begins anew.
    pub(super) fn moved(self, to: String, on: NaiveDate) -> Self {
        Self {
            org: to,
            received_on: Some(on),
            registered_on: None,
            told_acceptance: false,
            extended: false,
            urged: None,
            ..self
        }
    }
}
