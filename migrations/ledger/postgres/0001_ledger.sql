-- A ledger in PostgreSQL: the tables of `migrations/ledger/sqlite`, all of its versions at once. Append-only: the triggers
-- refuse every UPDATE, DELETE and TRUNCATE, and verification finds whoever drops them first. Texts compare by their bytes
-- (collation "C"), as everywhere else; bytes are stored as they are.

-- One row: how far this schema was migrated.
CREATE TABLE version (
    -- Always 1.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Steps of migrations/ledger/postgres that were taken.
    version BIGINT NOT NULL CHECK (version > 0)
);

CREATE TABLE entries (
    -- Place in the log, from 0, without gaps.
    idx BIGINT PRIMARY KEY CHECK (idx >= 0),
    -- Stream of the statement, `family/uuid`; NULL for a period of sealed events. Copied from the
    -- bytes, which decide.
    stream TEXT COLLATE "C",
    -- Revision within the stream, from 0; NULL together with the stream.
    revision BIGINT CHECK (revision >= 0),
    -- The entry, verbatim; at most what a tile can carry (c2sp.org/tlog-tiles).
    bytes BYTEA NOT NULL CHECK (length(bytes) BETWEEN 1 AND 65535),
    CHECK ((stream IS NULL) = (revision IS NULL))
);

-- A stream has one history: the second statement at a revision has no place.
CREATE UNIQUE INDEX entries_by_stream ON entries (stream, revision) WHERE stream IS NOT NULL;

-- One row: the log as of its last entry. Written in the transaction of each append.
CREATE TABLE head (
    -- Always 1.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Entries in the log.
    size BIGINT NOT NULL CHECK (size >= 0),
    -- BLAKE3 of the last entry, 32 bytes; zeros while there is none.
    entry_hash BYTEA NOT NULL CHECK (length(entry_hash) = 32),
    -- Right edge of the Merkle tree: size, 8 bytes big-endian, then 32 bytes a subtree root.
    edge BYTEA NOT NULL CHECK (length(edge) >= 8),
    -- `recorded_at` of the last entry, microseconds since 1970-01-01 UTC; 0 while there is none.
    recorded_at BIGINT NOT NULL,
    -- Raised by each writer that takes over; a writer of an earlier epoch is fenced.
    epoch BIGINT NOT NULL CHECK (epoch >= 0)
);

-- What opens an entry's commitments. Unlike entries these can be withdrawn, so they lie in tables of
-- their own. No foreign keys: the check costs more than the insert, and verification compares
-- every row with the entry that it belongs to.

CREATE TABLE openings (
    -- Index of the entry.
    idx BIGINT PRIMARY KEY CHECK (idx >= 0),
    -- Canonical JSON line of the openings file: 16 commitments and what is open (tier public only).
    line TEXT COLLATE "C" NOT NULL CHECK (length(line) > 0)
);

CREATE TABLE lists (
    -- Index of the entry.
    idx BIGINT PRIMARY KEY CHECK (idx >= 0),
    -- The lines file: one canonical JSON line a row, withdrawn rows as commitments.
    text TEXT COLLATE "C" NOT NULL CHECK (length(text) > 0)
);

CREATE TABLE attachments (
    -- Index of the entry that names the file.
    idx BIGINT NOT NULL CHECK (idx >= 0),
    -- BLAKE3 of the file, 32 bytes.
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (idx, hash)
);

-- Idempotency: which submission a client's key stood for. Written in the transaction of the append,
-- so a key is known exactly when its entry is.

CREATE TABLE requests (
    -- The client's idempotency key.
    key TEXT COLLATE "C" PRIMARY KEY CHECK (length(key) > 0),
    -- BLAKE3 of the signed note, 32 bytes; the note commits to openings and lines.
    request BYTEA NOT NULL CHECK (length(request) = 32),
    -- Index of the entry.
    idx BIGINT NOT NULL CHECK (idx >= 0)
);

-- What the ledger remembers about its own running.

-- At most one row: how far the published files are known to be on disk.
CREATE TABLE publication (
    -- Always 1.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Entries, a multiple of 256, whose full tiles, openings, lines and attachments were fsynced.
    -- Whatever was published after them is checked and repaired on start.
    durable_size BIGINT NOT NULL CHECK (durable_size >= 0 AND durable_size % 256 = 0),
    -- The checkpoint note that was the last one when the row was written.
    checkpoint TEXT COLLATE "C" NOT NULL
);

