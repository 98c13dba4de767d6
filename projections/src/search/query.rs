//! What a person typed, checked and turned into an index query; and the hits, ranked and marked.
//!
//! All terms must match. A run of touching characters is one term and must be found adjacent. The best place of each
//! term counts (a word of the title, the title, a name, a name's pinyin, the text); equal ranks show the newer first.
//! If runs as typed match nothing, they are cut into dictionary words once, and [`Hits::relaxed`] says so.
//!
//! What it is not: a language. There are no operators, fields, wildcards or escapes to learn or to abuse.
//! To extend: a new filter is a field of [`QueryParams`] and a clause in `filters`; a new rank is a constant below.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{Bound, Range};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, Occur, PhraseQuery, RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader, Term};

use super::analyze::{self, Reading, SPELLING_LETTERS_MAX, SPELLING_LETTERS_MIN, Unit};
use super::index::{DATE, Fields, INDEX};

type BoxedQuery = Box<dyn tantivy::query::Query>;

/// Longest query; the search box takes no more.
pub const TEXT_CHARS_MAX: usize = 100;
/// Terms of one query: each costs several lookups.
pub const TERMS_MAX: usize = 16;
/// Longest page of hits.
pub const LIMIT_MAX: usize = 100;
/// Deepest page: every hit before it is ranked again for each page.
pub const OFFSET_MAX: usize = 10_000;
/// Statuses of one filter; no family has as many.
pub const STATUSES_MAX: usize = 32;
/// Characters of a text shown around its first hit.
const SNIPPET_CHARS: usize = 120;
/// Characters shown before the first hit.
const SNIPPET_LEAD_CHARS: usize = 20;

const RANK_TITLE_WORD: Score = 5.0;
const RANK_TITLE: Score = 4.0;
const RANK_NAME: Score = 3.0;
const RANK_PINYIN: Score = 2.0;
const RANK_TEXT: Score = 1.0;

/// A search as the caller gives it. Empty and `None` mean "any". Dates are day numbers, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryParams {
    pub text: String,
    pub family: Option<String>,
    /// An organization code: it and everything below it.
    pub org: Option<String>,
    pub year: Option<i64>,
    pub statuses: Vec<String>,
    pub date_from: Option<i64>,
    pub date_to: Option<i64>,
    pub offset: usize,
    pub limit: usize,
}

impl Default for QueryParams {
    fn default() -> Self {
        Self {
            text: String::new(),
            family: None,
            org: None,
            year: None,
            statuses: Vec::new(),
            date_from: None,
            date_to: None,
            offset: 0,
            limit: 20,
        }
    }
}

/// Why a search is not run; an answer for the person, not a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryRefused {
    #[error("the query has {0} characters, at most {TEXT_CHARS_MAX} are searched")]
    TextTooLong(usize),
    #[error("the query has {0} terms, at most {TERMS_MAX} are searched")]
    TooManyTerms(usize),
    #[error("{0} hits were asked for, a page has at most {LIMIT_MAX}")]
    LimitTooLarge(usize),
    #[error("the page starts at {0}, the deepest starts at {OFFSET_MAX}")]
    OffsetTooLarge(usize),
    #[error("{0} statuses were given, at most {STATUSES_MAX} are filtered")]
    TooManyStatuses(usize),
}

/// Units that touch and must be found touching.
type Chain = Vec<Unit>;

/// A checked search.
#[derive(Clone, Debug)]
pub struct Query {
    params: QueryParams,
    terms: Vec<SearchTerm>,
}

#[derive(Clone, Debug)]
enum SearchTerm {
    Run(Chain),
    /// Neighbouring words of Latin letters: themselves, or together the pinyin of a name (`zhang wei`).
    Latin {
        runs: Vec<Chain>,
        joined: String,
    },
}

