//! What is read out over the village loudspeaker: about a minute, 220 to 260 characters of plain spoken Chinese.
//!
//! A script is a row of whole sentences. Some must be said; the others are taken by their rank as long as they fit, so
//! a long list of names drops out as a whole and never half. Figures are written as they are said ([`super::spoken`]).
//! To add a matter: its facts as a struct and a function that gives its sentences.

use chrono::NaiveDate;

use super::spoken::{self, count, day, digits, money};

/// Characters of a minute's reading at the pace of an announcer.
pub const CHARS_MAX: usize = 260;

/// Longest title that is read out whole; a longer one is named by its kind.
const TITLE_CHARS_MAX: usize = 60;

/// Largest items of a sheet that are named.
const LARGEST: usize = 3;

/// A sheet of books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Organization.
    pub org: String,
    /// Title, for a sheet without sums.
    pub title: String,
    /// Period as written, such as 2026年2月.
    pub period: String,
    /// Opening, income, expense, closing in fen; absent for a sheet that is no account.
    pub totals: Option<[Option<i64>; 4]>,
    /// Published as 本期无收支.
    pub no_movement: bool,
    /// Where the money went, largest first, fen.
    pub largest: Vec<(String, i64)>,
    /// Day of the record.
    pub recorded: NaiveDate,
    /// Entry number.
    pub index: u64,
}

/// A notice, or a nomination with its people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Organization.
    pub org: String,
    /// What kind, such as 征地预公告.
    pub kind: String,
    /// Title.
    pub title: String,
    /// Names and intended posts of a nomination.
    pub people: Vec<(String, String)>,
    /// First and last day of the period.
    pub period: Option<(NaiveDate, NaiveDate)>,
    /// Whether the period is over on the day of reading.
    pub is_over: bool,
    /// Whether the outcome is published.
    pub has_outcome: bool,
    /// Whether it was withdrawn.
    pub is_withdrawn: bool,
    /// Day of the record.
    pub recorded: NaiveDate,
    /// Entry number.
    pub index: u64,
}

/// A sentence with when it may be left out: 0 is always said, the others by falling importance.
struct Sentence(u8, String);

/// What is read out about a sheet.
pub fn sheet(said: &Sheet) -> Vec<String> {
    let period = spoken::text(&said.period);
    let mut sentences = vec![greeting()];
    if said.no_movement {
        sentences.push(Sentence(
            0,
            format!("{}{period}的账公开了：这一期没有一笔收入，也没有一笔支出。", spoken::text(&said.org)),
        ));
    } else if let Some(totals) = said.totals {
        sentences.push(Sentence(0, format!("{}{period}的账公开了。", spoken::text(&said.org))));
        sentences.push(Sentence(0, sums(totals)));
        sentences.extend(largest(&said.largest));
    } else {
        let named = title(&said.title, "一份材料");
        // 公开了……公开 says the word twice.
        let named = named.strip_suffix("公开").filter(|rest| !rest.is_empty()).unwrap_or(&named);
        sentences.push(Sentence(0, format!("{}公开了{named}。", spoken::text(&said.org))));
        sentences.push(Sentence(3, format!("说的是{period}的事，全文都在账本上。")));
    }
    sentences.push(recorded(said.recorded, said.index));
    sentences.push(Sentence(2, "一笔一笔都能查，不用登录，用手机就能看，也可以请家里的年轻人帮忙看。".into()));
    sentences.push(Sentence(3, "对哪一笔不明白，可以上网提问，也可以当面去问，公开的单位要按期答复。".into()));
    if let Some([_, Some(income), Some(expense), _]) = said.totals.filter(|_| !said.no_movement) {
        sentences.push(Sentence(4, format!("再说一遍：收入{}，支出{}。", money(income), money(expense))));
    }
    sentences.push(Sentence(1, "播送完了，谢谢大家。".into()));
    fitted(sentences)
}

/// What is read out about a notice or a nomination.
pub fn announcement(said: &Announcement) -> Vec<String> {
    let kind = if said.kind.is_empty() { "公告" } else { &said.kind };
    let mut sentences = vec![
        greeting(),
        Sentence(
            0,
            format!(
                "{}发布了一份{}：{}。",
                spoken::text(&said.org),
                spoken::text(kind),
                title(&said.title, "题目较长，请看账本")
            ),
        ),
    ];
    sentences.extend(people(&said.people));
    sentences.push(Sentence(0, period(said)));
    let is_open = !said.is_withdrawn && !said.has_outcome;
    if is_open {
        sentences.push(Sentence(
            1,
            "对这件事有不同意见，或者知道有关情况，都可以反映；反映的内容和反映的人都不公开。".into(),
        ));
        sentences.push(Sentence(
            3,
            "可以自己上网提，也可以写信、打电话，或者请人代写，由收的人登记。反映情况请实事求是。".into(),
        ));
    }
    sentences.push(recorded(said.recorded, said.index));
    sentences.push(Sentence(4, "原文一个字一个字都能查，不用登录，用手机就能看，也可以请家里的年轻人帮忙看。".into()));
    if let Some((_, last)) = said.period.filter(|_| is_open && !said.is_over) {
        sentences.push(Sentence(5, format!("再说一遍：公示到{}为止。", day(last))));
    }
    sentences.push(Sentence(2, "播送完了，谢谢大家。".into()));
    fitted(sentences)
}

