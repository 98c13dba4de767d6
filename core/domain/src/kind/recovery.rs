//! Entries were brought back: the database was an old one, and others had the rest of the log.
//!
//! The ledger says it itself, as the first entry after those that it was given back: from which size, to which size and
//! root, and out of what. The entries in between are the same bytes as before; what only the lost vault held of them is
//! not, and is counted here. That the root is the log's is found out by the sequencer and by whoever reads the log.
//!
//! Which optional fields of a statement were filled nobody but the vault knew, by design: those are undecided. Not here:
//! how entries are brought back, which is the store's. A further kind of source is a further choice.

use std::ops::AddAssign;

use gongkai_log::{Beginning, Statement, Tier, TreeHash};
use serde_json::{Map, Value, json};

use super::{Kind, Payload, body, ledger::Ledger, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{ListRule, choices},
    refusal::Refusal,
    world::{Role, World},
};

choices! {
    /// Where the entries came from.
    RecoverySource {
        Site = "site" "镜像或网上公布的日志",
        Directory = "directory" "日志的目录副本",
        Archive = "archive" "账本归档",
        Bucket = "bucket" "对象存储里的日志",
    }
}

payload! {
    /// Entries were brought back.
    BroughtBack = "ledger.recovered.v1" "从副本补回条目";
    body {
        from_size: u64 = "数据库里还有多少条",
        size: u64 = "补到多少条",
        root: TreeHash = "补到那里的根",
        source: RecoverySource = "从哪里补回",
        openings_lost: u64 = "确知丢失的不公开内容",
        openings_undecided: u64 = "无从知道填过没有的不公开内容",
        periods_lost: u64 = "丢失内容的封存时段",
    }
    slots {}
    list ListRule::None;
    authors &[Role::Intake];
}

impl Payload for BroughtBack {
    type State = Ledger;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, _: &Ledger, _: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if self.from_size == 0 || self.from_size >= self.size {
            return Err(Refusal::field("from_size", "数据库里还有多少条", "应多于 0 条，少于补到的条数"));
        }
        if context.begins == Some(false) {
            return Err(Refusal::field("size", "补到多少条", "不是这个账本的开头：条数或根与账本不符"));
        }
        Ok(())
    }

    fn evolve(self, state: Ledger, _: &Recorded<'_>) -> Ledger {
        state
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.brought_back(event.index, event.recorded_at, self.clone());
    }

    fn sample() -> Value {
        json!({"kind": "ledger.recovered.v1", "stream": sample_stream("ledger", 1), "org": "341599", "fields": {
            "from_size": 1_180, "size": 1_204, "root": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "source": "site", "openings_lost": 2, "openings_undecided": 40, "periods_lost": 3}})
    }
}

/// The tree that a statement names as a beginning of its log, if it says that entries were brought back.
pub(super) fn beginning(statement: &Statement) -> Option<Beginning> {
    let said = body::<BroughtBack>(&statement.kind, &statement.body)?;
    Some(Beginning { size: said.size, root: said.root })
}

/// What of a statement only its ledger's vault held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Values that must have been there.
    pub known: u64,
    /// Fields that may have been filled or not.
    pub undecided: u64,
}

impl AddAssign for Withheld {
    fn add_assign(&mut self, more: Self) {
        self.known += more.known;
        self.undecided += more.undecided;
    }
}

/// What of a published statement nobody but its vault can open: fields of other tiers than public, and cells of the
/// lines that are open (`rows`).
pub fn withheld<'r>(
    kind: &Kind,
    statement: &Statement,
    rows: impl Iterator<Item = &'r Map<String, Value>>,
) -> Withheld {
    let mut withheld = Withheld::default();
    for (field, _) in kind.slot_fields().filter(|(_, tier)| *tier != Tier::Public) {
        *(if field.required { &mut withheld.known } else { &mut withheld.undecided }) += 1;
    }
    if let Some((shape, _)) = kind.list.shape(&statement.body) {
        let sealed: Vec<_> = shape.columns.iter().filter(|column| column.tier != Tier::Public).collect();
        for row in rows {
            withheld.known += sealed.iter().filter(|column| row.contains_key(column.name)).count() as u64;
        }
    }
    withheld
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;

    #[test]
    fn what_must_have_been_sealed_is_told_from_what_may_have_been() {
        let kind = kind::find("pledge.made.v1").unwrap();
        let sealed: Vec<_> = kind.slot_fields().filter(|(_, tier)| *tier != Tier::Public).collect();
        let required = sealed.iter().filter(|(field, _)| field.required).count() as u64;
        let statement = Statement {
            origin: "ledger.example/vectors".into(),
            kind: kind.name.into(),
            stream: sample_stream("pledge", 1).parse().unwrap(),
            revision: 0,
            parent: None,
            org: "341599".into(),
            declared_at: chrono::DateTime::parse_from_rfc3339("2026-03-10T09:12:00+08:00").unwrap(),
            signers: Vec::new(),
            proxy: None,
            body: Map::new(),
            slots: gongkai_log::Digest::ZERO,
        };
        let found = withheld(kind, &statement, std::iter::empty());
        assert_eq!(found, Withheld { known: required, undecided: sealed.len() as u64 - required });
        assert!(found.undecided > 0, "a pledge may have a telephone that is not for everybody");
        let public = kind::find("ledger.recovered.v1").unwrap();
        assert_eq!(withheld(public, &statement, std::iter::empty()), Withheld::default());
    }
}
