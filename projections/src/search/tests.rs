//! What people may expect of the search. All people, places and sums are made up (虚构).

use std::fs;
use std::path::Path;

use super::*;

const HEAP: usize = 15_000_000;
const VERSION: u32 = 7;

fn document(stream: &str, title: &str, text: &str) -> Document {
    Document {
        stream: stream.to_owned(),
        family: "pledge".to_owned(),
        kind: "承诺事项".to_owned(),
        status: "made".to_owned(),
        orgs: vec!["33".to_owned(), "3310".to_owned()],
        years: vec![2025],
        date: 20_000,
        title: title.to_owned(),
        texts: vec![text.to_owned()],
        names: Vec::new(),
        index: 1,
    }
}

fn named(stream: &str, name: &str) -> Document {
    Document { names: vec![name.to_owned()], ..document(stream, "虚构的事项", "虚构的内容") }
}

fn put(documents: impl IntoIterator<Item = Document>) -> Vec<Change> {
    documents.into_iter().map(|document| Change::Put(Box::new(document))).collect()
}

fn index_of(documents: impl IntoIterator<Item = Document>) -> SearchIndex {
    let index = SearchIndex::in_memory(VERSION).unwrap();
    index.writer(HEAP).unwrap().apply(put(documents), 1).unwrap();
    index
}

fn search(index: &SearchIndex, text: &str) -> Hits {
    ask(index, QueryParams { text: text.to_owned(), ..QueryParams::default() })
}

fn ask(index: &SearchIndex, params: QueryParams) -> Hits {
    index.search(&Query::new(params).unwrap()).unwrap()
}

fn streams(hits: &Hits) -> Vec<&str> {
    hits.hits.iter().map(|hit| hit.stream.as_str()).collect()
}

fn found(index: &SearchIndex, text: &str) -> Vec<String> {
    search(index, text).hits.into_iter().map(|hit| hit.stream).collect()
}

fn opened(dir: &Path, version: u32) -> SearchIndex {
    match SearchIndex::open(dir, version).unwrap() {
        Opened::Ready(index) => *index,
        Opened::Rebuild(reason) => panic!("to be rebuilt: {reason:?}"),
    }
}

fn refused(dir: &Path, version: u32) -> RebuildReason {
    match SearchIndex::open(dir, version).unwrap() {
        Opened::Ready(_) => panic!("the index was accepted"),
        Opened::Rebuild(reason) => reason,
    }
}

