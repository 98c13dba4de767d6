-- Indexes that only pages ask, on the two tables that have a row or more for each entry. Views that begin far
-- behind the log get them when they have caught up: sorting a million keys once costs less than keeping them in
-- order a million times. What writing asks has its index in 0001_boards.sql. The same on SQLite.

CREATE INDEX events_by_family ON events (family, entry_index);
CREATE INDEX events_by_org ON events (org, entry_index);
CREATE INDEX events_back_filled ON events (entry_index) WHERE back_filled = 1;
CREATE INDEX matters_by_family ON matters (family, last_index);
CREATE INDEX matters_by_org ON matters (org, family, last_index, state, due_on, year, category);
CREATE INDEX matters_by_first ON matters (family, first_index);
CREATE INDEX matters_by_org_first ON matters (org, family, first_index, revisions, last_recorded_at, state, due_on, declared_at);
CREATE INDEX matters_by_year ON matters (family, year);
CREATE INDEX matters_by_period ON matters (org, content, period_start) WHERE content IS NOT NULL;
CREATE INDEX matters_open_pledges ON matters (org, family, due_on, state, first_index, last_index, year, category) WHERE family = 'pledge' AND state IN ('made', 'no_progress', 'in_progress');
CREATE INDEX matters_open_periods ON matters (org, family, state, starts_on) WHERE state IN ('open', 'closed');
CREATE INDEX matters_finance ON matters (org, family, period_start, period_end) WHERE family = 'disclosure' AND state <> 'withdrawn' AND (content = 'finance' OR class = 'finance');
