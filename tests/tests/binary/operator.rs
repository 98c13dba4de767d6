//! Cases 20 and 21: an operator who holds the machine and every key of the ledger rewrites what was published, with the
//! program itself. Whoever remembers one checkpoint finds it: a witness, a mirror, a citizen with an old checkpoint.

use std::path::{Path, PathBuf};

use gongkai_log::Digest;
use gongkai_store::Layout;
use gongkai_tests::ledger::{TestLedger, pledge, sheet};
use gongkai_tests::{Ran, Server, copy, gongkai, post, walk};
use serde_json::{Value, json};

use super::witnesses::{Witness, watched};

const TITLES: [&str; 4] = ["修桥", "修路", "修渠", "修井"];

/// A ledger with a witness and four pledges, and what others keep of it.
struct Told {
    ledger: TestLedger,
    witness: Witness,
    policy: PathBuf,
    /// Directories as of before the pledges, and before the last of them.
    before: [PathBuf; 2],
    checkpoint: PathBuf,
}

impl Told {
    fn new() -> Self {
        let ledger = TestLedger::new();
        let witness = Witness::new(&ledger, "w1");
        let before = [ledger.path("before-all"), ledger.path("before-the-last")];
        // The operator has no witness on these copies.
        copy(&ledger.dir(), &before[0]);
        let configuration = std::fs::read(ledger.dir().join("gongkai.toml")).unwrap();
        let policy = watched(&ledger, &[("linxian", &witness)], "quorum linxian\n");
        for (place, title) in TITLES.iter().enumerate() {
            if place == 3 {
                copy(&ledger.dir(), &before[1]);
                std::fs::write(before[1].join("gongkai.toml"), &configuration).unwrap();
            }
            let _ = ledger.publish(&[pledge(title)]).ok();
        }
        let checkpoint = ledger.file("checkpoint-in-june", ledger.checkpoint());
        let told = Self { ledger, witness, policy, before, checkpoint };
        let _ = told.mirror(&told.ledger.dir()).ok();
        told
    }

    /// The mirror looks at a directory.
    fn mirror(&self, source: &Path) -> Ran {
        let (dir, vkey) = (self.ledger.path("mirror"), self.ledger.vkey());
        let (source, dir) = (source.to_str().unwrap(), dir.to_str().unwrap());
        gongkai(["mirror", "--source", source, "--dir", dir, "--vkey", &vkey, "--once"])
    }

    /// A history that the operator makes on a copy, signed with the ledger's own keys.
    fn rewritten(&self, name: &str, from: &Path, titles: &[&str]) -> PathBuf {
        let dir = self.ledger.path(name);
        copy(from, &dir);
        let commands: Vec<String> = titles.iter().map(|title| pledge(title).to_string()).collect();
        let file = self.ledger.file(&format!("{name}.jsonl"), commands.join("\n"));
        let key = self.ledger.key_file("publisher.example/1");
        if !titles.is_empty() {
            let (dir, key, file) = (dir.to_str().unwrap(), key.to_str().unwrap(), file.to_str().unwrap());
            let _ = gongkai(["submit", "--dir", dir, "--key", key, file]).ok();
        }
        dir
    }

    /// Asks the witness to cosign the checkpoint of a directory, as the continuation of what it has cosigned.
    fn asked(&self, dir: &Path) -> u16 {
        let checkpoint = std::fs::read_to_string(dir.join("log/checkpoint")).unwrap();
        let request = format!("old {}\n\n{checkpoint}", self.witness.recorded());
        post(&format!("{}/add-checkpoint", self.witness.server.url), &[], request).status
    }
}

#[test]
fn what_an_operator_with_every_key_rewrites_is_refused_by_witness_mirror_and_old_checkpoint() {
    let told = Told::new();
    let (vkey, policy) = (told.ledger.vkey(), told.policy.to_str().unwrap());
    let [all, last] = &told.before;
    let cases: [(&str, &Path, &[&str]); 5] = [
        ("truncated", last, &[]),
        ("deleted", all, &["修桥", "修路", "修井"]),
        ("deleted-and-filled", all, &["修桥", "修路", "修井", "修塘", "修堤"]),
        ("swapped", all, &["修桥", "修渠", "修路", "修井"]),
        ("changed", all, &["修桥", "修大路", "修渠", "修井"]),
    ];
    let (size, recorded) = (told.ledger.size(), told.witness.recorded());
    assert_eq!(size, recorded);
    for (name, from, titles) in cases {
        let dir = told.rewritten(name, from, titles);
        let text = dir.to_str().unwrap();
        // By itself it is a perfect ledger: every signature and proof is the operator's own.
        let _ = gongkai(["verify", "--dir", text, "--vkey", &vkey]).ok().says("核验通过");

        let old = told.checkpoint.to_str().unwrap();
        let refuted =
            gongkai(["verify", "--dir", text, "--vkey", &vkey, "--old-checkpoint", old, "--json"]).exits(1).json();
        assert_eq!(refuted["field"], "old checkpoint", "{name}: {refuted}");
        let unwitnessed = gongkai(["verify", "--dir", text, "--vkey", &vkey, "--policy", policy, "--json"]);
        if name != "truncated" {
            assert_eq!(unwitnessed.exits(1).json()["field"], "policy", "{name}");
        }

        let seen = told.mirror(&dir).exits(1);
        let _ = if name == "truncated" { seen.says("倒退") } else { seen.says("分叉") };

        let status = told.asked(&dir);
        assert!([400, 409, 422].contains(&status), "{name}: the witness answered {status}");
        assert_eq!(told.witness.recorded(), recorded, "{name}: the witness keeps what it has cosigned");
        // Nor does it start where its witness is asked.
        let configuration = std::fs::read(told.ledger.dir().join("gongkai.toml")).unwrap();
        std::fs::write(dir.join("gongkai.toml"), configuration).unwrap();
        std::fs::copy(&told.policy, dir.join("witness.policy")).unwrap();
        if let Ok(server) = Server::try_start(&dir, |_| {}) {
            // It may go on recording, and shows nobody a checkpoint that the witness has not cosigned.
            let shown = server.get("/log/checkpoint").text();
            assert!(!shown.contains("\u{2014} witness-"), "{name}: {shown}");
        }
    }
    // The honest history goes on.
    let _ = told.ledger.publish(&[pledge("修塘")]).ok();
    assert_eq!(told.witness.recorded(), size + 1);
    let _ = told.mirror(&told.ledger.dir()).ok();
    told.ledger.check();
}

