//! An entry checked with `curl`, `sha256sum`, `b3sum`, `openssl` and a shell: the commands that its page shows, as they stand
//! there, against a running ledger, and none of our program. To add a command: write it into the page's panel.

use std::path::Path;
use std::process::{Command, Output};

use gongkai_log::Digest;
use gongkai_tests::ledger::{TestLedger, pledge, sheet};
use gongkai_tests::{Answer, Server};
use serde_json::{Value, json};

/// What the page shows as commands, in their order; those for our own program are left out.
fn commands(page: &str) -> Vec<String> {
    let unescape = |text: &str| {
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#60;", "<").replace("&#62;", ">");
        text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&").replace("&amp;", "&")
    };
    let blocks = page.split("<div class=\"cmd\"><pre tabindex=\"0\"><code>").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("</code></pre>").next()).map(unescape);
    blocks.filter(|block| !block.starts_with("gongkai ")).collect()
}

fn sh(block: &str, folder: &Path) -> Output {
    let mut shell = Command::new("sh");
    // The ledger is on this machine: no proxy of the environment stands between.
    shell.args(["-eu", "-c", block]).current_dir(folder).env("NO_PROXY", "*").env("no_proxy", "*");
    shell.output().unwrap()
}

fn said(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// A ledger with a pledge and with a sheet that three people signed; the numbers of both.
fn with_entries() -> (TestLedger, [u64; 2]) {
    let ledger = TestLedger::new();
    let index = |ran: &[Value]| ran[0]["receipt"]["index"].as_u64().unwrap();
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "路灯电费(虚构)", "expense": 33_030});
    let key = ledger.key_file("publisher.example/1");
    let ran = ledger.submit(&key, &ledger.supervisors(), &[sheet("2026-02", 33_030, &line)]).ok();
    let posted = index(&ran.json_lines());
    let pledged = index(&ledger.publish(&[pledge("修好村北机耕路(虚构)")]).ok().json_lines());
    (ledger, [pledged, posted])
}

struct Page {
    folder: tempfile::TempDir,
    blocks: Vec<String>,
    entry: Value,
}

/// Commands of a page: files, hashes, for each signature the key's registration and the signature, inclusion, checkpoint.
/// Before the views have reached the entry that registers a signer's key, the page leaves out what would need it.
fn has_all(page: &Answer, signatures: usize) -> bool {
    page.status == 200 && commands(&page.text()).len() == 4 + 2 * signatures
}

impl Page {
    fn of(server: &Server, index: u64) -> Self {
        let entry = server.get(&format!("/api/v1/entries/{index}")).json();
        let signatures = entry["signatures"].as_array().unwrap().len();
        let page = server.eventually(&format!("/entries/{index}/view"), |page| has_all(page, signatures)).text();
        Self { folder: tempfile::tempdir().unwrap(), blocks: commands(&page), entry }
    }

    fn run(&self, block: usize) -> Output {
        sh(&self.blocks[block], self.folder.path())
    }

    fn has(&self, word: &str) -> Vec<usize> {
        (0..self.blocks.len()).filter(|block| self.blocks[*block].contains(word)).collect()
    }
}

#[test]
fn the_commands_of_an_entrys_page_check_it_without_our_program() {
    let (ledger, indexes) = with_entries();
    let server = Server::start(&ledger.dir());
    for index in indexes {
        let page = Page::of(&server, index);
        let fetched = page.run(0);
        assert!(fetched.status.success(), "{fetched:?}");
        let hashes = said(&page.run(1));
        let mut hashes = hashes.lines();
        assert_eq!(hashes.next(), page.entry["entry_hash"].as_str());
        assert_eq!(hashes.next(), page.entry["statement_hash"].as_str());
        let leaf = Digest::parse(page.entry["leaf_hash"].as_str().unwrap()).unwrap();
        assert_eq!(hashes.next().and_then(|line| line.split(' ').next()), Some(leaf.to_hex().as_str()));
        for block in 2..page.blocks.len() {
            let ran = page.run(block);
            assert!(ran.status.success(), "{}\n{ran:?}", page.blocks[block]);
            let printed = said(&ran);
            assert!(!printed.trim().is_empty(), "{}\n{ran:?}", page.blocks[block]);
            if page.blocks[block].contains("openssl pkeyutl") {
                assert!(printed.contains("Signature Verified Successfully"), "{printed}");
            }
        }
        assert_eq!(said(&page.run(page.has("hash.bin")[0])).trim(), "OK");
    }
}

#[test]
fn the_same_commands_find_a_changed_byte_in_entry_proof_and_checkpoint() {
    let (ledger, [index, _]) = with_entries();
    let server = Server::start(&ledger.dir());
    let page = Page::of(&server, index);
    assert!(page.run(0).status.success());
    let (inclusion, signed) = (page.has("hash.bin")[0], page.has("openssl pkeyutl"));
    let (author, checkpoint) = (signed[0], signed[1]);
    let change = |file: &str, from: &str, to: &str| {
        let path = page.folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    };
    let fails = |block: usize| {
        let ran = page.run(block);
        assert!(!ran.status.success() && !said(&ran).contains("OK"), "{}\n{ran:?}", page.blocks[block]);
    };
    let (entry, proof) = (format!("entry-{index}.txt"), format!("entry-{index}.tlog-proof"));
    change(&entry, "declared_at", "declared_or");
    fails(inclusion);
    fails(author);
    change(&entry, "declared_or", "declared_at");
    assert!(page.run(inclusion).status.success() && page.run(author).status.success());
    change(
        &proof,
        &format!("index {index}\n"),
        &format!("index {index}\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
    );
    fails(inclusion);
    page.run(0);
    assert!(page.run(inclusion).status.success() && page.run(checkpoint).status.success());
    change("checkpoint.txt", "ledger.example", "ledger.exampel");
    fails(checkpoint);
}
