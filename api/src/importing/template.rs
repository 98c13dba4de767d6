//! Files to fill in for an import: the columns that its mapping takes as they are, and one marked example (虚构).
//!
//! The example's first cell begins with [`EXAMPLE`], by which a reading sets the row aside; whoever takes the mark away
//! imports it. To add a family, give its columns here; a test demands that its example plans without a problem.

use rust_xlsxwriter::XlsxError;

use crate::sheets::template::{Blank, Cells, text, workbook};

/// How the example row begins.
pub const EXAMPLE: &str = "示例：";

/// Families that have a template, in the order in which people meet them.
pub const FAMILIES: [&str; 5] = ["pledges", "organizations", "posts", "persons", "roles"];

const CODE: &str = "机构代码";
const OPTIONAL_CODE: &str = "写哪个机构的；空着的，用导入时填的机构代码。";
const REMARKS: [&str; 3] = [
    "一行一条。列的先后不要紧，用不着的列可以删掉。",
    "第 2 行以“示例：”开头，是虚构的例子，导入时跳过；删掉或留着都行。",
    "不要写身份证号、电话号码和银行卡号。",
];

/// The workbook of a family; nothing if it has none.
///
/// # Errors
/// As [`workbook`].
pub fn xlsx(family: &str) -> Option<Result<Vec<u8>, XlsxError>> {
    columns(family).map(|columns| workbook(&columns, &REMARKS))
}

/// The same as a text.
pub fn csv(family: &str) -> Option<Vec<u8>> {
    columns(family).map(|columns| text(&columns))
}

fn columns(family: &str) -> Option<Vec<Blank>> {
    let mut columns = match family {
        "pledges" => pledges(),
        "organizations" => organizations(),
        "posts" => posts(),
        "persons" => persons(),
        "roles" => roles(),
        _ => return None,
    };
    columns[0].example.insert_str(0, EXAMPLE);
    Some(columns)
}

/// A column of text.
fn column(header: &'static str, how: &str, example: &str) -> Blank {
    Blank { header, how: how.into(), example: example.into(), ..Blank::default() }
}

fn required(blank: Blank) -> Blank {
    Blank { is_required: true, ..blank }
}

fn wide(blank: Blank) -> Blank {
    Blank { is_wide: true, ..blank }
}

fn date(header: &'static str, how: &str, example: &str) -> Blank {
    Blank { cells: Cells::Date, ..column(header, how, example) }
}

fn choice(header: &'static str, choices: &[&'static str], example: &str) -> Blank {
    let how = format!("从这几种里选：{}。", choices.join("、"));
    Blank { choices: choices.to_vec(), ..column(header, &how, example) }
}

fn pledges() -> Vec<Blank> {
    let kinds = ["有职党员干部", "无职党员", "党组织", "竞职人选"];
    let categories = ["服务承诺", "岗位承诺", "实事承诺", "自律承诺", "竞职承诺", "创业承诺", "廉政承诺", "辞职承诺"];
    vec![
        required(column("年度", "四位年份，像 2026。", "2026")),
        required(column("承诺人", "谁承诺的，写姓名。", "方禾生（虚构）")),
        choice("承诺人类别", &kinds, "有职党员干部"),
        column("职务", "承诺时的职务。", "村党支部书记"),
        choice("承诺类型", &categories, "实事承诺"),
        required(wide(column("承诺事项", "承诺做什么，一行一件。", "五里桥路灯改造（虚构）"))),
        column("基准值", "现在是多少。", "路灯 12 盏"),
        column("目标值", "做到多少。", "路灯 40 盏"),
        wide(column("落实措施", "怎么做。", "争取镇级补助，分两批安装")),
        date("完成时限", "哪一天以前做完，像 2026-12-31 这样写。", "2026-12-31"),
        date("示诺日期", "哪一天公示的，像 2026-03-10 这样写。", "2026-03-10"),
        wide(column("审诺意见", "谁审的，怎么说。", "镇党委审核同意")),
        column("监督电话", "公布的监督电话，不是个人手机。", "0564-0000000"),
        wide(column("来源", "在哪里承诺的。", "2026 年党员大会")),
        column(CODE, OPTIONAL_CODE, ""),
    ]
}

