//! The benchmark: every figure beside the bare limit that was measured in the same run.
//!
//! `cargo bench -p gongkai-tests --bench figures [-- FIGURE]` prints one table; with the name of a figure
//! (see [`FIGURES`]) only that one and what it needs. It is no timed test: a target that is missed is
//! reported at the end and does not fail the run; a ledger that answers wrongly does.
//!
//! - `GONGKAI_BENCH_ENTRIES`: entries of the large ledger, 1,000,000 unless set.
//! - `GONGKAI_BENCH_DIR`: where its files go, below the target folder unless set; a folder of its own is
//!   made there and removed at the end. It should be on the kind of disk that a ledger would be on.
//! - `GONGKAI_SHARED`: the shared input, as for the tests.
//!
//! The program runs itself again with a library that counts flushes, and plays other parts for what must
//! be a process of its own: `gongkai`, a verifier, a bare HTTP server. To add a figure, measure it in the
//! module of its kind, give it a [`table::Figure`] with its limit and target, and name it here.

#![expect(
    clippy::similar_names,
    clippy::needless_pass_by_value,
    clippy::unused_self,
    clippy::struct_field_names,
    reason = "a figure, what it flushed and what it made are named alike; the fixture is one value that its makers borrow"
)]

#[path = "figures/bare.rs"]
mod bare;
#[path = "figures/board.rs"]
mod board;
#[path = "figures/cpu.rs"]
mod cpu;
#[path = "figures/edge.rs"]
mod edge;
#[path = "figures/fixture.rs"]
mod fixture;
#[path = "figures/flushes.rs"]
mod flushes;
#[path = "figures/growth.rs"]
mod growth;
#[path = "figures/http.rs"]
mod http;
#[path = "figures/importing.rs"]
mod importing;
#[path = "figures/limits.rs"]
mod limits;
#[path = "figures/log.rs"]
mod log;
#[path = "figures/nodes.rs"]
mod nodes;
#[path = "figures/peers.rs"]
mod peers;
#[path = "figures/process.rs"]
mod process;
#[path = "figures/reading.rs"]
mod reading;
#[path = "figures/sealed.rs"]
mod sealed;
#[path = "figures/serving.rs"]
mod serving;
#[path = "figures/sheet.rs"]
mod sheet;
#[path = "figures/table.rs"]
mod table;
#[path = "figures/writing.rs"]
mod writing;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

use fixture::Press;
use flushes::Counter;
use limits::Signatures;
use mimalloc::MiMalloc;
use serving::Serving;
use table::{Table, whole};
use writing::Writing;

// As the binary has it, for this program plays its part.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Anything that ends the run.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a step of the benchmark gives.
pub(crate) type Outcome<T> = Result<T, Error>;

/// Origin of the ledgers of the benchmark.
pub(crate) const ORIGIN: &str = "ledger.example/benchmark";

/// Entries of the large ledger unless the environment says otherwise.
const ENTRIES: u64 = 1_000_000;

/// What can be asked for, in the order of the run.
const FIGURES: [&str; 25] = [
    "limits", "bulk", "one", "many", "verify", "mirror", "log", "rebuild", "board", "start", "search", "pages",
    "types", "http", "loaded", "tiles", "readers", "replay", "import", "sheet", "sealed", "witness", "nodes", "growth",
    "peers",
];

/// Set for the run that counts flushes: the library that does it.
const LIBRARY: &str = "GONGKAI_BENCH_LIBRARY";

/// The folder of this run.
const FOLDER: &str = "GONGKAI_BENCH_FOLDER";

/// What every step needs.
pub(crate) struct Setup {
    /// Where files go.
    pub(crate) dir: PathBuf,
    /// The library that counts flushes.
    pub(crate) library: PathBuf,
    /// Flushes of this process.
    pub(crate) flushes: Counter,
}

impl Setup {
    fn of_environment() -> Outcome<Self> {
        Ok(Self { dir: path(FOLDER)?, library: path(LIBRARY)?, flushes: Counter::open(path(flushes::COUNTER)?)? })
    }

    /// A new folder.
    pub(crate) fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.dir.join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The same in a folder of its own.
    pub(crate) fn within(&self, name: &str) -> Outcome<Self> {
        let flushes = Counter::open(path(flushes::COUNTER)?)?;
        Ok(Self { dir: self.folder(name)?, library: self.library.clone(), flushes })
    }

    /// A path that is not taken.
    pub(crate) fn unused(&self, name: &str) -> PathBuf {
        let paths = (0_u32..).map(|number| self.dir.join(format!("{name}-{number}")));
        paths.into_iter().find(|path| !path.exists()).unwrap_or_else(|| self.dir.join(name))
    }
}

