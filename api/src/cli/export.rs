//! `export`: a bundle that proves itself, or tables with their dictionary.
//!
//! Only what is published is exported, up to its checkpoint; what was withdrawn is gone from it. A bundle is
//! one uncompressed tar whose bytes depend on the log alone: files sorted, without times and owners.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use gongkai_domain::field::{Place, Shape};
use gongkai_domain::{KINDS, kind};
use gongkai_log::log_keys::HISTORY_PATH;
use gongkai_log::tile::{TILE_WIDTH, TileKind, level_tiles, lines_path, new_tiles, openings_path};
use gongkai_log::{Digest, Entry, Fetch as _, Row, Statement, TilePath, time};
use gongkai_store::{DirectoryFetch, Layout};
use serde_json::{Map, Value, json};

use super::complete::{self, Built, Parents, REGISTRY};
use super::reading::{Published, Reading, root_of};
use super::terminal::{self, Progress};
use crate::outcome::{Fault, Outcome, Verdict};

/// First line of a bundle's list of files.
const MANIFEST_FORM: &str = "gongkai.bundle/v1";

/// Options of `export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai export --dir ledger --out ledger.tar\n  $ gongkai export --dir ledger --out village.tar --org 341599101201\n  \
    $ gongkai export --dir ledger --out tables --format csv --as-of 2026-06-30T23:59:59+08:00\n\n\
    归档可用 gongkai verify 离线核验；表格每类一个文件，dictionary 说明各栏。"
)]
pub struct Args {
    /// 账本目录
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 写到哪里：归档是一个文件，表格是一个目录
    #[arg(long, value_name = "文件或目录")]
    out: PathBuf,
    /// 格式：bundle 归档、jsonl 或 csv 表格
    #[arg(long, value_name = "格式", value_parser = format, default_value = "bundle", hide_default_value = true)]
    format: Format,
    /// 只要这个机构及其下级
    #[arg(long, value_name = "代码")]
    org: Option<String>,
    /// 只要这个时间以前入账的（表格）
    #[arg(long, value_name = "时间")]
    as_of: Option<DateTime<Utc>>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Bundle,
    Jsonl,
    Csv,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "bundle" => Ok(Format::Bundle),
        "jsonl" => Ok(Format::Jsonl),
        "csv" => Ok(Format::Csv),
        _ => Err("可用：bundle、jsonl、csv".to_owned()),
    }
}

/// Writes the bundle or the tables.
///
/// # Errors
/// No ledger, no such organization, or a file that cannot be written.
pub fn run(args: &Args) -> Outcome {
    if args.out.exists() {
        return Err(Fault::usage(args.out.display().to_string(), "已经存在，不会覆盖").mend("请换一个名字"));
    }
    let layout = Layout::new(&args.dir);
    if !layout.checkpoint().is_file() {
        return Err(Fault::usage(args.dir.display().to_string(), "这个目录不是账本（没有 log/checkpoint）"));
    }
    let fetch = DirectoryFetch::new(layout.log());
    let reading = Reading::new(&fetch)?;
    let within = args.org.as_ref().map(|org| subtree(&reading, org)).transpose()?;
    let (files, rows) = match args.format {
        Format::Bundle if args.as_of.is_some() => {
            return Err(Fault::usage("--as-of", "归档总是到最新的检查点；历史状态请导出表格，或保存当时的归档"));
        }
        Format::Bundle => (bundle(&layout, &fetch, &reading, args, within.as_ref())?, reading.checkpoint.size),
        format => tables(&reading, args, format, within.as_ref())?,
    };
    if args.json {
        terminal::say(json!({"out": args.out.display().to_string(), "size": reading.checkpoint.size,
            "root": reading.checkpoint.root, "files": files, "rows": rows}))?;
    } else {
        terminal::say(format_args!("{}：{files} 个文件，{rows} 条记录", args.out.display()))?;
    }
    Ok(Verdict::Yes)
}

