-- Idempotency: which submission a client's key stood for. Written in the transaction of the append,
-- so a key is known exactly when its entry is.

CREATE TABLE requests (
    -- The client's idempotency key.
    key TEXT PRIMARY KEY CHECK (length(key) > 0),
    -- BLAKE3 of the signed note, 32 bytes; the note commits to openings and lines.
    request BLOB NOT NULL CHECK (length(request) = 32),
    -- Index of the entry.
    idx INTEGER NOT NULL CHECK (idx >= 0)
) STRICT, WITHOUT ROWID;