/// A ledger that has one file of each kind.
fn with_every_kind_of_file() -> TestLedger {
    let (ledger, voucher) = (TestLedger::new(), b"a photograph of a receipt");
    let layout = Layout::new(ledger.dir());
    std::fs::create_dir_all(layout.attachments()).unwrap();
    std::fs::write(layout.attachment(&Digest::of(voucher)), voucher).unwrap();
    let file = json!({"hash": Digest::of(voucher), "size": voucher.len(), "media_type": "image/jpeg"});
    let line =
        json!({"date": "2026-02-03", "summary": "公厕电费", "voucher": "记-1", "expense": 33_030, "files": [file]});
    let key = ledger.key_file("publisher.example/1");
    let _ = ledger.submit(&key, &ledger.supervisors(), &[sheet("2026-02", 33_030, &line)]).ok();
    let pledges: Vec<Value> = (0..260).map(|number| pledge(&format!("修好第 {number} 段水渠"))).collect();
    let _ = ledger.publish(&pledges).ok();
    ledger
}

#[test]
fn one_flipped_bit_in_any_kind_of_published_file_is_found_and_named() {
    let ledger = with_every_kind_of_file();
    let (log, vkey) = (ledger.dir().join("log"), ledger.vkey());
    let rest = ledger.size() % 256;
    let only = |folder: &str| -> String {
        let found = walk(&log.join(folder));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].strip_prefix(&log).unwrap().to_str().unwrap().to_owned()
    };
    // A file, and what the finding names: an entry, or a field that begins like this.
    let kinds: [(String, Option<u64>, &str); 10] = [
        ("checkpoint".into(), None, "checkpoint"),
        ("tile/0/000".into(), Some(3), "tile/0/000"),
        (format!("tile/0/001.p/{rest}"), Some(259), "tile/0/001"),
        ("tile/1/000.p/1".into(), None, "tile/1/000.p/1"),
        ("tile/entries/000".into(), Some(0), ""),
        (format!("tile/entries/001.p/{rest}"), Some(256), ""),
        ("openings/000".into(), None, "openings"),
        ("openings/001".into(), None, "openings"),
        (only("lines"), None, "lines"),
        (only("attachment"), None, "attachment"),
    ];
    let verified = || ledger.run("verify", &["--vkey", &vkey, "--json"]);
    for (name, index, field) in &kinds {
        let path = log.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        // Within the fourth hash of a tile, and within the first entry of a bundle.
        let at = if name.starts_with("tile/1") { 9 } else { 104.min(good.len() / 2) };
        bad[at] ^= 4;
        std::fs::write(&path, &bad).unwrap();
        let found = verified().exits(1).json();
        assert!(found["field"].as_str().unwrap().starts_with(field), "{name}: {found}");
        assert!(index.is_none() || found["index"].as_u64() == *index, "{name}: {found}");
        std::fs::write(&path, good).unwrap();
    }
    // The key beside the log is whom one trusts when one knows no other; a changed one is no key.
    let path = log.join("vkey");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replacen("ledger.example", "ledger.exbmple", 1)).unwrap();
    let _ = ledger.run("verify", &[]).exits(2);
    let _ = verified().ok();
    std::fs::write(&path, good).unwrap();
    ledger.check();
}

/// What the rows say is compared with the entries, also where no published byte depends on them.
#[test]
fn verify_names_the_row_of_the_database_that_an_operator_changed() {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let database = ledger.dir().join("ledger.db");
    let said = |sql: &'static str| -> Value {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            use sqlx::{ConnectOptions as _, Connection as _};
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
            let mut connection = options.connect().await.unwrap();
            sqlx::raw_sql("DROP TRIGGER IF EXISTS entries_are_never_changed").execute(&mut connection).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
        ledger.run("verify", &["--json"]).json()
    };
    let last = ledger.size() - 1;
    let found = said("UPDATE entries SET stream = stream || 'x' WHERE idx = (SELECT max(idx) FROM entries)");
    assert_eq!((&found["ok"], &found["index"]), (&false.into(), &last.into()), "{found}");
    assert_eq!((&found["field"], &found["copy"]), (&"rows of entries.stream".into(), &"数据库".into()), "{found}");
    let _ = ledger.run("verify", &[]).exits(1).says("在数据库里的记录与条目原文不符");
}
