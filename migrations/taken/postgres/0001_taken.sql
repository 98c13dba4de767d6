-- What a ledger took in across a network gap, in PostgreSQL: a schema of its own (`taken`), for all nodes; the table of
-- `migrations/taken/sqlite`. A later step only adds, so that nodes of the version before can be updated one after the other.

CREATE TABLE version (
    -- Always 1.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Steps of migrations/taken/postgres that were taken.
    version BIGINT NOT NULL CHECK (version > 0)
);

CREATE TABLE taken (
    -- Blind index of the packet's commitment, 16 bytes. A node that answers a packet has inserted its row and not committed
    -- it: another one that would answer the same waits here.
    tag BYTEA PRIMARY KEY CHECK (length(tag) = 16),
    -- Blind index of the intake, 16 bytes.
    intake BYTEA NOT NULL CHECK (length(intake) = 16),
    -- Number of the packet's period in the intake's log.
    batch BIGINT NOT NULL,
    -- Place of the packet in that period.
    place BIGINT NOT NULL,
    -- When it was taken in, Unix seconds.
    taken_at BIGINT NOT NULL,
    -- The answer with its salt, its place, and under which secret it is sent out, encrypted under a key of the vault.
    sealed BYTEA NOT NULL
);

CREATE INDEX taken_by_batch ON taken (intake, batch, place);
