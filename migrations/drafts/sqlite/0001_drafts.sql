-- The working store: what people are writing or collecting signatures for, and have not submitted. No part of the
-- ledger: whoever loses it loses unsigned work. Everything that says something is encrypted.

CREATE TABLE drafts (
    -- Random, 16 bytes, chosen by whoever began it.
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    -- Blind index of the person whose draft it is, 16 bytes.
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    -- Counts the changes, from 1: whoever changes an older one is told.
    revision INTEGER NOT NULL CHECK (revision > 0),
    -- When it was changed, Unix seconds.
    changed_at INTEGER NOT NULL,
    -- From when on it is gone, Unix seconds.
    expires_at INTEGER NOT NULL CHECK (expires_at > changed_at),
    -- Random, 24 bytes.
    nonce BLOB NOT NULL CHECK (length(nonce) = 24),
    -- The content, encrypted under a key that the vault derives for this draft.
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    -- The draft.
    draft BLOB NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
    -- Blind index of a person who may see it, its owner among them, 16 bytes.
    person BLOB NOT NULL CHECK (length(person) = 16),
    PRIMARY KEY (draft, person)
) STRICT, WITHOUT ROWID;

CREATE INDEX people_by_person ON people (person);
CREATE INDEX drafts_by_owner ON drafts (owner);
CREATE INDEX drafts_by_expiry ON drafts (expires_at);
