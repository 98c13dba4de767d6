//! Appending what is not public, in SQLite: the tables of sealed values, sealed events and periods. The transaction that it
//! is part of is in `sqlite`.

use super::sqlite::{Script, bind};
use crate::{
    event_store::{Erased, Inventory, NewSealed, Period, SealedValue},
    sealed_tables::event_of,
    vault::tier_number,
};

const COLUMNS: &str = "seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, commitments, \
                       status";
const SET_PERIOD: &str = "UPDATE sealed_events SET period = ?, leaf = ?, path = ? WHERE seq = ?";
const ERASE_NOTES: &str = "UPDATE sealed_events SET nonce = NULL, note = NULL, envelope = NULL WHERE tag = ?";
const ERASE_VALUES: &str =
    "DELETE FROM sealed_values WHERE event IN (SELECT -1 - seq FROM sealed_events WHERE tag = ?)";
const ERASE_VALUES_OF_ENTRIES: &str =
    "DELETE FROM sealed_values WHERE event >= 0 AND event IN (SELECT value FROM json_each(?))";
const RECORD_ERASURE: &str = "INSERT INTO erasures (tag, destroyed) VALUES (?, 0) \
                              ON CONFLICT (tag) DO UPDATE SET destroyed = 0";

/// Adds the rows of sealed events, and what is sealed of them.
pub(crate) fn insert_events(script: &mut Script, events: Vec<NewSealed>) {
    if events.is_empty() {
        return;
    }
    let (mut rows, mut values, mut requests) = (Vec::with_capacity(events.len()), Vec::new(), Vec::new());
    let mut inventories = Vec::with_capacity(events.len());
    for mut event in events {
        let owner = event_of(event.seq);
        values.extend(std::mem::take(&mut event.values).into_iter().map(|value| (owner, value)));
        inventories.push((owner, event.inventory));
        requests.extend(event.request.take().map(|(key, request)| (key, request, event.seq.cast_signed())));
        rows.push(event);
    }
    // Rows of a table that is sorted by its keys go in faster sorted.
    values.sort_unstable_by_key(|(owner, value)| (*owner, value.ordinal));
    requests.sort_unstable();
    script.insert(&format!("sealed_events ({COLUMNS})"), 12, rows, |arguments, event| {
        bind(arguments, event.seq.cast_signed());
        bind(arguments, event.commitment.as_bytes().to_vec());
        bind(arguments, event.tag.to_vec());
        bind(arguments, tier_number(event.tier));
        bind(arguments, event.as_of.cast_signed());
        bind(arguments, event.received_at.timestamp_micros());
        bind(arguments, event.deadline.timestamp_micros());
        bind(arguments, event.nonce.to_vec());
        bind(arguments, event.note);
        bind(arguments, event.envelope);
        bind(arguments, event.commitments.iter().flat_map(|c| *c.as_bytes()).collect::<Vec<u8>>());
        bind(arguments, event.status.map(|status| status.as_bytes().to_vec()));
    });
    insert_values(script, values);
    inventories.sort_unstable_by_key(|(owner, _)| *owner);
    insert_inventories(script, inventories);
    script.insert("sealed_requests (key, request, seq)", 3, requests, |arguments, (key, request, seq)| {
        bind(arguments, key);
        bind(arguments, request.as_bytes().to_vec());
        bind(arguments, seq);
    });
}

/// Adds what is sealed; the owner is an entry's index or a sealed event's number as [`event_of`] writes it.
pub(crate) fn insert_values(script: &mut Script, values: Vec<(i64, SealedValue)>) {
    let into = "sealed_values (event, ordinal, line, tier, commitment, nonce, bytes)";
    script.insert(into, 7, values, |arguments, (owner, value)| {
        bind(arguments, owner);
        bind(arguments, value.ordinal.cast_signed());
        bind(arguments, value.line.map(u64::cast_signed));
        bind(arguments, tier_number(value.tier));
        bind(arguments, value.commitment.as_bytes().to_vec());
        bind(arguments, value.nonce.to_vec());
        bind(arguments, value.bytes);
    });
}

/// Adds what the vault says was sealed; owners as in [`insert_values`].
pub(crate) fn insert_inventories(script: &mut Script, inventories: Vec<(i64, Inventory)>) {
    script.insert("inventories (event, slots, mac)", 3, inventories, |arguments, (owner, inventory)| {
        bind(arguments, owner);
        bind(arguments, i64::from(inventory.slots));
        bind(arguments, inventory.mac.to_vec());
    });
}

/// Adds a period, and gives its events their places.
pub(crate) fn insert_period(script: &mut Script, index: u64, period: Period) {
    script.insert("periods (idx, nonce)", 2, vec![period.nonce], |arguments, nonce| {
        bind(arguments, index.cast_signed());
        bind(arguments, nonce.to_vec());
    });
    for leaf in period.leaves {
        let arguments = script.then(SET_PERIOD);
        bind(arguments, index.cast_signed());
        bind(arguments, leaf.leaf.cast_signed());
        bind(arguments, leaf.path.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>());
        bind(arguments, leaf.seq.cast_signed());
    }
}

/// Takes the ciphertext of a subject away.
pub(crate) fn erase(script: &mut Script, erased: &Erased) {
    for statement in [ERASE_VALUES, ERASE_NOTES, RECORD_ERASURE] {
        bind(script.then(statement), erased.tag.to_vec());
    }
    if !erased.entries.is_empty() {
        bind(script.then(ERASE_VALUES_OF_ENTRIES), serde_json::to_string(&erased.entries).expect("numbers have JSON"));
    }
}
