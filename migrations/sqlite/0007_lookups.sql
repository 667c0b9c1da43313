-- What a busy service looks up often. migrations/postgres holds the same for PostgreSQL.

-- A run that says nothing is asked for by itself at this time.
ALTER TABLE runs ADD COLUMN look_at_ms BIGINT NOT NULL DEFAULT 0;             -- until when it is left alone
UPDATE runs SET look_at_ms = updated_at_ms + 120000 WHERE working;
CREATE INDEX runs_look_at ON runs (look_at_ms) WHERE working;
DROP INDEX runs_working;

-- What is leased is found without what waits.
CREATE INDEX outbox_leased ON outbox (lease_until_ms) WHERE state = 'waiting' AND lease_until_ms IS NOT NULL;

-- What was put off holds its lane; there is little of it.
CREATE INDEX inbox_put_off ON inbox (lane, seq) WHERE state = 'undecided' AND due_at_ms <> received_at_ms;
