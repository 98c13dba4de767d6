-- What was sealed of each statement, as the vault wrote it down: an empty slot and one whose row was taken away look
-- alike to everybody else.

CREATE TABLE inventories (
    -- Index of the entry; for a sealed event -1 - seq.
    event INTEGER PRIMARY KEY,
    -- The slots that were sealed, a bit each, slot 0 the lowest.
    slots INTEGER NOT NULL CHECK (slots BETWEEN 0 AND 65535),
    -- Binds them to the statement under a key of the vault, 16 bytes.
    mac BLOB NOT NULL CHECK (length(mac) = 16)
) STRICT;

CREATE TRIGGER inventories_are_never_deleted BEFORE DELETE ON inventories
BEGIN SELECT RAISE(ABORT, 'inventories are append-only: no DELETE'); END;

CREATE TRIGGER inventories_are_never_changed BEFORE UPDATE ON inventories
BEGIN SELECT RAISE(ABORT, 'inventories are append-only: no UPDATE'); END;
