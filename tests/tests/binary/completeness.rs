//! That nothing is missing: proven for a matter, an organization and a bundle, and found where something is.

use std::path::Path;
use std::process::Command;

use gongkai_log::MapFile;
use gongkai_tests::ledger::{TestLedger, VILLAGE, pledge};
use gongkai_tests::server::until;
use gongkai_tests::{Server, gongkai, walk};

/// A ledger that logs the root of its map every second.
fn rooted() -> (TestLedger, Server) {
    let ledger = TestLedger::new();
    let path = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("map_seconds = 600"));
    std::fs::write(&path, text.replace("map_seconds = 600", "map_seconds = 1")).unwrap();
    let _ = ledger.publish(&[pledge("修好一号水渠"), pledge("修好二号水渠")]).ok();
    let server = Server::start(&ledger.dir());
    until("the root of the map is published", || {
        (server.get("/api/v1/families/pledge/proof").status == 200).then_some(())
    });
    (ledger, server)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// What `verify` says of a file, as JSON.
fn verified(file: &Path, vkey: &str, code: i32) -> serde_json::Value {
    gongkai(["verify", &text(file), "--vkey", vkey, "--json"]).exits(code).json()
}

#[test]
fn how_much_there_is_of_a_matter_a_village_and_a_family_is_proven_offline_and_absence_too() {
    let (ledger, server) = rooted();
    let vkey = ledger.vkey();
    let proof = |name: &str, asked: [&str; 2]| {
        let out = ledger.path(name);
        let _ = gongkai(["proof", "--url", &server.url, asked[0], asked[1], "--out", &text(&out)]).ok();
        let offline = ledger.path(&format!("offline-{name}"));
        let dir = text(&ledger.dir());
        let _ = gongkai(["proof", "--dir", &dir, asked[0], asked[1], "--out", &text(&offline)]).ok();
        let counts = [&out, &offline].map(|file| verified(file, &vkey, 0)["count"].as_u64().unwrap());
        assert_eq!(counts[0], counts[1], "the server's proof and the one from the files alone");
        (out, counts[0])
    };
    assert_eq!(proof("family.map-proof", ["--family", "pledge"]).1, 2);
    // Three people with a registration, a key and a role each, and the pledges.
    assert_eq!(proof("village.map-proof", ["--org", VILLAGE]).1, 3 * 3 + 2);
    let nothing = "pledge/018f0000-0000-7000-8000-0000000004ff";
    let (absent, count) = proof("absent.map-proof", ["--stream", nothing]);
    assert_eq!(count, 0);
    assert!(verified(&absent, &vkey, 0)["hash"].is_null());
    let file = MapFile::parse(&std::fs::read_to_string(&absent).unwrap()).unwrap();
    let claim = MapFile { key: gongkai_log::MapKey::family("pledge"), ..file };
    let forged = ledger.file("forged.map-proof", claim.to_string());
    assert_eq!(verified(&forged, &vkey, 1)["field"], "map", "a proof is of its own key only");
    let page = server.get("/api/v1/pledges").json();
    let stream = page["items"][0]["stream"].as_str().unwrap().to_owned();
    assert_eq!(proof("pledge.map-proof", ["--stream", &stream]).1, 1);
    let html = server.get(&format!("/pledges/{}", stream.split_once('/').unwrap().1)).text();
    assert!(html.contains("条记录，这一页一条也没有少"), "the page says that it is whole");
    assert!(html.contains(&format!("/api/v1/streams/{stream}/proof")));
    assert_eq!(server.get("/api/v1/streams/pledge/none/proof").status, 404);
    assert_eq!(server.get("/api/v1/families/nothing/proof").status, 404);
    assert!(server.stop().success());
    let said = gongkai(["verify", "--dir", &text(&ledger.dir()), "--vkey", &vkey, "--json"]).ok().json();
    assert!(said["map_roots"].as_u64().unwrap() >= 1, "every root is compared");
}

#[test]
fn a_bundle_of_a_village_is_proven_whole_and_what_was_left_out_is_named() {
    let (ledger, server) = rooted();
    let vkey = ledger.vkey();
    assert!(server.stop().success());
    let bundle = ledger.path("village.tar");
    let dir = text(&ledger.dir());
    let _ = gongkai(["export", "--dir", &dir, "--out", &text(&bundle), "--org", VILLAGE]).ok();
    let whole = verified(&bundle, &vkey, 0);
    assert_eq!((&whole["complete"]["org"], &whole["complete"]["organizations"]), (&VILLAGE.into(), &1.into()));
    let names = Command::new("tar").arg("-tf").arg(&bundle).output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    let entries: Vec<u64> = names.lines().filter_map(|name| name.strip_prefix("entries/")?.parse().ok()).collect();
    let last = entries.iter().max().unwrap();
    let without = |what: &[&str]| {
        let folder = ledger.path("unpacked");
        let changed = ledger.path("changed.tar");
        std::fs::create_dir(&folder).unwrap();
        let tar = |args: &[&str]| assert!(Command::new("tar").args(args).status().unwrap().success(), "{args:?}");
        tar(&["-x", "-f", &text(&bundle), "-C", &text(&folder)]);
        for name in what {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        let left: Vec<&str> = names.lines().filter(|name| !what.contains(name)).collect();
        let args = ["-c", "--format=ustar", "-f", &text(&changed), "-C", &text(&folder)];
        tar(&[&args[..], &left[..]].concat());
        std::fs::remove_dir_all(&folder).unwrap();
        changed
    };
    let fault = |what: &[&str]| verified(&without(what), &vkey, 1)["field"].clone();
    assert_eq!(fault(&[&format!("entries/{last}")]), "map");
    assert_eq!(fault(&[&format!("map/org-{VILLAGE}.map-proof")]), "map");
    assert_eq!(fault(&["map/family-key.map-proof"]), "map");
    let proofs: Vec<&str> = names.lines().filter(|name| name.starts_with("map/")).collect();
    assert!(verified(&without(&proofs), &vkey, 0)["complete"].is_null(), "without proofs nothing is claimed");
}

/// Changes a row of the views, as a fault or somebody would, while nobody has them open.
fn spoil_views(dir: &Path, sql: &'static str) {
    let rows = walk(&dir.join("views")).into_iter().find(|path| path.extension().is_some_and(|end| end == "db"));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        use sqlx::{ConnectOptions as _, Connection as _};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(rows.unwrap());
        let mut connection = options.connect().await.unwrap();
        assert_eq!(sqlx::raw_sql(sql).execute(&mut connection).await.unwrap().rows_affected(), 1);
        connection.close().await.unwrap();
    });
}

