-- The working store in PostgreSQL, in a schema of its own (`drafts`), for all nodes of a ledger: the tables of
-- `migrations/drafts/sqlite`. Everything that says something is encrypted. A later step only adds, so that nodes of the
-- version before can be updated one after the other.

CREATE TABLE version (
    -- Always 1. Whoever writes drafts holds this row: limits and revisions are compared by one node at a time.
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Steps of migrations/drafts/postgres that were taken.
    version BIGINT NOT NULL CHECK (version > 0)
);

CREATE TABLE drafts (
    -- Random, 16 bytes, chosen by whoever began it.
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    -- Blind index of the person whose draft it is, 16 bytes.
    owner BYTEA NOT NULL CHECK (length(owner) = 16),
    -- Counts the changes, from 1: whoever changes an older one is told.
    revision BIGINT NOT NULL CHECK (revision > 0),
    -- When it was changed, Unix seconds.
    changed_at BIGINT NOT NULL,
    -- From when on it is gone, Unix seconds.
    expires_at BIGINT NOT NULL CHECK (expires_at > changed_at),
    -- Random, 24 bytes.
    nonce BYTEA NOT NULL CHECK (length(nonce) = 24),
    -- The content, encrypted under a key that the vault derives for this draft.
    sealed BYTEA NOT NULL
);

CREATE TABLE people (
    -- The draft.
    draft BYTEA NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
    -- Blind index of a person who may see it, its owner among them, 16 bytes.
    person BYTEA NOT NULL CHECK (length(person) = 16),
    PRIMARY KEY (draft, person)
);

CREATE INDEX people_by_person ON people (person);
CREATE INDEX drafts_by_owner ON drafts (owner);
CREATE INDEX drafts_by_expiry ON drafts (expires_at);