-- At most one row: a halt that is not in the log yet, because nothing was appended after it.
CREATE TABLE halt (
    -- Always 1.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- clock_back or clock_ahead.
    cause TEXT COLLATE "C" NOT NULL CHECK (cause IN ('clock_back', 'clock_ahead')),
    -- The clock's reading at the halt, microseconds since 1970-01-01 UTC.
    observed_at BIGINT NOT NULL
);

-- What is not public: sealed values of entries, and wholly sealed events with the period that records
-- them. Values are ciphertext; what would open them lies in the vault's own database.

CREATE TABLE sealed_events (
    -- Order of receipt, from 0, without gaps.
    seq BIGINT PRIMARY KEY CHECK (seq >= 0),
    -- Commitment to the event: salt and note, 32 bytes. This is what the period's tree holds.
    commitment BYTEA NOT NULL UNIQUE CHECK (length(commitment) = 32),
    -- Blind index of the event's stream, 16 bytes: a keyed hash whose key is in the vault.
    tag BYTEA NOT NULL CHECK (length(tag) = 16),
    -- Which of the subject's data keys sealed the note: 1 members, 2 unit, 3 named.
    tier BIGINT NOT NULL CHECK (tier BETWEEN 1 AND 3),
    -- Entries that were recorded before it; it was judged as of them.
    as_of BIGINT NOT NULL CHECK (as_of >= 0),
    -- When it was received, microseconds since 1970-01-01 UTC.
    received_at BIGINT NOT NULL,
    -- Until when a period must hold it, microseconds since 1970-01-01 UTC: what the promise says.
    deadline BIGINT NOT NULL CHECK (deadline >= received_at),
    -- Random, 24 bytes; NULL once erased.
    nonce BYTEA CHECK (length(nonce) = 24),
    -- Salt and note, encrypted; NULL once erased.
    note BYTEA,
    -- The envelope to a body's receivers, encrypted once more (nonce, then ciphertext); NULL without one.
    envelope BYTEA,
    -- The 16 commitments of its slots, 512 bytes.
    commitments BYTEA NOT NULL CHECK (length(commitments) = 512),
    -- BLAKE3 of the status code, 32 bytes; NULL where nobody follows by code.
    status BYTEA UNIQUE CHECK (length(status) = 32),
    -- Entry of the period that records it; NULL until then.
    period BIGINT CHECK (period >= 0),
    -- Leaf in the period's tree; NULL until then.
    leaf BIGINT CHECK (leaf BETWEEN 0 AND 65535),
    -- Path from the leaf to the period's root, 16 hashes; NULL until then.
    path BYTEA CHECK (length(path) = 512),
    CHECK ((nonce IS NULL) = (note IS NULL)),
    CHECK ((period IS NULL) = (leaf IS NULL) AND (period IS NULL) = (path IS NULL))
);

-- The history of one sealed matter.
CREATE INDEX sealed_events_by_tag ON sealed_events (tag, seq);

-- What the next period takes in.
CREATE INDEX sealed_events_waiting ON sealed_events (seq) WHERE period IS NULL;

CREATE TABLE sealed_values (
    -- Index of the entry; for a sealed event -1 - seq.
    event BIGINT NOT NULL,
    -- Slot number, 0 to 15; from 16 on a cell of the list.
    ordinal BIGINT NOT NULL CHECK (ordinal >= 0),
    -- Line of the cell; NULL for a slot.
    line BIGINT CHECK (line >= 0),
    -- To whom it is disclosed: 1 members, 2 unit, 3 named.
    tier BIGINT NOT NULL CHECK (tier BETWEEN 1 AND 3),
    -- Commitment of the slot or cell, 32 bytes.
    commitment BYTEA NOT NULL CHECK (length(commitment) = 32),
    -- Random, 24 bytes.
    nonce BYTEA NOT NULL CHECK (length(nonce) = 24),
    -- Salt, name and value, encrypted and padded.
    bytes BYTEA NOT NULL,
    PRIMARY KEY (event, ordinal),
    CHECK ((line IS NULL) = (ordinal < 16))
);

CREATE TABLE sealed_requests (
    -- The client's idempotency key.
    key TEXT COLLATE "C" PRIMARY KEY CHECK (length(key) > 0),
    -- BLAKE3 of the signed note, 32 bytes. The note holds a root over random salts, so it tests no guess.
    request BYTEA NOT NULL CHECK (length(request) = 32),
    -- The event.
    seq BIGINT NOT NULL CHECK (seq >= 0)
);

