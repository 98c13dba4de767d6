//! Charts of accounts as dated tables.
//!
//! Says which accounts the rules of the Ministry of Finance knew on a date, so that a sheet that
//! still uses an abolished account gets a remark. It never refuses a line: villages also post plain
//! categories. To follow a new accounting rule, end the last chart and add the next to [`CHARTS`].

use chrono::{Datelike, NaiveDate};

/// An account of the first level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Three-digit code.
    pub code: &'static str,
    /// Official name, with ASCII parentheses.
    pub name: &'static str,
}

/// One accounting rule's list of accounts.
#[derive(Debug, PartialEq, Eq)]
pub struct Chart {
    /// Name of the rule.
    pub name: &'static str,
    /// Its document number.
    pub basis: &'static str,
    /// First day on which it holds.
    pub from: NaiveDate,
    /// Last day on which it holds; `None` while it is in force.
    pub until: Option<NaiveDate>,
    /// In the official order.
    pub accounts: &'static [Account],
}

impl Chart {
    /// The account of that name; full-width parentheses and surrounding space do not matter.
    pub fn find(&self, name: &str) -> Option<&'static Account> {
        let name = normal(name);
        self.accounts.iter().find(|account| account.name == name)
    }

    /// Whether the chart held on `date`.
    pub fn holds_on(&self, date: NaiveDate) -> bool {
        self.from <= date && self.until.is_none_or(|until| date <= until)
    }
}

/// The charts, oldest first. Before 2005 there is none here: the rule of 1996 is older than any
/// book that is published.
pub static CHARTS: [Chart; 2] = [
    Chart {
        name: "村集体经济组织会计制度",
        basis: "财会〔2004〕12号",
        from: day(2005, 1, 1),
        until: Some(day(2023, 12, 31)),
        accounts: &ACCOUNTS_2004,
    },
    Chart {
        name: "农村集体经济组织会计制度",
        basis: "财会〔2023〕14号",
        from: day(2024, 1, 1),
        until: None,
        accounts: &ACCOUNTS_2023,
    },
];

/// The chart that held on `date`, if there is one here.
pub fn chart_on(date: NaiveDate) -> Option<&'static Chart> {
    CHARTS.iter().find(|chart| chart.holds_on(date))
}

/// Every chart that has an account of that name, oldest first.
pub fn find(name: &str) -> impl Iterator<Item = (&'static Chart, &'static Account)> {
    CHARTS.iter().filter_map(move |chart| chart.find(name).map(|account| (chart, account)))
}

/// The sentence for people if `name` is an official account, but not on `date`.
///
/// A sub-account (管理费用-办公费) is judged by its first level. `None` for a plain category, for
/// an account that held on `date`, and for a date without a chart.
pub fn outdated_on(name: &str, date: NaiveDate) -> Option<String> {
    let top =
        name.split(['-', '\u{2013}', '\u{2014}', '\u{ff0d}', '/', '\\', ':', '\u{ff1a}']).next().unwrap_or(name).trim();
    let current = chart_on(date)?;
    if current.find(top).is_some() {
        return None;
    }
    let (chart, account) = find(top).next()?;
    let (is, name) = (chart.name, account.name);
    Some(match chart.until.filter(|until| *until < date).and_then(|until| until.succ_opt()) {
        Some(end) => {
            format!("科目「{name}」属于《{is}》，自{}起已停用，请改用《{}》的科目", text(end), current.name)
        }
        None => format!("科目「{name}」属于《{is}》，{}起才启用", text(chart.from)),
    })
}

fn normal(name: &str) -> String {
    name.trim().replace('\u{ff08}', "(").replace('\u{ff09}', ")")
}

fn text(date: NaiveDate) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("the dates of this file exist")
}

const fn account(code: &'static str, name: &'static str) -> Account {
    Account { code, name }
}

/// 财会〔2004〕12号, in force from 2005-01-01.
static ACCOUNTS_2004: [Account; 33] = [
    account("101", "现金"),
    account("102", "银行存款"),
    account("111", "短期投资"),
    account("112", "应收款"),
    account("113", "内部往来"),
    account("121", "库存物资"),
    account("131", "牲畜(禽)资产"),
    account("132", "林木资产"),
    account("141", "长期投资"),
    account("151", "固定资产"),
    account("152", "累计折旧"),
    account("153", "固定资产清理"),
    account("154", "在建工程"),
    account("201", "短期借款"),
    account("202", "应付款"),
    account("211", "应付工资"),
    account("212", "应付福利费"),
    account("221", "长期借款及应付款"),
    account("231", "一事一议资金"),
    account("301", "资本"),
    account("311", "公积公益金"),
    account("321", "本年收益"),
    account("322", "收益分配"),
    account("401", "生产(劳务)成本"),
    account("501", "经营收入"),
    account("502", "经营支出"),
    account("511", "发包及上交收入"),
    account("521", "农业税附加返还收入"),
    account("522", "补助收入"),
    account("531", "其他收入"),
    account("541", "管理费用"),
    account("551", "其他支出"),
    account("561", "投资收益"),
];