/// Codes of an organization and everything that was ever below it.
fn subtree(reading: &Reading<'_, DirectoryFetch>, org: &str) -> Result<BTreeSet<String>, Fault> {
    let mut parents = Parents::default();
    reading.each(|published| {
        if let Some(signed) = published.entry.content.statement() {
            parents.note(&signed.statement);
        }
        Ok(())
    })?;
    parents.below(org).ok_or_else(|| Fault::usage("--org", format!("机构代码「{org}」没有登记")))
}

/// One tar with its list of files.
struct Bundle {
    tar: tar::Builder<BufWriter<File>>,
    manifest: String,
    files: u64,
    attached: BTreeSet<Digest>,
}

impl Bundle {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        let added = self.tar.append_data(&mut header, name, bytes);
        added.map_err(|error| Fault::failed(name.to_owned(), &error))?;
        let line = format!("{}  {}  {name}\n", Digest::of(bytes).to_hex(), bytes.len());
        self.manifest.push_str(&line);
        self.files += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<u64, Fault> {
        let manifest = std::mem::take(&mut self.manifest);
        self.add("MANIFEST", manifest.as_bytes())?;
        let failed = |error: std::io::Error| Fault::failed("归档", &error);
        let mut writer = self.tar.into_inner().map_err(failed)?;
        writer.flush().map_err(failed)?;
        writer.get_ref().sync_all().map_err(failed)?;
        Ok(self.files)
    }
}

fn bundle(
    layout: &Layout,
    fetch: &DirectoryFetch,
    reading: &Reading<'_, DirectoryFetch>,
    args: &Args,
    within: Option<&BTreeSet<String>>,
) -> Result<u64, Fault> {
    let failed = |error: std::io::Error| Fault::failed(args.out.display().to_string(), &error);
    let file = File::create_new(&args.out).map_err(failed)?;
    let scope = args.org.as_ref().map_or("all".to_owned(), |org| format!("org {org}"));
    let checkpoint = &reading.checkpoint;
    let manifest =
        format!("{MANIFEST_FORM}\n{}\n{} {}\n{scope}\n\n", checkpoint.origin, checkpoint.size, checkpoint.root);
    let mut bundle =
        Bundle { tar: tar::Builder::new(BufWriter::new(file)), manifest, files: 0, attached: BTreeSet::new() };
    bundle.add("checkpoint", reading.note.to_string().as_bytes())?;
    let vkey = std::fs::read(layout.vkey()).map_err(|error| Fault::failed("log/vkey", &error))?;
    bundle.add("vkey", &vkey)?;
    if let Some(history) = fetch.extra(HISTORY_PATH).map_err(|error| Fault::failed(HISTORY_PATH, &error))? {
        bundle.add(HISTORY_PATH, &history)?;
    }
    let progress = Progress::new("导出");
    for number in super::reading::bundles(checkpoint.size) {
        add_entries(&mut bundle, layout, reading, number, within)?;
        progress.tell(number, checkpoint.size.div_ceil(TILE_WIDTH));
    }
    for path in new_tiles(0, checkpoint.size).into_iter().filter(|path| path.kind() != TileKind::Entries) {
        let bytes = fetch.tile(&path).map_err(|error| Fault::failed(path.to_string(), &error))?;
        bundle.add(&path.to_string(), &bytes)?;
    }
    if let Some(within) = within {
        add_completeness(&mut bundle, fetch, reading, within)?;
    }
    bundle.finish()
}

/// What proves that nothing of a part is missing; a log that has said no root of its map yet cannot prove it.
fn add_completeness(
    bundle: &mut Bundle,
    fetch: &DirectoryFetch,
    reading: &Reading<'_, DirectoryFetch>,
    within: &BTreeSet<String>,
) -> Result<(), Fault> {
    let Some(mut built) = Built::new(reading, fetch)? else {
        terminal::remark("注意：账本还没有登记总目，这份归档不能证明没有缺漏");
        return Ok(());
    };
    for key in complete::wanted(within) {
        let name = format!("map/{}.map-proof", key.to_string().replace(' ', "-"));
        bundle.add(&name, built.prove(key).to_string().as_bytes())?;
    }
    Ok(())
}

