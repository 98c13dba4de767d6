//! A node that runs on while its ledger is moved elsewhere (`migrate`): it is fenced, and commits nothing behind the move.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gongkai_log::Digest;
use gongkai_tests::load::{hand_in, submission};
use gongkai_tests::server::{try_get, until};
use gongkai_tests::{Postgres, Server, TestLedger, gongkai};

use crate::ledger::insist;
use crate::nodes::{End, join};

/// Why a node takes nothing more: it was fenced, or asked first when the move was over.
const REASONS: [&str; 2] = ["另一个进程已接管账本", "已用 gongkai migrate 搬走"];

#[test]
fn a_node_that_runs_while_its_ledger_is_moved_is_fenced_commits_nothing_behind_the_move_and_says_why() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let dirs = join(&ledger, 3);
    // One is written to all the time, the other by nobody.
    let (busy, idle) = (Server::start(&dirs[1]), Server::start(&dirs[2]));
    let before = insist(&idle, "before", &submission())["index"].as_u64().unwrap();
    let (receipts, count, stop) = (Mutex::new(BTreeMap::new()), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (internal, receipts, count, stop) = (busy.internal.clone(), &receipts, &count, &stop);
        scope.spawn(move || {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let answer = hand_in(&internal, &format!("busy-{number}"), &submission()).unwrap();
                if answer.status == 503 {
                    continue;
                }
                assert_eq!(answer.status, 201, "{}", answer.text());
                let receipt = answer.json();
                let hash = receipt["entry_hash"].as_str().unwrap().to_owned();
                receipts.lock().unwrap().insert(receipt["index"].as_u64().unwrap(), hash);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _end = End(stop);
        until("receipts before the move", || (count.load(Ordering::Relaxed) > 20).then_some(()));
        let to = dirs[0].display().to_string();
        let _ = gongkai(["migrate", "--from", &postgres.url, "--to", &to]).ok();
        let moved = count.load(Ordering::Relaxed);
        for server in [&busy, &idle] {
            let refused = hand_in(&server.internal, "behind-the-move", &submission()).unwrap();
            assert_eq!(refused.status, 503, "{}", refused.text());
            let said = refused.text();
            assert!(REASONS.iter().any(|reason| said.contains(reason)), "{said}");
        }
        assert_eq!(count.load(Ordering::Relaxed), moved, "nothing is answered behind the move");
    });
    // Also the one that nobody wrote to found out by itself.
    until("what the idle node says", || (idle.json("/healthz")["state"] == "halted").then_some(()));
    // What each showed before it still shows; and it does not start again on what is gone.
    for (server, dir) in [(busy, &dirs[1]), (idle, &dirs[2])] {
        assert_eq!(try_get(&format!("{}/entries/{before}", server.url)).unwrap().status, 200);
        server.kill();
        let refused = Server::try_start(dir, |_| {}).unwrap_err();
        assert!(refused.contains("不是账本"), "{refused}");
    }
    let receipts = receipts.into_inner().unwrap();
    let alone = Server::start(&dirs[0]);
    for (index, hash) in &receipts {
        let entry = alone.get(&format!("/entries/{index}"));
        assert_eq!(Digest::of(&entry.body).to_string(), *hash, "entry {index} has a receipt and is lost");
    }
    let last = *receipts.keys().next_back().unwrap();
    assert_eq!(
        insist(&alone, "after", &submission())["index"].as_u64(),
        Some(last + 1),
        "the move left nothing behind"
    );
    assert!(alone.stop().success());
    ledger.check();
}