fn greeting() -> Sentence {
    Sentence(0, "各位乡亲，请大家注意听。".into())
}

fn title(title: &str, instead: &str) -> String {
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX { instead.to_owned() } else { spoken::text(title) }
}

fn sums([opening, income, expense, closing]: [Option<i64>; 4]) -> String {
    let named = [("上期结存", opening), ("这一期收入", income), ("支出", expense), ("期末还有", closing)];
    let said = named.into_iter().filter_map(|(name, fen)| Some(format!("{name}{}", money(fen?))));
    format!("{}。", said.collect::<Vec<_>>().join("，"))
}

fn largest(items: &[(String, i64)]) -> Option<Sentence> {
    let items: Vec<String> = items
        .iter()
        .filter(|(_, fen)| *fen > 0)
        .take(LARGEST)
        .map(|(name, fen)| format!("{}{}", spoken::text(name), money(*fen)))
        .collect();
    let lead = match items.len() {
        0 => return None,
        1 => "钱花在一项上".to_owned(),
        several => format!("花得最多的{}项是", count(several as u64)),
    };
    Some(Sentence(1, format!("{lead}：{}。", items.join("，"))))
}

/// The names with the posts, or the names alone where both do not fit; nobody is named while another is left out.
fn people(people: &[(String, String)]) -> Option<Sentence> {
    if people.is_empty() {
        return None;
    }
    let lead = format!("一共{}人", count(people.len() as u64));
    let full: Vec<String> = people.iter().map(|(name, post)| format!("{name}，{}", spoken::text(post))).collect();
    let full = format!("{lead}：{}。", full.join("；"));
    let names = format!("{lead}：{}。", people.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("、"));
    let fitting = [full, names].into_iter().find(|text| text.chars().count() <= CHARS_MAX / 3);
    Some(Sentence(0, fitting.unwrap_or_else(|| format!("{lead}，名单在账本上。"))))
}

fn period(said: &Announcement) -> String {
    if said.is_withdrawn {
        return "这份公告后来撤回了，撤回的原因账本里写着。".into();
    }
    let days = said.period.map(|(first, last)| format!("公示从{}开始，到{}为止", day(first), day(last)));
    match (days, said.is_over, said.has_outcome) {
        (None, _, true) => "结果已经公布，账本里能查到。".into(),
        (None, ..) => "这件事没有定公示的期限。".into(),
        (Some(days), _, true) => format!("{days}，结果已经公布，账本里能查到。"),
        (Some(days), true, false) => format!("{days}，期限已经满了，结果还没有公布。"),
        (Some(days), false, false) => format!("{days}，最后一天也算在内。"),
    }
}

fn recorded(on: NaiveDate, index: u64) -> Sentence {
    let index = digits(&index.to_string());
    Sentence(0, format!("{}记进公开账本，编号{index}，记上以后谁也改不了。", day(on)))
}

