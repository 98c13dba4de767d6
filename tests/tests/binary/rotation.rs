//! Another log key, by the three commands, with a mirror that follows over it: case 18 from the outside.

use std::fs;
use std::path::{Path, PathBuf};

use gongkai_api::cli::local::clock;
use gongkai_api::keyfile;
use gongkai_log::{Checkpoint, Note, SigningKey, VerifierKey, checkpoint};
use gongkai_tests::ledger::{ORIGIN, TestLedger, VILLAGE, pledge};
use gongkai_tests::{Ran, Server, gongkai};

/// What is made beside the log key that a ledger has now.
struct Rotating<'l> {
    ledger: &'l TestLedger,
    old: String,
}

impl<'l> Rotating<'l> {
    fn of(ledger: &'l TestLedger) -> Self {
        Self { ledger, old: ledger.vkey().trim().to_owned() }
    }

    fn prepare(&self, out: &Path, more: &[&str]) -> Ran {
        let (dir, out) = (self.ledger.dir(), out.to_str().unwrap().to_owned());
        let words = ["rotate-key", "prepare", "--dir", dir.to_str().unwrap(), "--out", &out];
        gongkai([&words[..], more].concat())
    }

    fn apply(&self, file: &Path) -> Ran {
        let dir = self.ledger.dir();
        gongkai(["rotate-key", "apply", "--dir", dir.to_str().unwrap(), file.to_str().unwrap()])
    }

    /// A file that the recovery key has endorsed.
    fn endorsed(&self, more: &[&str]) -> PathBuf {
        let (prepared, endorsed) = (self.ledger.path("换钥匙.json"), self.ledger.path("已背书.json"));
        let _ = self.prepare(&prepared, more).ok();
        let _ = endorse(&self.ledger.own_key_file("recovery.key"), &prepared, &endorsed).ok();
        endorsed
    }
}

fn endorse(key: &Path, file: &Path, out: &Path) -> Ran {
    let [key, file, out] = [key, file, out].map(|path| path.to_str().unwrap());
    gongkai(["rotate-key", "endorse", "--key", key, "--out", out, file])
}

#[test]
fn an_overlap_with_a_stolen_key_is_refused_before_anybody_goes_to_the_recovery_key_with_it() {
    let ledger = TestLedger::new();
    let (rotating, file) = (Rotating::of(&ledger), ledger.path("换钥匙.json"));
    let more = ["--reason", "stolen", "--overlap-until", "2027-03-01T00:00:00+08:00"];
    let _ = rotating.prepare(&file, &more).exits(1).says("钥匙被盗时原钥匙不能再签");
    assert!(!file.exists());
}

fn keys(ledger: &TestLedger) -> Vec<String> {
    let names = fs::read_dir(ledger.dir().join("keys")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("log"));
    names.sort();
    names
}

fn verify(ledger: &TestLedger, vkey: &str, more: &[&str]) -> Ran {
    let dir = ledger.dir();
    gongkai([&["verify", "--dir", dir.to_str().unwrap(), "--vkey", vkey], more].concat())
}

/// Whether a published checkpoint bears a line of this key that verifies.
fn signed_by(ledger: &TestLedger, vkey: &str) -> bool {
    checkpoint::open(&ledger.checkpoint(), &VerifierKey::parse(vkey).unwrap()).is_ok()
}