fn files_hold(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn a_word_of_two_characters_is_found_anywhere_in_title_or_text() {
    let index = index_of([
        document("a", "南京市长江大桥维修", "桥面"),
        document("b", "修路", "南京市长江大桥旁"),
        document("c", "市容", "长者"),
    ]);
    let mut hits = found(&index, "市长");
    hits.sort();
    assert_eq!(hits, ["a", "b"]);
    assert_eq!(found(&index, "桥面"), ["a"]);
}

#[test]
fn a_query_of_one_character_is_found_in_title_name_and_text() {
    let index =
        index_of([document("text", "修路", "村口的桥"), document("title", "桥", "无"), named("name", "桥头村")]);
    assert_eq!(found(&index, "桥"), ["title", "name", "text"]);
}

#[test]
fn simplified_finds_traditional_and_the_other_way() {
    let index =
        index_of([document("t", "農村財務公開", "公廁電費說明"), document("s", "农村财务公开", "公厕电费说明")]);
    for text in ["财务公开", "財務公開", "電費", "电费", "厕", "廁"] {
        assert_eq!(search(&index, text).total, 2, "{text}");
    }
}

#[test]
fn the_characters_of_a_run_must_touch() {
    let index = index_of([document("apart", "长廊与江边", "大路 桥"), document("near", "长江大桥", "")]);
    assert_eq!(found(&index, "长江大桥"), ["near"]);
    assert_eq!(found(&index, "长江大"), ["near"]);
    let index = index_of([document("crossed", "江大长江桥大桥", "")]);
    assert_eq!(search(&index, "长江大桥").total, 0);
}

#[test]
fn all_terms_must_match() {
    let index = index_of([document("both", "低保名单", "东村"), document("one", "低保名单", "西村")]);
    assert_eq!(found(&index, "低保 东村"), ["both"]);
    assert_eq!(search(&index, "低保 北村").total, 0);
}

#[test]
fn a_run_that_stands_nowhere_is_searched_by_its_words_and_says_so() {
    let index = index_of([document("a", "低保人员名单", "")]);
    let hits = search(&index, "低保名单");
    assert_eq!((streams(&hits), hits.relaxed), (vec!["a"], true));
    assert!(!search(&index, "低保人员").relaxed);
    assert!(!search(&index, "危房改造").relaxed);
}

#[test]
fn every_character_is_literal() {
    let index = index_of([document("a", "甲乙 OR 丙丁", "100% *")]);
    for text in ["title:甲乙", "甲* 戊", "(甲乙 戊己)", "甲乙 AND 丙丁", "甲~2 [", "\\甲己"] {
        assert_eq!(search(&index, text).total, 0, "{text}");
    }
    // A minus excludes nothing, a quotation mark groups nothing.
    for text in ["+甲乙 (OR) ^", "甲乙 -丙丁", "\"甲 丁\""] {
        assert_eq!(search(&index, text).total, 1, "{text}");
    }
    assert_eq!(search(&index, "%*?").total, 0);
}

#[test]
fn numbers_and_latin_words_are_found_in_any_width_and_case() {
    let index = index_of([document("a", "GB/T 1234 与 2025 年 3 月报表", "合计6,440.38元")]);
    for text in ["gb/t", "ＧＢ", "1234", "3月", "2025年3月", "6440.38", "6,440.38", "6440"] {
        assert_eq!(search(&index, text).total, 1, "{text}");
    }
    for text in ["4月", "123", "644"] {
        assert_eq!(search(&index, text).total, 0, "{text}");
    }
}

#[test]
fn a_name_is_found_by_pinyin_whole_spaced_initials_and_prefix() {
    let index = index_of([named("a", "张伟"), named("b", "李小明"), named("c", "吕梁")]);
    for text in ["zhangwei", "zhang wei", "Zhang Wei", "zw", "zhangw", "zhang", "wei", "张伟", "張偉"] {
        assert_eq!(found(&index, text), ["a"], "{text}");
    }
    for (text, stream) in [
        ("lixm", None),
        ("lxm", Some("b")),
        ("xiaoming", Some("b")),
        ("lixiaom", Some("b")),
        ("lvliang", Some("c")),
        ("lüliang", Some("c")),
    ] {
        assert_eq!(found(&index, text), Vec::from_iter(stream), "{text}");
    }
}

#[test]
fn a_name_with_several_readings_is_found_by_each() {
    let index = index_of([named("shan", "单伟"), named("zeng", "曾明"), named("cq", "重庆市")]);
    for (text, stream) in [
        ("shanwei", "shan"),
        ("danwei", "shan"),
        ("sw", "shan"),
        ("zengming", "zeng"),
        ("ceng ming", "zeng"),
        ("zm", "zeng"),
        ("cm", "zeng"),
        ("chongqing", "cq"),
        ("zhongqing", "cq"),
        ("cqs", "cq"),
    ] {
        assert_eq!(found(&index, text), [stream], "{text}");
    }
}

#[test]
fn title_goes_before_name_before_text_and_then_the_newer() {
    let old = |stream: &str, title: &str, text: &str| Document { date: 10, ..document(stream, title, text) };
    let index = index_of([
        document("text", "公告", "关于市长"),
        Document { date: 30_000, ..document("newer text", "公告", "关于市长") },
        Document { names: vec!["市长坪".to_owned()], ..old("name", "公告", "无") },
        old("inside", "南京市长江大桥", "无"),
        old("word", "市长信箱", "无"),
    ]);
    assert_eq!(found(&index, "市长"), ["word", "inside", "name", "newer text", "text"]);
}

#[test]
fn the_earlier_versions_and_the_kind_are_found_too() {
    let two =
        Document { texts: vec!["现文".to_owned(), "旧稿里的水渠".to_owned()], ..document("a", "承诺", "") };
    let index = index_of([two]);
    assert_eq!(found(&index, "水渠"), ["a"]);
    assert_eq!(found(&index, "承诺事项"), ["a"]);
}

#[test]
fn each_filter_narrows() {
    let other = Document {
        family: "notice".to_owned(),
        status: "closed".to_owned(),
        orgs: vec!["33".to_owned(), "3311".to_owned()],
        years: vec![2023, 2024],
        date: 19_000,
        ..document("b", "修桥", "")
    };
    let index = index_of([document("a", "修桥", ""), other]);
    let with = |change: fn(&mut QueryParams)| {
        let mut params = QueryParams { text: "修桥".to_owned(), ..QueryParams::default() };
        change(&mut params);
        ask(&index, params).hits.into_iter().map(|hit| hit.stream).collect::<Vec<_>>()
    };
    assert_eq!(with(|_| ()), ["a", "b"]);
    assert_eq!(with(|params| params.family = Some("notice".to_owned())), ["b"]);
    assert_eq!(with(|params| params.org = Some("33".to_owned())), ["a", "b"]);
    assert_eq!(with(|params| params.org = Some("3311".to_owned())), ["b"]);
    assert_eq!(with(|params| params.year = Some(2023)), ["b"]);
    assert_eq!(with(|params| params.statuses = vec!["made".to_owned(), "open".to_owned()]), ["a"]);
    assert_eq!(with(|params| params.date_to = Some(19_000)), ["b"]);
    assert_eq!(with(|params| params.date_from = Some(19_001)), ["a"]);
    assert_eq!(with(|params| params.text.clear()), ["a", "b"]);
}

#[test]
fn pages_join_without_gap_and_tell_the_total() {
    let numbered =
        |n: u16| Document { index: n.into(), date: (n / 10).into(), ..document(&format!("{n:03}"), "修桥", "") };
    let index = index_of((0..250).map(numbered));
    let page =
        |offset| ask(&index, QueryParams { text: "修桥".to_owned(), offset, limit: 100, ..QueryParams::default() });
    let all: Vec<Hits> = [0, 100, 200, 300].map(page).into();
    assert!(all.iter().all(|hits| hits.total == 250));
    let listed: Vec<String> = all.into_iter().flat_map(|hits| hits.hits).map(|hit| hit.stream).collect();
    assert_eq!(listed, (0..250).rev().map(|n| format!("{n:03}")).collect::<Vec<_>>());
}

#[test]
fn a_query_out_of_bounds_is_refused_with_its_number() {
    let refused = |params| Query::new(params).unwrap_err();
    let params = QueryParams::default;
    assert_eq!(
        refused(QueryParams { text: "桥".repeat(TEXT_CHARS_MAX + 1), ..params() }),
        QueryRefused::TextTooLong(101)
    );
    assert_eq!(refused(QueryParams { text: "桥 ".repeat(TERMS_MAX + 1), ..params() }), QueryRefused::TooManyTerms(17));
    assert_eq!(refused(QueryParams { limit: LIMIT_MAX + 1, ..params() }), QueryRefused::LimitTooLarge(101));
    assert_eq!(refused(QueryParams { offset: OFFSET_MAX + 1, ..params() }), QueryRefused::OffsetTooLarge(10_001));
    assert_eq!(
        refused(QueryParams { statuses: vec![String::new(); 33], ..params() }),
        QueryRefused::TooManyStatuses(33)
    );
    assert!(Query::new(QueryParams { text: "桥".repeat(TEXT_CHARS_MAX), ..params() }).is_ok());
}

#[test]
fn hits_are_marked_in_the_original_writing() {
    let text = format!("{}公廁電費<b>說明", "前".repeat(200));
    let index =
        index_of([Document { names: vec!["张伟".to_owned()], ..document("a", "張偉：公廁電費", &text) }]);
    let marked = |segments: &[Segment]| {
        segments
            .iter()
            .map(|part| if part.hit { format!("[{}]", part.text) } else { part.text.clone() })
            .collect::<String>()
    };
    let hit = &search(&index, "电费").hits[0];
    assert_eq!(marked(&hit.title), "張偉：公廁[電費]");
    assert_eq!(marked(&hit.snippet), format!("…{}公廁[電費]<b>說明", "前".repeat(18)));
    assert_eq!(marked(&search(&index, "zhangw").hits[0].title), "[張偉]：公廁電費");
    assert_eq!(marked(&search(&index, "zw").hits[0].title), "[張偉]：公廁電費");
}

#[test]
fn a_stream_is_replaced_by_its_next_state_also_within_one_batch() {
    let index = index_of([document("a", "旧标题", ""), document("a", "中标题", "")]);
    assert_eq!((search(&index, "中标").total, search(&index, "旧标").total, index.len()), (1, 0, 1));
    let mut writer = index.writer(HEAP).unwrap();
    writer.apply(put([document("a", "新标题", "")]), 2).unwrap();
    assert_eq!((search(&index, "新标").total, search(&index, "中标").total, index.len()), (1, 0, 1));
    writer.apply([Change::Remove("a".to_owned())], 3).unwrap();
    assert!(index.is_empty());
}

#[test]
fn the_reached_log_index_is_read_back_and_an_empty_batch_moves_it() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path(), VERSION);
    assert_eq!(index.reached(), None);
    let mut writer = index.writer(HEAP).unwrap();
    writer.apply(put([document("a", "修桥", "")]), 41).unwrap();
    writer.apply([], 42).unwrap();
    assert_eq!(index.reached(), Some(42));
    drop((writer, index));
    let index = opened(dir.path(), VERSION);
    assert_eq!((index.reached(), found(&index, "修桥")), (Some(42), vec!["a".to_owned()]));
}