impl Query {
    /// Checks the bounds and reads the terms.
    pub fn new(params: QueryParams) -> Result<Self, QueryRefused> {
        let chars = params.text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return Err(QueryRefused::TextTooLong(chars));
        }
        if params.limit > LIMIT_MAX {
            return Err(QueryRefused::LimitTooLarge(params.limit));
        }
        if params.offset > OFFSET_MAX {
            return Err(QueryRefused::OffsetTooLarge(params.offset));
        }
        if params.statuses.len() > STATUSES_MAX {
            return Err(QueryRefused::TooManyStatuses(params.statuses.len()));
        }
        let runs = chains(analyze::units(&params.text, Reading::Typed));
        if runs.len() > TERMS_MAX {
            return Err(QueryRefused::TooManyTerms(runs.len()));
        }
        Ok(Self { terms: gather(runs), params })
    }

    pub(super) fn page(&self) -> Range<usize> {
        self.params.offset..self.params.offset + self.params.limit
    }

    /// The same search with each Chinese run cut into words, if that differs and stays within the terms of a query.
    pub(super) fn relaxed(&self) -> Option<Self> {
        let mut runs: Vec<Chain> = Vec::new();
        for term in &self.terms {
            match term {
                SearchTerm::Run(run) if run.len() > 2 && run.iter().all(|unit| unit.han) => {
                    runs.extend(split(run));
                }
                SearchTerm::Run(run) => runs.push(run.clone()),
                SearchTerm::Latin { runs: latin, .. } => runs.extend(latin.iter().cloned()),
            }
        }
        let before: usize = self.terms.iter().map(SearchTerm::runs_count).sum();
        (before + 1..=TERMS_MAX)
            .contains(&runs.len())
            .then(|| Self { params: self.params.clone(), terms: gather(runs) })
    }

    /// The index query, or `None` if what was typed holds nothing that can be searched (only punctuation).
    pub(super) fn compile(&self, fields: &Fields) -> Option<BoxedQuery> {
        if self.terms.is_empty() && !self.params.text.trim().is_empty() {
            return None;
        }
        let mut clauses: Vec<(Occur, BoxedQuery)> = self.filters(fields);
        clauses.extend(self.terms.iter().map(|term| (Occur::Must, term.compile(fields))));
        if clauses.is_empty() {
            clauses.push((Occur::Must, ranked(AllQuery, 0.0)));
        }
        Some(Box::new(BooleanQuery::new(clauses)))
    }

    fn filters(&self, fields: &Fields) -> Vec<(Occur, BoxedQuery)> {
        let params = &self.params;
        let mut must: Vec<BoxedQuery> = Vec::new();
        must.extend(params.family.iter().map(|family| term(fields.family, family, 0.0)));
        must.extend(params.org.iter().map(|org| term(fields.org, org, 0.0)));
        if let Some(year) = params.year {
            must.push(ranked(TermQuery::new(Term::from_field_i64(fields.year, year), IndexRecordOption::Basic), 0.0));
        }
        if !params.statuses.is_empty() {
            let any = params.statuses.iter().map(|status| term(fields.status, status, 0.0)).collect();
            must.push(ranked(BooleanQuery::union(any), 0.0));
        }
        if params.date_from.is_some() || params.date_to.is_some() {
            let day = |day: i64| Bound::Included(Term::from_field_i64(fields.date, day));
            let from = day(params.date_from.unwrap_or(i64::MIN));
            let to = day(params.date_to.unwrap_or(i64::MAX));
            must.push(ranked(RangeQuery::new(from, to), 0.0));
        }
        must.into_iter().map(|query| (Occur::Must, query)).collect()
    }

    /// Cuts a shown text into segments; `hit` marks what was searched.
    pub(super) fn mark(&self, text: &str) -> Vec<Segment> {
        segments(text, 0..text.len(), &self.spans(text))
    }

    /// The part of a text around its first hit, or its beginning.
    pub(super) fn snippet(&self, text: &str) -> Vec<Segment> {
        let spans = self.spans(text);
        let first = spans.first().map_or(0, |span| span.start);
        let start = text[..first].char_indices().rev().take(SNIPPET_LEAD_CHARS).last().map_or(first, |(at, _)| at);
        let end = text[start..].char_indices().nth(SNIPPET_CHARS).map_or(text.len(), |(at, _)| start + at);
        let mut parts = segments(text, start..end, &spans);
        let cut = || Segment { text: "…".to_owned(), hit: false };
        if start > 0 {
            parts.insert(0, cut());
        }
        if end < text.len() {
            parts.push(cut());
        }
        parts
    }

    /// Byte ranges of hits, in order, not overlapping.
    fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let units = analyze::units(text, Reading::Stored);
        let mut spans: Vec<Range<usize>> = Vec::new();
        for at in 0..units.len() {
            let longest = self.terms.iter().filter_map(|term| term.matched(&units[at..])).max();
            let Some(len) = longest else { continue };
            let (start, end) = (units[at].start, units[at + len - 1].end);
            match spans.last_mut() {
                Some(last) if last.end >= start => last.end = last.end.max(end),
                _ => spans.push(start..end),
            }
        }
        spans
    }
}

