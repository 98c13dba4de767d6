-- What opens an entry's commitments. Unlike entries these can be withdrawn, so they lie in tables of
-- their own. No foreign keys: the check costs more than the insert, and verification compares
-- every row with the entry that it belongs to.

CREATE TABLE openings (
    -- Index of the entry.
    idx INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- Canonical JSON line of the openings file: 16 commitments and what is open (tier public only).
    line TEXT NOT NULL CHECK (length(line) > 0)
) STRICT;

CREATE TABLE lists (
    -- Index of the entry.
    idx INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- The lines file: one canonical JSON line a row, withdrawn rows as commitments.
    text TEXT NOT NULL CHECK (length(text) > 0)
) STRICT;

CREATE TABLE attachments (
    -- Index of the entry that names the file.
    idx INTEGER NOT NULL CHECK (idx >= 0),
    -- BLAKE3 of the file, 32 bytes.
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (idx, hash)
) STRICT, WITHOUT ROWID;
