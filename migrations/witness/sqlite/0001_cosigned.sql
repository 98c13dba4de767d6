-- What a witness has cosigned: the last checkpoint of each log. Losing it would let a log show another history.

CREATE TABLE cosigned (
    -- Origin of the log.
    origin TEXT NOT NULL PRIMARY KEY,
    -- The checkpoint, with the signatures of the log that verified and the witness's own cosignature.
    note TEXT NOT NULL
) STRICT, WITHOUT ROWID;
