//! Which steps a letter admits as it stands: asked by every `decide`, and by the pages that offer them.
//!
//! Not here: who takes a step and what it says (`steps`), by when (`state`). What only the sender does (rating, asking the
//! level above) is no step of a body.

use super::{
    Answered, Class, Extended, Forwarded, NotAccepted, Notified, ReReviewed, Registered, Returned, Reviewed, State,
    Urged,
};
use crate::{kind::Described as _, refusal::Refusal};

/// What is awaited until a letter is taken up.
pub(super) const REGISTERING: &str = "登记并告知来信人";
/// What is awaited until the sender knows whether it was.
pub(super) const TELLING_ACCEPTANCE: &str = "告知是否受理";
/// What is awaited until it is answered.
pub(super) const ANSWERING: &str = "办结并答复";
/// What is awaited until the sender knows what came of it.
pub(super) const TELLING_RESULT: &str = "反馈办理结果";
/// What is awaited by the day that a body above has set.
pub(super) const URGED: &str = "按督办时限办结并答复";
/// What is awaited of the level above.
pub(super) const REVIEWING: &str = "作出复查意见";
/// What is awaited of the level above that one.
pub(super) const RE_REVIEWING: &str = "作出复核意见";

/// A step that a body takes with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// 登记受理.
    Registered,
    /// 答复.
    Answered,
    /// 告知.
    Notified,
    /// 延长办理期限.
    Extended,
    /// 转送.
    Forwarded,
    /// 异议退回.
    Returned,
    /// 不予受理.
    NotAccepted,
    /// 督办, by a body above.
    Urged,
    /// 复查.
    Reviewed,
    /// 复核.
    ReReviewed,
}

impl Step {
    /// All, as pages offer them.
    pub const ALL: [Self; 10] = [
        Self::Registered,
        Self::Answered,
        Self::Notified,
        Self::Extended,
        Self::Forwarded,
        Self::Returned,
        Self::NotAccepted,
        Self::Urged,
        Self::Reviewed,
        Self::ReReviewed,
    ];

    /// Wire name of its kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Registered => Registered::KIND,
            Self::Answered => Answered::KIND,
            Self::Notified => Notified::KIND,
            Self::Extended => Extended::KIND,
            Self::Forwarded => Forwarded::KIND,
            Self::Returned => Returned::KIND,
            Self::NotAccepted => NotAccepted::KIND,
            Self::Urged => Urged::KIND,
            Self::Reviewed => Reviewed::KIND,
            Self::ReReviewed => ReReviewed::KIND,
        }
    }

    /// Whether it meets something that is awaited, or makes its time longer ([`crate::clock::Running::what`]).
    pub fn meets(self, what: &str) -> bool {
        match self {
            Self::Registered => what == REGISTERING,
            Self::Answered => [ANSWERING, URGED].contains(&what),
            Self::Extended => what == ANSWERING,
            Self::Urged => false,
            Self::Notified => [TELLING_ACCEPTANCE, TELLING_RESULT].contains(&what),
            Self::Forwarded | Self::Returned | Self::NotAccepted => [REGISTERING, ANSWERING, URGED].contains(&what),
            Self::Reviewed => what == REVIEWING,
            Self::ReReviewed => what == RE_REVIEWING,
        }
    }
}

impl Step {
    /// Whether what is awaited is what a body above has demanded.
    pub fn is_urged(what: &str) -> bool {
        what == URGED
    }
}

impl State {
    /// The body that takes a step.
    pub fn taken_by(&self, step: Step) -> &str {
        match (step, &self.appeal) {
            (Step::Reviewed | Step::ReReviewed, Some(appeal)) => &appeal.to,
            _ => &self.org,
        }
    }

    /// Whether a step may be taken now, whoever takes it.
    ///
    /// # Errors
    /// The [`Refusal`] that its author would get.
    pub fn admits(&self, step: Step) -> Result<(), Refusal> {
        match step {
            Step::Registered => self.unanswered().and_then(|()| match self.registered_on {
                Some(_) => Err(Refusal::state("来信已经登记受理")),
                None => Ok(()),
            }),
            Step::Forwarded | Step::NotAccepted | Step::Urged => self.unanswered(),
            Step::Returned => self.unanswered().and_then(|()| self.returnable()),
            Step::Answered => self.taken_up(),
            Step::Extended => self.taken_up().and_then(|()| self.extendable()),
            Step::Notified => Ok(()),
            Step::Reviewed => self.asked_above(1),
            Step::ReReviewed => self.asked_above(2),
        }
    }

    /// The steps that pages offer now: those that are admitted, and telling the sender while there is something to tell.
    pub fn next(&self) -> impl Iterator<Item = Step> + '_ {
        let tells = self.running().iter().any(|running| Step::Notified.meets(&running.what));
        Step::ALL.into_iter().filter(move |step| self.admits(*step).is_ok() && (*step != Step::Notified || tells))
    }

    /// Neither answered nor turned away.
    fn unanswered(&self) -> Result<(), Refusal> {
        if self.not_accepted || self.ended {
            return Err(Refusal::state("这封来信已不予受理或终结，不能再办理"));
        }
        if self.closed_on.is_some() {
            return Err(Refusal::state("这封来信已经答复；来信人不满意的，可以向上一级机构申请复查"));
        }
        Ok(())
    }

    /// Unanswered and taken up.
    fn taken_up(&self) -> Result<(), Refusal> {
        self.unanswered()?;
        if self.registered_on.is_none() { Err(Refusal::state("来信还没有登记受理")) } else { Ok(()) }
    }

    fn returnable(&self) -> Result<(), Refusal> {
        if self.passed.is_empty() { Err(Refusal::state("来信不是转送来的，不能退回")) } else { Ok(()) }
    }

    fn extendable(&self) -> Result<(), Refusal> {
        if self.class.is_some_and(|class| class != Class::Appeal) {
            return Err(Refusal::state("只有申诉求决类来信可以延长办理期限"));
        }
        if self.extended { Err(Refusal::state("办理期限只能延长一次")) } else { Ok(()) }
    }

    /// Asked of the level above for the first or the second time.
    fn asked_above(&self, turn: u32) -> Result<(), Refusal> {
        if self.appeal.is_none() {
            return Err(Refusal::state("来信人没有申请复查或复核"));
        }
        if self.appeals_count != turn {
            return Err(Refusal::state(match turn {
                1 => "这是第二次申请，应作出复核意见",
                _ => "这是第一次申请，应作出复查意见",
            }));
        }
        Ok(())
    }
}
