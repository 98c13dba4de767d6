//! That nothing is missing: proven for a matter, an organization and a bundle, and found where something is.

use std::path::Path;
use std::process::Command;

use gongkai_log::MapFile;
use gongkai_tests::ledger::{TestLedger, VILLAGE, pledge};
use gongkai_tests::server::until;
use gongkai_tests::{Server, gongkai};

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