/// The entries of one bundle of the log with their openings, lists and attachments: all, or those that
/// belong to the organizations and to the registry.
fn add_entries(
    bundle: &mut Bundle,
    layout: &Layout,
    reading: &Reading<'_, DirectoryFetch>,
    number: u64,
    within: Option<&BTreeSet<String>>,
) -> Result<(), Fault> {
    let entries = reading.bundle(number)?;
    let mut wanted = BTreeSet::new();
    for bytes in &entries {
        let entry = Entry::parse(bytes.clone()).map_err(|error| Fault::failed(format!("entries/{number}"), &error))?;
        if !belongs(&entry, within) {
            continue;
        }
        wanted.insert(entry.index);
        if within.is_some() {
            bundle.add(&format!("entries/{}", entry.index), bytes)?;
        }
        if let Some(root) = root_of(&entry)
            && let Some(list) = reading.list(&root)?
        {
            let text = list.to_text().map_err(|error| Fault::failed(lines_path(&root), &error))?;
            bundle.add(&lines_path(&root), text.as_bytes())?;
            add_attachments(bundle, layout, &entry, &list.rows)?;
        } else {
            add_attachments(bundle, layout, &entry, &[])?;
        }
    }
    if within.is_none() {
        let width = level_tiles(reading.checkpoint.size, 0).width(number);
        let path = TilePath::entries(number, width).map_err(|error| Fault::failed("tile", &error))?;
        let bytes =
            gongkai_log::tile::encode_bundle(&entries).map_err(|error| Fault::failed(path.to_string(), &error))?;
        bundle.add(&path.to_string(), &bytes)?;
    }
    let mut openings = String::new();
    for line in reading.openings(number)?.iter().filter(|line| wanted.contains(&line.index)) {
        openings += &line.to_line().map_err(|error| Fault::failed(openings_path(number), &error))?;
        openings.push('\n');
    }
    if openings.is_empty() { Ok(()) } else { bundle.add(&openings_path(number), openings.as_bytes()) }
}

fn belongs(entry: &Entry, within: Option<&BTreeSet<String>>) -> bool {
    let (Some(within), Some(signed)) = (within, entry.content.statement()) else { return true };
    let statement = &signed.statement;
    REGISTRY.contains(&statement.stream.family.as_str()) || within.contains(&statement.org)
}

/// The files that an entry and its lines name.
fn add_attachments(bundle: &mut Bundle, layout: &Layout, entry: &Entry, rows: &[Row]) -> Result<(), Fault> {
    let Some(signed) = entry.content.statement() else { return Ok(()) };
    let Some(kind) = kind::find(&signed.statement.kind) else { return Ok(()) };
    let open = rows.iter().filter_map(|row| if let Row::Open { row, .. } = row { Some(row) } else { None });
    for hash in kind.files(&signed.statement.body, open) {
        if bundle.attached.contains(&hash) {
            continue;
        }
        // One that was withdrawn is not published any more, and the log says so.
        if let Ok(bytes) = std::fs::read(layout.published_attachment(&hash)) {
            bundle.attached.insert(hash);
            bundle.add(&format!("attachment/{}", hash.to_hex()), &bytes)?;
        }
    }
    Ok(())
}

/// One table: its columns in order, and where its rows go.
struct Table {
    columns: Vec<&'static str>,
    sink: Sink,
}

enum Sink {
    Jsonl(BufWriter<File>),
    Csv(Box<csv::Writer<File>>),
}

impl Table {
    fn create(dir: &Path, name: &str, format: Format, columns: Vec<&'static str>) -> Result<Self, Fault> {
        let extension = if format == Format::Csv { "csv" } else { "jsonl" };
        let path = dir.join(format!("{name}.{extension}"));
        let file = File::create_new(&path).map_err(|error| Fault::failed(path.display().to_string(), &error))?;
        let mut table = match format {
            Format::Csv => Self { columns, sink: Sink::Csv(Box::new(csv::Writer::from_writer(file))) },
            _ => Self { columns, sink: Sink::Jsonl(BufWriter::new(file)) },
        };
        if let Sink::Csv(writer) = &mut table.sink {
            writer.write_record(&table.columns).map_err(|error| Fault::failed(name.to_owned(), &error))?;
        }
        Ok(table)
    }