#[test]
fn the_page_of_a_village_says_that_it_is_whole_on_a_mirror_too_and_warns_where_a_record_is_gone() {
    let (ledger, server) = rooted();
    let (page, mirrored) = (format!("/organizations/{VILLAGE}"), ledger.path("mirror"));
    // Three people with a registration, a key and a role each, and the pledges.
    let says = format!("<b>{}</b> 条记录，本站一条也没有少", 3 * 3 + 2);
    server.eventually(&page, |answer| answer.text().contains(&says));
    let mirror = Server::try_start_mirror(&server.url, &mirrored, &ledger.vkey()).unwrap();
    mirror.eventually(&page, |answer| answer.text().contains(&says));
    let proof = ledger.file("mirrored.map-proof", mirror.get(&format!("/api/v1{page}/proof")).text());
    assert_eq!(verified(&proof, &ledger.vkey(), 0)["count"], 3 * 3 + 2);
    mirror.eventually("/status", |answer| answer.text().contains("最近的总目登记于"));
    assert!(mirror.stop().success() && server.stop().success());
    spoil_views(
        &mirrored,
        "DELETE FROM events WHERE entry_index = (SELECT MIN(entry_index) FROM events WHERE family = 'pledge')",
    );
    let spoilt = Server::try_start_published(&mirrored).unwrap();
    let warned = spoilt.eventually(&page, |answer| answer.text().contains("对不上！"));
    assert!(warned.text().contains(&format!("条记录，本站有 {} 条。请保存总目证明", 3 * 3 + 1)), "{}", warned.text());
}

/// The symptoms that `doctor` finds of the map, each with whether it is wrong.
fn symptoms(dir: &Path) -> Vec<(String, bool)> {
    let said = gongkai(["doctor", "--dir", &text(dir), "--json"]).json();
    let all = said["symptoms"].as_array().unwrap().iter();
    let of = all.map(|found| (found["code"].as_str().unwrap().to_owned(), found["wrong"].as_bool().unwrap()));
    of.filter(|(code, _)| code.starts_with("map_")).collect()
}

fn set_map_seconds(dir: &Path, seconds: u64) {
    let path = dir.join("gongkai.toml");
    let lines = std::fs::read_to_string(&path).unwrap();
    let set = |line: &str| {
        if line.starts_with("map_seconds") { format!("map_seconds = {seconds}\n") } else { format!("{line}\n") }
    };
    assert!(lines.contains("map_seconds"));
    std::fs::write(&path, lines.lines().map(set).collect::<Vec<_>>().concat()).unwrap();
}

#[test]
fn doctor_tells_of_roots_that_stopped_on_a_ledger_and_on_its_mirror() {
    let ledger = TestLedger::new();
    let (dir, mirror) = (ledger.dir(), ledger.path("mirror"));
    let _ = ledger.publish(&[pledge("修好一号水渠")]).ok();
    // Open, and it logs no root for ten minutes: as with a task that has ended, for whoever expects one every second.
    let server = Server::start(&dir);
    set_map_seconds(&dir, 1);
    until("the ledger's roots are overdue", || (symptoms(&dir) == [("map_stopped".to_owned(), true)]).then_some(()));
    let (source, vkey) = (text(&dir), ledger.vkey());
    let once = || gongkai(["mirror", "--source", &source, "--dir", &text(&mirror), "--vkey", &vkey, "--once"]).ok();
    let _ = once();
    assert!(symptoms(&mirror).is_empty(), "ten minutes are the usual interval");
    set_map_seconds(&mirror, 1);
    // When a mirror looked is kept in whole seconds.
    until("the mirror sees that they are", || {
        let _ = once();
        (symptoms(&mirror) == [("map_stopped".to_owned(), true)]).then_some(())
    });
    assert!(server.stop().success());
    assert_eq!(symptoms(&dir), [("map_waits".to_owned(), false)], "nobody has it open");
    let server = Server::start(&dir);
    server.eventually("/status", |answer| answer.text().contains("最近的总目登记于"));
    assert!(symptoms(&dir).is_empty());
    assert!(server.stop().success());
    let _ = once();
    assert!(symptoms(&mirror).is_empty());
}
