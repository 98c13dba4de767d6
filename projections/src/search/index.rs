//! The index on disk: its fields, its versions, its one writer, its many readers.
//!
//! The commit is the only step that counts: documents and the log index that they reach become durable together, so a
//! crash at any moment leaves the last commit, and the follower goes on from [`SearchIndex::reached`].
//!
//! What it is not: a migration tool. An index of another version, with other fields, or damaged is reported by
//! [`Opened::Rebuild`]; the caller fills a fresh directory beside it and swaps.
//! To extend: add a field to `schema` and `Fields`, fill it in `SearchWriter::put`; the schema check does the rest.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tantivy::directory::error::{LockError, OpenReadError};
use tantivy::index::SegmentComponent::{FastFields, Positions, Postings, Store, Terms};
use tantivy::indexer::NoMergePolicy;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
    Value,
};
use tantivy::store::Compressor;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term};

use super::analyze::{self, ANALYSIS, Analyzer};
use super::query::{Best, Hit, Hits, Query};

pub(super) const DATE: &str = "date";
pub(super) const INDEX: &str = "index";

/// Characters of text kept for snippets; the rest is indexed but not stored, the views hold it.
const SNIPPET_SOURCE_CHARS_MAX: usize = 600;
/// Longest key of a stream; the index would silently drop a key above 65,530 bytes.
const STREAM_BYTES_MAX: usize = 512;
/// The least memory with which one indexing thread works.
const HEAP_BYTES_MIN: usize = 15_000_000;
/// Threads of indexing and of one search: the reference machine has two cores.
const THREADS: usize = 2;
/// No commit has been made yet.
const NEVER: u64 = u64::MAX;

/// The latest state of one stream, as the result lists and filters need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The key: a document replaces the one with the same stream.
    pub stream: String,
    pub family: String,
    /// Label of the kind, as people read it (任前公示); searched like text.
    pub kind: String,
    pub status: String,
    /// The organization's code and those of all above it.
    pub orgs: Vec<String>,
    pub years: Vec<i64>,
    /// Day number of the last recorded event.
    pub date: i64,
    pub title: String,
    /// The current text first, then earlier versions.
    pub texts: Vec<String>,
    /// Names of persons and places; also found by pinyin.
    pub names: Vec<String>,
    /// Log index of the last recorded event.
    pub index: u64,
}

/// One change of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(Box<Document>),
    /// The stream's key.
    Remove(String),
}

impl Change {
    fn stream(&self) -> &str {
        match self {
            Self::Put(document) => &document.stream,
            Self::Remove(stream) => stream,
        }
    }
}

/// What [`SearchIndex::open`] found.
pub enum Opened {
    Ready(Box<SearchIndex>),
    /// The directory was left as it is; fill a fresh one from the log and swap.
    Rebuild(RebuildReason),
}

/// Why an index cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebuildReason {
    /// Made for another version of the projection.
    VersionDiffers { found: u32, wanted: u32 },
    /// Made with other fields, settings or rules of analysis.
    SchemaDiffers,
    /// Files are missing or unreadable; the cause in words.
    Corrupt(String),
}

/// A failure of the index, not of the query.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the search index failed")]
    Index(#[from] TantivyError),
    #[error("the directory of the search index {path} cannot be used")]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the stream key has {0} bytes, at most {STREAM_BYTES_MAX} are indexed")]
    StreamTooLong(usize),
    #[error("the log index {0} cannot be recorded")]
    ReachedOutOfRange(u64),
    #[error("the payload of a commit of the search index cannot be read")]
    Payload(#[from] serde_json::Error),
}

/// What a purge achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Segments that held removed documents and were written anew.
    pub segments: usize,
    /// False if an old file was still in use, as during a reload elsewhere, and stayed; purge again. A running search
    /// does not hinder: its files lose their names at once and their bytes when it ends.
    pub complete: bool,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    version: u32,
    analysis: u32,
    reached: u64,
}