/// Splits units where they do not touch.
fn chains(units: Vec<Unit>) -> Vec<Chain> {
    let mut runs: Vec<Chain> = Vec::new();
    for unit in units {
        match runs.last_mut() {
            Some(run) if unit.chained => run.push(unit),
            _ => runs.push(vec![unit]),
        }
    }
    runs
}

/// Cuts one Chinese run into dictionary words.
fn split(run: &[Unit]) -> Vec<Chain> {
    let text: String = run.iter().map(|unit| unit.text.as_str()).collect();
    let mut rest = run.iter().cloned();
    analyze::segment(&text).iter().map(|word| rest.by_ref().take(word.chars().count()).collect()).collect()
}

/// Puts neighbouring Latin words into one term.
fn gather(runs: Vec<Chain>) -> Vec<SearchTerm> {
    let mut terms: Vec<SearchTerm> = Vec::new();
    for run in runs {
        let Some(letters) = letters(&run) else {
            terms.push(SearchTerm::Run(run));
            continue;
        };
        match terms.last_mut() {
            Some(SearchTerm::Latin { runs, joined }) => {
                runs.push(run);
                joined.push_str(&letters);
            }
            _ => terms.push(SearchTerm::Latin { runs: vec![run], joined: letters }),
        }
    }
    terms
}

/// The letters of a run that could be pinyin.
fn letters(run: &[Unit]) -> Option<String> {
    let joined: String = run.iter().map(|unit| unit.text.replace('ü', "v")).collect();
    joined.chars().all(|c| c.is_ascii_lowercase()).then_some(joined)
}

impl SearchTerm {
    fn runs_count(&self) -> usize {
        match self {
            Self::Run(_) => 1,
            Self::Latin { runs, .. } => runs.len(),
        }
    }

    fn compile(&self, fields: &Fields) -> BoxedQuery {
        match self {
            Self::Run(run) => Box::new(DisjunctionMaxQuery::new(places(run, fields))),
            Self::Latin { runs, joined } => {
                let each = runs.iter().map(|run| {
                    let mut anywhere = places(run, fields);
                    anywhere.extend(letters(run).and_then(|letters| spelled(&letters, fields)));
                    Box::new(DisjunctionMaxQuery::new(anywhere)) as BoxedQuery
                });
                let apart: BoxedQuery = match runs.len() {
                    1 => return Box::new(DisjunctionMaxQuery::new(each.collect())),
                    _ => Box::new(BooleanQuery::intersection(each.collect())),
                };
                Box::new(DisjunctionMaxQuery::new(spelled(joined, fields).into_iter().chain([apart]).collect()))
            }
        }
    }

