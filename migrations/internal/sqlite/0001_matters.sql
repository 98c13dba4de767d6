-- Internal views: which sealed matters there are, where they stand and who read them. No content: that is
-- opened from the vault each time, after the access is on record. Rebuilt from the vault at any time.

CREATE TABLE matters (
    -- Number of the event that opened it; lists are in this order.
    opened_seq INTEGER PRIMARY KEY,
    -- Stream, `family/uuid`.
    stream TEXT NOT NULL UNIQUE,
    -- Blind index of the stream as the vault has it, lower-case hex: what an erasure names.
    tag TEXT NOT NULL,
    -- Blind index of the stream as `links` names it, lower-case hex. Another one than `tag`, which the ledger keeps
    -- beside public entries as well.
    link TEXT NOT NULL,
    -- Family: the stream's first part.
    family TEXT NOT NULL,
    -- Kind that opened it.
    kind TEXT NOT NULL,
    -- Code of the organization whose matter it is now.
    org TEXT NOT NULL,
    -- Person who opened it; NULL for what the ledger took down for somebody without a key.
    author TEXT,
    -- Blind indexes of the persons whom it is about, lower-case hex, as JSON.
    concerns TEXT NOT NULL,
    -- 1 when its content is encrypted to a body's receivers.
    hidden INTEGER NOT NULL CHECK (hidden IN (0, 1)),
    -- When it was received, microseconds since 1970-01-01 UTC.
    received_at INTEGER NOT NULL,
    -- Number of its latest event.
    latest_seq INTEGER NOT NULL,
    -- Kind of its latest event.
    latest_kind TEXT NOT NULL,
    -- Revision of its latest event.
    revision INTEGER NOT NULL,
    -- How many people have yet to act in a review; 0 once it is complete or returned; NULL for every other matter.
    acts_left INTEGER,
    -- 1 while something is awaited of somebody by a rule's day, 0 after; NULL for families without clocks. By which day,
    -- and what, is computed when read.
    awaits INTEGER,
    -- Where it stands, encrypted under a key of the vault: what is awaited by which rules, and the next gate of a review;
    -- NULL for families that have neither.
    standing BLOB
) STRICT;

CREATE INDEX matters_awaiting ON matters (opened_seq) WHERE awaits = 1;
CREATE INDEX matters_in_review ON matters (opened_seq) WHERE acts_left > 0;
CREATE INDEX matters_by_tag ON matters (tag);
CREATE INDEX matters_by_link ON matters (link);

CREATE TABLE events (
    -- Number of the event.
    seq INTEGER PRIMARY KEY,
    -- The matter.
    opened_seq INTEGER NOT NULL,
    -- Its revision there.
    revision INTEGER NOT NULL,
    -- Kind.
    kind TEXT NOT NULL,
    -- Code of the organization in whose name it was said.
    org TEXT NOT NULL,
    -- Person who said it; NULL for what the ledger took down for somebody without a key.
    author TEXT,
    -- When it was received, microseconds since 1970-01-01 UTC.
    received_at INTEGER NOT NULL
) STRICT;

CREATE INDEX events_by_matter ON events (opened_seq, seq);

CREATE TABLE links (
    -- Blind index of the matter that a sealed event names, lower-case hex: without the vault's key it tells nobody
    -- which one that is.
    about TEXT NOT NULL,
    -- The event.
    seq INTEGER NOT NULL,
    -- Tier of the field that names it: who may know of the link.
    tier TEXT NOT NULL,
    PRIMARY KEY (about, seq, tier)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_event ON links (seq);

CREATE TABLE mentions (
    -- Blind index of the matter that a public entry names, as in `links`.
    about TEXT NOT NULL,
    -- The entry: a supervision, a reply, an opening, a withdrawal, an erasure.
    entry_index INTEGER NOT NULL,
    PRIMARY KEY (about, entry_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE scopes (
    -- From where it is seen: code of its organization or of one above it, `=code` for its organization alone,
    -- or the person who authored one of its statements.
    seen_from TEXT NOT NULL,
    -- Family.
    family TEXT NOT NULL,
    -- The matter.
    opened_seq INTEGER NOT NULL,
    PRIMARY KEY (seen_from, family, opened_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
    -- Number of the event that promises an opening.
    seq INTEGER NOT NULL,
    -- Slot that is going to be opened.
    slot INTEGER NOT NULL,
    -- The matter.
    opened_seq INTEGER NOT NULL,
    -- Wire name of the field.
    field TEXT NOT NULL,
    -- The promised day.
    opens_on TEXT NOT NULL,
    PRIMARY KEY (seq, slot)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedules_by_matter ON schedules (opened_seq, opens_on);

CREATE TABLE accesses (
    -- Number of the access's own event.
    seq INTEGER PRIMARY KEY,
    -- Stream that was read.
    stream TEXT NOT NULL,
    -- Its revision.
    revision INTEGER NOT NULL,
    -- Why.
    purpose TEXT NOT NULL,
    -- Person who read.
    reader TEXT NOT NULL,
    -- Name of the key that signed.
    key TEXT NOT NULL,
    -- Organization in whose name it was read.
    org TEXT NOT NULL,
    -- Blind index of the access's own stream, lower-case hex.
    tag TEXT NOT NULL,
    -- When, microseconds since 1970-01-01 UTC.
    received_at INTEGER NOT NULL
) STRICT;

CREATE INDEX accesses_by_stream ON accesses (stream, seq);
CREATE INDEX accesses_by_reader ON accesses (reader, seq);

CREATE TABLE cursor (
    -- Always 1.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Sealed events that the views reflect.
    next_seq INTEGER NOT NULL CHECK (next_seq >= 0),
    -- Entries of the log whose mentions they reflect.
    next_index INTEGER NOT NULL CHECK (next_index >= 0)
) STRICT;

INSERT INTO cursor (id, next_seq, next_index) VALUES (1, 0, 0);
