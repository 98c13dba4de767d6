-- The vault: what opens the sealed values, apart from the ledger's database so that it has a backup
-- rotation of its own. Destroying rows here is what erases.

CREATE TABLE wraps (
    -- Blind index of the subject (the matter or person that an erasure would be about), 16 bytes.
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    -- Tier of the data key: 1 members, 2 unit, 3 named.
    tier INTEGER NOT NULL CHECK (tier BETWEEN 1 AND 3),
    -- Organization to whose key of that tier it is wrapped.
    org TEXT NOT NULL CHECK (length(org) > 0),
    -- Which of that organization's keys: counts the rotations, from 0.
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    -- The data key, wrapped: encapsulated key and ciphertext.
    wrap BLOB NOT NULL CHECK (length(wrap) = 1168),
    PRIMARY KEY (subject, tier, org)
) STRICT, WITHOUT ROWID;

CREATE TABLE vault (
    -- Always 1.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Origin of the ledger to which it belongs.
    origin TEXT NOT NULL CHECK (length(origin) > 0),
    -- The first entry that was recorded with this vault; what is encrypted in `blind` is bound to it.
    since INTEGER NOT NULL CHECK (since > 0),
    -- The latest epoch.
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    -- Random, 24 bytes.
    nonce BLOB NOT NULL CHECK (length(nonce) = 24),
    -- The key of the blind indexes, encrypted under the master key; 32 bytes and a tag.
    blind BLOB NOT NULL CHECK (length(blind) = 48)
) STRICT;