#[derive(Clone)]
pub(super) struct Fields {
    stream: Field,
    pub(super) family: Field,
    pub(super) status: Field,
    pub(super) org: Field,
    pub(super) year: Field,
    pub(super) date: Field,
    index: Field,
    pub(super) title: Field,
    pub(super) title_chars: Field,
    pub(super) title_words: Field,
    pub(super) names: Field,
    pub(super) names_chars: Field,
    pub(super) pinyin: Field,
    pub(super) text: Field,
    pub(super) text_chars: Field,
    snippet: Field,
}

fn indexed_by(analyzer: &str, record: IndexRecordOption) -> TextOptions {
    // Ranks are constants (see query), so lengths of fields are not kept.
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default().set_tokenizer(analyzer).set_index_option(record).set_fieldnorms(false),
    )
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let grams = || indexed_by("grams", IndexRecordOption::WithFreqsAndPositions);
    let terms = |analyzer| indexed_by(analyzer, IndexRecordOption::Basic);
    let fast: NumericOptions = FAST.into();
    let fields = Fields {
        stream: schema.add_text_field("stream", STRING | STORED),
        family: schema.add_text_field("family", terms("raw")),
        status: schema.add_text_field("status", terms("raw")),
        org: schema.add_text_field("org", terms("raw")),
        year: schema.add_i64_field("year", INDEXED),
        date: schema.add_i64_field(DATE, fast.clone()),
        index: schema.add_u64_field(INDEX, fast),
        title: schema.add_text_field("title", grams().set_stored()),
        title_chars: schema.add_text_field("title_chars", terms("chars")),
        title_words: schema.add_text_field("title_words", terms("words")),
        names: schema.add_text_field("names", grams()),
        names_chars: schema.add_text_field("names_chars", terms("chars")),
        pinyin: schema.add_text_field("pinyin", terms("spellings")),
        text: schema.add_text_field("text", grams()),
        text_chars: schema.add_text_field("text_chars", terms("chars")),
        snippet: schema.add_text_field("snippet", STORED),
    };
    (schema.build(), fields)
}

/// The store is not compressed: that a withdrawn text is gone can then be seen in the bytes. Texts are short.
fn settings() -> IndexSettings {
    IndexSettings { docstore_compression: Compressor::None, ..IndexSettings::default() }
}

/// A readable index; cheap to clone, safe to share.
#[derive(Clone)]
pub struct SearchIndex {
    index: Index,
    reader: IndexReader,
    fields: Fields,
    version: u32,
    reached: Arc<AtomicU64>,
}

