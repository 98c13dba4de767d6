//! What `doctor` looks at of the intakes from which the ledger takes in: whether they answer, are those on record, and what
//! the ledger owes them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::gap::Lapse;
use gongkai_domain::world::Intake;
use gongkai_store::ReadStore;

use super::{Doctor, spelled};
use crate::cli::local;
use crate::config::Config;
use crate::gap::watch::{self, Owed};
use crate::outcome::{Class, Fault};

/// So many times the pause between two pulls a batch may wait before something is said of it.
const PULLS_MISSED: u32 = 3;

impl Doctor {
    /// Asks every configured intake.
    pub(super) async fn intakes(&mut self, store: &ReadStore, config: Option<&Config>) {
        let Some(config) = config.filter(|config| !config.intakes.is_empty()) else { return };
        // What is wrong with the registry was said already.
        let Ok(world) = store.world().await else { return };
        let intakes: Vec<Intake> = world.intakes().cloned().collect();
        let (urls, now) = (config.intakes.clone(), local::clock().now());
        let asked = tokio::task::spawn_blocking(move || {
            let ask = |url: String| {
                let owed = watch::owed(&url, &intakes, now);
                (url, owed)
            };
            urls.into_iter().map(ask).collect::<Vec<_>>()
        });
        let pause = Duration::from_secs(config.intake_seconds) * PULLS_MISSED;
        for (url, owed) in asked.await.unwrap_or_default() {
            match owed {
                Ok(owed) => self.owed(&url, &owed, now, pause),
                Err(fault) => self.unasked(&url, &fault),
            }
        }
    }

    fn unasked(&mut self, url: &str, fault: &Fault) {
        let what = format!("收件处 {url}：{}", fault.cause);
        match fault.class {
            Class::Ours => self.remark(
                "intake_unreachable",
                what,
                "请检查网络，和那里的 gongkai intake 是否在运行；用磁盘摆渡的，请从 gongkai.toml 的 intakes 里删去",
            ),
            Class::No | Class::Usage => self.wrong(
                "intake_wrong",
                what,
                "请核对 gongkai.toml 的 intakes 和那里的目录；换了钥匙的要先停用旧的，再用 intake.opened.v1 设立，须两名登记员签名",
            ),
        }
    }

    fn owed(&mut self, url: &str, owed: &Owed, now: DateTime<Utc>, pause: Duration) {
        let dir = self.dir();
        if owed.is_forged() {
            let what = format!("收件处 {url} 的日志和账本答复过的不是同一部历史");
            let remedy = "请保存那里的 log/，查明是谁用了它的钥匙或旧备份；查明前请停用这个收件处，另设一个";
            return self.wrong("intake_forged", what, remedy);
        }
        let overdue = owed.lapses.iter().any(|lapse| matches!(lapse, Lapse::Missing { .. }));
        if overdue || owed.late_count > 0 {
            let what = format!("收件处 {url}：{}", owed.sentences().join("；"));
            let remedy = format!(
                "请立即收下并答复：网站运行时放进 gap/in/ 或等它来取，停着时运行 gongkai take-in --dir {dir} --from {url}"
            );
            return self.wrong("intake_overdue", what, remedy);
        }
        let waits_too_long =
            |since: &DateTime<Utc>| now - *since > TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        if let Some(since) = owed.waiting_since.filter(waits_too_long) {
            let count = owed.size.saturating_sub(owed.answered);
            let what = format!("收件处 {url} 有 {count} 批等着收下，最早的记于 {}", spelled(since));
            let remedy =
                format!("网站运行时会自己去取，请确认它在运行；停着时运行 gongkai take-in --dir {dir} --from {url}");
            self.remark("intake_waiting", what, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use gongkai_domain::gap::LatePacket;
    use gongkai_store::Layout;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_413_200, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn said(owed: &Owed) -> Vec<(&'static str, bool, String)> {
        let mut doctor = Doctor { layout: Layout::new("ledger"), symptoms: Vec::new() };
        doctor.owed("https://sj.example", owed, at(60), Duration::from_mins(30));
        doctor.symptoms.into_iter().map(|symptom| (symptom.code, symptom.wrong, symptom.what)).collect()
    }

    fn owed() -> Owed {
        Owed {
            intake: "ledger.example/outside".into(),
            size: 9,
            answered: 8,
            waiting_since: Some(at(31)),
            lapses: Vec::new(),
            late_count: 0,
            late: Vec::new(),
        }
    }

    #[test]
    fn what_is_owed_has_to_be_answered_and_what_waits_is_remarked() {
        assert!(said(&owed()).is_empty(), "the next pull takes it");
        let waiting = said(&Owed { waiting_since: Some(at(29)), ..owed() });
        assert_eq!((waiting[0].0, waiting[0].1), ("intake_waiting", false), "{waiting:?}");
        let missing = Lapse::Missing { from: 8, to: 9, due_at: at(50) };
        let packet = LatePacket { place: Some((8, 40_001)), deadline: at(55) };
        for lapsed in [Owed { lapses: vec![missing], ..owed() }, Owed { late_count: 1, late: vec![packet], ..owed() }] {
            let overdue = said(&lapsed);
            assert_eq!((overdue[0].0, overdue[0].1, overdue.len()), ("intake_overdue", true, 1), "{overdue:?}");
            assert!(overdue[0].2.contains("第 8 批"), "{overdue:?}");
        }
        let late = Lapse::Late { from: 1, to: 2, due_at: at(1), answered_at: at(2) };
        assert!(said(&Owed { lapses: vec![late], ..owed() }).is_empty(), "what was answered late is answered");
        let forged = said(&Owed { lapses: vec![Lapse::Other { index: 3 }], ..owed() });
        assert_eq!((forged[0].0, forged[0].1), ("intake_forged", true));
    }

    #[test]
    fn more_late_packets_than_are_told_one_by_one_are_counted() {
        let packet = |minute| LatePacket { place: Some((8, 1)), deadline: at(minute) };
        let sentences = Owed { late_count: 31, late: (0..25).map(packet).collect(), ..owed() }.sentences();
        assert_eq!(sentences.len(), 21);
        assert_eq!(sentences[20], "网上收件另有 11 件过期没有答复");
    }
}
