-- Views over the public log (PostgreSQL). Thrown away and rebuilt from the log at will: nothing here is a
-- source of truth, and nothing here depends on today's date. Dates are YYYY-MM-DD, moments RFC 3339,
-- money fen, flags 0 or 1, JSON is text. Every table has the stream whose events fill the row, so that
-- a withdrawal can fold one stream again. The columns are the same on
-- SQLite, whose byte order of texts is COLLATE "C" here.

CREATE TABLE cursors (
    projection TEXT COLLATE "C" PRIMARY KEY NOT NULL,   -- name of the projection
    version BIGINT NOT NULL,               -- version that wrote its rows
    next_index BIGINT NOT NULL,            -- log index that it reads next: its rows reflect all before
    halted TEXT                             -- why it stopped at next_index; null while it goes on
);

CREATE TABLE events (
    entry_index BIGINT PRIMARY KEY NOT NULL, -- place in the log
    stream TEXT COLLATE "C" NOT NULL,                   -- stream of the statement
    revision BIGINT NOT NULL,              -- place in the stream, from 0
    family TEXT COLLATE "C" NOT NULL,                   -- first part of the stream
    kind TEXT COLLATE "C" NOT NULL,                     -- wire name with version
    org TEXT COLLATE "C" NOT NULL,                      -- organization in whose name it was said
    recorded_at TEXT COLLATE "C" NOT NULL,              -- the log's time, UTC
    declared_at TEXT COLLATE "C" NOT NULL,              -- the author's time, with offset
    late_days BIGINT NOT NULL,             -- days from the declared to the recorded day, in the author's zone
    back_filled BIGINT NOT NULL,           -- late_days reached the rule in force when it was recorded
    entry_hash TEXT COLLATE "C" NOT NULL,               -- BLAKE3 of the entry, base64
    statement_hash TEXT COLLATE "C" NOT NULL,           -- BLAKE3 of the statement, base64
    parent TEXT COLLATE "C",                            -- hash of the previous statement of the stream
    slots TEXT COLLATE "C" NOT NULL,                    -- root of the slots, base64
    signers TEXT COLLATE "C" NOT NULL,                  -- JSON list of [role, key name], author first
    proxy TEXT COLLATE "C",                             -- JSON {channel, original} when entered for somebody else
    body TEXT COLLATE "C" NOT NULL,                     -- JSON body, verbatim meaning
    fields TEXT COLLATE "C" NOT NULL,                   -- JSON list of open public slots {name, slot, value}
    lines_count BIGINT NOT NULL,           -- lines of its list, withdrawn ones included
    target_index BIGINT                    -- entry that it is about, other than its own stream
);
CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);

CREATE TABLE lines (
    entry_index BIGINT NOT NULL,           -- entry whose list it is
    line BIGINT NOT NULL,                  -- place in that list, from 0
    stream TEXT COLLATE "C" NOT NULL,                   -- stream of the entry
    content TEXT COLLATE "C",                           -- JSON row; null when the line was withdrawn
    income BIGINT,                         -- fen, of a finance line
    expense BIGINT,                        -- fen, of a finance line
    corrects BIGINT,                       -- line of the sheet that it replaces or adds; null for the first list
    PRIMARY KEY (entry_index, line)
);
CREATE INDEX lines_by_stream ON lines (stream, entry_index, line);

CREATE TABLE matters (
    stream TEXT COLLATE "C" PRIMARY KEY NOT NULL,       -- one pledge, batch, nomination, notice or sheet
    family TEXT COLLATE "C" NOT NULL,                   -- its family
    org TEXT COLLATE "C",                      -- organization that opened it; what only the first event says is null in a later event's row
    category TEXT COLLATE "C",                          -- type within the family, wire value
    year BIGINT,                           -- year that it belongs to
    title TEXT COLLATE "C",                             -- latest title; null when withdrawn
    names TEXT COLLATE "C",                             -- names of people in it, separated by line feeds
    state TEXT COLLATE "C",                    -- what the events say, independent of today
    starts_on TEXT COLLATE "C",                         -- first day of its period or window
    days BIGINT,                           -- stated length of the period
    ends_on TEXT COLLATE "C",                           -- printed or extended last day
    due_on TEXT COLLATE "C",                            -- latest due date of a pledge
    extended BIGINT,                       -- 1 once the period was extended
    percent BIGINT,                        -- latest reported percentage
    reported_on TEXT COLLATE "C",                       -- day of the latest report, as declared
    class TEXT COLLATE "C",                             -- class of a disclosure
    content TEXT COLLATE "C",                           -- what a sheet lists
    book TEXT COLLATE "C",                              -- whose book
    period TEXT COLLATE "C",                            -- period of a sheet as written
    period_start TEXT COLLATE "C",                      -- first day of that period
    period_end TEXT COLLATE "C",                        -- last day of that period
    opening BIGINT,                        -- fen, latest totals
    income BIGINT,                         -- fen
    expense BIGINT,                        -- fen
    closing BIGINT,                        -- fen
    no_movement BIGINT,                    -- 1 when published as 本期无收支
    first_index BIGINT,           -- entry that opened it
    declared_at TEXT COLLATE "C",              -- author's time of that entry
    recorded_at TEXT COLLATE "C",              -- log's time of that entry
    late_days BIGINT,             -- of that entry
    back_filled BIGINT,           -- of that entry
    last_index BIGINT NOT NULL,            -- latest entry
    last_recorded_at TEXT COLLATE "C" NOT NULL,         -- its log's time
    revisions BIGINT NOT NULL              -- how many events it has
);

