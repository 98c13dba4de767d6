-- Views over the public log (SQLite). Thrown away and rebuilt from the log at will: nothing here is a
-- source of truth, and nothing here depends on today's date. Dates are YYYY-MM-DD, moments RFC 3339,
-- money fen, flags 0 or 1, JSON is text. Every table has the stream whose events fill the row, so that
-- a withdrawal can fold one stream again. The columns are the same on PostgreSQL.

CREATE TABLE cursors (
    projection TEXT PRIMARY KEY NOT NULL,   -- name of the projection
    version INTEGER NOT NULL,               -- version that wrote its rows
    next_index INTEGER NOT NULL,            -- log index that it reads next: its rows reflect all before
    halted TEXT                             -- why it stopped at next_index; null while it goes on
) STRICT;

CREATE TABLE events (
    entry_index INTEGER PRIMARY KEY NOT NULL, -- place in the log
    stream TEXT NOT NULL,                   -- stream of the statement
    revision INTEGER NOT NULL,              -- place in the stream, from 0
    family TEXT NOT NULL,                   -- first part of the stream
    kind TEXT NOT NULL,                     -- wire name with version
    org TEXT NOT NULL,                      -- organization in whose name it was said
    recorded_at TEXT NOT NULL,              -- the log's time, UTC
    declared_at TEXT NOT NULL,              -- the author's time, with offset
    late_days INTEGER NOT NULL,             -- days from the declared to the recorded day, in the author's zone
    back_filled INTEGER NOT NULL,           -- late_days reached the rule in force when it was recorded
    entry_hash TEXT NOT NULL,               -- BLAKE3 of the entry, base64
    statement_hash TEXT NOT NULL,           -- BLAKE3 of the statement, base64
    parent TEXT,                            -- hash of the previous statement of the stream
    slots TEXT NOT NULL,                    -- root of the slots, base64
    signers TEXT NOT NULL,                  -- JSON list of [role, key name], author first
    proxy TEXT,                             -- JSON {channel, original} when entered for somebody else
    body TEXT NOT NULL,                     -- JSON body, verbatim meaning
    fields TEXT NOT NULL,                   -- JSON list of open public slots {name, slot, value}
    lines_count INTEGER NOT NULL,           -- lines of its list, withdrawn ones included
    target_index INTEGER                    -- entry that it is about, other than its own stream
) STRICT;
CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);

