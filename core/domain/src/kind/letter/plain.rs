//! What a letter or its answer says, as one text: where the masked copy that is published begins.
//!
//! The masking itself is [`crate::anonymity`].

use serde_json::{Map, Value};

use crate::{field::FieldType, follow_up, kind::intake::Point};

/// The text of a letter with its request, or of an answer with its points; nothing of what has no text.
pub fn plain(values: &Map<String, Value>) -> Option<String> {
    let mut lines = vec![values.get("text")?.as_str()?.to_owned()];
    let request = values.get("request").and_then(Value::as_str);
    lines.extend(request.map(|request| format!("诉求：{request}")));
    let points = values.get("points").and_then(Value::as_array);
    let said = points.map(|points| follow_up::sentences(&Vec::<Point>::SHAPE, points));
    lines.extend(said.into_iter().flatten());
    Some(lines.join("\n"))
}
