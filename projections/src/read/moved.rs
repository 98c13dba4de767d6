//! What a working-day calendar that was published later did to a period: from which last day to which, and by which entry.
//!
//! Nothing of it is stored. A period is counted again with the calendars as they stood when it was announced, and after
//! each one that was recorded since; a step that changed the last day is told. Not here: rules, which hold as of the day on
//! which a period begins, and who extended a period by a statement of their own, which its history tells.

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::{World, kind::calendar::Published};
use serde::Serialize;

use super::{Columns, ReadError, Reader, int, text};

/// The latest entry of a stream that said when its period runs.
const ANNOUNCED: &str = "SELECT COALESCE(MAX(entry_index), 0) FROM events WHERE stream = $1 AND (kind LIKE 'notice.published.%' \
     OR kind LIKE 'notice.extended.%' OR kind LIKE 'nomination.announced.%' OR kind LIKE 'nomination.extended.%')";
const LATER: &str = "SELECT COUNT(*) FROM events WHERE family = 'calendar' AND entry_index > $1";
const CALENDARS: &str =
    "SELECT entry_index, recorded_at, body FROM events WHERE family = 'calendar' ORDER BY entry_index";

pub(super) const STATEMENTS: &[(&str, &str)] =
    &[("moved.announced", ANNOUNCED), ("moved.later", LATER), ("moved.calendars", CALENDARS)];

/// A last day that a calendar moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The last day before.
    pub from: NaiveDate,
    /// The last day since then.
    pub to: NaiveDate,
    /// Year of the calendar.
    pub year: i32,
    /// Entry that published it.
    pub index: u64,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

impl Reader {
    /// How calendars moved the period of a notice or nomination since it was last announced.
    pub(crate) async fn moved_period(
        &mut self,
        stream: &str,
        last_day: impl Fn(&World) -> Option<NaiveDate> + Send,
    ) -> Result<Vec<Moved>, ReadError> {
        let since = self.count(ANNOUNCED, vec![text(stream)]).await?;
        self.moved(since, last_day).await
    }

    /// How calendars that were recorded after an entry moved a last day; `last_day` counts it in a world that has nothing
    /// but a calendar.
    pub(crate) async fn moved(
        &mut self,
        since: u64,
        last_day: impl Fn(&World) -> Option<NaiveDate> + Send,
    ) -> Result<Vec<Moved>, ReadError> {
        if self.count(LATER, vec![int(since)]).await? == 0 {
            return Ok(Vec::new());
        }
        let (mut world, mut moved) = (World::default(), Vec::new());
        for row in &self.rows(CALENDARS, Vec::new()).await? {
            let index = row.count("entry_index")?;
            let Published { year, off_days, work_days } = serde_json::from_str(&row.text("body")?)?;
            let before = last_day(&world);
            world.calendar.publish(year.0, &off_days, &work_days);
            let step = before.zip(last_day(&world)).filter(|(from, to)| index > since && from != to);
            if let Some((from, to)) = step {
                moved.push(Moved { from, to, year: year.0, index, at: row.recorded("recorded_at")? });
            }
        }
        Ok(moved)
    }
}
