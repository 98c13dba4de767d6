//! A tally from its slips to its published counts, with the real binary, over both listeners.

use chrono::{Days, FixedOffset, NaiveDate};
use gongkai_store::{Clock as _, SystemClock};
use gongkai_tests::ledger::{TestLedger, VILLAGE};
use gongkai_tests::{Ran, Server, gongkai};
use serde_json::{Value, json};

/// A village votes.
struct Vote {
    ledger: TestLedger,
    server: Server,
    tally: String,
    codes: Vec<String>,
}

fn today() -> NaiveDate {
    SystemClock::default().now().with_timezone(&FixedOffset::east_opt(8 * 3600).unwrap()).date_naive()
}

impl Vote {
    /// Slips are made and the tally is opened; it ends today.
    fn of(voters: usize) -> Self {
        let ledger = TestLedger::new();
        ledger.add_vault();
        let server = Server::start(&ledger.dir());
        let (out, count) = (ledger.path("slips.csv"), voters.to_string());
        let made = ["--url", &server.internal, "--count", &count, "--out", out.to_str().unwrap(), "--json"];
        let made = gongkai([&["tally", "slips"][..], &made].concat()).ok().json();
        let slips = std::fs::read_to_string(&out).unwrap();
        let codes: Vec<String> =
            slips.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect();
        assert_eq!(codes.len(), voters);
        let vote = Self { ledger, server, tally: made["stream"].as_str().unwrap().to_owned(), codes };
        let mut fields = json!({"purpose": "appraisal", "opens_on": today() - Days::new(1), "closes_on": today(),
            "choices_max": 1, "title": "村“两委”成员民主评议(虚构)", "teller": "洪文禾(虚构)",
            "lines": [{"option": "满意"}, {"option": "基本满意"}, {"option": "不满意"}]});
        fields.as_object_mut().unwrap().extend(made["fields"].as_object().unwrap().clone());
        let _ = vote.say("tally.opened.v1", &fields).ok();
        let path = format!("/api/v1/streams/{}", vote.tally);
        let _ = vote.server.eventually(&path, |answer| answer.status == 200);
        vote
    }

    fn key(&self, name: &str) -> String {
        self.ledger.key_file(name).display().to_string()
    }

    /// The village says something of the tally, with the teller beside the publisher.
    fn say(&self, kind: &str, fields: &Value) -> Ran {
        let command = json!({"kind": kind, "stream": self.tally, "org": VILLAGE, "fields": fields});
        let file = self.ledger.file("command.json", command.to_string()).display().to_string();
        let (key, outbox) = (self.key("publisher.example/1"), self.ledger.path("outbox").display().to_string());
        let teller = format!("supervisor={}", self.key("supervisor.example/1"));
        let place = ["--url", &self.server.internal, "--outbox", &outbox, "--key", &key, "--cosign", &teller, &file];
        gongkai([&["submit", "--json"][..], &place].concat())
    }

    /// A voter casts with a code; the receipt is `N.json`.
    fn cast(&self, voter: usize, choice: u64) -> Ran {
        self.cast_code(&self.codes[voter], choice, &format!("{voter}.json"))
    }

    fn cast_code(&self, code: &str, choice: u64, receipt: &str) -> Ran {
        let fields = json!({"tally": self.tally, "slip": code, "choices": [choice]});
        let command = json!({"kind": "tally.cast.v1", "org": VILLAGE, "fields": fields});
        let file = self.ledger.file("ballot.json", command.to_string()).display().to_string();
        let (vkey, out) = (self.ledger.vkey(), self.ledger.path(receipt).display().to_string());
        let place = ["--url", &self.server.url, "--vkey", &vkey, "--out", &out, "--json", &file];
        gongkai([&["hand-in"][..], &place].concat())
    }

    fn count(&self, name: &str) -> Ran {
        let key = self.key(name);
        let place = ["--url", &self.server.internal, "--key", &key, "--tally", &self.tally, "--json"];
        gongkai([&["tally", "count"][..], &place].concat())
    }

    fn close(&self) {
        let _ = self.say("tally.closed.v1", &json!({"closed_on": today()})).ok();
    }

    /// A voter looks whether the ballot is among those that were counted.
    fn finds(&self, receipt: &str) -> Ran {
        let (vkey, receipt) = (self.ledger.vkey(), self.ledger.path(receipt).display().to_string());
        let place = ["--url", &self.server.url, "--vkey", &vkey, "--tally", &self.tally, "--json", &receipt];
        gongkai([&["tally", "check"][..], &place].concat())
    }
}

