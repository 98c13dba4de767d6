//! Another log key, by the three commands, with a mirror that follows over it: case 18 from the outside.

use std::fs;
use std::path::{Path, PathBuf};

use gongkai_log::{Checkpoint, Note, VerifierKey, checkpoint};
use gongkai_tests::ledger::{TestLedger, pledge};
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

    fn endorse(&self, key: &Path, file: &Path, out: &Path) -> Ran {
        let [key, file, out] = [key, file, out].map(|path| path.to_str().unwrap());
        gongkai(["rotate-key", "endorse", "--key", key, "--out", out, file])
    }

    fn apply(&self, file: &Path) -> Ran {
        let dir = self.ledger.dir();
        gongkai(["rotate-key", "apply", "--dir", dir.to_str().unwrap(), file.to_str().unwrap()])
    }

    /// A file that the recovery key has endorsed.
    fn endorsed(&self, more: &[&str]) -> PathBuf {
        let (prepared, endorsed) = (self.ledger.path("换钥匙.json"), self.ledger.path("已背书.json"));
        let _ = self.prepare(&prepared, more).ok();
        let _ = self.endorse(&self.ledger.own_key_file("recovery.key"), &prepared, &endorsed).ok();
        endorsed
    }
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
    let _ = rotating.endorse(&registrar, &prepared, &endorsed).exits(2).says("要由恢复钥匙");
    let _ = rotating.apply(&prepared).exits(2);
    let recovery = ledger.own_key_file("recovery.key");
    let _ = rotating.endorse(&recovery, &prepared, &endorsed).ok().says("钥匙被盗").says("不再签");
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
    the_thief_is_named(&ledger, (old, &new));
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
    let _ = ledger.run("export", &["--out", part.to_str().unwrap(), "--org", gongkai_tests::ledger::VILLAGE]).ok();
    for (file, vkey) in [(&bundle, old), (&bundle, new), (&part, old), (&part, new)] {
        let _ = check(file, &["--vkey", vkey]).ok();
    }
    let stranger = ledger.path("stranger");
    let made = gongkai(["init", "--dir", stranger.to_str().unwrap(), "--origin", gongkai_tests::ledger::ORIGIN]).ok();
    drop(made);
    let other = fs::read_to_string(stranger.join("log/vkey")).unwrap();
    let _ = check(&bundle, &["--vkey", other.trim()]).exits(1).says("key-history");
    let backup = ledger.path("backup");
    let _ = ledger.run("backup", &["--to", backup.to_str().unwrap(), "--with-keys"]).ok();
    let restored = ledger.path("restored");
    let made = fs::read_dir(&backup).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let words = ["restore", "--from", made.to_str().unwrap(), "--dir", restored.to_str().unwrap(), "--vkey", new];
    let _ = gongkai([&words[..], &["--checkpoint", ledger.path("old-checkpoint").to_str().unwrap()]].concat()).ok();
}

/// A larger head that the old key alone signed.
fn the_thief_is_named(ledger: &TestLedger, (old, new): (&str, &str)) {
    let stolen = gongkai_log::SigningKey::from_seed(ledger_name(old), gongkai_log::KeyKind::Ed25519, [7; 32]).unwrap();
    assert_ne!(stolen.verifier().to_string(), old, "the test has no real thief's key, so any other will do");
    let note = ledger.checkpoint();
    let head = Checkpoint::parse(&Note::parse(&note).unwrap().text).unwrap();
    fs::write(ledger.dir().join("log/checkpoint"), checkpoint::sign(&head, &[&stolen]).unwrap()).unwrap();
    for vkey in [old, new] {
        let _ = verify(ledger, vkey, &[]).exits(1).says("checkpoint");
    }
    fs::write(ledger.dir().join("log/checkpoint"), note).unwrap();
    let _ = verify(ledger, new, &[]).ok();
}

fn ledger_name(vkey: &str) -> &str {
    vkey.split('+').next().unwrap()
}

#[test]
fn after_a_planned_change_both_keys_sign_for_a_time_and_the_old_one_is_kept_for_that() {
    let ledger = TestLedger::new();
    let rotating = Rotating::of(&ledger);
    let until = (chrono::Utc::now() + chrono::TimeDelta::days(30)).to_rfc3339();
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
    let out = ledger.path("wieder.json");
    let refused = rotating.prepare(&out, &["--reason", "stolen", "--overlap-until", &until]);
    let _ = refused.ok();
    let again = ledger.path("wieder-endorsed.json");
    let _ = rotating.endorse(&ledger.own_key_file("recovery.key"), &out, &again).ok();
    let _ = rotating.apply(&again).exits(1).says("钥匙被盗时原钥匙不能再签");
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