/// 财会〔2023〕14号, in force from 2024-01-01.
static ACCOUNTS_2023: [Account; 42] = [
    account("101", "库存现金"),
    account("102", "银行存款"),
    account("111", "短期投资"),
    account("112", "应收款"),
    account("113", "内部往来"),
    account("121", "库存物资"),
    account("131", "消耗性生物资产"),
    account("132", "生产性生物资产"),
    account("133", "生产性生物资产累计折旧"),
    account("134", "公益性生物资产"),
    account("141", "长期投资"),
    account("151", "固定资产"),
    account("152", "累计折旧"),
    account("153", "在建工程"),
    account("154", "固定资产清理"),
    account("161", "无形资产"),
    account("162", "累计摊销"),
    account("171", "长期待摊费用"),
    account("181", "待处理财产损溢"),
    account("201", "短期借款"),
    account("211", "应付款"),
    account("212", "应付工资"),
    account("213", "应付劳务费"),
    account("214", "应交税费"),
    account("221", "长期借款及应付款"),
    account("231", "一事一议资金"),
    account("241", "专项应付款"),
    account("301", "资本"),
    account("311", "公积公益金"),
    account("321", "本年收益"),
    account("322", "收益分配"),
    account("401", "生产(劳务)成本"),
    account("501", "经营收入"),
    account("502", "投资收益"),
    account("503", "补助收入"),
    account("504", "其他收入"),
    account("511", "经营支出"),
    account("512", "税金及附加"),
    account("513", "管理费用"),
    account("514", "公益支出"),
    account("515", "其他支出"),
    account("521", "所得税费用"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charts_have_33_and_42_accounts_in_ascending_order() {
        for (chart, accounts) in CHARTS.iter().zip([33, 42]) {
            assert_eq!(chart.accounts.len(), accounts);
            assert!(chart.accounts.windows(2).all(|pair| pair[0].code < pair[1].code));
            let names: std::collections::BTreeSet<_> = chart.accounts.iter().map(|account| account.name).collect();
            assert_eq!(names.len(), accounts);
        }
    }

    #[test]
    fn each_day_since_2005_has_one_chart() {
        assert_eq!(chart_on(day(2004, 12, 31)), None);
        assert_eq!(chart_on(day(2005, 1, 1)), Some(&CHARTS[0]));
        assert_eq!(chart_on(day(2023, 12, 31)), Some(&CHARTS[0]));
        assert_eq!(chart_on(day(2024, 1, 1)), Some(&CHARTS[1]));
    }

    #[test]
    fn full_width_parentheses_find_the_same_account() {
        assert_eq!(CHARTS[1].find("生产\u{ff08}劳务\u{ff09}成本").map(|account| account.code), Some("401"));
        assert_eq!(find("管理费用").count(), 2);
        assert_eq!(find("公益支出").count(), 1);
        assert_eq!(find("办公费").count(), 0);
    }

    #[test]
    fn an_abolished_account_is_named_with_the_day_it_ended() {
        let message = outdated_on("发包及上交收入", day(2024, 3, 1)).unwrap();
        assert!(message.contains("自2024年1月1日起已停用"), "{message}");
        assert_eq!(outdated_on("发包及上交收入", day(2023, 12, 31)), None);
        for name in ["现金-备用金", r"现金\备用金", "现金\u{ff1a}备用金", "现金——备用金"] {
            assert!(outdated_on(name, day(2024, 3, 1)).is_some(), "{name}");
        }
    }

    #[test]
    fn an_account_of_the_future_is_named_too() {
        let message = outdated_on("公益支出", day(2023, 6, 1)).unwrap();
        assert!(message.contains("2024年1月1日起才启用"), "{message}");
    }

    #[test]
    fn plain_categories_and_current_accounts_pass() {
        for name in ["干部报酬", "管理费用", "管理费用-办公费", ""] {
            assert_eq!(outdated_on(name, day(2026, 3, 1)), None, "{name}");
        }
    }
}