impl SearchIndex {
    /// Opens the index in `dir`, or creates it if the directory is missing or empty. `version` is the caller's.
    /// A crash while creating leaves an index without a commit, which counts as new.
    pub fn open(dir: &Path, version: u32) -> Result<Opened, SearchError> {
        let directory = |source| SearchError::Directory { path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(directory)?;
        let empty = std::fs::read_dir(dir).map_err(directory)?.next().is_none();
        let opened = if empty {
            Index::builder().schema(schema().0).settings(settings()).create_in_dir(dir)
        } else {
            Index::open_in_dir(dir)
        };
        match opened.and_then(|index| Self::with_index(index, version)) {
            Ok(opened) => Ok(opened),
            Err(error) => match damage(&error) {
                Some(cause) => Ok(Opened::Rebuild(RebuildReason::Corrupt(cause))),
                None => Err(error.into()),
            },
        }
    }

    /// An index that lives and dies with the process.
    pub fn in_memory(version: u32) -> Result<Self, SearchError> {
        let index = Index::builder().schema(schema().0).settings(settings()).create_in_ram()?;
        match Self::with_index(index, version)? {
            Opened::Ready(index) => Ok(*index),
            Opened::Rebuild(_) => {
                Err(TantivyError::InternalError("a new index is of its own version".to_owned()).into())
            }
        }
    }

    fn with_index(mut index: Index, version: u32) -> tantivy::Result<Opened> {
        let (schema, fields) = schema();
        if index.schema() != schema || index.settings().docstore_compression != Compressor::None {
            return Ok(Opened::Rebuild(RebuildReason::SchemaDiffers));
        }
        let metas = index.load_metas()?;
        let reached = match payload(metas.payload.as_deref()) {
            Ok(Some(payload)) if payload.analysis != ANALYSIS => {
                return Ok(Opened::Rebuild(RebuildReason::SchemaDiffers));
            }
            Ok(Some(payload)) if payload.version != version => {
                let reason = RebuildReason::VersionDiffers { found: payload.version, wanted: version };
                return Ok(Opened::Rebuild(reason));
            }
            Ok(Some(payload)) => payload.reached,
            Ok(None) if metas.segments.is_empty() => NEVER,
            _ => {
                return Ok(Opened::Rebuild(RebuildReason::Corrupt("a commit does not say what it reached".to_owned())));
            }
        };
        let analyzers = [
            ("grams", Analyzer(analyze::grams)),
            ("chars", Analyzer(analyze::chars)),
            ("words", Analyzer(analyze::words)),
            ("spellings", Analyzer(analyze::spellings)),
        ];
        for (name, analyzer) in analyzers {
            index.tokenizers().register(name, TextAnalyzer::from(analyzer));
        }
        whole_files(&index)?;
        index.set_multithread_executor(THREADS)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let reached = Arc::new(AtomicU64::new(reached));
        Ok(Opened::Ready(Box::new(Self { index, reader, fields, version, reached })))
    }

    /// The log index that the last commit reached; `None` before the first.
    pub fn reached(&self) -> Option<u64> {
        Some(self.reached.load(Ordering::Acquire)).filter(|reached| *reached != NEVER)
    }

    /// Shows commits made by another process. Commits of this process show at once.
    pub fn reload(&self) -> Result<(), SearchError> {
        // Read before reloading, so that `reached` never claims what is not yet visible.
        let committed = payload(self.index.load_metas()?.payload.as_deref())?;
        self.reader.reload()?;
        if let Some(committed) = committed {
            self.reached.store(committed.reached, Ordering::Release);
        }
        Ok(())
    }

    /// Number of streams that can be found.
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Whether nothing can be found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Files whose checksum does not hold. Reads every byte of the index.
    pub fn damaged_files(&self) -> Result<Vec<PathBuf>, SearchError> {
        Ok(self.index.validate_checksum()?.into_iter().collect())
    }

    /// The only writer; a second one, here or in another process, is an error. `heap_bytes` bounds the memory of
    /// indexing (below 15 MB it is raised to that).
    pub fn writer(&self, heap_bytes: usize) -> Result<SearchWriter, SearchError> {
        let mut writer = SearchWriter { index: self.clone(), heap_bytes, writer: None };
        writer.ready()?;
        Ok(writer)
    }

    /// Runs a checked query on the last visible commit.
    pub fn search(&self, query: &Query) -> Result<Hits, SearchError> {
        let hits = self.run(query)?;
        match query.relaxed() {
            Some(relaxed) if hits.total == 0 => {
                let hits = self.run(&relaxed)?;
                Ok(Hits { relaxed: hits.total > 0, ..hits })
            }
            _ => Ok(hits),
        }
    }

    fn run(&self, query: &Query) -> Result<Hits, SearchError> {
        let Some(compiled) = query.compile(&self.fields) else {
            return Ok(Hits::default());
        };
        let searcher = self.reader.searcher();
        let page = query.page();
        let (total, best) = searcher.search(&compiled, &Best { keep: page.end })?;
        let mut hits = Vec::with_capacity(page.len());
        for ((_, date, index), address) in best.into_iter().skip(page.start) {
            let stored: TantivyDocument = searcher.doc(address)?;
            let text = |field| stored.get_first(field).and_then(|value| value.as_str()).unwrap_or_default();
            hits.push(Hit {
                stream: text(self.fields.stream).to_owned(),
                title: query.mark(text(self.fields.title)),
                snippet: query.snippet(text(self.fields.snippet)),
                date,
                index,
            });
        }
        Ok(Hits { total, hits, relaxed: false })
    }
}

/// Opens each file of each segment, which checks its length and footer. Left to the engine, a missing file of word
/// places or stored texts would only show in the middle of a search.
fn whole_files(index: &Index) -> tantivy::Result<()> {
    for segment in index.searchable_segments()? {
        for file in [Terms, Postings, Positions, FastFields, Store] {
            segment.open_read(file)?;
        }
    }
    Ok(())
}

fn payload(text: Option<&str>) -> Result<Option<Payload>, serde_json::Error> {
    text.map(serde_json::from_str).transpose()
}

/// The cause, if the files are to blame and not the machine (permissions, a full disk, too many open files).
fn damage(error: &TantivyError) -> Option<String> {
    let damaged_read =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData);
    let damaged = match error {
        TantivyError::IoError(source) => damaged_read(source),
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => damaged_read(io_error),
        TantivyError::OpenReadError(_)
        | TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::DeserializeError(_)
        | TantivyError::SchemaError(_)
        | TantivyError::InternalError(_) => true,
        _ => false,
    };
    damaged.then(|| error.to_string())
}

