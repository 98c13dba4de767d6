//! Two nodes that publish one ledger of PostgreSQL into one bucket: they race, and one of them loses its database meanwhile.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gongkai_tests::load::{hand_in, rounds, submission};
use gongkai_tests::objects::How;
use gongkai_tests::server::until;
use gongkai_tests::{ObjectServer, Outsider, Postgres, Server, TestLedger, gongkai};

use crate::ledger::tables;
use crate::nodes::{End, agreed, check, join};

/// Local ports of the connections that a process has.
fn ports(pid: u32) -> BTreeSet<i32> {
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let port = i32::from_str_radix(columns.get(1)?.split_once(':')?.1, 16).ok()?;
        sockets.contains(*columns.get(9)?).then_some(port)
    };
    table.lines().filter_map(port).collect()
}

/// Ends every connection that a node has to its database; how many there were.
fn cut(postgres: &Postgres, server: &Server) -> usize {
    let ports: Vec<i32> = ports(server.pid()).into_iter().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended: Vec<bool> = runtime.block_on(async {
        let mut connection = tables(postgres).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = 'gongkai' AND client_port = ANY($1)";
        sqlx::query_scalar(end).bind(ports).fetch_all(&mut connection).await.unwrap()
    });
    ended.len()
}

fn serve(dir: &Path, bucket: &ObjectServer) -> Server {
    Server::start_with(dir, |command| {
        command.envs(bucket.environment());
    })
}

/// Entries of the bucket's checkpoint.
fn size(bucket: &ObjectServer) -> u64 {
    let note = String::from_utf8(bucket.object("log/checkpoint").unwrap()).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// Hands in to one node until it is told to stop, the same submission until there is an answer.
fn submit(internal: &str, name: usize, answered: &AtomicU64, stop: &AtomicBool) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (key, body) = (format!("race-{name}-{number}"), submission());
        until("a receipt", || hand_in(internal, &key, &body).filter(|answer| answer.status < 300));
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Looks at the bucket's checkpoint until it is told to stop: it never goes back, and all of them are of one history.
fn watch(bucket: &ObjectServer, outsider: &Mutex<Outsider>, stop: &AtomicBool) {
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        let note = gongkai_tests::get(&format!("{}/log/checkpoint", bucket.url()));
        assert_eq!(note.status, 200, "{}", note.text());
        let size = outsider.lock().unwrap().saw(&note.text()).size;
        assert!(size >= last, "the bucket had {last} entries, then {size}");
        last = size;
    }
}

#[test]
fn two_nodes_race_into_one_bucket_while_one_loses_its_database_and_there_is_one_history() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let bucket = ObjectServer::start();
    let dirs = join(&ledger, 2);
    let before = ledger.size();
    let servers: Vec<Server> = dirs.iter().map(|dir| serve(dir, &bucket)).collect();
    let outsider = Mutex::new(Outsider::new(&ledger.vkey()));
    let (answered, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (name, server) in servers.iter().enumerate() {
            let (internal, answered, stop) = (server.internal.clone(), &answered, &stop);
            scope.spawn(move || submit(&internal, name, answered, stop));
        }
        scope.spawn(|| watch(&bucket, &outsider, &stop));
        let _end = End(&stop);
        for round in 0..rounds(6) {
            // Some node holds a checkpoint in its hand and does not get it there; the other goes on meanwhile.
            bucket.fault("PUT /gk-test/qinghe/log/checkpoint", How::Waits, 1);
            until("a checkpoint that waits", || bucket.waiting().then_some(()));
            let there = size(&bucket);
            until("the other node's checkpoint", || (size(&bucket) > there).then_some(()));
            let loser = &servers[usize::try_from(round % 2).unwrap()];
            assert!(cut(&postgres, loser) > 0, "it had connections");
            bucket.open_gate();
            let (count, there) = (answered.load(Ordering::Relaxed), size(&bucket));
            until("receipts and checkpoints after it", || {
                let goes_on = answered.load(Ordering::Relaxed) > count + 4 && size(&bucket) > there;
                (goes_on && !bucket.waiting()).then_some(())
            });
            bucket.close_gate();
        }
    });
    let all = agreed(&servers.iter().collect::<Vec<_>>());
    assert_eq!(all, before + answered.load(Ordering::Relaxed), "one entry for each receipt");
    assert_eq!(size(&bucket), all);
    for server in servers {
        assert!(server.stop().success());
    }
    let mut outsider = outsider.into_inner().unwrap();
    outsider.check_all_seen(&bucket.objects().join("log"));
    for dir in &dirs {
        outsider.check_all_seen(&dir.join("log"));
    }
    let _ = gongkai(["verify", "--url", &bucket.url(), "--vkey", &ledger.vkey()]).ok();
    check(&dirs);
}
