//! Sessions with the people (民情沟通面对面、空中党代会): when, who, what was moved and what was said to it.
//!
//! A promise made there becomes a pledge of its own; its line names it. A session is one public statement:
//! what is still owed is on the pledges' pages. Names of citizens in the lines are masked by whoever publishes.

use chrono::NaiveDate;
use gongkai_log::Tier;
use serde_json::{Value, json};

use super::{PUBLISHER, Payload, intake::PointResult, payload};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Column, ListRule, ListShape, Shape, choices},
    refusal::Refusal,
};

choices! {
    /// How people meet.
    Form {
        FaceToFace = "face_to_face" "民情沟通面对面",
        OnAir = "on_air" "空中党代会",
        Reception = "reception" "领导接待日",
        Hearing = "hearing" "听证会",
        Other = "other" "其他",
    }
}

const fn column(name: &'static str, label: &'static str, shape: Shape, required: bool) -> Column {
    Column { name, label, shape, required, tier: Tier::Public }
}

/// What was moved.
pub const MOTIONS: ListShape = ListShape {
    name: "motions",
    label: "所提事项",
    columns: &[
        column("motion", "事项", Shape::Text(1000), true),
        column("proposer", "提出人（已遮蔽）", Shape::Text(50), false),
        column("result", "办理结果", Shape::Choice(PointResult::CHOICES), true),
        column("reply", "现场答复", Shape::Text(2000), false),
        column("explanation", "暂不办理的说明", Shape::Text(1000), false),
        column("pledge", "所作承诺", Shape::Link("pledge"), false),
        column("unit", "承办单位", Shape::Org, false),
        column("due_on", "办理时限", Shape::Date, false),
    ],
};

payload! {
    /// A session was held.
    Held = "session.held.v1" "召开见面会";
    body { form: Form = "形式", held_on: NaiveDate = "日期", people: Option<u64> = "到场人数" }
    slots {
        title: Public Text(300) required = "标题",
        place: Public Text(200) optional = "地点",
        officials: Public Text(1000) required = "到场干部",
        summary: Public Text(16_000) optional = "情况",
    }
    list ListRule::One { shape: &MOTIONS, required: false };
    authors PUBLISHER;
}

impl Payload for Held {
    type State = ();
    const OPENS: bool = true;

    fn decide(&self, (): &(), proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        let silent = proposal.lines.iter().position(|row| {
            let not_now = row.get("result").and_then(Value::as_str) == Some(PointResult::NotNow.wire());
            not_now && !row.contains_key("explanation")
        });
        if let Some(line) = silent {
            let reason = format!("第{}行暂不办理，须写明说明", line + 1);
            return Err(Refusal::field("explanation", "暂不办理的说明", reason));
        }
        proposal.happened_by_then(self.held_on, "held_on", "日期")
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn sample() -> Value {
        json!({"kind": "session.held.v1", "org": "341599101", "fields": {
            "form": "face_to_face", "held_on": "2026-03-05", "people": 46, "title": "柳溪镇三月民情沟通面对面(虚构)",
            "place": "柳溪镇文化站", "officials": "镇党委书记何芷汀(虚构)、镇水利站站长",
            "lines": [{"motion": "五里桥水渠塌方何时修", "proposer": "周**", "result": "adopted", "reply": "春灌前修好",
                "unit": "341599101201", "due_on": "2026-03-31"},
                {"motion": "通村公交加开一班", "result": "not_now", "reply": "暂不加开", "explanation": "客流不足，半年后再核"}]}})
    }
}
