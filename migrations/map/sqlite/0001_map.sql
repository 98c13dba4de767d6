-- The map over all statements, as of a size: rebuilt from the log where it is lost.

CREATE TABLE leaf (
    -- SHA-256 of the key, by which leaves are in order.
    path BLOB NOT NULL PRIMARY KEY,
    -- Statements under the key.
    count INTEGER NOT NULL,
    -- What only all of them in their order lead to.
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    -- Place in the upper tree: 1 is the root, the children of n are 2n and 2n + 1.
    number INTEGER NOT NULL PRIMARY KEY,
    -- Its hash.
    hash BLOB NOT NULL,
    -- Leaves below it.
    leaves INTEGER NOT NULL
) STRICT;

CREATE TABLE reached (
    -- One row.
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    -- Entries that are in the map.
    size INTEGER NOT NULL,
    -- The entry that says the root as of this size; none while nothing is proven.
    entry INTEGER
) STRICT;

INSERT INTO reached (only, size, entry) VALUES (1, 0, NULL);