/// What must be said, and of the rest by rank what fits into a minute, in the order of speaking.
fn fitted(sentences: Vec<Sentence>) -> Vec<String> {
    let chars = |sentence: &Sentence| sentence.1.chars().count();
    let mut taken: Vec<bool> = sentences.iter().map(|sentence| sentence.0 == 0).collect();
    let mut sum: usize = sentences.iter().filter(|sentence| sentence.0 == 0).map(chars).sum();
    let mut order: Vec<usize> = (0..sentences.len()).filter(|at| !taken[*at]).collect();
    order.sort_by_key(|at| sentences[*at].0);
    for at in order {
        if sum + chars(&sentences[at]) <= CHARS_MAX {
            sum += chars(&sentences[at]);
            taken[at] = true;
        }
    }
    sentences.into_iter().zip(taken).filter(|(_, taken)| *taken).map(|(sentence, _)| sentence.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, month, day).unwrap()
    }

    fn worked_month() -> Sheet {
        Sheet {
            org: "五里桥村".into(),
            title: "2026年2月财务收支明细".into(),
            period: "2026年2月".into(),
            totals: Some([Some(18_642_035), Some(5_231_826), Some(1_808_136), Some(22_065_725)]),
            no_movement: false,
            largest: [("干部报酬", 960_000), ("其他支出", 350_000), ("误工补贴", 240_000), ("邮寄报刊", 126_000)]
                .map(|(name, fen)| (name.to_owned(), fen))
                .into(),
            recorded: on(3, 12),
            index: 1310,
        }
    }

    fn nomination(people: usize) -> Announcement {
        Announcement {
            org: "清溪县委组织部".into(),
            kind: "任前公示".into(),
            title: "清溪县2026年第7号干部任前公示".into(),
            people: (0..people).map(|_| ("林秋禾".to_owned(), "拟任河口镇副镇长".to_owned())).collect(),
            period: Some((on(3, 6), on(3, 12))),
            is_over: false,
            has_outcome: false,
            is_withdrawn: false,
            recorded: on(3, 5),
            index: 1261,
        }
    }

    fn chars(script: &[String]) -> usize {
        script.iter().map(|sentence| sentence.chars().count()).sum()
    }

    #[test]
    fn the_worked_month_is_said_in_a_minute_with_its_sums_and_largest_items() {
        let script = sheet(&worked_month());
        let said = script.concat();
        assert!((220..=CHARS_MAX).contains(&chars(&script)), "{}: {said}", chars(&script));
        assert!(said.contains("五里桥村二〇二六年二月的账公开了。"), "{said}");
        assert!(said.contains("支出一万八千零八十一元三角六分，期末还有二十二万零六百五十七元二角五分。"), "{said}");
        assert!(
            said.contains("花得最多的三项是：干部报酬九千六百元，其他支出三千五百元，误工补贴两千四百元。"),
            "{said}"
        );
        assert!(said.contains("三月十二日记进公开账本，编号一三一〇") && !said.contains("邮寄报刊"), "{said}");
    }

    #[test]
    fn a_nomination_is_said_in_a_minute_with_everybody_or_with_nobody() {
        let script = announcement(&nomination(3));
        let said = script.concat();
        assert!((220..=CHARS_MAX).contains(&chars(&script)), "{}: {said}", chars(&script));
        assert!(said.contains("清溪县二〇二六年第七号干部任前公示"), "{said}");
        assert_eq!(said.matches("林秋禾，拟任河口镇副镇长").count(), 3, "{said}");
        assert!(said.contains("公示从三月六日开始，到三月十二日为止，最后一天也算在内。"), "{said}");
        let names = announcement(&nomination(12)).concat();
        assert_eq!((names.matches("林秋禾").count(), names.matches("拟任").count()), (12, 0), "{names}");
        let many = announcement(&nomination(40)).concat();
        assert!(many.contains("一共四十人，名单在账本上。") && !many.contains("林秋禾"), "{many}");
    }

    #[test]
    fn nobody_is_asked_to_object_to_what_is_over_and_a_withdrawn_one_says_so() {
        let over = Announcement { has_outcome: true, is_over: true, ..nomination(1) };
        let said = announcement(&over).concat();
        assert!(said.contains("结果已经公布") && !said.contains("都可以反映"), "{said}");
        let late = announcement(&Announcement { is_over: true, ..nomination(1) }).concat();
        assert!(late.contains("期限已经满了，结果还没有公布") && late.contains("都可以反映"), "{late}");
        let gone = announcement(&Announcement { is_withdrawn: true, ..nomination(1) }).concat();
        assert!(gone.contains("撤回了") && !gone.contains("为止"), "{gone}");
    }

    #[test]
    fn a_month_without_movement_and_a_sheet_without_sums_are_said_as_such() {
        let quiet = sheet(&Sheet {
            no_movement: true,
            largest: Vec::new(),
            totals: Some([Some(1), Some(0), Some(0), Some(1)]),
            ..worked_month()
        });
        assert!(
            quiet.concat().contains("没有一笔收入，也没有一笔支出") && !quiet.concat().contains("零元"),
            "{quiet:?}"
        );
        let text = sheet(&Sheet { totals: None, largest: Vec::new(), ..worked_month() });
        assert!(text.concat().contains("五里桥村公开了二〇二六年二月财务收支明细。"), "{text:?}");
        let titled =
            Sheet { title: "2026年2月党务公开".into(), totals: None, largest: Vec::new(), ..worked_month() };
        let text = sheet(&titled).concat();
        assert!(text.contains("五里桥村公开了二〇二六年二月党务。"), "{text}");
    }

    #[test]
    fn no_script_is_longer_than_a_minute_and_no_figure_is_left_in_digits() {
        let long = "特别长的名称".repeat(40);
        for org in ["村", "河口镇人民政府农业农村办公室2号"] {
            for title in ["2026年公示", long.as_str()] {
                for people in [0, 1, 5, 60] {
                    let said = Announcement { org: org.into(), title: title.into(), ..nomination(people) };
                    let script = announcement(&said);
                    assert!(chars(&script) <= CHARS_MAX, "{}", chars(&script));
                    assert!(!script.concat().contains(|char: char| char.is_ascii_digit()), "{script:?}");
                    let sums = Sheet { org: org.into(), totals: Some([Some(-999_999_999_999); 4]), ..worked_month() };
                    let script = sheet(&sums);
                    assert!(chars(&script) <= CHARS_MAX && !script.concat().contains(|c: char| c.is_ascii_digit()));
                }
            }
        }
    }
}
