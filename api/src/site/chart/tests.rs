//! What a chart promises, whatever is put into it.

use super::*;

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x>&";
const MISSING: Gap = Gap { mark: "缺", text: "没有公开" };

fn month(year: i32, month: u32, values: Result<Vec<i64>, Gap>) -> MonthRow {
    MonthRow { month: Month { year, month }, values, remark: String::new(), href: None }
}

fn bars(chart: &Chart, wanted: &str) -> Vec<[i64; 4]> {
    let bar = |shape: &Shape| match shape {
        Shape::Bar { at, class, .. } if class.contains(wanted) => Some(*at),
        _ => None,
    };
    chart.shapes.iter().filter_map(bar).collect()
}

fn words(chart: &Chart) -> Vec<&str> {
    chart
        .shapes
        .iter()
        .filter_map(|shape| if let Shape::Text { text, .. } = shape { Some(text.as_str()) } else { None })
        .collect()
}

/// Everything lies inside the drawing.
fn assert_inside(chart: &Chart) {
    for shape in &chart.shapes {
        let (left, top, right, bottom) = match shape {
            Shape::Bar { at: [x, y, w, h], .. } => (*x, *y, x + w, y + h),
            Shape::Dot { at: [x, y], .. } | Shape::Text { at: [x, y], .. } => (*x, *y, *x, *y),
            Shape::Line { .. } => continue,
        };
        assert!(left >= 0 && top >= 0 && right <= WIDTH && bottom <= chart.height, "{shape:?}");
        assert!(right >= left && bottom >= top, "{shape:?}");
    }
}

#[test]
fn nothing_is_drawn_from_nothing_and_it_is_said() {
    for chart in [
        by_month("a", "收支", &["收入", "支出"], &[]),
        by_category("b", "支出", "支出", &[]),
        rate("c", "兑现率", "已兑现", "到期", &[]),
    ] {
        let html = chart.render().unwrap();
        assert!(!html.contains("<svg") && !html.contains("<table"), "{html}");
        assert!(html.contains(chart.nothing));
    }
}

#[test]
fn one_row_is_a_chart_with_a_table() {
    let charts = [
        by_month("a", "收支", &["收入", "支出"], &[month(2026, 2, Ok(vec![126_000, 5]))]),
        by_category("b", "支出", "支出", &[("水电".into(), 126_000)]),
        rate(
            "c",
            "兑现率",
            "已兑现",
            "到期",
            &[RateRow { on: Day::of(2026, 2, 28), permille: Some(666), part: 2, whole: 3 }],
        ),
    ];
    for chart in &charts {
        assert_inside(chart);
        let html = chart.render().unwrap();
        assert!(html.contains("role=\"img\"") && html.contains("<desc id="), "{html}");
        assert!(html.contains("<table>") && !html.contains("style="), "{html}");
    }
    assert!(charts[0].render().unwrap().contains("1,260.00"));
    assert!(charts[2].render().unwrap().contains("66.6%"));
}

#[test]
fn what_is_missing_is_a_gap_in_words_and_never_a_zero() {
    let chart = by_month(
        "a",
        "支出",
        &["支出"],
        &[month(2025, 12, Ok(vec![100])), month(2026, 1, Err(MISSING)), month(2026, 2, Ok(vec![0]))],
    );
    assert_eq!(bars(&chart, "gap").len(), 1);
    assert_eq!(bars(&chart, "bar").len(), 2, "a month of nothing spent is a bar of no height");
    assert_eq!(bars(&chart, "bar")[1][3], 0);
    assert_eq!(chart.rows[1].cells, ["没有公开"]);
    assert_eq!(chart.rows[2].cells, ["0.00"]);
    assert!(words(&chart).contains(&"缺"));
    assert!(chart.desc.contains("共 3 个月，2 个月有数"), "{}", chart.desc);
    let day = |month, permille| RateRow { on: Day::of(2026, month, 28), permille, part: 1, whole: 2 };
    let line = rate("b", "兑现率", "已兑现", "到期", &[day(1, Some(500)), day(2, None), day(3, Some(0))]);
    let path = line.shapes.iter().find_map(|shape| match shape {
        Shape::Line { d, class: "curve" } => Some(d.clone()),
        _ => None,
    });
    assert_eq!(path.unwrap().matches('M').count(), 2, "the line does not run across a month without a rate");
    assert_eq!(line.rows[1].cells[2], "没有到期的");
    assert_eq!(line.rows[2].cells[2], "0%");
}