#[test]
fn a_village_votes_with_slips_and_every_voter_finds_the_ballot_among_those_that_were_counted() {
    let vote = Vote::of(8);
    let slips = vote.ledger.path("slips.csv");
    let public = vote.server.get(&format!("/api/v1/streams/{}", vote.tally)).text();
    for code in &vote.codes {
        assert!(!public.contains(code), "a code is published");
    }
    let again = ["--url", &vote.server.internal, "--count", "8", "--out", slips.to_str().unwrap()];
    let _ = gongkai([&["tally", "slips"][..], &again].concat()).exits(2).says("没有覆盖");
    for (voter, choice) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 0), (5, 1)] {
        let cast = vote.cast(voter, choice).ok().json();
        assert!(cast["promised"]["status_code"].is_string() && !cast.to_string().contains("choices"), "{cast}");
    }
    let twice = vote.cast_code(&vote.codes[2], 0, "twice.json").exits(1);
    assert!(twice.out.contains("refused"), "{twice}");
    let small = vote.codes[6].to_lowercase().replace('-', " ");
    let _ = vote.cast_code(&small, 2, "6.json").ok();
    let foreign = vote.cast_code("0000-0000-0000-0000", 0, "foreign.json").exits(1);
    assert!(foreign.out.contains("不是这次投票发出的票码"), "{foreign}");

    let _ = vote.count("publisher.example/1").exits(1).says("没有这个内容");
    let _ = vote.finds("0.json").exits(1).says("还没有公布");
    vote.close();
    let late = vote.cast(7, 0).exits(1);
    assert!(late.out.contains("已经结束"), "{late}");
    let counted = vote.count("publisher.example/1").ok().json();
    assert_eq!(counted["fields"]["accepted"], 7);
    let votes = json!([{"option": 0, "votes": 3}, {"option": 1, "votes": 2}, {"option": 2, "votes": 2}]);
    assert_eq!(counted["fields"]["counts"], votes);
    assert_eq!(vote.count("supervisor.example/1").ok().json(), counted, "the teller counts the same");
    let _ = vote.count("registrar.example/1").exits(1);

    let _ = vote.say("tally.published.v1", &counted["fields"]).ok();
    let path = format!("/api/v1/streams/{}", vote.tally);
    let _ = vote.server.eventually(&path, |answer| answer.text().contains("tally.published.v1"));
    for voter in 0..7 {
        let found = vote.finds(&format!("{voter}.json")).ok().json();
        assert_eq!((&found["counted"], &found["accepted"]), (&json!(true), &json!(7)));
    }
    let mut other: Value = serde_json::from_slice(&std::fs::read(vote.ledger.path("0.json")).unwrap()).unwrap();
    other["statement_hash"] = other["promised"]["commitment"].clone();
    let _ = vote.ledger.file("other.json", other.to_string());
    assert_eq!(vote.finds("other.json").exits(1).json()["counted"], false);
    let page = vote.server.get(&format!("/streams/{}", vote.tally)).text();
    assert!(page.contains("票码哈希清单") && page.contains("选票哈希清单"), "both lists are on the page");
    assert!(vote.server.stop().success());
    let _ = vote.ledger.run("audit", &["--with-vault"]).ok();
    let bundle = vote.ledger.path("bundle.tar");
    let _ = vote.ledger.run("export", &["--out", bundle.to_str().unwrap()]).ok();
    let bundle = std::fs::read(bundle).unwrap();
    for ballot in 0..7 {
        let receipt = std::fs::read(vote.ledger.path(&format!("{ballot}.json"))).unwrap();
        let hash = serde_json::from_slice::<Value>(&receipt).unwrap()["statement_hash"].as_str().unwrap().to_owned();
        let listed = bundle.windows(hash.len()).any(|text| text == hash.as_bytes());
        assert!(listed, "whoever has the bundle finds each ballot in its list");
    }
}

#[test]
fn of_four_ballots_nobody_learns_how_many_chose_what_and_wrong_counts_are_found() {
    let vote = Vote::of(4);
    for voter in 0..4 {
        let _ = vote.cast(voter, 0).ok();
    }
    vote.close();
    let counted = vote.count("publisher.example/1").ok().json();
    assert_eq!((&counted["fields"]["accepted"], &counted["fields"]["counts"]), (&json!(4), &Value::Null));
    let mut split = counted["fields"].clone();
    split["counts"] = json!([{"option": 0, "votes": 4}, {"option": 1, "votes": 0}, {"option": 2, "votes": 0}]);
    let refused = vote.say("tally.published.v1", &split).exits(1);
    assert!(refused.out.contains("不足五张"), "{refused}");
    let mut fewer = counted["fields"].clone();
    fewer["accepted"] = json!(3);
    let _ = vote.say("tally.published.v1", &fewer).ok();
    let path = format!("/api/v1/streams/{}", vote.tally);
    let _ = vote.server.eventually(&path, |answer| answer.text().contains("tally.published.v1"));
    let _ = vote.finds("0.json").exits(3).says("公布的有效票是 3 张");
    assert!(vote.server.stop().success());
    let _ = vote.ledger.run("audit", &["--with-vault"]).exits(1).says("公布的票数与收到的选票不符");
}