CREATE TABLE matter_counts (
    family TEXT COLLATE "C" NOT NULL,                   -- family of the matters that it counts
    org TEXT COLLATE "C" NOT NULL,                      -- their organization; empty while none is known
    year BIGINT NOT NULL,                  -- their year; 0 while none is known
    category TEXT COLLATE "C" NOT NULL,                 -- their type; empty while none is known
    state TEXT COLLATE "C" NOT NULL,                    -- what the events say, as in matters
    back_filled BIGINT NOT NULL,           -- as in matters, 0 while it is not known
    no_movement BIGINT NOT NULL,           -- as in matters, 0 while it is not known
    total BIGINT NOT NULL,                 -- how many matters; 0 when none is left
    revisions BIGINT NOT NULL,             -- how many events they have together
    PRIMARY KEY (family, org, year, category, state, back_filled, no_movement)
);

-- Whoever writes a matter keeps its count, in the same statement: pages that show only a number go through no matter.
CREATE FUNCTION count_matters() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP <> 'INSERT' THEN
    UPDATE matter_counts SET total = total - 1, revisions = revisions - OLD.revisions
        WHERE family = OLD.family AND org = COALESCE(OLD.org, '') AND year = COALESCE(OLD.year, 0) AND category = COALESCE(OLD.category, '')
        AND state = COALESCE(OLD.state, '') AND back_filled = COALESCE(OLD.back_filled, 0) AND no_movement = COALESCE(OLD.no_movement, 0);
    END IF;
    IF TG_OP <> 'DELETE' THEN
    INSERT INTO matter_counts VALUES (NEW.family, COALESCE(NEW.org, ''), COALESCE(NEW.year, 0), COALESCE(NEW.category, ''),
        COALESCE(NEW.state, ''), COALESCE(NEW.back_filled, 0), COALESCE(NEW.no_movement, 0), 1, NEW.revisions)
        ON CONFLICT (family, org, year, category, state, back_filled, no_movement)
        DO UPDATE SET total = matter_counts.total + 1, revisions = matter_counts.revisions + excluded.revisions;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER matters_counted AFTER INSERT OR UPDATE OR DELETE ON matters FOR EACH ROW EXECUTE FUNCTION count_matters();

CREATE TABLE people (
    stream TEXT COLLATE "C" NOT NULL,                   -- nomination
    line BIGINT NOT NULL,                  -- line of the person in the announcement, from 0
    announced BIGINT,                      -- 1 once the announcement listed the line
    outcome TEXT COLLATE "C",                           -- conclusion, wire value
    outcome_index BIGINT,                  -- entry of the conclusion
    outcome_on TEXT COLLATE "C",                        -- its date
    office TEXT COLLATE "C",                            -- appointed, elected, not_elected, ended
    office_index BIGINT,                   -- entry of that
    office_on TEXT COLLATE "C",                         -- its date
    probation_ends_on TEXT COLLATE "C",                 -- end of the probation as announced
    PRIMARY KEY (stream, line)
);

CREATE TABLE vacant_posts (
    stream TEXT COLLATE "C" NOT NULL,                   -- vacancy batch
    line BIGINT NOT NULL,                  -- line of the post in the announcement, from 0
    announced BIGINT,                      -- 1 once the announcement listed the line
    received BIGINT,                       -- recommendations received
    valid BIGINT,                          -- of these, valid
    recommended BIGINT,                    -- different people recommended
    filled_on TEXT COLLATE "C",                         -- day on which it was filled
    filled_index BIGINT,                   -- entry that says so
    PRIMARY KEY (stream, line)
);

CREATE TABLE questions (
    stream TEXT COLLATE "C" NOT NULL,                   -- sheet
    revision BIGINT NOT NULL,              -- revision of the question in the sheet's stream
    org TEXT COLLATE "C",                               -- organization that must answer
    interpellation BIGINT,                 -- 1 for 质询, 0 for 询问
    line BIGINT,                           -- line that it is about
    topic TEXT COLLATE "C",                             -- wire value
    asked_on TEXT COLLATE "C",                          -- date of asking
    entry_index BIGINT,                    -- entry of the question
    answered_on TEXT COLLATE "C",                       -- date of the answer
    answer_index BIGINT,                   -- entry of the answer
    PRIMARY KEY (stream, revision)
);
CREATE INDEX questions_open ON questions (answer_index, asked_on);

