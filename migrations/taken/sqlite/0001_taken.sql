-- What a ledger took in across a network gap, and what became of it: `vault/taken.db`. Losing it loses capsules, and no
-- record: whoever hands in again is told again.

CREATE TABLE taken (
    -- Blind index of the packet's commitment, 16 bytes.
    tag BLOB PRIMARY KEY CHECK (length(tag) = 16),
    -- Blind index of the intake, 16 bytes.
    intake BLOB NOT NULL CHECK (length(intake) = 16),
    -- Number of the packet's period in the intake's log.
    batch INTEGER NOT NULL,
    -- Place of the packet in that period.
    place INTEGER NOT NULL,
    -- When it was taken in, Unix seconds.
    taken_at INTEGER NOT NULL,
    -- The answer with its salt, its place, and under which secret it is sent out, encrypted under a key of the vault.
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX taken_by_batch ON taken (intake, batch, place);