    /// How many units at the beginning are this term.
    fn matched(&self, units: &[Unit]) -> Option<usize> {
        match self {
            Self::Run(run) => begins(units, run),
            Self::Latin { runs, joined } => {
                let word = runs.iter().filter_map(|run| begins(units, run)).max();
                word.or_else(|| spells(units, joined).filter(|len| *len > 1))
            }
        }
    }
}

fn begins(units: &[Unit], run: &[Unit]) -> Option<usize> {
    let fits = units.len() >= run.len()
        && units
            .iter()
            .zip(run)
            .enumerate()
            .all(|(at, (unit, typed))| unit.text == typed.text && (at == 0 || unit.chained));
    fits.then_some(run.len())
}

/// How many Chinese characters at the beginning are spelled by these letters, whole, as a prefix, or by initials.
fn spells(units: &[Unit], letters: &str) -> Option<usize> {
    let initials = units.len() >= letters.len()
        && letters
            .chars()
            .zip(units)
            .all(|(letter, unit)| unit.han && analyze::readings(unit).iter().any(|r| r.starts_with(letter)));
    if initials && letters.len() > 1 {
        return Some(letters.len());
    }
    let unit = units.first().filter(|unit| unit.han)?;
    let mut longest = None;
    for reading in analyze::readings(unit) {
        let len = match letters.strip_prefix(reading.as_str()) {
            Some("") => Some(1),
            Some(rest) => syllables(&units[1..], rest).map(|len| len + 1),
            None => None,
        };
        longest = longest.max(len);
    }
    longest
}

/// As [`spells`], for the syllables after the first: no initials any more, and the last may be a prefix.
fn syllables(units: &[Unit], letters: &str) -> Option<usize> {
    let unit = units.first().filter(|unit| unit.han)?;
    let mut longest = None;
    for reading in analyze::readings(unit) {
        let len = match letters.strip_prefix(reading.as_str()) {
            Some("") => Some(1),
            Some(rest) => syllables(&units[1..], rest).map(|len| len + 1),
            None => reading.starts_with(letters).then_some(1),
        };
        longest = longest.max(len);
    }
    longest
}

fn ranked(query: impl tantivy::query::Query, rank: Score) -> BoxedQuery {
    Box::new(ConstScoreQuery::new(Box::new(query), rank))
}

fn term(field: Field, text: &str, rank: Score) -> BoxedQuery {
    ranked(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic), rank)
}

fn spelled(letters: &str, fields: &Fields) -> Option<BoxedQuery> {
    (SPELLING_LETTERS_MIN..=SPELLING_LETTERS_MAX)
        .contains(&letters.len())
        .then(|| term(fields.pinyin, letters, RANK_PINYIN))
}

/// Where one run may stand.
fn places(run: &[Unit], fields: &Fields) -> Vec<BoxedQuery> {
    if let [one] = run {
        let (title, names, text) = if one.han {
            (fields.title_chars, fields.names_chars, fields.text_chars)
        } else {
            (fields.title, fields.names, fields.text)
        };
        return vec![
            term(title, &one.text, RANK_TITLE),
            term(names, &one.text, RANK_NAME),
            term(text, &one.text, RANK_TEXT),
        ];
    }
    let mut places = vec![
        adjacent(fields.title, run, RANK_TITLE),
        adjacent(fields.names, run, RANK_NAME),
        adjacent(fields.text, run, RANK_TEXT),
    ];
    if run.iter().all(|unit| unit.han) {
        let word: String = run.iter().map(|unit| unit.text.as_str()).collect();
        places.push(term(fields.title_words, &word, RANK_TITLE_WORD));
    }
    places
}

/// Pairs cover the run: 0-1, 2-3, … and the last two; each at its place.
fn adjacent(field: Field, run: &[Unit], rank: Score) -> BoxedQuery {
    let pair = |at: usize| (at, Term::from_field_text(field, &analyze::pair(&run[at], &run[at + 1])));
    if run.len() == 2 {
        return ranked(TermQuery::new(pair(0).1, IndexRecordOption::Basic), rank);
    }
    let mut pairs: Vec<(usize, Term)> = (0..run.len() - 1).step_by(2).map(pair).collect();
    if run.len() % 2 == 1 {
        pairs.push(pair(run.len() - 2));
    }
    ranked(PhraseQuery::new_with_offset(pairs), rank)
}