CREATE TABLE lines (
    entry_index INTEGER NOT NULL,           -- entry whose list it is
    line INTEGER NOT NULL,                  -- place in that list, from 0
    stream TEXT NOT NULL,                   -- stream of the entry
    content TEXT,                           -- JSON row; null when the line was withdrawn
    income INTEGER,                         -- fen, of a finance line
    expense INTEGER,                        -- fen, of a finance line
    corrects INTEGER,                       -- line of the sheet that it replaces or adds; null for the first list
    PRIMARY KEY (entry_index, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX lines_by_stream ON lines (stream, entry_index, line);

CREATE TABLE matters (
    stream TEXT PRIMARY KEY NOT NULL,       -- one pledge, batch, nomination, notice or sheet
    family TEXT NOT NULL,                   -- its family
    org TEXT,                      -- organization that opened it; what only the first event says is null in a later event's row
    category TEXT,                          -- type within the family, wire value
    year INTEGER,                           -- year that it belongs to
    title TEXT,                             -- latest title; null when withdrawn
    names TEXT,                             -- names of people in it, separated by line feeds
    state TEXT,                    -- what the events say, independent of today
    starts_on TEXT,                         -- first day of its period or window
    days INTEGER,                           -- stated length of the period
    ends_on TEXT,                           -- printed or extended last day
    due_on TEXT,                            -- latest due date of a pledge
    extended INTEGER,                       -- 1 once the period was extended
    percent INTEGER,                        -- latest reported percentage
    reported_on TEXT,                       -- day of the latest report, as declared
    class TEXT,                             -- class of a disclosure
    content TEXT,                           -- what a sheet lists
    book TEXT,                              -- whose book
    period TEXT,                            -- period of a sheet as written
    period_start TEXT,                      -- first day of that period
    period_end TEXT,                        -- last day of that period
    opening INTEGER,                        -- fen, latest totals
    income INTEGER,                         -- fen
    expense INTEGER,                        -- fen
    closing INTEGER,                        -- fen
    no_movement INTEGER,                    -- 1 when published as 本期无收支
    first_index INTEGER,           -- entry that opened it
    declared_at TEXT,              -- author's time of that entry
    recorded_at TEXT,              -- log's time of that entry
    late_days INTEGER,             -- of that entry
    back_filled INTEGER,           -- of that entry
    last_index INTEGER NOT NULL,            -- latest entry
    last_recorded_at TEXT NOT NULL,         -- its log's time
    revisions INTEGER NOT NULL              -- how many events it has
) STRICT;

CREATE TABLE matter_counts (
    family TEXT NOT NULL,                   -- family of the matters that it counts
    org TEXT NOT NULL,                      -- their organization; empty while none is known
    year INTEGER NOT NULL,                  -- their year; 0 while none is known
    category TEXT NOT NULL,                 -- their type; empty while none is known
    state TEXT NOT NULL,                    -- what the events say, as in matters
    back_filled INTEGER NOT NULL,           -- as in matters, 0 while it is not known
    no_movement INTEGER NOT NULL,           -- as in matters, 0 while it is not known
    total INTEGER NOT NULL,                 -- how many matters; 0 when none is left
    revisions INTEGER NOT NULL,             -- how many events they have together
    PRIMARY KEY (family, org, year, category, state, back_filled, no_movement)
) STRICT, WITHOUT ROWID;

-- Whoever writes a matter keeps its count, in the same statement: pages that show only a number go through no matter.
CREATE TRIGGER matters_counted AFTER INSERT ON matters BEGIN
    INSERT INTO matter_counts VALUES (NEW.family, COALESCE(NEW.org, ''), COALESCE(NEW.year, 0), COALESCE(NEW.category, ''),
        COALESCE(NEW.state, ''), COALESCE(NEW.back_filled, 0), COALESCE(NEW.no_movement, 0), 1, NEW.revisions)
        ON CONFLICT (family, org, year, category, state, back_filled, no_movement)
        DO UPDATE SET total = total + 1, revisions = revisions + excluded.revisions;
END;
CREATE TRIGGER matters_counted_again AFTER UPDATE ON matters BEGIN
    UPDATE matter_counts SET total = total - 1, revisions = revisions - OLD.revisions
        WHERE family = OLD.family AND org = COALESCE(OLD.org, '') AND year = COALESCE(OLD.year, 0) AND category = COALESCE(OLD.category, '')
        AND state = COALESCE(OLD.state, '') AND back_filled = COALESCE(OLD.back_filled, 0) AND no_movement = COALESCE(OLD.no_movement, 0);
    INSERT INTO matter_counts VALUES (NEW.family, COALESCE(NEW.org, ''), COALESCE(NEW.year, 0), COALESCE(NEW.category, ''),
        COALESCE(NEW.state, ''), COALESCE(NEW.back_filled, 0), COALESCE(NEW.no_movement, 0), 1, NEW.revisions)
        ON CONFLICT (family, org, year, category, state, back_filled, no_movement)
        DO UPDATE SET total = total + 1, revisions = revisions + excluded.revisions;
END;
CREATE TRIGGER matters_not_counted AFTER DELETE ON matters BEGIN
    UPDATE matter_counts SET total = total - 1, revisions = revisions - OLD.revisions
        WHERE family = OLD.family AND org = COALESCE(OLD.org, '') AND year = COALESCE(OLD.year, 0) AND category = COALESCE(OLD.category, '')
        AND state = COALESCE(OLD.state, '') AND back_filled = COALESCE(OLD.back_filled, 0) AND no_movement = COALESCE(OLD.no_movement, 0);
END;

CREATE TABLE people (
    stream TEXT NOT NULL,                   -- nomination
    line INTEGER NOT NULL,                  -- line of the person in the announcement, from 0
    announced INTEGER,                      -- 1 once the announcement listed the line
    outcome TEXT,                           -- conclusion, wire value
    outcome_index INTEGER,                  -- entry of the conclusion
    outcome_on TEXT,                        -- its date
    office TEXT,                            -- appointed, elected, not_elected, ended
    office_index INTEGER,                   -- entry of that
    office_on TEXT,                         -- its date
    probation_ends_on TEXT,                 -- end of the probation as announced
    PRIMARY KEY (stream, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE vacant_posts (
    stream TEXT NOT NULL,                   -- vacancy batch
    line INTEGER NOT NULL,                  -- line of the post in the announcement, from 0
    announced INTEGER,                      -- 1 once the announcement listed the line
    received INTEGER,                       -- recommendations received
    valid INTEGER,                          -- of these, valid
    recommended INTEGER,                    -- different people recommended
    filled_on TEXT,                         -- day on which it was filled
    filled_index INTEGER,                   -- entry that says so
    PRIMARY KEY (stream, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE questions (
    stream TEXT NOT NULL,                   -- sheet
    revision INTEGER NOT NULL,              -- revision of the question in the sheet's stream
    org TEXT,                               -- organization that must answer
    interpellation INTEGER,                 -- 1 for 质询, 0 for 询问
    line INTEGER,                           -- line that it is about
    topic TEXT,                             -- wire value
    asked_on TEXT,                          -- date of asking
    entry_index INTEGER,                    -- entry of the question
    answered_on TEXT,                       -- date of the answer
    answer_index INTEGER,                   -- entry of the answer
    PRIMARY KEY (stream, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX questions_open ON questions (answer_index, asked_on);

CREATE TABLE organizations (
    code TEXT PRIMARY KEY NOT NULL,         -- code of the organization
    stream TEXT NOT NULL,                   -- its stream
    level TEXT,                             -- wire value
    parent TEXT,                            -- code above it
    since TEXT,                             -- day of founding as registered
    registered_index INTEGER,               -- entry of the registration
    registered_on TEXT,                     -- declared day of the registration
    ended TEXT,                             -- merged, split or dissolved
    ended_on TEXT,                          -- day on which that took effect
    ended_index INTEGER                     -- its entry
) STRICT;
CREATE INDEX organizations_by_parent ON organizations (parent, code);
CREATE INDEX organizations_by_stream ON organizations (stream);
CREATE INDEX organizations_by_since ON organizations (since);
CREATE INDEX organizations_by_end ON organizations (ended_on);
CREATE INDEX organizations_by_level ON organizations (level, code);

CREATE TABLE organization_names (
    code TEXT NOT NULL,                     -- organization
    entry_index INTEGER NOT NULL,           -- entry that gave the name
    stream TEXT NOT NULL,                   -- its stream
    name TEXT,                              -- the name; null when withdrawn
    from_on TEXT,                           -- first day of the name; null for the first name
    PRIMARY KEY (code, entry_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_names_by_start ON organization_names (from_on);
CREATE INDEX organization_names_by_name ON organization_names (name);
CREATE INDEX organization_names_by_stream ON organization_names (stream);

CREATE TABLE organization_relations (
    code TEXT NOT NULL,                     -- organization that ended
    other TEXT NOT NULL,                    -- successor
    stream TEXT NOT NULL,                   -- stream of the one that ended
    how TEXT NOT NULL,                      -- merged or split
    effective_on TEXT NOT NULL,             -- day on which it took effect
    entry_index INTEGER NOT NULL,           -- its entry
    PRIMARY KEY (code, other)
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_relations_by_other ON organization_relations (other);
CREATE INDEX organization_relations_by_stream ON organization_relations (stream);

CREATE TABLE organization_ancestors (
    ancestor TEXT NOT NULL,                 -- the code itself, one above it, or one that it went up in
    code TEXT NOT NULL,                     -- organization
    stream TEXT NOT NULL,                   -- its stream
    depth INTEGER NOT NULL,                 -- steps between them, 0 for itself
    PRIMARY KEY (ancestor, code)
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_ancestors_by_code ON organization_ancestors (code, depth);
CREATE INDEX organization_ancestors_by_stream ON organization_ancestors (stream);

CREATE TABLE posts (
    stream TEXT PRIMARY KEY NOT NULL,       -- the post
    org TEXT NOT NULL,                      -- where
    title TEXT,                             -- name of the post; null when withdrawn
    seats INTEGER,                          -- how many seats
    entry_index INTEGER NOT NULL            -- entry that created it
) STRICT;
CREATE INDEX posts_by_org ON posts (org);

CREATE TABLE persons (
    stream TEXT PRIMARY KEY NOT NULL,       -- opaque id
    org TEXT NOT NULL,                      -- organization that registered the person
    name TEXT,                              -- name; null when withdrawn
    post TEXT,                              -- stream of the post
    entry_index INTEGER NOT NULL            -- entry of the registration
) STRICT;
CREATE INDEX persons_by_post ON persons (post);
CREATE INDEX persons_by_org ON persons (org);

CREATE TABLE keys (
    stream TEXT PRIMARY KEY NOT NULL,       -- the key's stream
    name TEXT,                              -- name of the key
    verifier TEXT,                          -- verifier key
    person TEXT,                            -- whose
    authorized_index INTEGER,               -- entry from which it may sign
    revoked_index INTEGER,                  -- entry after which it may not
    revoked_reason TEXT                     -- wire value
) STRICT;
CREATE INDEX keys_by_name ON keys (name);
CREATE INDEX keys_by_person ON keys (person);

CREATE TABLE roles (
    stream TEXT PRIMARY KEY NOT NULL,       -- the grant's stream
    person TEXT,                            -- who
    role TEXT,                              -- wire value
    org TEXT,                               -- at which organization and below
    granted_index INTEGER,                  -- entry of the grant
    withdrawn_index INTEGER                 -- entry of its end
) STRICT;
CREATE INDEX roles_by_org ON roles (org);

CREATE TABLE withdrawals (
    entry_index INTEGER NOT NULL,           -- entry that records the withdrawal
    place TEXT NOT NULL,                    -- slot or line
    number INTEGER NOT NULL,                -- which slot or line
    stream TEXT NOT NULL,                   -- stream of the withdrawal
    target_index INTEGER NOT NULL,          -- entry whose opening was withdrawn
    org TEXT NOT NULL,                      -- who withdrew
    basis TEXT NOT NULL,                    -- legal basis, wire value
    PRIMARY KEY (entry_index, place, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX withdrawals_by_target ON withdrawals (target_index);
CREATE INDEX withdrawals_by_stream ON withdrawals (stream);

CREATE TABLE schedules (
    entry_index INTEGER NOT NULL,           -- entry that promises an opening
    slot INTEGER NOT NULL,                  -- slot that is going to be opened
    stream TEXT NOT NULL,                   -- its stream
    org TEXT NOT NULL,                      -- who promises
    kind TEXT NOT NULL,                     -- wire name of its kind
    field TEXT NOT NULL,                    -- wire name of the sealed field
    opens_on TEXT NOT NULL,                 -- the promised day
    PRIMARY KEY (entry_index, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_by_day ON schedules (opens_on);
CREATE INDEX schedules_by_stream ON schedules (stream);

CREATE TABLE opened_slots (
    entry_index INTEGER PRIMARY KEY NOT NULL, -- entry that opens something
    stream TEXT NOT NULL,                   -- its stream
    target_index INTEGER NOT NULL,          -- entry, or period of a sealed event, of which something is opened
    slot INTEGER NOT NULL,                  -- slot that is opened
    leaf INTEGER                            -- leaf of the sealed event; NULL for a statement, and once the opening is withdrawn
) STRICT;
CREATE INDEX opened_slots_by_target ON opened_slots (target_index, slot);
CREATE INDEX opened_slots_by_stream ON opened_slots (stream);

CREATE TABLE named_persons (
    person TEXT NOT NULL,                   -- opaque id of a registered person
    entry_index INTEGER NOT NULL,           -- entry whose statement names the person
    stream TEXT NOT NULL,                   -- its stream
    PRIMARY KEY (person, entry_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX named_persons_by_stream ON named_persons (stream);
CREATE TABLE supervisions (
    stream TEXT PRIMARY KEY NOT NULL, -- the supervision
    org TEXT,                         -- who set the day
    to_org TEXT,                      -- who has to act
    about TEXT,                       -- stream of the matter that it is about
    title TEXT,                       -- its title; null when withdrawn
    issued_on TEXT,                   -- day on which it was issued
    due_on TEXT,                      -- the last day
    entry_index INTEGER,              -- entry that issued it
    result TEXT,                      -- latest answer, wire value
    answered_on TEXT,                 -- day of that answer
    done INTEGER                      -- 1 once an answer stopped the clock
) STRICT;
CREATE INDEX supervisions_by_org ON supervisions (to_org, due_on);
CREATE INDEX supervisions_by_matter ON supervisions (about);
CREATE TABLE consultation_days (
    stream TEXT NOT NULL, -- the consultation
    part TEXT NOT NULL,   -- the window, the report, or a theme by its line
    org TEXT,             -- who has to act
    title TEXT,           -- title of the consultation, on its window; null when withdrawn
    since TEXT,           -- day from which the part runs
    due_on TEXT,          -- its last day; empty for a theme that was assigned again without one
    entry_index INTEGER,  -- entry that set the day
    done INTEGER,         -- 1 once it was settled or reported
    PRIMARY KEY (stream, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX consultation_days_by_org ON consultation_days (org, due_on);
