//! Who read what (查阅记录): signed by the reader's key before the content is shown.
//!
//! A refused attempt is on record as well: it is judged after it was recorded. What this cannot show is
//! said openly: whoever has root and the vault's key reads without a trace.

use gongkai_log::StreamId;
use serde_json::{Value, json};

use super::{Payload, payload, sealed_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::choices,
    refusal::Refusal,
    world::Role,
};

choices! {
    /// Why something is read.
    Purpose {
        Handling = "handling" "办理",
        Review = "review" "审核",
        Inspection = "inspection" "督查",
        Request = "request" "当事人申请",
    }
}

/// Wire name of an access.
pub const KIND: &str = <Read as super::Described>::KIND;

payload! {
    /// A person reads one sealed statement, or the sealed slots of a public one.
    Read = "access.recorded.v1" "查阅";
    sealed {
        read: StreamId, Named = "所阅事项",
        revision: u64, Named = "修订号",
        purpose: Purpose, Named = "用途",
    }
    slots { reason: Named Text(500) optional = "说明" }
    authors &[
        Role::Registrar, Role::Publisher, Role::Reviewer, Role::Approver, Role::Supervisor, Role::Inspector,
        Role::Operator,
    ];
}

impl Payload for Read {
    type State = ();
    const OPENS: bool = true;
    const NAMED_READERS: &'static [Role] = &[];

    fn decide(&self, (): &(), _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn sample() -> Value {
        json!({"kind": "access.recorded.v1", "stream": sealed_stream("access", 1), "org": "341599", "fields": {
            "read": sealed_stream("letter", 1), "revision": 0, "purpose": "handling", "reason": "办理来信(虚构)"}})
    }
}
