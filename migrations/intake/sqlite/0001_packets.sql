-- What an intake on the internet keeps: packets that it cannot read, the periods of its log, and capsules that it cannot
-- open. Losing it breaks promises; a restored older copy would let its log show another history, and is refused.

CREATE TABLE packets (
    -- Order of receipt, from 1.
    seq INTEGER PRIMARY KEY,
    -- BLAKE3 of the packet, 32 bytes: the same packet again gets the same promise.
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    -- Commitment in the promise, 32 bytes.
    commitment BLOB NOT NULL UNIQUE CHECK (length(commitment) = 32),
    -- Salt of the commitment, 32 bytes.
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    -- When it was received, RFC 3339 with microseconds.
    received_at TEXT NOT NULL,
    -- By when the ledger has answered it, RFC 3339 with microseconds.
    deadline TEXT NOT NULL,
    -- The packet, verbatim; gone once the ledger has answered its period.
    packet TEXT,
    -- Number of its period; absent until that is recorded.
    batch INTEGER,
    -- Place in the period's tree.
    leaf INTEGER,
    -- The 16 hashes from there to the root, 512 bytes.
    path BLOB
) STRICT;

CREATE INDEX packets_by_batch ON packets (batch, leaf);

CREATE TABLE batches (
    -- Number of the period, from 0; its place in the log.
    number INTEGER PRIMARY KEY CHECK (number >= 0),
    -- The entry, verbatim.
    entry BLOB NOT NULL,
    -- From which places and decoys come, 32 bytes.
    nonce BLOB NOT NULL CHECK (length(nonce) = 32)
) STRICT;

CREATE TRIGGER batches_stay BEFORE UPDATE ON batches BEGIN SELECT RAISE(ABORT, 'batches are never changed'); END;
CREATE TRIGGER batches_remain BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'batches are never deleted'); END;

CREATE TABLE capsules (
    -- Under which its reader finds it, 16 bytes.
    label BLOB PRIMARY KEY CHECK (length(label) = 16),
    -- The capsule with its label.
    capsule BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE answered (
    -- One row.
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- As of when the capsules are, RFC 3339 with microseconds.
    as_of TEXT NOT NULL,
    -- Number after the last period that the ledger has answered.
    upto INTEGER NOT NULL
) STRICT;
