//! Proofs over time, and a reader who looks while others write: what was proven stays proven, and nothing that was shown
//! is ever missing, smaller, or another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gongkai_log::tile::{TileKind, decode_bundle, decode_hashes, new_tiles};
use gongkai_log::{Edge, Note, Policy, TilePath, TlogProof, TreeHash, merkle};
use gongkai_tests::ledger::{TestLedger, key, pledge};
use gongkai_tests::server::try_post;
use gongkai_tests::statement::Draft;
use gongkai_tests::{Outsider, Server, gongkai};
use serde_json::Value;

use super::witnesses::{Witness, watched};

#[test]
fn an_old_proof_stays_valid_and_a_newer_one_of_the_same_entry_verifies_too() {
    let ledger = TestLedger::new();
    let (dir, vkey) = (ledger.dir().display().to_string(), ledger.vkey());
    let proof = |name: &str, from: [&str; 2]| -> String {
        let out = ledger.path(name).display().to_string();
        let _ = gongkai(["proof", from[0], from[1], "7", "--out", &out]).ok();
        out
    };
    let size_of = |file: &str| -> u64 {
        let said = gongkai(["verify", file, "--vkey", &vkey, "--json"]).ok().json();
        assert_eq!((&said["ok"], &said["index"], &said["authenticated"]), (&true.into(), &7.into(), &true.into()));
        said["size"].as_u64().unwrap()
    };
    let old = proof("old.tlog-proof", ["--dir", &dir]);
    let kept = std::fs::read(&old).unwrap();
    let before = size_of(&old);
    assert_eq!(before, ledger.size());

    // Over a bundle's end, so that the tiles of the old proof are no longer the last ones.
    let pledges: Vec<Value> = (0..300).map(|number| pledge(&format!("修好第 {number} 段水渠"))).collect();
    let _ = ledger.publish(&pledges).ok();
    let server = Server::start(&ledger.dir());
    let newer = proof("newer.tlog-proof", ["--dir", &dir]);
    let fetched = proof("fetched.tlog-proof", ["--url", &server.url]);
    let shown = server.get("/api/v1/entries/7/proof");
    assert_eq!(shown.status, 200);
    let shown = ledger.file("shown.tlog-proof", &shown.body);
    std::fs::write(shown.with_extension("entry"), server.get("/entries/7").body).unwrap();
    for file in [&newer, &fetched, shown.to_str().unwrap()] {
        assert_eq!(size_of(file), before + 300, "{file}");
    }
    assert_eq!((size_of(&old), std::fs::read(&old).unwrap()), (before, kept));
    // Both are of one history.
    let checkpoint =
        |file: &str| TlogProof::parse(&std::fs::read_to_string(file).unwrap()).unwrap().checkpoint.to_string();
    let mut outsider = Outsider::new(&vkey);
    outsider.saw(&checkpoint(&old));
    outsider.saw(&checkpoint(&fetched));
    assert!(server.stop().success());
    outsider.check(&ledger.dir().join("log"));
}

/// Everything that a reader has got, by path.
struct Reader<'s> {
    server: &'s Server,
    policy: Policy,
    outsider: Outsider,
    got: BTreeMap<String, Vec<u8>>,
    edge: Edge,
    looks: u64,
}

impl Reader<'_> {
    fn get(&mut self, path: &TilePath) -> Vec<u8> {
        let answer = self.server.get(&format!("/log/{path}"));
        assert_eq!(answer.status, 200, "{path} of a checkpoint that was shown");
        self.got.insert(path.to_string(), answer.body.clone());
        answer.body
    }

    /// Reads the checkpoint and every tile that is new since the last look, and builds the tree.
    fn look(&mut self) {
        let note = self.server.get("/log/checkpoint").text();
        let checkpoint = self.outsider.saw(&note);
        let cosigned = self.policy.check(&Note::parse(&note).unwrap());
        assert!(cosigned.is_ok(), "a checkpoint was shown that too few cosigned: {cosigned:?}");
        let (from, size) = (self.edge.size(), checkpoint.size);
        assert!(size >= from, "{from} entries were shown, then {size}");
        let mut leaves: BTreeMap<u64, Vec<TreeHash>> = BTreeMap::new();
        for path in new_tiles(from, size) {
            let bytes = self.get(&path);
            match path.kind() {
                TileKind::Entries => {
                    let entries = decode_bundle(&bytes).unwrap();
                    leaves.insert(path.number(), entries.into_iter().map(merkle::leaf_hash).collect());
                }
                TileKind::Hashes(0) => assert_eq!(decode_hashes(&bytes).unwrap(), leaves[&path.number()], "{path}"),
                TileKind::Hashes(_) => assert_eq!(decode_hashes(&bytes).unwrap().len() as u64, path.width()),
            }
        }
        for (number, leaves) in leaves {
            let known = usize::try_from(from.saturating_sub(number * 256)).unwrap();
            leaves.into_iter().skip(known).for_each(|leaf| self.edge.append(leaf).unwrap());
        }
        assert_eq!(self.edge.root(), checkpoint.root, "another root over the same entries");
        self.looks += 1;
    }
}

#[test]
fn whoever_polls_a_witnessed_ledger_under_full_load_sees_no_gap_no_smaller_size_and_no_fork() {
    const RECEIPTS: u64 = 600;
    let ledger = TestLedger::new();
    let (first, second) = (Witness::new(&ledger, "w1"), Witness::new(&ledger, "w2"));
    let quorum = "group one any linxian daxue\nquorum one\n";
    let policy = watched(&ledger, &[("linxian", &first), ("daxue", &second)], quorum);
    // The checkpoint of before has no cosignature.
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let server = Server::start(&ledger.dir());
    let policy = Policy::parse(&std::fs::read_to_string(policy).unwrap()).unwrap();
    let outsider = Outsider::new(&ledger.vkey());
    let mut reader = Reader { server: &server, policy, outsider, got: BTreeMap::new(), edge: Edge::new(), looks: 0 };
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let submissions = format!("{}/api/v1/submissions", server.internal);
    let write = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= RECEIPTS {
                return;
            }
            let signers = vec![("publisher", key("publisher.example/1"))];
            let body = Draft::new(pledge("修好村北机耕路"), signers).submission().to_string();
            let answer = try_post(&submissions, &[("Idempotency-Key", &format!("polled-{number}"))], body).unwrap();
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(write)).collect();
        let ended = scope.spawn(|| {
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            assert!(!ended.is_finished() || done.load(Ordering::Acquire), "a writer failed");
            reader.look();
        }
    });
    let size = ledger_size(&server);
    server.eventually("/log/checkpoint", |answer| answer.text().lines().nth(1) == Some(&size.to_string()));
    reader.look();
    assert!(reader.looks > 5, "only {} looks", reader.looks);
    let Reader { mut outsider, got, .. } = reader;
    for (path, bytes) in got {
        let again = server.get(&format!("/log/{path}"));
        assert!(again.status == 200 && again.body == bytes, "{path} changed under append");
    }
    assert!(server.stop().success());
    outsider.check_all_seen(&ledger.dir().join("log"));
}

/// Entries that the ledger has committed.
fn ledger_size(server: &Server) -> u64 {
    server.json("/healthz")["committed"].as_u64().unwrap()
}
