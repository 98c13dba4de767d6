//! Ledgers and witnesses as processes: cosigned checkpoints, a witness that is killed, a backup that is too old, a quorum
//! that does not come together. The protocol itself is tested beside its code.

use std::path::PathBuf;

use gongkai_log::witness::monitoring_path;
use gongkai_tests::ledger::{ORIGIN, TestLedger, pledge};
use gongkai_tests::{Server, copy, gongkai};

/// A witness of a ledger with a directory of its own.
pub(super) struct Witness {
    pub(super) server: Server,
    dir: PathBuf,
    pub(super) vkey: String,
}

impl Witness {
    pub(super) fn new(ledger: &TestLedger, name: &str) -> Self {
        let dir = ledger.path(name);
        let server = Server::witness(&dir, "127.0.0.1:0", &ledger.vkey());
        let about = gongkai_tests::get(&server.url).text();
        let vkey = about.lines().find_map(|line| line.strip_prefix("验证钥匙 ")).unwrap().to_owned();
        Self { server, dir, vkey }
    }

    /// Kills it and starts it again at the same address.
    fn killed(self, ledger: &TestLedger) -> Self {
        let Self { server, dir, vkey } = self;
        let listen = server.url.strip_prefix("http://").unwrap().to_owned();
        server.kill();
        Self { server: Server::witness(&dir, &listen, &ledger.vkey()), dir, vkey }
    }

    /// Entries that it has cosigned.
    pub(super) fn recorded(&self) -> u64 {
        let note = self.server.get(&format!("/{}", monitoring_path(ORIGIN))).text();
        note.lines().nth(1).unwrap().parse().unwrap()
    }
}

/// Has a ledger ask these witnesses; gives the policy's file.
pub(super) fn watched(ledger: &TestLedger, witnesses: &[(&str, &Witness)], quorum: &str) -> PathBuf {
    let lines = witnesses.iter().map(|(name, w)| format!("witness {name} {} {}\n", w.vkey, w.server.url));
    let file = ledger.dir().join("witness.policy");
    std::fs::write(&file, lines.collect::<String>() + quorum).unwrap();
    let configuration = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, format!("{text}witness_policy = \"witness.policy\"\n")).unwrap();
    file
}

const BOTH: &str = "group both all linxian daxue\nquorum both\n";

#[test]
fn what_two_witnesses_cosigned_is_published_shown_and_proven_offline() {
    let ledger = TestLedger::new();
    let (first, second) = (Witness::new(&ledger, "w1"), Witness::new(&ledger, "w2"));
    let policy = watched(&ledger, &[("linxian", &first), ("daxue", &second)], BOTH);
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    assert_eq!((first.recorded(), second.recorded()), (ledger.size(), ledger.size()));
    assert_eq!(ledger.checkpoint().matches("\u{2014} witness-").count(), 2, "{}", ledger.checkpoint());

    let policy = policy.display().to_string();
    let proof = ledger.path("entry-1.tlog-proof").display().to_string();
    let dir = ledger.dir().display().to_string();
    let _ = gongkai(["proof", "--dir", &dir, "1", "--out", &proof]).ok();
    let vkey = ledger.vkey();
    let _ = gongkai(["verify", &proof, "--vkey", &vkey, "--policy", &policy]).ok();
    let _ = gongkai(["verify", "--dir", &dir, "--vkey", &vkey, "--policy", &policy]).ok();
    let third = Witness::new(&ledger, "w3");
    let stricter = format!("witness baoshe {}\nquorum baoshe\n", third.vkey);
    let stricter = ledger.file("stricter.policy", stricter).display().to_string();
    let _ = gongkai(["verify", &proof, "--vkey", &vkey, "--policy", &stricter]).exits(1);

    let server = Server::start(&ledger.dir());
    let status = server.get("/status").text();
    assert_eq!(status.matches("联署于").count(), 2, "{status}");
    assert!(status.contains("已有足够的见证方联署"), "{status}");
    assert_eq!(server.get("/log/policy").text(), std::fs::read_to_string(&policy).unwrap());
    let page = server.eventually("/entries/1/view", |answer| answer.text().contains("另有 2 个见证方联署"));
    assert_eq!(page.status, 200);
    let doctor = ledger.run("doctor", &["--json"]).json();
    let symptoms = doctor["symptoms"].as_array().unwrap();
    assert!(!symptoms.iter().any(|symptom| symptom["code"].as_str().unwrap().contains("witness")), "{doctor}");
}

#[test]
fn a_witness_that_is_killed_after_its_answer_knows_it_again() {
    let ledger = TestLedger::new();
    let mut witness = Witness::new(&ledger, "w1");
    watched(&ledger, &[("linxian", &witness)], "quorum linxian\n");
    for title in ["修桥", "修路", "修渠"] {
        let _ = ledger.publish(&[pledge(title)]).ok();
        witness = witness.killed(&ledger);
        assert_eq!(witness.recorded(), ledger.size());
    }
}

#[test]
fn a_backup_that_lacks_what_a_witness_has_cosigned_does_not_start() {
    let ledger = TestLedger::new();
    let witness = Witness::new(&ledger, "w1");
    watched(&ledger, &[("linxian", &witness)], "quorum linxian\n");
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let backup = ledger.path("backup");
    copy(&ledger.dir(), &backup);
    let _ = ledger.publish(&[pledge("修路")]).ok();
    // Everything of the directory is as old as the rest, its checkpoint too: only the witness knows better.
    let refused = Server::try_start(&backup, |_| {}).unwrap_err();
    assert!(refused.contains("见证方联署过") && refused.contains("旧备份"), "{refused}");
    let doctor = gongkai(["doctor", "--dir", &backup.display().to_string()]).exits(1);
    let _ = doctor.says("比这本账现有的多");
    let _ = Server::start(&ledger.dir()).stop();
}

#[test]
fn without_a_quorum_receipts_go_on_and_the_checkpoint_waits_for_the_witness() {
    let ledger = TestLedger::new();
    let (first, second) = (Witness::new(&ledger, "w1"), Witness::new(&ledger, "w2"));
    watched(&ledger, &[("linxian", &first), ("daxue", &second)], BOTH);
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let published = ledger.size();
    let (dir, listen) = (second.dir.clone(), second.server.url.strip_prefix("http://").unwrap().to_owned());
    second.server.kill();

    let receipts = ledger.publish(&[pledge("修路"), pledge("修渠")]).ok().json_lines();
    assert_eq!(receipts.len(), 2);
    assert_eq!(ledger.size(), published, "nothing is published that too few have cosigned");
    let _ = ledger.run("doctor", &[]).says("daxue 连不上");
    let server = Server::start(&ledger.dir());
    assert_eq!(server.size(), published);
    let status = server.eventually("/status", |answer| answer.text().contains("连不上")).text();
    assert!(status.contains("daxue"), "{status}");

    let _again = Server::witness(&dir, &listen, &ledger.vkey());
    let size = format!("\n{}\n", published + 2);
    let _ = server.eventually("/log/checkpoint", |answer| answer.text().contains(&size));
}