/// A path that the environment names.
fn path(name: &str) -> Outcome<PathBuf> {
    Ok(env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set"))?)
}

/// Cores of this machine that we may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Outcome<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match env::var(process::PART).ok().as_deref() {
        Some(process::GONGKAI) => {
            let command = std::iter::once("gongkai".into()).chain(env::args_os().skip(1));
            return Ok(runtime()?.block_on(gongkai_api::cli::run(command)));
        }
        Some(reading::VERIFY) => reading::verify_part(&arguments)?,
        Some(reading::MIRROR) => reading::mirror_part(&arguments)?,
        Some(reading::VIEWS) => runtime()?.block_on(reading::views_part(&arguments))?,
        Some(board::BOARD) => runtime()?.block_on(board::board_part(&arguments))?,
        Some(serving::BARE) => runtime()?.block_on(serving::bare_part(&arguments))?,
        Some(other) => return Err(format!("there is no part {other}").into()),
        None if env::var_os(LIBRARY).is_some() => runtime()?.block_on(measure(&arguments))?,
        None => return counted(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs this program again under the library that counts flushes, in a folder that is removed at the end.
fn counted(arguments: &[String]) -> Outcome<ExitCode> {
    let place =
        env::var_os("GONGKAI_BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    fs::create_dir_all(&place)?;
    let folder = tempfile::Builder::new().prefix("figures-").tempdir_in(place)?;
    let library = flushes::compile(folder.path())?;
    // PostgreSQL may run as another user and counts too.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let counter = Counter::create(folder.path().join("counter"))?;
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).env(FOLDER, folder.path()).env(LIBRARY, &library);
    counter.attach(&library, &mut command);
    let status = command.status()?;
    folder.close()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(arguments: &[String]) -> Outcome<()> {
    // Cargo adds `--bench`.
    let asked: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    if let Some(unknown) = asked.iter().find(|word| !FIGURES.contains(word)) {
        return Err(format!("there is no figure {unknown}; there are {}", FIGURES.join(", ")).into());
    }
    let entries: u64 = env::var("GONGKAI_BENCH_ENTRIES").map_or(Ok(ENTRIES), |text| text.parse())?;
    let wants = |figure: &str| asked.is_empty() || asked.contains(&figure);
    let (setup, press, start) = (Setup::of_environment()?, Press::new(ORIGIN)?, Instant::now());
    let signatures = Signatures::new(&press)?;
    let mut table = Table::default();
    if wants("limits") {
        limits::measure(&setup, &signatures, &mut table).await?;
    }
    if FIGURES[1..18].iter().any(|figure| wants(figure)) {
        on_a_large_ledger(&setup, &press, &signatures, entries, wants, &mut table).await?;
    }
    if wants("import") {
        importing::organizations(&setup, &mut table).await?;
    }
    if wants("sheet") {
        sheet::measure(&setup, &press, &mut table).await?;
    }
    if wants("sealed") {
        sealed::measure(&setup, &press, entries, &mut table).await?;
    }
    if wants("witness") {
        log::witness(&setup, &mut table).await?;
    }
    if wants("nodes") {
        nodes::measure(&setup, &press, entries, &mut table).await?;
    }
    // The last two only where they are asked for by name: ledgers of several sizes, and programs that are built first.
    if asked.contains(&"growth") {
        growth::measure(&setup, &press, &signatures, &mut table).await?;
    }
    if asked.contains(&"peers") {
        peers::measure(&setup, &press, &mut table).await?;
    }
    table.note(format!(
        "{} cores, {} entries, {:.0} s. Flushes are calls of fsync and fdatasync of the measured process, publication included.",
        cores(),
        whole(entries),
        start.elapsed().as_secs_f64(),
    ));
    println!("\n{table}");
    Ok(())
}

/// Everything that is measured on one ledger, which the bulk append makes.
async fn on_a_large_ledger(
    setup: &Setup,
    press: &Press,
    signatures: &Signatures,
    entries: u64,
    wants: impl Fn(&str) -> bool,
    table: &mut Table,
) -> Outcome<()> {
    let mut writing = Writing::begin(setup, press, writing::FILE).await?;
    writing.bulk(entries, wants("bulk").then_some(&mut *table)).await?;
    if wants("one") {
        writing.one(table).await?;
    }
    if wants("many") {
        writing.many(table).await?;
    }
    let mut written = writing.end().await?;
    if wants("verify") {
        reading::verify(setup, &written, signatures, table)?;
    }
    if wants("mirror") {
        reading::mirror(setup, &written, signatures, table)?;
    }
    if wants("log") {
        log::disk(&written, table)?;
        log::proofs(&written, table)?;
        log::map(&written, table).await?;
        log::integration(setup, &written, table).await?;
    }
    if wants("replay") {
        reading::replay(&written, table).await?;
    }
    let served = ["rebuild", "board", "start", "search", "pages", "types", "http", "loaded", "tiles", "readers"];
    if !served.into_iter().any(&wants) {
        return Ok(());
    }
    reading::rebuild(setup, &written, table)?;
    if wants("board") {
        board::board(setup, &written, &press.key_name(0)?, table)?;
    }
    let serving = Serving::start(setup, &written, wants("start").then_some(&mut *table)).await?;
    if wants("search") {
        serving.searches(&written, table).await?;
    }
    if wants("pages") {
        serving.pages(press, &written, table).await?;
    }
    if wants("types") {
        serving.page_types(press, &written, table).await?;
    }
    if wants("http") {
        serving.submissions(press, &mut written, table).await?;
    }
    if wants("loaded") {
        serving.loaded(press, &mut written, table).await?;
    }
    if wants("tiles") {
        edge::tiles(setup, &serving, &written, table).await?;
    }
    if wants("readers") {
        edge::readers(setup, &serving, press, &written, table).await?;
    }
    Ok(())
}