/// A writer, with the lock of the folder. A child that another thread starts has a copy of every open file until it
/// becomes another program, and with it a lock that was just given back: so a held one is asked for a little longer.
fn locked(index: &Index, threads: usize, heap_bytes: usize) -> tantivy::Result<IndexWriter> {
    let until = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match index.writer_with_num_threads(threads, heap_bytes) {
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) if Instant::now() < until => {
                std::thread::sleep(LOCK_PAUSE);
            }
            made => return made,
        }
    }
}

/// How long a held lock is asked for.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(500);
/// How often.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The writer. Dropping it loses nothing that was committed.
pub struct SearchWriter {
    index: SearchIndex,
    heap_bytes: usize,
    /// Absent after a failure: what was not committed is given up, and the next call starts from the last commit.
    writer: Option<IndexWriter>,
}

impl SearchWriter {
    /// As [`SearchIndex::writer`] was told.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Applies a batch and commits it together with `reached`, the log index up to which the log has been read. Of
    /// several changes to one stream the last one holds. If this fails or the process stops, the index stays as it was.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>, reached: u64) -> Result<(), SearchError> {
        if reached == NEVER {
            return Err(SearchError::ReachedOutOfRange(reached));
        }
        let mut last: HashMap<String, Change> = HashMap::new();
        for change in changes {
            let bytes = change.stream().len();
            if bytes > STREAM_BYTES_MAX {
                return Err(SearchError::StreamTooLong(bytes));
            }
            last.insert(change.stream().to_owned(), change);
        }
        self.ready()?;
        let Some(mut writer) = self.writer.take() else {
            return Ok(());
        };
        for change in last.into_values() {
            self.change(&writer, change)?;
        }
        let payload = Payload { version: self.index.version, analysis: ANALYSIS, reached };
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&serde_json::to_string(&payload)?);
        // The commit point: before it nothing of this batch exists, after it all does.
        commit.commit()?;
        self.writer = Some(writer);
        self.index.reload()
    }

    /// Removes from the files every value of removed and replaced documents. Withdrawn texts are gone when it says
    /// `complete`. Costs a rewrite of each segment concerned; readers go on meanwhile. If it stops half-way, the
    /// index is intact and the next purge does the rest.
    pub fn purge(&mut self) -> Result<Purged, SearchError> {
        // Merges in the background could still write a removed text into a new file: let them end first.
        if let Some(writer) = self.writer.take() {
            writer.wait_merging_threads()?;
        }
        let mut writer = locked(&self.index.index, 1, HEAP_BYTES_MIN)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let metas = self.index.index.searchable_segment_metas()?;
        let concerned: Vec<_> = metas.iter().filter(|meta| meta.has_deletes()).map(tantivy::SegmentMeta::id).collect();
        // A living description of a segment keeps its files from being deleted.
        drop(metas);
        for segment in &concerned {
            writer.merge(&[*segment]).wait()?;
        }
        self.index.reload()?;
        writer.garbage_collect_files().wait()?;
        writer.wait_merging_threads()?;
        let purged = Purged { segments: concerned.len(), complete: self.only_current_files()? };
        self.ready()?;
        Ok(purged)
    }

    /// Whether every managed segment file belongs to a segment of the last commit.
    fn only_current_files(&self) -> Result<bool, SearchError> {
        let current = self.index.index.load_metas()?.list_segment_files();
        let managed = self.index.index.directory().list_managed_files();
        let of_segment =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension != "json" && extension != "lock");
        Ok(managed.iter().filter(|path| of_segment(path)).all(|path| current.contains(path)))
    }

    fn ready(&mut self) -> Result<(), SearchError> {
        if self.writer.is_none() {
            let heap_bytes = self.heap_bytes.max(HEAP_BYTES_MIN);
            let threads = if heap_bytes >= THREADS * HEAP_BYTES_MIN { THREADS } else { 1 };
            self.writer = Some(locked(&self.index.index, threads, heap_bytes)?);
        }
        Ok(())
    }

    fn change(&self, writer: &IndexWriter, change: Change) -> Result<(), SearchError> {
        let key = Term::from_field_text(self.index.fields.stream, change.stream());
        if self.holds(&key)? {
            writer.delete_term(key);
        }
        if let Change::Put(document) = change {
            writer.add_document(self.put(&document))?;
        }
        Ok(())
    }

    /// Whether a committed document has this key. A deletion is looked up in every segment at commit, so a first load
    /// would pay for a million deletions of nothing.
    fn holds(&self, key: &Term) -> Result<bool, SearchError> {
        for segment in self.index.reader.searcher().segment_readers() {
            if segment.inverted_index(self.index.fields.stream)?.doc_freq(key).map_err(TantivyError::from)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn put(&self, document: &Document) -> TantivyDocument {
        let fields = &self.index.fields;
        let mut entry = TantivyDocument::default();
        entry.add_text(fields.stream, &document.stream);
        entry.add_text(fields.family, &document.family);
        entry.add_text(fields.status, &document.status);
        document.orgs.iter().for_each(|org| entry.add_text(fields.org, org));
        document.years.iter().for_each(|year| entry.add_i64(fields.year, *year));
        entry.add_i64(fields.date, document.date);
        entry.add_u64(fields.index, document.index);
        for field in [fields.title, fields.title_chars, fields.title_words] {
            entry.add_text(field, &document.title);
        }
        for name in &document.names {
            for field in [fields.names, fields.names_chars, fields.pinyin] {
                entry.add_text(field, name);
            }
        }
        for text in document.texts.iter().chain([&document.kind]) {
            entry.add_text(fields.text, text);
            entry.add_text(fields.text_chars, text);
        }
        let snippet: String = document.texts.join("\n").chars().take(SNIPPET_SOURCE_CHARS_MAX).collect();
        entry.add_text(fields.snippet, snippet);
        entry
    }
}

#[cfg(test)]
impl SearchIndex {
    /// What a running search holds.
    pub(super) fn searcher(&self) -> tantivy::Searcher {
        self.reader.searcher()
    }

    /// What a reload in progress holds.
    pub(super) fn segments(&self) -> Result<Vec<tantivy::SegmentMeta>, SearchError> {
        Ok(self.index.searchable_segment_metas()?)
    }

    /// Every term of every text field: the term files share prefixes, so a search of their bytes would prove nothing.
    pub(super) fn vocabulary(&self) -> Result<Vec<String>, SearchError> {
        let mut terms = Vec::new();
        for segment in self.reader.searcher().segment_readers() {
            for (field, _) in self.index.schema().fields().filter(|(_, entry)| entry.is_indexed()) {
                let inverted = segment.inverted_index(field)?;
                let mut stream = inverted.terms().stream().map_err(TantivyError::from)?;
                while let Some((term, _)) = stream.next() {
                    terms.push(String::from_utf8_lossy(term).into_owned());
                }
            }
        }
        Ok(terms)
    }
}