CREATE TABLE organizations (
    code TEXT COLLATE "C" PRIMARY KEY NOT NULL,         -- code of the organization
    stream TEXT COLLATE "C" NOT NULL,                   -- its stream
    level TEXT COLLATE "C",                             -- wire value
    parent TEXT COLLATE "C",                            -- code above it
    since TEXT COLLATE "C",                             -- day of founding as registered
    registered_index BIGINT,               -- entry of the registration
    registered_on TEXT COLLATE "C",                     -- declared day of the registration
    ended TEXT COLLATE "C",                             -- merged, split or dissolved
    ended_on TEXT COLLATE "C",                          -- day on which that took effect
    ended_index BIGINT                     -- its entry
);
CREATE INDEX organizations_by_parent ON organizations (parent, code);
CREATE INDEX organizations_by_stream ON organizations (stream);
CREATE INDEX organizations_by_since ON organizations (since);
CREATE INDEX organizations_by_end ON organizations (ended_on);
CREATE INDEX organizations_by_level ON organizations (level, code);

CREATE TABLE organization_names (
    code TEXT COLLATE "C" NOT NULL,                     -- organization
    entry_index BIGINT NOT NULL,           -- entry that gave the name
    stream TEXT COLLATE "C" NOT NULL,                   -- its stream
    name TEXT COLLATE "C",                              -- the name; null when withdrawn
    from_on TEXT COLLATE "C",                           -- first day of the name; null for the first name
    PRIMARY KEY (code, entry_index)
);
CREATE INDEX organization_names_by_start ON organization_names (from_on);
CREATE INDEX organization_names_by_name ON organization_names (name);
CREATE INDEX organization_names_by_stream ON organization_names (stream);

CREATE TABLE organization_relations (
    code TEXT COLLATE "C" NOT NULL,                     -- organization that ended
    other TEXT COLLATE "C" NOT NULL,                    -- successor
    stream TEXT COLLATE "C" NOT NULL,                   -- stream of the one that ended
    how TEXT COLLATE "C" NOT NULL,                      -- merged or split
    effective_on TEXT COLLATE "C" NOT NULL,             -- day on which it took effect
    entry_index BIGINT NOT NULL,           -- its entry
    PRIMARY KEY (code, other)
);
CREATE INDEX organization_relations_by_other ON organization_relations (other);
CREATE INDEX organization_relations_by_stream ON organization_relations (stream);

CREATE TABLE organization_ancestors (
    ancestor TEXT COLLATE "C" NOT NULL,                 -- the code itself, one above it, or one that it went up in
    code TEXT COLLATE "C" NOT NULL,                     -- organization
    stream TEXT COLLATE "C" NOT NULL,                   -- its stream
    depth BIGINT NOT NULL,                 -- steps between them, 0 for itself
    PRIMARY KEY (ancestor, code)
);
CREATE INDEX organization_ancestors_by_code ON organization_ancestors (code, depth);
CREATE INDEX organization_ancestors_by_stream ON organization_ancestors (stream);

CREATE TABLE posts (
    stream TEXT COLLATE "C" PRIMARY KEY NOT NULL,       -- the post
    org TEXT COLLATE "C" NOT NULL,                      -- where
    title TEXT COLLATE "C",                             -- name of the post; null when withdrawn
    seats BIGINT,                          -- how many seats
    entry_index BIGINT NOT NULL            -- entry that created it
);
CREATE INDEX posts_by_org ON posts (org);

CREATE TABLE persons (
    stream TEXT COLLATE "C" PRIMARY KEY NOT NULL,       -- opaque id
    org TEXT COLLATE "C" NOT NULL,                      -- organization that registered the person
    name TEXT COLLATE "C",                              -- name; null when withdrawn
    post TEXT COLLATE "C",                              -- stream of the post
    entry_index BIGINT NOT NULL            -- entry of the registration
);
CREATE INDEX persons_by_post ON persons (post);
CREATE INDEX persons_by_org ON persons (org);

CREATE TABLE keys (
    stream TEXT COLLATE "C" PRIMARY KEY NOT NULL,       -- the key's stream
    name TEXT COLLATE "C",                              -- name of the key
    verifier TEXT COLLATE "C",                          -- verifier key
    person TEXT COLLATE "C",                            -- whose
    authorized_index BIGINT,               -- entry from which it may sign
    revoked_index BIGINT,                  -- entry after which it may not
    revoked_reason TEXT                     -- wire value
);
CREATE INDEX keys_by_name ON keys (name);
CREATE INDEX keys_by_person ON keys (person);

