-- Which views a PostgreSQL database holds, and which node writes them. The rows of a generation are in a schema of its
-- own, `views_` and its name. Everything here can be deleted while no node runs; it is made again from the log.

CREATE SCHEMA views;

CREATE TABLE views.generations (
    name TEXT COLLATE "C" PRIMARY KEY NOT NULL, -- schema, what fills it, serial number: `0a1b2c3d-4e5f6071-000002`
    filling TEXT COLLATE "C" NOT NULL,          -- the first two parts: programs with the same write the same rows
    is_whole BIGINT NOT NULL,                   -- 1 once it caught up with the log and has the indexes that pages ask
    served_at TIMESTAMPTZ,                      -- since when nodes answer from it; null while it is being built
    retired_at TIMESTAMPTZ                      -- since when nobody needs it; it is removed some time after
);

CREATE TABLE views.leases (
    filling TEXT COLLATE "C" PRIMARY KEY NOT NULL, -- whose writer, as in generations
    holder TEXT COLLATE "C" NOT NULL,           -- the node that writes, an id of one run of its program
    term BIGINT NOT NULL,                       -- counts the takings; a writer of an earlier term commits nothing
    until TIMESTAMPTZ NOT NULL                  -- by the server's clock: from then on another node may take over
);
