//! That entries were brought back is said by the ledger itself, and names a tree with which the log begins.

use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, refused};

fn recovered(ledger: &Ledger, from: u64, size: u64) -> Value {
    let stream = ledger.recorded().next().unwrap().1.signed.statement.stream.to_string();
    json!({"kind": "ledger.recovered.v1", "stream": stream, "org": COUNTY, "fields": {
        "from_size": from, "size": size, "root": ledger.root(size).unwrap(), "source": "site",
        "openings_lost": 1, "openings_undecided": 9, "periods_lost": 0}})
}

#[test]
fn what_was_brought_back_is_known_from_the_entry_that_says_so() {
    let mut ledger = Ledger::new();
    let size = ledger.size();
    ledger.say(&recovered(&ledger, size - 2, size), &[("intake", "intake")]).unwrap();
    let world = &ledger.world;
    let told: Vec<_> = world.recoveries().iter().map(|one| (one.index, one.said.from_size, one.said.size)).collect();
    assert_eq!(told, [(size, size - 2, size)]);
    let brought_back: Vec<_> = (0..ledger.size()).filter(|index| world.was_brought_back(*index)).collect();
    assert_eq!(brought_back, [size - 2, size - 1]);
    // The ledger goes on as before.
    ledger.organization("341599102", "township", Some(COUNTY)).unwrap();
}

#[test]
fn a_tree_that_is_not_the_logs_is_not_what_was_brought_back() {
    let mut ledger = Ledger::new();
    let size = ledger.size();
    let mut other = recovered(&ledger, 1, size);
    other["fields"]["root"] = json!(ledger.root(size - 1).unwrap());
    assert_eq!(refused(ledger.say(&other, &[("intake", "intake")])), "field");
    for (from, to) in [(0, size), (size, size), (size, size - 1)] {
        let command = recovered(&ledger, from, to);
        assert_eq!(refused(ledger.say(&command, &[("intake", "intake")])), "field", "{from} to {to}");
    }
}

#[test]
fn nobody_but_the_ledger_itself_says_that_entries_were_brought_back() {
    let mut ledger = Ledger::new();
    let command = recovered(&ledger, 1, ledger.size());
    assert_eq!(refused(ledger.say(&command, &[("registrar", "reg1")])), "wrong_author");
}
