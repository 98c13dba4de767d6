//! Questions about a sheet, as its page and the next month's show them: only what was published, masked.

use gongkai_domain::kind::Described as _;
use gongkai_domain::kind::disclosure::{Answered, Corrected, QuestionWithheld, WithholdingGround};
use gongkai_domain::kind::intake::PointResult;
use gongkai_projections::Status;
use gongkai_projections::read::disclosures::Neighbour;
use gongkai_projections::read::{self, HistoryEvent, Reader, said_of};
use serde_json::Value;

use super::{hand_in, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::push;
use crate::site::format::Day;
use crate::site::parts::{Badge, Link, Row, Shown};
use crate::site::question::{Question, QuestionStep, Wall};

/// Where the questions stand.
pub struct Asking<'a> {
    /// Whether letters are taken here.
    pub is_open: bool,
    /// Stream of the sheet.
    pub sheet: &'a str,
    /// The organization above, to which whoever is not content turns.
    pub above: Option<&'a Link>,
}

/// The questions, newest first.
pub fn of(found: &[read::Question], history: &[HistoryEvent], asking: &Asking<'_>) -> Vec<Question> {
    found.iter().rev().map(|asked| question(asked, history, asking)).collect()
}

/// What was asked about the period before; nothing where its sheet cannot be shown.
pub async fn wall(
    app: &App,
    previous: &Neighbour,
    above: Option<&Link>,
    reader: &mut Reader,
) -> Result<Option<Wall>, Problem> {
    let Some(sheet) = reader.disclosure(&previous.stream).await? else { return Ok(None) };
    let is_open = hand_in::is_open(app, reader.world());
    let asking = Asking { is_open, sheet: &previous.stream, above };
    let mut questions = of(&sheet.questions, &sheet.history, &asking);
    questions.reverse();
    Ok(Some(Wall { sheet: Link::new(parts::href(&previous.stream), previous.period.clone()), questions }))
}

/// The rule that sets the day of an answer; the day of asking is not counted.
fn rule(deadline: &read::Deadline) -> String {
    format!("{}：{}，提出当天不算（{}）", deadline.rule, deadline.length, deadline.basis)
}

fn question(found: &read::Question, history: &[HistoryEvent], asking: &Asking<'_>) -> Question {
    let recorded =
        |index: u64| history.iter().find(|event| event.index == index).map(|event| parts::moment(event.recorded_at));
    let asked = recorded(found.index).or_else(|| parts::at(found.asked_on, 0, 0));
    let due = found.deadline.as_ref().map_or(found.asked_on, |deadline| deadline.end);
    let answered = found.answer_index.and_then(recorded);
    let topic = found.topic.clone();
    Question {
        line: found.line.map(|line| parts::small(line + 1)),
        topic: Shown::of(if found.interpellation { format!("质询：{topic}") } else { topic }),
        text: found.text.clone().map(parts::shown),
        withheld: said_of(history, QuestionWithheld::KIND, found.revision).map(withheld).unwrap_or_default(),
        asked: asked.unwrap_or_else(|| parts::moment(chrono::DateTime::UNIX_EPOCH)),
        due: Day(due),
        rule: found.deadline.as_ref().map(rule).unwrap_or_default(),
        computed: found.deadline.as_ref().map(|deadline| deadline.explanation.clone()).unwrap_or_default(),
        provisional: found.deadline.as_ref().is_some_and(|deadline| deadline.provisional),
        moved: found.deadline.as_ref().map(|deadline| parts::moved("答复期限", &deadline.moved)).unwrap_or_default(),
        status: Badge(found.status),
        answer: found.answer.clone().map(parts::shown).zip(answered),
        points: said_of(history, Answered::KIND, found.revision).map(points).unwrap_or_default(),
        steps: steps(found, history),
        further: further(found, asking),
        index: found.index,
    }
}

/// Why the text is not published.
fn withheld(event: &HistoryEvent) -> Vec<Row> {
    let ground = event.body.get("ground").and_then(Value::as_str).and_then(WithholdingGround::from_wire);
    let ground = ground.map(|ground| Row::new("不公布的依据", ground.label()));
    let slots = [("不公布的理由", "reason"), ("申诉途径", "appeal")];
    let slots = slots
        .iter()
        .filter_map(|(label, name)| Some(Row { label: (*label).to_owned(), value: parts::shown(event.shown(name)?) }));
    ground.into_iter().chain(slots).collect()
}

/// Point by point: what came of it, and what was said; the explanation of what is not done now.
fn points(event: &HistoryEvent) -> Vec<Row> {
    let results = event.body.get("results").and_then(Value::as_array).into_iter().flatten();
    let labels = results.map(|point| {
        let wire = point.get("result").and_then(Value::as_str).unwrap_or_default();
        PointResult::from_wire(wire).map_or_else(|| wire.to_owned(), |result| result.label().to_owned())
    });
    let texts = event.open.get("points").and_then(Value::as_array).into_iter().flatten();
    let said = texts.map(|text| text.as_str().unwrap_or_default().to_owned());
    let points = labels.zip(said).map(|(label, text)| Row::new(label, text));
    let explanation = event.shown("explanation");
    let explanation = explanation.map(|text| Row { label: "暂不办理的说明".into(), value: parts::shown(text) });
    points.chain(explanation).collect()
}

/// What was recorded about a question, in order; of corrections those of its line, or of the sheet, that came after it.
fn steps(found: &read::Question, history: &[HistoryEvent]) -> Vec<QuestionStep> {
    let is_of = |event: &&HistoryEvent| {
        let named = event.body.get("question").and_then(Value::as_u64) == Some(found.revision);
        let corrects = event.body.get("corrects").and_then(Value::as_array);
        let fixes = event.kind == Corrected::KIND
            && event.index > found.index
            && (found.line.is_none()
                || corrects.is_some_and(|lines| lines.iter().any(|line| line.as_u64() == found.line)));
        event.index == found.index || named || fixes
    };
    let step = |event: &HistoryEvent| QuestionStep {
        label: event.label.clone(),
        at: parts::moment(event.recorded_at),
        index: event.index,
    };
    history.iter().filter(is_of).map(step).collect()
}

/// To the level above, by a letter that names the sheet and begins with what it is about. Before the answer, and in time,
/// there is nothing to be discontent with.
fn further(found: &read::Question, asking: &Asking<'_>) -> Option<Link> {
    let above = asking.above.filter(|_| asking.is_open)?;
    let (label, why) = match found.status {
        Status::Answered => ("对答复不满意", "答复不满意"),
        Status::AnswerOverdue => ("到期没有答复", "询问到期没有答复"),
        _ => return None,
    };
    let org = above.href.trim_start_matches("/organizations/");
    let mut href = "/hand-in/letter.received".to_owned();
    push(&mut href, "org", org);
    push(&mut href, "refers_to", asking.sheet);
    push(&mut href, "class", "appeal");
    push(&mut href, "title", &format!("№{}{why}", found.index));
    Some(Link::new(href, format!("{label}，请{}处理", above.label)))
}