/// A piece of plain text; escaping is the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    pub hit: bool,
}

fn segments(text: &str, shown: Range<usize>, spans: &[Range<usize>]) -> Vec<Segment> {
    let mut parts = Vec::new();
    let mut push = |from: usize, to: usize, hit: bool| {
        if from < to {
            parts.push(Segment { text: text[from..to].to_owned(), hit });
        }
    };
    let mut at = shown.start;
    for span in spans.iter().filter(|span| span.start < shown.end && span.end > shown.start) {
        let (from, to) = (span.start.max(at), span.end.min(shown.end));
        push(at, from, false);
        push(from, to, true);
        at = to;
    }
    push(at, shown.end, false);
    parts
}

/// One found stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub stream: String,
    /// The whole title.
    pub title: Vec<Segment>,
    /// About 120 characters of the text; `…` marks a cut.
    pub snippet: Vec<Segment>,
    /// Day number of the last recorded event.
    pub date: i64,
    /// Log index of the last recorded event.
    pub index: u64,
}

/// One page of hits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// All matching streams, not only this page.
    pub total: usize,
    pub hits: Vec<Hit>,
    /// Nothing matched as typed; these match the single words.
    pub relaxed: bool,
}

/// Rank (times ten), date, log index: the order of hits, the same on every node.
type Key = (u32, i64, u64);

/// Counts all matches and keeps the best `keep`.
pub(super) struct Best {
    pub(super) keep: usize,
}

pub(super) struct SegmentBest {
    keep: usize,
    segment: SegmentOrdinal,
    total: usize,
    heap: BinaryHeap<Reverse<(Key, DocAddress)>>,
    dates: Column<i64>,
    indexes: Column<u64>,
}

pub(super) type Found = (usize, Vec<(Key, DocAddress)>);

impl Collector for Best {
    type Fruit = Found;
    type Child = SegmentBest;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<SegmentBest> {
        Ok(SegmentBest {
            keep: self.keep,
            segment,
            total: 0,
            heap: BinaryHeap::with_capacity(self.keep + 1),
            dates: reader.fast_fields().i64(DATE)?,
            indexes: reader.fast_fields().u64(INDEX)?,
        })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, segments: Vec<Found>) -> tantivy::Result<Found> {
        let total = segments.iter().map(|(total, _)| total).sum();
        let mut best: Vec<(Key, DocAddress)> = segments.into_iter().flat_map(|(_, best)| best).collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.truncate(self.keep);
        Ok((total, best))
    }
}

impl SegmentCollector for SegmentBest {
    type Fruit = Found;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks are sums of at most 100 terms of at most 5.0"
    )]
    fn collect(&mut self, doc: DocId, score: Score) {
        self.total += 1;
        let rank = (score * 10.0) as u32;
        let full = self.heap.len() >= self.keep;
        let worst = self.heap.peek().map_or((0, i64::MIN, 0), |Reverse((key, _))| *key);
        // Most matches of a common term stop here, before any column is read.
        if full && (self.keep == 0 || rank < worst.0) {
            return;
        }
        let date = self.dates.first(doc).unwrap_or(i64::MIN);
        if full && (rank, date) < (worst.0, worst.1) {
            return;
        }
        let key = (rank, date, self.indexes.first(doc).unwrap_or(0));
        if full && key <= worst {
            return;
        }
        self.heap.push(Reverse((key, DocAddress::new(self.segment, doc))));
        if self.heap.len() > self.keep {
            self.heap.pop();
        }
    }

    fn harvest(self) -> Found {
        (self.total, self.heap.into_iter().map(|Reverse(found)| found).collect())
    }
}