#[test]
fn a_refused_batch_leaves_the_index_as_it_was() {
    let index = index_of([document("a", "修桥", "")]);
    let mut writer = index.writer(HEAP).unwrap();
    let batch = put([document("b", "修路", ""), document(&"x".repeat(513), "修渠", "")]);
    assert!(matches!(writer.apply(batch, 9), Err(SearchError::StreamTooLong(513))));
    assert_eq!((index.reached(), index.len()), (Some(1), 1));
    writer.apply(put([document("c", "修渠", "")]), 9).unwrap();
    assert_eq!((index.reached(), index.len(), search(&index, "修路").total), (Some(9), 2, 0));
}

#[test]
fn a_second_reader_sees_a_commit_after_reload() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (opened(dir.path(), VERSION), opened(dir.path(), VERSION));
    here.writer(HEAP).unwrap().apply(put([document("a", "修桥", "")]), 5).unwrap();
    assert_eq!((there.reached(), there.len()), (None, 0));
    there.reload().unwrap();
    assert_eq!((there.reached(), there.len()), (Some(5), 1));
}

#[test]
fn an_index_of_another_version_is_to_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    opened(dir.path(), VERSION).writer(HEAP).unwrap().apply([], 0).unwrap();
    assert_eq!(refused(dir.path(), VERSION + 1), RebuildReason::VersionDiffers { found: VERSION, wanted: VERSION + 1 });
    assert_eq!(opened(dir.path(), VERSION).reached(), Some(0));
}