#[test]
fn negative_amounts_hang_below_the_line_and_keep_their_sign() {
    let chart = by_month(
        "a",
        "支出",
        &["支出"],
        &[month(2026, 1, Ok(vec![-64_403_800])), month(2026, 2, Ok(vec![20_000_000]))],
    );
    assert_inside(&chart);
    let bars = bars(&chart, "bar");
    assert_eq!(bars[0][1], bars[1][1] + bars[1][3], "both stand on the line of 0");
    assert_eq!(chart.rows[0].cells, ["−644,038.00"]);
    assert!(words(&chart).contains(&"−50万"), "{:?}", words(&chart));
    let lying = by_category("b", "支出", "支出", &[("水电".into(), 300), ("退回".into(), -100)]);
    assert_inside(&lying);
    let at: Vec<_> = lying
        .shapes
        .iter()
        .filter_map(|s| if let Shape::Bar { at, .. } = s { Some((at[0], at[2])) } else { None })
        .collect();
    assert_eq!(at, [(90, 270), (0, 90)]);
}

#[test]
fn the_largest_and_smallest_amounts_that_there_are_stay_inside() {
    let ends = [i64::MAX, i64::MIN, 1, -1, 0];
    let rows: Vec<_> = (1..).zip(ends).map(|(m, fen)| month(2026, m, Ok(vec![fen, i64::MAX]))).collect();
    let chart = by_month("a", "收支", &["收入", "支出"], &rows);
    assert_inside(&chart);
    assert!(chart.rows[1].cells[0].starts_with("−92,233,720,368,547,758"));
    let sums: Vec<_> = ends.iter().map(|fen| ("最大".to_owned(), *fen)).collect();
    assert_inside(&by_category("b", "支出", "支出", &sums));
    let tiny = by_month("c", "支出", &["支出"], &[month(2026, 1, Ok(vec![1])), month(2026, 2, Ok(vec![i64::MAX]))]);
    assert_eq!(bars(&tiny, "bar")[0][3], 1, "one fen beside everything is still to be seen");
}

#[test]
fn categories_beyond_the_first_few_are_one_bar_and_all_are_in_the_table() {
    let sums: Vec<_> = (0..14).map(|n| (format!("第{n}类支出名称很长很长很长很长"), 1_400 - n * 100)).collect();
    let chart = by_category("a", "支出", "支出", &sums);
    assert_eq!(bars(&chart, "bar").len(), CATEGORIES_MAX + 1);
    assert_eq!(chart.rows.len(), 14);
    let words = words(&chart);
    assert!(words.contains(&"其余 6 类") && words.iter().any(|word| word.ends_with('…')), "{words:?}");
    assert_inside(&chart);
}

#[test]
fn a_name_never_becomes_markup() {
    let mut by_name = by_category("a", HOSTILE, HOSTILE, &[(HOSTILE.into(), 5)]);
    by_name.notes.push(HOSTILE.into());
    let months =
        by_month("b", HOSTILE, &[HOSTILE], &[MonthRow { remark: HOSTILE.into(), ..month(2026, 1, Ok(vec![5])) }]);
    for chart in [by_name, months] {
        let html = chart.render().unwrap();
        assert!(html.contains("&#60;script&#62;") && !html.contains("<script") && !html.contains("<img"), "{html}");
    }
}

#[test]
fn ticks_are_round_and_written_as_people_write_them() {
    let ticks = |values: &[i64]| {
        let scale = Scale::of(values.iter().copied(), 100);
        let mut at = scale.low;
        let mut found = Vec::new();
        while at <= scale.high {
            found.push(short(i64::try_from(at).unwrap()));
            at += scale.step;
        }
        found
    };
    assert_eq!(ticks(&[0]), ["0", "1"]);
    assert_eq!(ticks(&[123_456]), ["0", "500", "1,000", "1,500"]);
    assert_eq!(ticks(&[3_500_000, -100_000]), ["−1万", "0", "1万", "2万", "3万", "4万"]);
    assert_eq!(ticks(&[31_000_000_000]), ["0", "1亿", "2亿", "3亿", "4亿"]);
    assert_eq!(short(1_500_000), "1.5万");
    assert_eq!((percent(0), percent(1_000), percent(666)), ("0%".into(), "100%".into(), "66.6%".into()));
}

#[test]
fn a_year_is_written_where_it_begins_and_months_do_not_run_together() {
    let months: Vec<_> =
        (0..13_u32).map(|n| month(if n < 8 { 2025 } else { 2026 }, (n + 4) % 12 + 1, Ok(vec![1]))).collect();
    let chart = by_month("a", "支出", &["支出"], &months);
    let words = words(&chart);
    assert_eq!(words.iter().filter(|word| word.ends_with('年')).collect::<Vec<_>>(), [&"2025年", &"2026年"]);
    assert_eq!(words.iter().filter(|word| word.ends_with('月')).count(), 7, "every other month, the last one with it");
    assert!(words.contains(&"5月"));
}
