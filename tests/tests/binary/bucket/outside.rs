//! The binary with a bucket: settings from the environment, readers and mirrors over plain HTTP.

use gongkai_store::Layout;
use gongkai_tests::{Server, TestLedger, gongkai, gongkai_with, snapshot};

use super::same_but_partial;
use super::server::{How, ObjectServer, SECRET_KEY};
use crate::mirrors::{PAYMENT, TITLE, with_matters, withdraw};

fn serve(ledger: &TestLedger, server: &ObjectServer) -> Server {
    Server::start_with(&ledger.dir(), |command| {
        command.envs(server.environment());
    })
}

/// Entries of the checkpoint in the bucket.
fn size(server: &ObjectServer) -> u64 {
    let note = String::from_utf8(server.object("log/checkpoint").unwrap()).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// Which objects hold a text.
fn holding(server: &ObjectServer, text: &str) -> usize {
    let files = snapshot(&server.objects());
    files.iter().filter(|(_, bytes)| bytes.windows(text.len()).any(|part| part == text.as_bytes())).count()
}

#[test]
fn a_mirror_follows_the_bucket_over_plain_http_and_what_is_withdrawn_leaves_both() {
    let (ledger, pledged, posted, slot) = with_matters();
    let server = ObjectServer::start();
    assert!(serve(&ledger, &server).stop().success());
    same_but_partial(&server, &Layout::new(ledger.dir()));
    assert!(holding(&server, TITLE) > 0 && holding(&server, PAYMENT) > 0);
    let dir = ledger.path("mirror");
    let follow = || {
        let (source, dir, vkey) = (server.url(), dir.to_str().unwrap(), ledger.vkey());
        let _ = gongkai(["mirror", "--source", &source, "--dir", dir, "--vkey", &vkey, "--once"]).ok();
    };
    follow();
    let _ = gongkai(["verify", "--url", &server.url(), "--vkey", &ledger.vkey()]).ok().says("核验通过");
    // It was recorded while the bucket was not asked; the next start puts what is missing.
    let _ = withdraw(&ledger, pledged, posted, slot);
    assert!(size(&server) < ledger.size());
    let whole = serve(&ledger, &server);
    assert_eq!(size(&server), ledger.size());
    assert_eq!((holding(&server, TITLE), holding(&server, PAYMENT)), (0, 0));
    assert!(whole.stop().success());
    follow();
    let copy = snapshot(&dir.join("log"));
    assert!(!copy.iter().any(|(_, bytes)| bytes.windows(TITLE.len()).any(|part| part == TITLE.as_bytes())));
    let _ = gongkai(["verify", "--url", &server.url(), "--vkey", &ledger.vkey()]).ok().says("核验通过");
}

#[test]
fn each_object_has_the_media_type_and_the_caching_that_the_ledgers_own_server_gives() {
    let (ledger, pledged, ..) = with_matters();
    let server = ObjectServer::start();
    let whole = serve(&ledger, &server);
    let said = |url: &str| {
        let answer = ureq::get(url).call().unwrap_or_else(|error| panic!("{url}: {error}"));
        ["content-type", "cache-control", "content-encoding", "content-disposition"]
            .map(|name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()))
    };
    let kinds = ["checkpoint", "vkey", "tile/0/", "tile/entries/", "openings/", "lines/"];
    let names = snapshot(&server.objects().join("log"));
    let names: Vec<_> = names.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    for kind in kinds {
        let name = names.iter().find(|name| name.starts_with(kind)).unwrap_or_else(|| panic!("{kind} after {pledged}"));
        let (there, here) = (format!("{}/log/{name}", server.url()), format!("{}/log/{name}", whole.url));
        assert_eq!(said(&there), said(&here), "{name}");
    }
    assert!(whole.stop().success());
}

#[test]
fn a_bucket_that_cannot_be_reached_keeps_the_ledger_closed_and_no_key_is_said() {
    let (ledger, ..) = with_matters();
    let server = ObjectServer::start();
    assert!(serve(&ledger, &server).stop().success());
    server.fault("GET ", How::Refused, usize::MAX);
    // Whatever opens it is told the same; this command ends in either case.
    let start = |change: &dyn Fn(&mut std::process::Command)| {
        let args = ["rebuild", "--log", "--dir", ledger.dir().to_str().unwrap()].map(str::to_owned);
        let ran = gongkai_with(args, |command| {
            command.envs(server.environment());
            change(command);
        });
        assert_ne!(ran.code, 0, "{ran}");
        ran.to_string()
    };
    let said = start(&|_| {});
    assert!(said.contains("对象存储") && !said.contains(SECRET_KEY), "{said}");
    let said = start(&|command| {
        command.env_remove("AWS_SECRET_ACCESS_KEY");
    });
    assert!(said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
    let said = start(&|command| {
        command.env("GONGKAI_BUCKET_ENDPOINT", "http://10.0.0.5:9000");
    });
    assert!(said.contains("只能用于本机"), "{said}");
    server.heal();
    server.fault("PUT ", How::Unconditional, usize::MAX);
    let said = start(&|_| {});
    assert!(said.contains("条件写入"), "{said}");
    server.heal();
    let whole = serve(&ledger, &server);
    assert!(!whole.said().contains(SECRET_KEY));
    assert!(whole.stop().success());
}