#[test]
fn an_index_with_other_fields_is_to_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    tantivy::Index::create_in_dir(dir.path(), tantivy::schema::Schema::builder().build()).unwrap();
    assert_eq!(refused(dir.path(), VERSION), RebuildReason::SchemaDiffers);
}

#[test]
fn a_damaged_index_is_to_be_rebuilt() {
    for extension in ["meta.json", "term", "idx", "pos", "fast", "store"] {
        for left in [None, Some(0), Some(10)] {
            let dir = tempfile::tempdir().unwrap();
            opened(dir.path(), VERSION).writer(HEAP).unwrap().apply(put([named("a", "张伟")]), 1).unwrap();
            let paths = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
            let harmed = paths
                .filter(|path| path.ends_with(extension) || path.extension().is_some_and(|found| found == extension));
            for path in harmed {
                match left {
                    None => fs::remove_file(path).unwrap(),
                    Some(bytes) => fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap(),
                }
            }
            let opened = SearchIndex::open(dir.path(), VERSION);
            assert!(
                matches!(opened, Ok(Opened::Rebuild(RebuildReason::Corrupt(_)))),
                "{extension} {left:?}: {:?}",
                opened.err()
            );
        }
    }
}

#[test]
fn one_flipped_byte_is_named_by_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path(), VERSION);
    index.writer(HEAP).unwrap().apply(put([document("a", "修桥", "虚构")]), 1).unwrap();
    assert!(index.damaged_files().unwrap().is_empty());
    drop(index);
    let store = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let store = store.into_iter().find(|path| path.extension().is_some_and(|found| found == "store")).unwrap();
    let mut bytes = fs::read(&store).unwrap();
    bytes[3] ^= 1;
    fs::write(&store, bytes).unwrap();
    assert_eq!(opened(dir.path(), VERSION).damaged_files().unwrap(), [Path::new(store.file_name().unwrap())]);
}

