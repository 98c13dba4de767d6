-- What is not public: sealed values of entries, and wholly sealed events with the period that records
-- them. Values are ciphertext; what would open them lies in the vault's own database.

CREATE TABLE sealed_events (
    -- Order of receipt, from 0, without gaps.
    seq INTEGER PRIMARY KEY CHECK (seq >= 0),
    -- Commitment to the event: salt and note, 32 bytes. This is what the period's tree holds.
    commitment BLOB NOT NULL UNIQUE CHECK (length(commitment) = 32),
    -- Blind index of the event's stream, 16 bytes: a keyed hash whose key is in the vault.
    tag BLOB NOT NULL CHECK (length(tag) = 16),
    -- Which of the subject's data keys sealed the note: 1 members, 2 unit, 3 named.
    tier INTEGER NOT NULL CHECK (tier BETWEEN 1 AND 3),
    -- Entries that were recorded before it; it was judged as of them.
    as_of INTEGER NOT NULL CHECK (as_of >= 0),
    -- When it was received, microseconds since 1970-01-01 UTC.
    received_at INTEGER NOT NULL,
    -- Until when a period must hold it, microseconds since 1970-01-01 UTC: what the promise says.
    deadline INTEGER NOT NULL CHECK (deadline >= received_at),
    -- Random, 24 bytes; NULL once erased.
    nonce BLOB CHECK (length(nonce) = 24),
    -- Salt and note, encrypted; NULL once erased.
    note BLOB,
    -- The envelope to a body's receivers, encrypted once more (nonce, then ciphertext); NULL without one.
    envelope BLOB,
    -- The 16 commitments of its slots, 512 bytes.
    commitments BLOB NOT NULL CHECK (length(commitments) = 512),
    -- BLAKE3 of the status code, 32 bytes; NULL where nobody follows by code.
    status BLOB UNIQUE CHECK (length(status) = 32),
    -- Entry of the period that records it; NULL until then.
    period INTEGER CHECK (period >= 0),
    -- Leaf in the period's tree; NULL until then.
    leaf INTEGER CHECK (leaf BETWEEN 0 AND 65535),
    -- Path from the leaf to the period's root, 16 hashes; NULL until then.
    path BLOB CHECK (length(path) = 512),
    CHECK ((nonce IS NULL) = (note IS NULL)),
    CHECK ((period IS NULL) = (leaf IS NULL) AND (period IS NULL) = (path IS NULL))
) STRICT;

-- The history of one sealed matter.
CREATE INDEX sealed_events_by_tag ON sealed_events (tag, seq);

-- What the next period takes in.
CREATE INDEX sealed_events_waiting ON sealed_events (seq) WHERE period IS NULL;

CREATE TRIGGER sealed_events_are_never_deleted BEFORE DELETE ON sealed_events
BEGIN SELECT RAISE(ABORT, 'sealed events are append-only: no DELETE'); END;

-- A period is set once; an erasure takes the ciphertext away and nothing else.
CREATE TRIGGER sealed_events_are_never_changed BEFORE UPDATE ON sealed_events
WHEN NEW.seq IS NOT OLD.seq OR NEW.commitment IS NOT OLD.commitment OR NEW.tag IS NOT OLD.tag
    OR NEW.tier IS NOT OLD.tier OR NEW.as_of IS NOT OLD.as_of OR NEW.received_at IS NOT OLD.received_at
    OR NEW.deadline IS NOT OLD.deadline OR NEW.commitments IS NOT OLD.commitments
    OR NEW.status IS NOT OLD.status OR (OLD.period IS NOT NULL AND NEW.period IS NOT OLD.period)
    OR (OLD.leaf IS NOT NULL AND NEW.leaf IS NOT OLD.leaf) OR (OLD.path IS NOT NULL AND NEW.path IS NOT OLD.path)
    OR (NEW.note IS NOT NULL AND NEW.note IS NOT OLD.note)
    OR (NEW.envelope IS NOT NULL AND NEW.envelope IS NOT OLD.envelope)
BEGIN SELECT RAISE(ABORT, 'sealed events are append-only: no UPDATE'); END;

CREATE TABLE sealed_values (
    -- Index of the entry; for a sealed event -1 - seq.
    event INTEGER NOT NULL,
    -- Slot number, 0 to 15; from 16 on a cell of the list.
    ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
    -- Line of the cell; NULL for a slot.
    line INTEGER CHECK (line >= 0),
    -- To whom it is disclosed: 1 members, 2 unit, 3 named.
    tier INTEGER NOT NULL CHECK (tier BETWEEN 1 AND 3),
    -- Commitment of the slot or cell, 32 bytes.
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    -- Random, 24 bytes.
    nonce BLOB NOT NULL CHECK (length(nonce) = 24),
    -- Salt, name and value, encrypted and padded.
    bytes BLOB NOT NULL,
    PRIMARY KEY (event, ordinal),
    CHECK ((line IS NULL) = (ordinal < 16))
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed_requests (
    -- The client's idempotency key.
    key TEXT PRIMARY KEY CHECK (length(key) > 0),
    -- BLAKE3 of the signed note, 32 bytes. The note holds a root over random salts, so it tests no guess.
    request BLOB NOT NULL CHECK (length(request) = 32),
    -- The event.
    seq INTEGER NOT NULL CHECK (seq >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE periods (
    -- Index of the period's entry.
    idx INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- Random, 32 bytes: with the vault's key it gives the salts of the period's decoys.
    nonce BLOB NOT NULL CHECK (length(nonce) = 32)
) STRICT;

CREATE TABLE erasures (
    -- Blind index of a subject whose erasure was ordered, 16 bytes. The order itself is an entry.
    tag BLOB PRIMARY KEY CHECK (length(tag) = 16),
    -- 1 once its data keys are destroyed; until then every start tries again.
    destroyed INTEGER NOT NULL CHECK (destroyed IN (0, 1))
) STRICT, WITHOUT ROWID;
