//! Working-day calendars: which days are off and which weekend days are worked.
//!
//! A later publication for a year replaces the earlier one and moves running periods, because ends
//! are computed when read. The computing is in [`crate::calendar`].

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{Payload, payload};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{ListRule, Year},
    refusal::Refusal,
    world::{Role, World},
};

payload! {
    /// A year's holidays and make-up workdays, as the State Council's notice for that year lists them.
    Published = "calendar.published.v1" "发布工作日历";
    body {
        year: Year = "年份",
        off_days: Vec<NaiveDate> = "放假日",
        work_days: Vec<NaiveDate> = "调休上班日",
    }
    slots { source: Public Text(300) optional = "文件依据" }
    list ListRule::None;
    authors &[Role::Registrar];
}

impl Payload for Published {
    type State = ();
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, (): &(), _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if let Some(both) = self.off_days.iter().find(|day| self.work_days.contains(day)) {
            return Err(Refusal::field("work_days", "调休上班日", format!("{both} 不能既放假又上班")));
        }
        let near =
            |day: &NaiveDate| (-31..=366).contains(&day.signed_duration_since(first_day(self.year.0)).num_days());
        match self.off_days.iter().chain(&self.work_days).find(|day| !near(day)) {
            Some(far) => Err(Refusal::field("off_days", "放假日", format!("{far} 不在 {} 年前后", self.year.0))),
            None => Ok(()),
        }
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn learn(&self, world: &mut World, _: &Recorded<'_>) {
        world.calendar.publish(self.year.0, &self.off_days, &self.work_days);
    }

    fn sample() -> Value {
        json!({"kind": "calendar.published.v1", "org": "341599", "fields": {
            "year": 2026, "off_days": ["2026-01-01", "2026-01-02"], "work_days": ["2026-01-04"],
            "source": "国务院办公厅关于节假日安排的通知"}})
    }
}

fn first_day(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(NaiveDate::MIN)
}
