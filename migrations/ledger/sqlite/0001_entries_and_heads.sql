-- The log itself and the place where it goes on. Append-only: the triggers refuse every UPDATE and
-- DELETE, and verification finds whoever drops them first.

CREATE TABLE entries (
    -- Place in the log, from 0, without gaps.
    idx INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- Stream of the statement, `family/uuid`; NULL for a period of sealed events. Copied from the
    -- bytes, which decide.
    stream TEXT,
    -- Revision within the stream, from 0; NULL together with the stream.
    revision INTEGER CHECK (revision >= 0),
    -- The entry, verbatim; at most what a tile can carry (c2sp.org/tlog-tiles).
    bytes BLOB NOT NULL CHECK (length(bytes) BETWEEN 1 AND 65535),
    CHECK ((stream IS NULL) = (revision IS NULL))
) STRICT;

-- A stream has one history: the second statement at a revision has no place.
CREATE UNIQUE INDEX entries_by_stream ON entries (stream, revision) WHERE stream IS NOT NULL;

CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are append-only: no UPDATE'); END;

CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are append-only: no DELETE'); END;

-- One row: the log as of its last entry. Written in the transaction of each append.
CREATE TABLE head (
    -- Always 1.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Entries in the log.
    size INTEGER NOT NULL CHECK (size >= 0),
    -- BLAKE3 of the last entry, 32 bytes; zeros while there is none.
    entry_hash BLOB NOT NULL CHECK (length(entry_hash) = 32),
    -- Right edge of the Merkle tree: size, 8 bytes big-endian, then 32 bytes a subtree root.
    edge BLOB NOT NULL CHECK (length(edge) >= 8),
    -- `recorded_at` of the last entry, microseconds since 1970-01-01 UTC; 0 while there is none.
    recorded_at INTEGER NOT NULL,
    -- Raised by each writer that takes over; a writer of an earlier epoch is fenced.
    epoch INTEGER NOT NULL CHECK (epoch >= 0)
) STRICT;

INSERT INTO head (id, size, entry_hash, edge, recorded_at, epoch)
VALUES (1, 0, zeroblob(32), zeroblob(8), 0, 0);

CREATE TRIGGER head_never_goes_back BEFORE UPDATE ON head
WHEN NEW.size < OLD.size OR NEW.recorded_at < OLD.recorded_at OR NEW.epoch < OLD.epoch
BEGIN SELECT RAISE(ABORT, 'the head never goes back'); END;

CREATE TRIGGER head_is_never_deleted BEFORE DELETE ON head
BEGIN SELECT RAISE(ABORT, 'the head is never deleted'); END;
