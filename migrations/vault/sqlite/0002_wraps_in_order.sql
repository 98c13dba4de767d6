-- Wraps lie in the order in which they were made, and are found by an index of short rows. In the order of their
-- blind indexes each went to a random page, with an overflow page of its own: four times what there is to write.

CREATE TABLE wraps_in_order (
    -- Blind index of the subject, 16 bytes.
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    -- Tier of the data key: 1 members, 2 unit, 3 named.
    tier INTEGER NOT NULL CHECK (tier BETWEEN 1 AND 3),
    -- Organization to whose key of that tier it is wrapped.
    org TEXT NOT NULL CHECK (length(org) > 0),
    -- Which of that organization's keys.
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    -- The data key, wrapped.
    wrap BLOB NOT NULL CHECK (length(wrap) = 1168),
    UNIQUE (subject, tier, org)
) STRICT;

INSERT INTO wraps_in_order (subject, tier, org, epoch, wrap) SELECT subject, tier, org, epoch, wrap FROM wraps;
DROP TABLE wraps;
ALTER TABLE wraps_in_order RENAME TO wraps;