CREATE TABLE roles (
    stream TEXT COLLATE "C" PRIMARY KEY NOT NULL,       -- the grant's stream
    person TEXT COLLATE "C",                            -- who
    role TEXT COLLATE "C",                              -- wire value
    org TEXT COLLATE "C",                               -- at which organization and below
    granted_index BIGINT,                  -- entry of the grant
    withdrawn_index BIGINT                 -- entry of its end
);
CREATE INDEX roles_by_org ON roles (org);

CREATE TABLE withdrawals (
    entry_index BIGINT NOT NULL,           -- entry that records the withdrawal
    place TEXT COLLATE "C" NOT NULL,                    -- slot or line
    number BIGINT NOT NULL,                -- which slot or line
    stream TEXT COLLATE "C" NOT NULL,                   -- stream of the withdrawal
    target_index BIGINT NOT NULL,          -- entry whose opening was withdrawn
    org TEXT COLLATE "C" NOT NULL,                      -- who withdrew
    basis TEXT COLLATE "C" NOT NULL,                    -- legal basis, wire value
    PRIMARY KEY (entry_index, place, number)
);
CREATE INDEX withdrawals_by_target ON withdrawals (target_index);
CREATE INDEX withdrawals_by_stream ON withdrawals (stream);

CREATE TABLE schedules (
    entry_index BIGINT NOT NULL,           -- entry that promises an opening
    slot BIGINT NOT NULL,                  -- slot that is going to be opened
    stream TEXT COLLATE "C" NOT NULL,                   -- its stream
    org TEXT COLLATE "C" NOT NULL,                      -- who promises
    kind TEXT COLLATE "C" NOT NULL,                     -- wire name of its kind
    field TEXT COLLATE "C" NOT NULL,                    -- wire name of the sealed field
    opens_on TEXT COLLATE "C" NOT NULL,                 -- the promised day
    PRIMARY KEY (entry_index, slot)
);
CREATE INDEX schedules_by_day ON schedules (opens_on);
CREATE INDEX schedules_by_stream ON schedules (stream);

CREATE TABLE opened_slots (
    entry_index BIGINT PRIMARY KEY NOT NULL, -- entry that opens something
    stream TEXT COLLATE "C" NOT NULL,                   -- its stream
    target_index BIGINT NOT NULL,          -- entry, or period of a sealed event, of which something is opened
    slot BIGINT NOT NULL,                  -- slot that is opened
    leaf BIGINT                            -- leaf of the sealed event; NULL for a statement, and once the opening is withdrawn
);
CREATE INDEX opened_slots_by_target ON opened_slots (target_index, slot);
CREATE INDEX opened_slots_by_stream ON opened_slots (stream);

CREATE TABLE named_persons (
    person TEXT COLLATE "C" NOT NULL,                   -- opaque id of a registered person
    entry_index BIGINT NOT NULL,           -- entry whose statement names the person
    stream TEXT COLLATE "C" NOT NULL,                   -- its stream
    PRIMARY KEY (person, entry_index)
);
CREATE INDEX named_persons_by_stream ON named_persons (stream);
CREATE TABLE supervisions (
    stream TEXT COLLATE "C" PRIMARY KEY NOT NULL, -- the supervision
    org TEXT COLLATE "C",                         -- who set the day
    to_org TEXT COLLATE "C",                      -- who has to act
    about TEXT COLLATE "C",                       -- stream of the matter that it is about
    title TEXT COLLATE "C",                       -- its title; null when withdrawn
    issued_on TEXT COLLATE "C",                   -- day on which it was issued
    due_on TEXT COLLATE "C",                      -- the last day
    entry_index BIGINT,              -- entry that issued it
    result TEXT COLLATE "C",                      -- latest answer, wire value
    answered_on TEXT COLLATE "C",                 -- day of that answer
    done BIGINT                      -- 1 once an answer stopped the clock
);
CREATE INDEX supervisions_by_org ON supervisions (to_org, due_on);
CREATE INDEX supervisions_by_matter ON supervisions (about);
CREATE TABLE consultation_days (
    stream TEXT COLLATE "C" NOT NULL, -- the consultation
    part TEXT COLLATE "C" NOT NULL,   -- the window, the report, or a theme by its line
    org TEXT COLLATE "C",             -- who has to act
    title TEXT COLLATE "C",           -- title of the consultation, on its window; null when withdrawn
    since TEXT COLLATE "C",           -- day from which the part runs
    due_on TEXT COLLATE "C",          -- its last day; empty for a theme that was assigned again without one
    entry_index BIGINT,               -- entry that set the day
    done BIGINT,                      -- 1 once it was settled or reported
    PRIMARY KEY (stream, part)
);
CREATE INDEX consultation_days_by_org ON consultation_days (org, due_on);
