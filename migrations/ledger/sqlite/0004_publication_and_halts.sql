-- What the ledger remembers about its own running.

-- At most one row: how far the published files are known to be on disk.
CREATE TABLE publication (
    -- Always 1.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Entries, a multiple of 256, whose full tiles, openings, lines and attachments were fsynced.
    -- Whatever was published after them is checked and repaired on start.
    durable_size INTEGER NOT NULL CHECK (durable_size >= 0 AND durable_size % 256 = 0),
    -- The checkpoint note that was the last one when the row was written.
    checkpoint TEXT NOT NULL
) STRICT;

-- At most one row: a halt that is not in the log yet, because nothing was appended after it.
CREATE TABLE halt (
    -- Always 1.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- clock_back or clock_ahead.
    cause TEXT NOT NULL CHECK (cause IN ('clock_back', 'clock_ahead')),
    -- The clock's reading at the halt, microseconds since 1970-01-01 UTC.
    observed_at INTEGER NOT NULL
) STRICT;