#[test]
fn a_stolen_log_key_is_replaced_in_three_steps_and_a_mirror_follows_over_it() {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("完成五里桥自然村路灯改造")]).ok();
    let rotating = Rotating::of(&ledger);
    let old = rotating.old.as_str();
    let thief = keyfile::read(&ledger.own_key_file("log.key"), || None).unwrap();
    let old_checkpoint = ledger.file("old-checkpoint", ledger.checkpoint());
    let (proof, index) = (ledger.path("old.tlog-proof"), (ledger.size() - 1).to_string());
    let _ = ledger.run("proof", &[&index, "--out", proof.to_str().unwrap()]).ok();
    let (mirrored, source) = (ledger.path("mirror"), ledger.dir().join("log"));
    let mirror = Server::try_start_mirror(source.to_str().unwrap(), &mirrored, old).unwrap();

    // While it is served: only the file and the key that is to come are made.
    let server = Server::start(&ledger.dir());
    let (prepared, endorsed) = (ledger.path("换钥匙.json"), ledger.path("已背书.json"));
    let _ = rotating.prepare(&prepared, &["--reason", "stolen"]).ok().says("恢复钥匙");
    let registrar = ledger.own_key_file("registrar-1.key");
    let _ = endorse(&registrar, &prepared, &endorsed).exits(2).says("要由恢复钥匙");
    let _ = rotating.apply(&prepared).exits(2);
    let recovery = ledger.own_key_file("recovery.key");
    let _ = endorse(&recovery, &prepared, &endorsed).ok().says("钥匙被盗").says("不再签");
    let _ = rotating.apply(&endorsed).exits(2).says("另一个");
    assert_eq!(keys(&ledger), ["log-next.key", "log.key"]);
    assert!(server.stop().success());

    let _ = rotating.apply(&prepared).exits(2).says("还没有恢复钥匙的背书");
    let size = ledger.size();
    let _ = rotating.apply(&endorsed).ok().says(&format!("第 {size} 号"));
    let _ = rotating.apply(&endorsed).ok().says("已经记入账本");
    assert_eq!(keys(&ledger), ["log.key"], "a stolen key is kept for nothing");
    let new = ledger.vkey().trim().to_owned();
    assert!(new != old && signed_by(&ledger, &new) && !signed_by(&ledger, old));

    // It goes on under the new key, and the mirror that runs follows over the rotation.
    let _ = ledger.publish(&[pledge("清淤水渠三里")]).ok();
    mirror.eventually("/api/v1/pledges", |answer| answer.text().contains("清淤水渠三里"));
    assert_eq!(mirror.get("/log/vkey").text().trim(), new);
    assert_eq!(mirror.get("/log/key-history").body, fs::read(source.join("key-history")).unwrap());
    for vkey in [old, &new] {
        let old_checkpoint = old_checkpoint.to_str().unwrap();
        let _ = verify(&ledger, vkey, &["--old-checkpoint", old_checkpoint]).ok().says("只增加，没有改动");
        let _ = gongkai(["verify", "--url", &mirror.url, "--vkey", vkey, "--old-checkpoint", old_checkpoint]).ok();
        let _ = gongkai(["audit", "--url", &mirror.url, "--vkey", vkey]).ok();
    }
    assert!(mirror.stop().success());
    let dir = mirrored.to_str().unwrap();
    for vkey in [old, &new] {
        let _ = gongkai(["mirror", "--source", source.to_str().unwrap(), "--dir", dir, "--vkey", vkey, "--once"]).ok();
    }
    let _ = gongkai(["doctor", "--dir", dir]).ok().says("没有毛病");
    let _ = gongkai(["doctor", "--dir", ledger.dir().to_str().unwrap()]).ok().says("没有毛病");
    files_that_stand_alone(&ledger, &proof, (old, &new));
    the_thief_is_named(&ledger, &thief, size);
}

/// Bundles, proofs and checkpoints, under the old key and the new one.
fn files_that_stand_alone(ledger: &TestLedger, old_proof: &Path, (old, new): (&str, &str)) {
    let check = |file: &Path, more: &[&str]| gongkai([&["verify", file.to_str().unwrap()], more].concat());
    let _ = check(old_proof, &["--vkey", old]).ok();
    let new_proof = ledger.path("new.tlog-proof");
    let index = (ledger.size() - 1).to_string();
    let _ = ledger.run("proof", &[&index, "--out", new_proof.to_str().unwrap()]).ok();
    let _ = check(&new_proof, &["--vkey", new]).ok();
    let _ = check(&new_proof, &["--vkey", old]).exits(1);
    let history = ledger.dir().join("log/key-history");
    let history = history.to_str().unwrap();
    let told = ["--vkey", old, "--key-history", history];
    let _ = check(&new_proof, &told).ok();
    let _ = check(old_proof, &["--vkey", new, "--key-history", history]).ok();
    let bundle = ledger.path("ledger.tar");
    let part = ledger.path("part.tar");
    let _ = ledger.run("export", &["--out", bundle.to_str().unwrap()]).ok();
    let _ = ledger.run("export", &["--out", part.to_str().unwrap(), "--org", VILLAGE]).ok();
    for (file, vkey) in [(&bundle, old), (&bundle, new), (&part, old), (&part, new)] {
        let _ = check(file, &["--vkey", vkey]).ok();
    }
    let other = keyfile::generate(ORIGIN).unwrap().verifier().to_string();
    let _ = check(&bundle, &["--vkey", &other]).exits(1).says("key-history");
    let made = ledger.run("backup", &["--out", ledger.path("backups").to_str().unwrap(), "--with-keys", "--json"]).ok();
    let (made, restored) = (made.json()["backup"].as_str().unwrap().to_owned(), ledger.path("restored"));
    let seen = ledger.path("old-checkpoint");
    let words = ["restore", "--from", &made, "--dir", restored.to_str().unwrap(), "--vkey", new, "--checkpoint"];
    let _ = gongkai([&words[..], &[seen.to_str().unwrap()]].concat()).ok();
}

