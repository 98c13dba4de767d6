//! Families that are imported in bulk: which mapping reads their tables, and what no ledger would even parse.
//!
//! The command line and the console plan an import with the same words; [`read`] is how the console shows a table with its
//! problems. What a command means is judged by the ledger. To add a family, add its mapping and a line in [`FAMILIES`]; for
//! a file to fill in, its columns in `template`.

mod reading;
pub mod template;

use gongkai_domain::{Command, Refusal};
use serde_json::Value;

pub use reading::{Reading, read};

use crate::exchange::{Plan, PlannedCommand, Problem};

/// Families with their default mappings.
pub const FAMILIES: [(&str, &str); 8] = [
    ("organizations", include_str!("../../mappings/organizations.toml")),
    ("calendars", include_str!("../../mappings/calendars.toml")),
    ("persons", include_str!("../../mappings/persons.toml")),
    ("pledges", include_str!("../../mappings/pledges.toml")),
    ("vacancies", include_str!("../../mappings/vacancies.toml")),
    ("nominations", include_str!("../../mappings/nominations.toml")),
    ("notices", include_str!("../../mappings/notices.toml")),
    ("disclosures", include_str!("../../mappings/disclosures.toml")),
];

/// People with their roles and posts with their holders, one row each: what the second statement of a row is about is known
/// only once the first is recorded, so whoever submits replaces `@` and the first one's stream key by its stream.
const CHAINED: [(&str, &str); 2] =
    [("roles", include_str!("../../mappings/roles.toml")), ("posts", include_str!("../../mappings/posts.toml"))];

/// Where a default mapping takes the organization that whoever imports names.
const ORG: &str = "@org@";

/// The mapping of a family, with the organization for tables that name none.
///
/// # Errors
/// A sentence, where the organization is missing or no code; nothing of a family that is not there.
pub fn mapping_text(family: &str, org: Option<&str>) -> Result<String, &'static str> {
    let text = FAMILIES.iter().chain(&CHAINED).find(|(name, _)| *name == family).map_or("", |(_, text)| *text);
    match org {
        Some(org) if gongkai_domain::field::is_org_code(org) => Ok(text.replace(ORG, org)),
        Some(_) => Err("机构代码只能是 1–32 个字母、数字和 - _ ."),
        None if text.contains(&format!("template = \"{ORG}\"")) => Err("这一类的表里没有机构代码，必须给出"),
        None => Ok(text.replace(&format!(", default = \"{ORG}\""), "")),
    }
}

/// Finds commands that no ledger would even parse, so that they are problems of their rows.
pub fn check_commands(plan: &mut Plan) {
    let mut sound = Vec::with_capacity(plan.commands.len());
    for command in std::mem::take(&mut plan.commands) {
        match checked(&command.json) {
            Ok(_) => sound.push(command),
            Err(refusal) => plan.problems.push(problem(&command, &refusal.to_string())),
        }
    }
    plan.commands = sound;
}

fn checked(command: &Value) -> Result<Command, Refusal> {
    let mut command = command.clone();
    if let Some(members) = command.as_object_mut() {
        members.remove("stream_key");
    }
    let command = Command::from_value(command)?;
    let kind = command.kind()?;
    match command.fields.keys().find(|name| *name != "lines" && kind.field(name).is_none()) {
        Some(unknown) => Err(Refusal::Field {
            name: unknown.clone(),
            label: unknown.clone(),
            reason: format!("「{}」没有这一项，请检查对应文件", kind.label),
        }),
        None => Ok(command),
    }
}

/// A problem at the first row that a command was made from.
pub fn problem(command: &PlannedCommand, message: &str) -> Problem {
    match command.source.first() {
        Some(row) => Problem::of_row(row.sheet.to_string(), row.row, message),
        None => Problem::of_sheet("", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Context, Input, Mapping, Problems, plan, table};

    #[test]
    fn every_default_mapping_is_sound_with_and_without_an_organization() {
        for (name, _) in FAMILIES.iter().chain(&CHAINED) {
            for org in [Some("1"), None] {
                let Ok(text) = mapping_text(name, org) else { continue };
                assert!(Mapping::parse(&text).is_ok(), "{name}: {:?}", Mapping::parse(&text).err());
            }
            assert!(mapping_text(name, Some("1")).is_ok());
        }
    }

    #[test]
    fn a_row_of_posts_makes_the_post_and_registers_who_holds_it() {
        let mapping = Mapping::parse(&mapping_text("posts", Some("341599101201")).unwrap()).unwrap();
        let csv = "职务名称,职数,主要负责人,任职人\n村党支部书记,1,是,俞小满（虚构）\n村委会委员,3,,\n会计,两个,否,\n";
        let reading = read(&mapping, csv.into(), None);
        let made: Vec<_> = reading.commands.iter().map(|one| &one.command.json).collect();
        let kinds: Vec<_> = made.iter().map(|json| json["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["post.created.v1", "person.registered.v1", "post.created.v1"]);
        assert_eq!(made[1]["fields"]["post"], format!("@{}", made[0]["stream_key"].as_str().unwrap()));
        assert_eq!((&made[0]["fields"]["heads"], &made[2]["fields"]["seats"]), (&true.into(), &3.into()));
        assert_eq!((reading.problems_total, reading.problems[0].problem.row), (1, Some(4)), "{:?}", reading.problems);
        // Without the column, posts alone.
        let reading = read(&mapping, "职务,职数\n会计,1\n".into(), None);
        assert_eq!((reading.problems_total, reading.commands.len()), (0, 1), "{:?}", reading.problems);
    }

    #[test]
    fn people_who_are_all_new_need_no_column_for_the_number_of_known_ones() {
        let mapping = Mapping::parse(&mapping_text("roles", Some("341599101201")).unwrap()).unwrap();
        let reading = read(&mapping, "姓名,职责\n俞小满（虚构）,发布人\n".into(), None);
        assert_eq!((reading.problems_total, reading.commands.len()), (0, 2), "{:?}", reading.problems);
    }

    #[test]
    fn a_row_of_people_registers_the_person_and_then_gives_the_role() {
        let mapping = Mapping::parse(&mapping_text("roles", Some("341599101201")).unwrap()).unwrap();
        let csv = "姓名,职责,人员编号\n俞小满（虚构）,发布人,\n,监督人,person/018f0000-0000-7000-8000-000000000001\n叶云山（虚构）,村长,\n";
        let input = Input { name: "人员.csv".into(), bytes: csv.into(), folder: None };
        let (mut problems, mut notes) = (Problems::default(), Vec::new());
        let tables = table::read(&input, &mapping.read_options(), &mut problems, &mut notes);
        let mut plan = plan::plan(&mapping, &tables, &Context::default());
        check_commands(&mut plan);
        let kinds: Vec<_> = plan.commands.iter().map(|c| c.json["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["person.registered.v1", "role.granted.v1", "role.granted.v1"]);
        let person = format!("@{}", plan.commands[0].json["stream_key"].as_str().unwrap());
        assert_eq!(plan.commands[1].json["fields"]["person"], person.as_str());
        assert_eq!(plan.commands[2].json["fields"]["role"], "supervisor");
        assert_eq!((plan.problems.total, plan.problems.shown[0].row), (1, Some(4)), "{}", plan.problems);
    }
}