CREATE TABLE periods (
    -- Index of the period's entry.
    idx BIGINT PRIMARY KEY CHECK (idx >= 0),
    -- Random, 32 bytes: with the vault's key it gives the salts of the period's decoys.
    nonce BYTEA NOT NULL CHECK (length(nonce) = 32)
);

CREATE TABLE erasures (
    -- Blind index of a subject whose erasure was ordered, 16 bytes. The order itself is an entry.
    tag BYTEA PRIMARY KEY CHECK (length(tag) = 16),
    -- 1 once its data keys are destroyed; until then every start tries again.
    destroyed BIGINT NOT NULL CHECK (destroyed IN (0, 1))
);

-- What was sealed of each statement, as the vault wrote it down: an empty slot and one whose row was taken away look
-- alike to everybody else.

CREATE TABLE inventories (
    -- Index of the entry; for a sealed event -1 - seq.
    event BIGINT PRIMARY KEY,
    -- The slots that were sealed, a bit each, slot 0 the lowest.
    slots BIGINT NOT NULL CHECK (slots BETWEEN 0 AND 65535),
    -- Binds them to the statement under a key of the vault, 16 bytes.
    mac BYTEA NOT NULL CHECK (length(mac) = 16)
);

INSERT INTO head (id, size, entry_hash, edge, recorded_at, epoch)
VALUES (1, 0, decode(repeat('00', 32), 'hex'), decode(repeat('00', 8), 'hex'), 0, 0);

-- What a trigger refuses, by name of the table.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $refuse$
BEGIN
    RAISE EXCEPTION '% is append-only: no %', TG_TABLE_NAME, TG_OP;
END
$refuse$;

CREATE TRIGGER entries_are_never_changed BEFORE UPDATE OR DELETE ON entries
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER entries_are_never_truncated BEFORE TRUNCATE ON entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER head_is_never_deleted BEFORE DELETE ON head
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER sealed_events_are_never_deleted BEFORE DELETE ON sealed_events
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER sealed_events_are_never_truncated BEFORE TRUNCATE ON sealed_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER inventories_are_never_changed BEFORE UPDATE OR DELETE ON inventories
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER inventories_are_never_truncated BEFORE TRUNCATE ON inventories
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_to_go_back() RETURNS trigger LANGUAGE plpgsql AS $refuse$
BEGIN
    IF NEW.size < OLD.size OR NEW.recorded_at < OLD.recorded_at OR NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'the head never goes back';
    END IF;
    RETURN NEW;
END
$refuse$;

CREATE TRIGGER head_never_goes_back BEFORE UPDATE ON head
FOR EACH ROW EXECUTE FUNCTION refuse_to_go_back();

-- A period is set once; an erasure takes the ciphertext away and nothing else.
CREATE FUNCTION refuse_to_change_what_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $refuse$
BEGIN
    IF NEW.seq IS DISTINCT FROM OLD.seq OR NEW.commitment IS DISTINCT FROM OLD.commitment
        OR NEW.tag IS DISTINCT FROM OLD.tag OR NEW.tier IS DISTINCT FROM OLD.tier
        OR NEW.as_of IS DISTINCT FROM OLD.as_of OR NEW.received_at IS DISTINCT FROM OLD.received_at
        OR NEW.deadline IS DISTINCT FROM OLD.deadline OR NEW.commitments IS DISTINCT FROM OLD.commitments
        OR NEW.status IS DISTINCT FROM OLD.status
        OR (OLD.period IS NOT NULL AND NEW.period IS DISTINCT FROM OLD.period)
        OR (OLD.leaf IS NOT NULL AND NEW.leaf IS DISTINCT FROM OLD.leaf)
        OR (OLD.path IS NOT NULL AND NEW.path IS DISTINCT FROM OLD.path)
        OR (NEW.note IS NOT NULL AND NEW.note IS DISTINCT FROM OLD.note)
        OR (NEW.envelope IS NOT NULL AND NEW.envelope IS DISTINCT FROM OLD.envelope) THEN
        RAISE EXCEPTION 'sealed events are append-only: no UPDATE';
    END IF;
    RETURN NEW;
END
$refuse$;

CREATE TRIGGER sealed_events_are_never_changed BEFORE UPDATE ON sealed_events
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_what_is_sealed();