/// A larger head that the stolen key alone signed, over the very log that replaced it at an entry.
fn the_thief_is_named(ledger: &TestLedger, thief: &SigningKey, entry: u64) {
    let note = ledger.checkpoint();
    let head = Checkpoint::parse(&Note::parse(&note).unwrap().text).unwrap();
    let forged = ledger.file("forged", checkpoint::sign(&head, &[thief]).unwrap());
    fs::copy(&forged, ledger.dir().join("log/checkpoint")).unwrap();
    let said = format!("signed only by a log key that entry {entry} replaced");
    let (old, new) = (thief.verifier().to_string(), ledger.vkey());
    for vkey in [&old, &new] {
        let _ = verify(ledger, vkey, &[]).exits(1).says(&said).says("只有已经换掉的账本钥匙签名");
    }
    let history = ledger.dir().join("log/key-history");
    let words = ["verify", forged.to_str().unwrap(), "--vkey", &old, "--key-history", history.to_str().unwrap()];
    let _ = gongkai(words).exits(1).says(&said);
    fs::write(ledger.dir().join("log/checkpoint"), note).unwrap();
    let _ = verify(ledger, &new, &[]).ok();
}

#[test]
fn after_a_planned_change_both_keys_sign_for_a_time_and_the_old_one_is_kept_for_that() {
    let ledger = TestLedger::new();
    let rotating = Rotating::of(&ledger);
    let until = (clock().now() + chrono::TimeDelta::days(30)).to_rfc3339();
    let endorsed = rotating.endorsed(&["--reason", "planned", "--overlap-until", &until]);
    let _ = rotating.apply(&endorsed).ok();
    assert_eq!(keys(&ledger), ["log-former.key", "log.key"]);
    let new = ledger.vkey().trim().to_owned();
    let _ = ledger.publish(&[pledge("修好村北机耕路")]).ok();
    for vkey in [&rotating.old, &new] {
        assert!(signed_by(&ledger, vkey));
        let _ = verify(&ledger, vkey, &[]).ok();
    }
    // Not where it is in strange hands.
    let refused = rotating.prepare(&ledger.path("wieder.json"), &["--reason", "stolen", "--overlap-until", &until]);
    let _ = refused.exits(1).says("钥匙被盗时原钥匙不能再签");
    assert_eq!(keys(&ledger), ["log-former.key", "log-next.key", "log.key"]);
}

#[test]
fn a_ledger_that_lost_its_log_key_gets_another_and_a_start_that_was_cut_off_puts_it_in_place() {
    let ledger = TestLedger::new();
    let rotating = Rotating::of(&ledger);
    fs::remove_file(ledger.dir().join("keys/log.key")).unwrap();
    let endorsed = rotating.endorsed(&["--reason", "lost"]);
    assert!(Server::try_start(&ledger.dir(), |_| {}).is_err(), "it is not served under a key that nobody endorsed yet");
    let _ = rotating.apply(&endorsed).ok();
    assert_eq!(keys(&ledger), ["log.key"]);
    // As if it had stopped before the key was in place.
    fs::rename(ledger.dir().join("keys/log.key"), ledger.dir().join("keys/log-next.key")).unwrap();
    let server = Server::start(&ledger.dir());
    assert_eq!(keys(&ledger), ["log.key"]);
    assert!(server.stop().success());
    let _ = verify(&ledger, &rotating.old, &[]).ok();
}