fn organizations() -> Vec<Blank> {
    let levels = ["国家", "省级", "市级", "县级", "乡镇级", "村级", "组级", "党支部", "部门"];
    vec![
        required(column(CODE, "字母、数字和 - _ .，一般用统计用区划代码。登记以后不能改。", "341599101298")),
        required(wide(column("机构名称", "全称。", "某某镇某某村村民委员会（虚构）"))),
        column("上级机构代码", "已经登记的，或写在前面几行的。空着的是最上一级。", "341599101"),
        required(choice("层级", &levels, "村级")),
        date("成立日期", "像 2026-01-01 这样写。", "2026-01-01"),
    ]
}

fn posts() -> Vec<Blank> {
    vec![
        required(column("职务名称", "全称，会公开。", "村党支部书记（虚构）")),
        column("职数", "这个职务有几个名额，写数字。", "1"),
        choice("主要负责人", &["是", "否"], "是"),
        wide(column("工作内容", "负责什么，会公开。", "主持村党支部全面工作")),
        column("任职人", "现在由谁担任，还没有登记过的写姓名，会登记并公开；空缺或登记过的空着。", "俞小满（虚构）"),
        column(CODE, OPTIONAL_CODE, ""),
    ]
}

fn persons() -> Vec<Blank> {
    vec![
        required(column("姓名", "干部的姓名，会公开。", "俞小满（虚构）")),
        column("编号", "名册里的编号，同名的人靠它分开；不公开。", "001"),
        column(CODE, OPTIONAL_CODE, ""),
    ]
}

fn roles() -> Vec<Blank> {
    let roles = ["登记员", "发布人", "审核人", "审批人", "监督人", "督查人"];
    vec![
        column("姓名", "还没有登记过的人写姓名，会登记并公开；登记过的空着，写人员编号。", "俞小满（虚构）"),
        wide(column("人员编号", "登记过的人，像 person/018f… 这样的编号，在他的公开页上看。", "")),
        choice("职责", &roles, "监督人"),
        choice("已作回避声明", &["是", "否"], "是"),
        column(CODE, OPTIONAL_CODE, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{mapping_text, read};
    use super::*;
    use crate::exchange::Mapping;
    use crate::sheets::Part;

    fn mapping(family: &str) -> Mapping {
        Mapping::parse(&mapping_text(family, Some("341599101201")).unwrap()).unwrap()
    }

    #[test]
    fn every_header_of_a_template_is_known_and_its_example_is_set_aside() {
        for family in FAMILIES {
            for bytes in [csv(family).unwrap(), xlsx(family).unwrap().unwrap()] {
                let reading = read(&mapping(family), bytes, None);
                assert_eq!(
                    (reading.problems_total, reading.commands.len()),
                    (0, 0),
                    "{family}: {:?}",
                    reading.problems
                );
                assert!(reading.columns.iter().all(|column| column.field.is_some()), "{family}: {:?}", reading.columns);
                assert_eq!(reading.rows[1].part, Part::Aside);
                assert!(reading.notes.iter().any(|note| note.contains("示例")), "{:?}", reading.notes);
            }
        }
    }

    #[test]
    fn a_template_that_is_filled_with_its_example_plans_without_a_problem() {
        for (family, kinds) in FAMILIES.into_iter().zip([
            &["pledge.made.v1"][..],
            &["organization.registered.v1"],
            &["post.created.v1", "person.registered.v1"],
            &["person.registered.v1"],
            &["person.registered.v1", "role.granted.v1"],
        ]) {
            let mut filled = columns(family).unwrap();
            let first = filled[0].example.strip_prefix(EXAMPLE).unwrap().to_owned();
            filled[0].example = first;
            for bytes in [text(&filled), workbook(&filled, &REMARKS).unwrap()] {
                let reading = read(&mapping(family), bytes, None);
                assert_eq!(reading.problems_total, 0, "{family}: {:?}", reading.problems);
                let made: Vec<_> =
                    reading.commands.iter().map(|one| one.command.json["kind"].as_str().unwrap()).collect();
                assert_eq!(made, kinds, "{family}");
            }
        }
    }

    #[test]
    fn every_choice_of_a_template_is_one_that_the_mapping_takes() {
        for family in FAMILIES {
            let columns = columns(family).unwrap();
            for (at, column) in columns.iter().enumerate() {
                for choice in &column.choices {
                    let mut filled = columns.clone();
                    filled[0].example = filled[0].example.replace(EXAMPLE, "");
                    filled[at].example = (*choice).to_owned();
                    let reading = read(&mapping(family), text(&filled), None);
                    assert_eq!(reading.problems_total, 0, "{family} {choice}: {:?}", reading.problems);
                }
            }
        }
    }
}