#[test]
fn after_a_purge_no_byte_of_a_removed_text_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path(), VERSION);
    let mut writer = index.writer(HEAP).unwrap();
    let secret = Document {
        names: vec!["欧阳虚构".to_owned()], ..document("stream-gone", "撤下的标题", "撤下的正文")
    };
    let replaced = document("stream-kept", "改前", "改前的正文");
    writer.apply(put([secret, replaced, document("other", "留下", "留下的正文")]), 1).unwrap();
    let gone = ["撤下的标题", "撤下的正文", "stream-gone", "改前的正文"];
    writer.apply([Change::Remove("stream-gone".to_owned())], 2).unwrap();
    writer.apply(put([document("stream-kept", "改后", "改后的正文")]), 3).unwrap();
    assert!(gone.iter().all(|text| files_hold(dir.path(), text)), "removal alone does not clean the files");
    assert!(vocabulary(&index).contains("撤下"));

    let purged = writer.purge().unwrap();
    assert!(purged.complete && purged.segments >= 1, "{purged:?}");
    for text in gone {
        assert!(!files_hold(dir.path(), text), "{text}");
    }
    assert!(files_hold(dir.path(), "改后的正文") && files_hold(dir.path(), "留下的正文"));
    let words = vocabulary(&index);
    for term in ["撤下", "撤", "ouyang", "oy", "欧阳", "改前"] {
        assert!(!words.contains(term), "{term}");
    }
    assert!(words.contains("改后") && words.contains("留下"));
    assert_eq!((index.reached(), index.len()), (Some(3), 2));
    writer.apply(put([document("more", "再加", "")]), 4).unwrap();
    assert_eq!((opened(dir.path(), VERSION).reached(), index.len()), (Some(4), 3));
}

fn index_with_a_removal(dir: &Path) -> (SearchIndex, SearchWriter) {
    let index = opened(dir, VERSION);
    let mut writer = index.writer(HEAP).unwrap();
    writer.apply(put([document("a", "撤下的标题", ""), document("b", "留下", "")]), 1).unwrap();
    writer.apply([Change::Remove("a".to_owned())], 2).unwrap();
    (index, writer)
}

#[test]
fn a_purge_is_not_called_complete_while_an_old_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (index, mut writer) = index_with_a_removal(dir.path());
    let in_use = index.segments().unwrap();
    assert!(!writer.purge().unwrap().complete);
    assert!(files_hold(dir.path(), "撤下的标题"));
    drop(in_use);
    assert!(writer.purge().unwrap().complete);
    assert!(!files_hold(dir.path(), "撤下的标题"));
}

#[test]
fn a_running_search_does_not_hinder_a_purge() {
    let dir = tempfile::tempdir().unwrap();
    let (index, mut writer) = index_with_a_removal(dir.path());
    let running = index.searcher();
    assert!(writer.purge().unwrap().complete);
    assert!(!files_hold(dir.path(), "撤下的标题"));
    assert_eq!((running.num_docs(), found(&index, "留下")), (1, vec!["b".to_owned()]));
}

#[test]
fn purging_the_last_document_leaves_an_index_that_still_knows_what_it_reached() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path(), VERSION);
    let mut writer = index.writer(HEAP).unwrap();
    writer.apply(put([document("a", "撤下的标题", "撤下的正文")]), 1).unwrap();
    writer.apply([Change::Remove("a".to_owned())], 2).unwrap();
    assert!(writer.purge().unwrap().complete);
    assert!(!files_hold(dir.path(), "撤下的正文"));
    drop((writer, index));
    assert_eq!(opened(dir.path(), VERSION).reached(), Some(2));
}

/// All terms of all fields, as the files hold them.
fn vocabulary(index: &SearchIndex) -> std::collections::HashSet<String> {
    index.vocabulary().unwrap().into_iter().collect()
}
