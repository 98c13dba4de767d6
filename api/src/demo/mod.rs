//! The demo: a fictional county whose whole story is told to a real ledger, through what users have.
//!
//! `init` makes the ledger, `keygen` the keys (in `demo-keys`), `import` reads the list of organizations and the
//! village's sheets, and every step is signed and submitted like any other command. Only the clock is not the
//! machine's: it shows when each step of the story was recorded. Not here: serving what was built (`cli::demo`), and
//! any rule; a step that the ledger refuses is a fault.
//!
//! The data is in `api/demo`: see [`story`] for its form and [`template`] for its dates. To tell more, add lines there.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use gongkai_log::{Digest, VerifierKey};
use gongkai_store::{Clock as _, Layout, ManualClock};

use crate::{
    cli::{init, local, vault},
    client::Client,
    config::Config,
    keyfile,
    outcome::Fault,
};

mod books;
#[cfg(test)]
mod build_tests;
pub mod story;
mod telling;
pub mod template;
#[cfg(test)]
mod tests;

use story::{Keys, REGISTRARS, Story, StoryError};

/// Origin of the demo ledger; `.example` belongs to nobody (RFC 2606).
pub const ORIGIN: &str = "demo.qinghe.example";
/// Its name, which says on every page that it is made up.
pub const NAME: &str = "青禾县公开账本（演示，人物地名均为虚构）";
/// Code of the county that keeps it.
pub const ORG: &str = "341599";
/// Folder with the keys of the story's people, in the ledger's directory.
pub const KEYS_FOLDER: &str = "demo-keys";
/// Steps that are further apart are not in one period of sealed events.
const PERIOD: TimeDelta = TimeDelta::minutes(10);
/// Folder with tables to try `import` on, in the ledger's directory.
pub const INPUT_FOLDER: &str = "demo-input";

/// What was built.
#[derive(Debug, Clone)]
pub struct DemoReport {
    /// Verifier key of the log.
    pub vkey: VerifierKey,
    /// Hash of the genesis entry.
    pub genesis: Digest,
    /// How many entries the ledger has.
    pub entries: u64,
    /// The keys of the story's people.
    pub keys: Vec<DemoKey>,
}

/// A key of somebody in the story.
#[derive(Debug, Clone)]
pub struct DemoKey {
    /// Name of the key.
    pub name: String,
    /// Who holds it, in which roles and where.
    pub holder: String,
    /// The private key's file.
    pub file: PathBuf,
}

impl From<StoryError> for Fault {
    fn from(error: StoryError) -> Self {
        Self::failed("演示数据", &error)
    }
}

/// Builds the demo ledger as it stands on the morning of `today`, in a directory that is free.
///
/// It is made in a folder beside `dir`, which gets its name at the end: after a crash there is no half demo, and the
/// next run begins anew.
///
/// # Errors
/// The directory has something in it, the disk fails, or a step of the story is refused.
pub async fn build(dir: &Path, today: NaiveDate) -> Result<DemoReport, Fault> {
    let story = Story::on(today)?;
    let disk = |error: std::io::Error| Fault::failed(dir.display().to_string(), &error);
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(
            Fault::usage(dir.display().to_string(), "目录里已有别的文件，没有改动它").mend("请换一个新的或空的目录")
        );
    }
    let name = dir.file_name().ok_or_else(|| Fault::usage(dir.display().to_string(), "不是可用的目录名"))?;
    let draft = dir.with_file_name(format!(".{}.demo-draft", name.to_string_lossy()));
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(disk)?;
    }
    let mut report = make(&draft, &story, today).await?;
    fs::rename(&draft, dir).map_err(disk)?;
    for key in &mut report.keys {
        key.file = dir.join(KEYS_FOLDER).join(key.file.file_name().unwrap_or_default());
    }
    Ok(report)
}

