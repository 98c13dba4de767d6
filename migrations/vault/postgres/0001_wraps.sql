-- The vault in PostgreSQL, in a schema of its own (`vault`): the tables of `migrations/vault/sqlite`, all of its versions at
-- once. Destroying rows here is what erases; the server's write-ahead log and backups keep them until they are recycled.

CREATE TABLE version (
    -- Always 1.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Steps of migrations/vault/postgres that were taken.
    version BIGINT NOT NULL CHECK (version > 0)
);

CREATE TABLE vault (
    -- Always 1.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Origin of the ledger to which it belongs.
    origin TEXT COLLATE "C" NOT NULL CHECK (length(origin) > 0),
    -- The first entry that was recorded with this vault; what is encrypted in `blind` is bound to it.
    since BIGINT NOT NULL CHECK (since > 0),
    -- The latest epoch. The lock on this row keeps a rotation and new keys apart.
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    -- Random, 24 bytes.
    nonce BYTEA NOT NULL CHECK (length(nonce) = 24),
    -- The key of the blind indexes, encrypted under the master key; 32 bytes and a tag.
    blind BYTEA NOT NULL CHECK (length(blind) = 48)
);

CREATE TABLE wraps (
    -- Blind index of the subject (the matter or person that an erasure would be about), 16 bytes.
    subject BYTEA NOT NULL CHECK (length(subject) = 16),
    -- Tier of the data key: 1 members, 2 unit, 3 named.
    tier BIGINT NOT NULL CHECK (tier BETWEEN 1 AND 3),
    -- Organization to whose key of that tier it is wrapped.
    org TEXT COLLATE "C" NOT NULL CHECK (length(org) > 0),
    -- Which of that organization's keys: counts the rotations, from 0.
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    -- The data key, wrapped: encapsulated key and ciphertext.
    wrap BYTEA NOT NULL CHECK (length(wrap) = 1168),
    PRIMARY KEY (subject, tier, org)
);