    fn row(&mut self, row: &Map<String, Value>) -> Result<(), Fault> {
        let written = match &mut self.sink {
            Sink::Jsonl(writer) => serde_json::to_writer(&mut *writer, row)
                .map_err(std::io::Error::from)
                .and_then(|()| writer.write_all(b"\n")),
            Sink::Csv(writer) => {
                let cells = self.columns.iter().map(|column| cell(row.get(*column)));
                writer.write_record(cells).map_err(std::io::Error::from)
            }
        };
        written.map_err(|error| Fault::failed("表格", &error))
    }

    fn finish(self) -> Result<(), Fault> {
        let flushed = match self.sink {
            Sink::Jsonl(mut writer) => writer.flush(),
            Sink::Csv(mut writer) => writer.flush(),
        };
        flushed.map_err(|error| Fault::failed("表格", &error))
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What every row of a table of events begins with: name, label, sort.
const COMMON: [(&str, &str, &str); 9] = [
    ("index", "条目序号", "整数"),
    ("recorded_at", "入账时间", "时间（UTC）"),
    ("declared_at", "申报时间", "时间"),
    ("stream", "事项编号", "文字"),
    ("revision", "修订号", "整数"),
    ("kind", "事项种类", "文字"),
    ("kind_label", "事项种类名称", "文字"),
    ("org", "机构代码", "文字"),
    ("signers", "签名人", "[职责, 钥匙名] 的列表"),
];
const LINE: [(&str, &str, &str); 4] = [
    ("index", "条目序号", "整数"),
    ("stream", "事项编号", "文字"),
    ("revision", "修订号", "整数"),
    ("line", "行号", "整数，从 0 起"),
];

/// A table a family, one for its lines, and the dictionary. Gives files and rows.
fn tables(
    reading: &Reading<'_, DirectoryFetch>,
    args: &Args,
    format: Format,
    within: Option<&BTreeSet<String>>,
) -> Result<(u64, u64), Fault> {
    std::fs::create_dir_all(&args.out).map_err(|error| Fault::failed(args.out.display().to_string(), &error))?;
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let mut dictionary =
        Table::create(&args.out, "dictionary", format, vec!["table", "field", "label", "kind", "unit"])?;
    for (name, columns) in described() {
        for (field, label, kind, unit) in &columns {
            let row = json!({"table": name, "field": field, "label": label, "kind": kind, "unit": unit});
            dictionary.row(row.as_object().unwrap_or(&Map::new()))?;
        }
        let columns = columns.into_iter().map(|column| column.0).collect();
        let table = Table::create(&args.out, &name, format, columns)?;
        tables.insert(name, table);
    }
    let progress = Progress::new("导出");
    let mut rows = 0;
    reading.each(|published| {
        progress.tell(published.entry.index, reading.checkpoint.size);
        if args.as_of.is_none_or(|as_of| published.entry.recorded_at <= as_of) && has(&published.entry, within) {
            rows += 1;
            write_rows(&mut tables, &published)?;
        }
        Ok(())
    })?;
    let files = tables.len() as u64 + 1;
    dictionary.finish()?;
    for table in tables.into_values() {
        table.finish()?;
    }
    Ok((files, rows))
}

fn has(entry: &Entry, within: Option<&BTreeSet<String>>) -> bool {
    let org = entry.content.statement().map(|signed| &signed.statement.org);
    within.is_none_or(|within| org.is_some_and(|org| within.contains(org)))
}

type Columns = Vec<(&'static str, &'static str, &'static str, &'static str)>;

/// Tables and their columns, derived from the list of kinds.
fn described() -> BTreeMap<String, Columns> {
    let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
    let common = |list: &[(&'static str, &'static str, &'static str)]| {
        list.iter().map(|(name, label, sort)| (*name, *label, *sort, "")).collect::<Columns>()
    };
    for kind in KINDS {
        let table = tables.entry(kind.family().to_owned()).or_insert_with(|| common(&COMMON));
        for field in kind.fields.iter().filter(|field| open(field.place)) {
            push(table, field.name, field.label, field.shape);
        }
        for list in kind.list.shapes() {
            let name = format!("{}_{}", kind.family(), list.name);
            let table = tables.entry(name).or_insert_with(|| common(&LINE));
            for column in list.columns.iter().filter(|column| column.tier == gongkai_log::Tier::Public) {
                push(table, column.name, column.label, column.shape);
            }
        }
    }
    tables
}

fn open(place: Place) -> bool {
    matches!(place, Place::Body | Place::Slot(gongkai_log::Tier::Public))
}

fn push(table: &mut Columns, name: &'static str, label: &'static str, shape: Shape) {
    if table.iter().any(|column| column.0 == name) {
        return;
    }
    let (sort, unit) = match shape {
        Shape::Fen => ("整数", "分"),
        Shape::Percent => ("整数", "%"),
        Shape::Count | Shape::Year => ("整数", ""),
        Shape::Date => ("日期", ""),
        Shape::Time => ("时间", ""),
        Shape::Flag => ("真假", ""),
        Shape::Choice(_) => ("选项", ""),
        Shape::Texts(_) | Shape::Orgs | Shape::Dates | Shape::Counts | Shape::Records(_) | Shape::Attachments(_) => {
            ("列表（JSON）", "")
        }
        _ => ("文字", ""),
    };
    table.push((name, label, sort, unit));
}

fn write_rows(tables: &mut BTreeMap<String, Table>, published: &Published) -> Result<(), Fault> {
    let Some(signed) = published.entry.content.statement() else { return Ok(()) };
    let statement = &signed.statement;
    let mut row = common_row(&published.entry, statement)?;
    row.extend(
        statement
            .body
            .iter()
            .filter(|(name, _)| *name != "lines" && *name != "count")
            .map(|(n, v)| (n.clone(), v.clone())),
    );
    for opening in published.openings.iter().flat_map(|openings| &openings.open) {
        row.insert(opening.name.clone(), opening.value.clone());
    }
    if let Some(table) = tables.get_mut(&statement.stream.family) {
        table.row(&row)?;
    }
    let shape = kind::find(&statement.kind).and_then(|kind| kind.list.shape(&statement.body));
    let (Some(list), Some((shape, _))) = (&published.list, shape) else { return Ok(()) };
    let Some(table) = tables.get_mut(&format!("{}_{}", statement.stream.family, shape.name)) else { return Ok(()) };
    for line in &list.rows {
        let Row::Open { line, row, .. } = line else { continue };
        let mut cells = row.clone();
        cells.insert("index".into(), published.entry.index.into());
        cells.insert("stream".into(), statement.stream.to_string().into());
        cells.insert("revision".into(), statement.revision.into());
        cells.insert("line".into(), (*line).into());
        table.row(&cells)?;
    }
    Ok(())
}

fn common_row(entry: &Entry, statement: &Statement) -> Result<Map<String, Value>, Fault> {
    let failed = |error: &dyn std::error::Error| Fault::failed(format!("第 {} 号条目", entry.index), error);
    let row = json!({
        "index": entry.index,
        "recorded_at": time::format_recorded(&entry.recorded_at).map_err(|error| failed(&error))?,
        "declared_at": time::format_declared(&statement.declared_at).map_err(|error| failed(&error))?,
        "stream": statement.stream,
        "revision": statement.revision,
        "kind": statement.kind,
        "kind_label": kind::find(&statement.kind).map(|kind| kind.label),
        "org": statement.org,
        "signers": statement.signers,
    });
    Ok(match row {
        Value::Object(row) => row,
        _ => Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_field_of_every_kind_is_in_a_table_and_its_dictionary() {
        let tables = described();
        for kind in KINDS {
            for field in kind.fields.iter().filter(|field| open(field.place)) {
                assert!(
                    tables[kind.family()].iter().any(|column| column.0 == field.name),
                    "{}.{}",
                    kind.name,
                    field.name
                );
            }
        }
        let expense = tables["disclosure_finance"].iter().find(|column| column.0 == "expense").unwrap();
        assert_eq!(expense.3, "分");
    }
}