async fn make(dir: &Path, story: &Story, today: NaiveDate) -> Result<DemoReport, Fault> {
    let clock = Arc::new(ManualClock::new(story.created_at.to_utc()));
    let new = init::NewLedger {
        origin: ORIGIN.into(),
        name: NAME.into(),
        org: ORG.into(),
        registrars: Vec::new(),
        database: None,
    };
    let made = init::init(dir, &new, clock.clone()).await?;
    let layout = Layout::new(dir);
    let mut keys = Keys::default();
    for name in REGISTRARS {
        keys.add_as(name, local::ledger_key(&layout, name)?);
    }
    keys.add_as(story::INTAKE, local::ledger_key(&layout, "intake")?);
    vault::init_for_demo(&layout, ORIGIN).await?;
    let mut config = Config::read(&layout)?;
    config.vault_passphrase_file = Some(vault::DEMO_PASSPHRASE_FILE.into());
    config.write(&layout)?;
    let demo_keys = make_keys(dir, story, &mut keys)?;
    write_input(dir, today)?;
    let ledger = local::open(&layout, clock.clone()).await?;
    let mut client = Client::local(ledger, clock.clone());
    let ledger = client.ledger().cloned().ok_or_else(|| Fault::ours("演示账本", "不在本机"))?;
    let mut teller = telling::Teller::new(&mut client, ledger.clone(), story, &keys);
    for (number, step) in story.steps.iter().enumerate() {
        set(&clock, step.recorded_at);
        teller.tell(step, number).await?;
        // A period a promise: the demo's clock leaps over those in which nothing came.
        if story.steps.get(number + 1).is_none_or(|next| next.recorded_at - step.recorded_at > PERIOD) {
            teller.end_period().await?;
        }
    }
    // So that completeness can be tried at once.
    ledger.root_map().await.map_err(|error| Fault::failed("总目", &error))?;
    let entries = ledger.health().committed;
    // Nothing of the folder may be open when it gets its name.
    client.close().await;
    ledger.reader().close().await;
    Ok(DemoReport { vkey: made.vkey, genesis: made.genesis, entries, keys: demo_keys })
}

/// Lets both clocks run to a time: the ledger takes a jump of one alone for a fault.
fn set(clock: &ManualClock, to: DateTime<Utc>) {
    let wait: TimeDelta = to - clock.now();
    clock.advance(wait.to_std().unwrap_or_default());
}

/// Makes the people's keys as `keygen` does, and a list of who holds which.
fn make_keys(dir: &Path, story: &Story, keys: &mut Keys) -> Result<Vec<DemoKey>, Fault> {
    let folder = dir.join(KEYS_FOLDER);
    let disk = |error: std::io::Error| Fault::failed(folder.display().to_string(), &error);
    fs::create_dir_all(&folder).map_err(disk)?;
    let mut made = Vec::new();
    let mut list = String::from("演示用的私钥,人物均为虚构,不要用在别处。\n\n");
    for (name, holder) in story.key_names() {
        let file = folder.join(format!("{}.key", name.replace('/', "-")));
        let key = keyfile::generate(name).map_err(|error| Fault::failed(name, &error))?;
        keyfile::write(&file, &key, None)?;
        keys.add(key);
        let shown = file.file_name().unwrap_or_default().to_string_lossy();
        writeln!(list, "{shown}  {holder}").map_err(|error| Fault::failed("README.txt", &error))?;
        made.push(DemoKey { name: name.to_owned(), holder: holder.to_owned(), file });
    }
    for person in story.receivers() {
        let name = format!("{person}-receiver");
        keys.add_sealing(person, telling::make_receiver_key(&folder.join(format!("{name}.key")), &name)?);
        writeln!(list, "{name}.key  收件人的解密钥匙，只用来打开加密给收件人的来信和异议")
            .map_err(|error| Fault::failed("README.txt", &error))?;
    }
    fs::write(folder.join("README.txt"), list).map_err(disk)?;
    Ok(made)
}

/// The tables that the story was imported from, to try `import --dry-run` on.
fn write_input(dir: &Path, today: NaiveDate) -> Result<(), Fault> {
    let folder = dir.join(INPUT_FOLDER);
    let disk = |error: std::io::Error| Fault::failed(folder.display().to_string(), &error);
    fs::create_dir_all(&folder).map_err(disk)?;
    for (name, text) in story::inputs(today)? {
        fs::write(folder.join(name), text).map_err(disk)?;
    }
    Ok(())
}
