//! A ledger behind a network gap: the ledger inside, a mirror and an intake outside, files carried both ways.

use std::cell::RefCell;

use gongkai_log::Digest;
use serde_json::{Value, json};

use crate::ledger::{COUNTY, TestLedger, VILLAGE, stream};
use crate::process::{Ran, gongkai};
use crate::server::{Server, get, until};

/// Stands in no file of either side.
pub const CANARY: &str = "金丝雀六一七二(虚构)";

/// A ledger with a vault that has opened an intake, and that intake, running.
pub struct Gap {
    /// The ledger, inside.
    pub ledger: TestLedger,
    /// The intake, outside.
    pub intake: Option<Server>,
}

impl Default for Gap {
    fn default() -> Self {
        Self::new()
    }
}

impl Gap {
    /// Of a ledger in its directory.
    pub fn new() -> Self {
        let ledger = TestLedger::new();
        ledger.add_vault();
        Self::of(ledger)
    }

    /// Of a ledger that has a vault.
    pub fn of(ledger: TestLedger) -> Self {
        let public = ledger.path("village.receiver");
        let name = "village.example/receiver/1";
        let receiver = gongkai(["keygen", "--receiver", "--name", name, "--out", public.to_str().unwrap()]).ok();
        let intake = Server::try_start_intake(&ledger.path("intake"), &ledger.vkey()).unwrap();
        let key = get(&format!("{}/log/vkey", intake.url)).text().trim().to_owned();
        let sealing_key = ledger.run("take-in", &["--sealing-key"]).ok().out.trim().to_owned();
        let _ = ledger
            .register(&[
                json!({"kind": "person.registered.v1", "stream": stream("person", 101), "org": VILLAGE,
                    "fields": {"name": "收件人(虚构)"}}),
                json!({"kind": "receiver.appointed.v1", "stream": stream("receiver", 101), "org": VILLAGE, "fields": {
                    "person": stream("person", 101), "sealing_key": receiver.out.trim()}}),
                json!({"kind": "intake.opened.v1", "stream": stream("intake", 1), "org": COUNTY, "fields": {
                    "key": key, "sealing_key": sealing_key, "answer_hours": 1}}),
            ])
            .ok();
        Self { ledger, intake: Some(intake) }
    }

    /// A mirror that passes on what is handed in.
    pub fn mirror(&self) -> Server {
        let (source, vkey) = (self.ledger.dir(), self.ledger.vkey());
        let dir = self.ledger.path("mirror");
        let mirror = Server::mirror_beside(source.to_str().unwrap(), &dir, &vkey, self.url());
        let opened = format!("/api/v1/streams/{}", stream("intake", 1));
        mirror.eventually(&opened, |answer| answer.status == 200);
        mirror
    }

    /// Hands in outside; `name` is that of the receipt.
    pub fn hand_in(&self, mirror: &Server, command: &Value, name: &str, more: &[&str]) -> Ran {
        let (file, out) = (self.ledger.file("command.json", command.to_string()), self.ledger.path(name));
        let vkey = self.ledger.vkey();
        let mut args = vec!["hand-in", "--url", &mirror.url, "--vkey", &vkey, "--intake", self.url(), "--json"];
        args.extend(["--out", out.to_str().unwrap(), file.to_str().unwrap()]);
        args.extend(more);
        gongkai(args)
    }

    /// Waits for the period of what was handed in. Asked once a period: an intake answers an address so often and no more.
    pub fn recorded(&self, handed: &Value) -> Value {
        let commitment = Digest::parse(handed["handed_in"]["commitment"].as_str().unwrap()).unwrap();
        let promise = format!("{}/intake/v1/promises/{}", self.url(), commitment.to_hex());
        let checkpoint = format!("{}/log/checkpoint", self.url());
        let asked_at = RefCell::new(String::new());
        until("the period", || {
            let now = get(&checkpoint).text();
            let is_known = asked_at.replace(now.clone()) == now;
            let answer = (!is_known).then(|| get(&promise))?;
            (answer.status == 200).then(|| answer.json())
        })
    }

    /// Runs a command of the intake.
    pub fn outside(&self, more: &[&str]) -> Ran {
        let (dir, vkey) = (self.ledger.path("intake"), self.ledger.vkey());
        gongkai([&["intake", "--dir", dir.to_str().unwrap(), "--ledger", &vkey][..], more].concat())
    }

    /// A file of all batches.
    pub fn batches(&self, name: &str) -> String {
        let file = self.ledger.path(name).display().to_string();
        let _ = self.outside(&["--write-batches", &file]).ok();
        file
    }

    /// Takes a file in, and makes the capsules beside it.
    pub fn take_in(&self, file: &str) -> Ran {
        self.ledger.run("take-in", &["--json", "--capsules", &format!("{file}.capsules"), file])
    }

    /// What is said under a code.
    pub fn status(&self, mirror: &Server, code: &str) -> Ran {
        let vkey = self.ledger.vkey();
        gongkai(["status", "--url", &mirror.url, "--vkey", &vkey, "--intake", self.url(), "--json", code])
    }

    /// Where the intake is.
    pub fn url(&self) -> &str {
        &self.intake.as_ref().unwrap().url
    }

    /// Kills the intake at once, as power does, and starts it again.
    pub fn kill_and_start(&mut self) {
        self.intake.take().unwrap().kill();
        let started = Server::try_start_intake(&self.ledger.path("intake"), &self.ledger.vkey());
        self.intake = Some(started.unwrap());
    }
}

/// A letter.
pub fn letter(class: &str) -> Value {
    json!({"kind": "letter.received.v1", "org": VILLAGE, "fields": {"class": class, "channel": "web", "real_name": false,
        "consent_to_publish": false, "title": "水渠塌方(虚构)", "text": CANARY}})
}

/// The code of what was handed in.
pub fn code(handed: &Value) -> &str {
    handed["code"].as_str().unwrap()
}

/// Writes the intakes from which the ledger takes in, and how often, into its configuration.
pub fn configure(ledger: &TestLedger, url: &str, seconds: u64) {
    let path = ledger.dir().join("gongkai.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let is_ours = |line: &&str| !line.starts_with("intakes =") && !line.starts_with("intake_seconds =");
    let rest: Vec<&str> = config.lines().filter(is_ours).collect();
    let ours = format!("intakes = [{url:?}]\nintake_seconds = {seconds}");
    std::fs::write(&path, format!("{ours}\n{}\n", rest.join("\n"))).unwrap();
}
