-- The first schema. migrations/postgres holds the same tables for PostgreSQL.
-- Times are milliseconds since the Unix epoch, UTC. JSON is TEXT (src/storage/sql.rs says why).
-- References are checked at the commit, so that the order of statements in a transaction is free.

-- One row for each orchestration. `doc` is the truth; the other columns are what lists search by.
CREATE TABLE orchestrations (
    id            TEXT    NOT NULL PRIMARY KEY,                 -- as people see it
    doc           TEXT    NOT NULL,                             -- the orchestration, JSON
    revision      BIGINT  NOT NULL DEFAULT 1,                   -- counts the saves; a save names the one it read
    stage         TEXT    NOT NULL CHECK (stage IN ('gathering', 'planning', 'deciding', 'running', 'summarising',
                                                    'stopping', 'done', 'failed', 'stopped', 'rejected', 'expired', 'answered')),
    ended         BOOLEAN NOT NULL,                             -- nothing more comes of it by itself
    platform      TEXT    NOT NULL CHECK (platform IN ('slack', 'linear')), -- where it was asked for
    workspace     TEXT    NOT NULL,                             -- the platform's id of the workspace
    place         TEXT    NOT NULL,                             -- the channel or issue in it
    place_key     TEXT    NOT NULL,                             -- platform, workspace and place in one
    task          TEXT    NOT NULL,                             -- the first 200 characters of what was asked
    asked_by      TEXT    NOT NULL,                             -- the handle of who asked: slack:U024BE7LH
    children      BIGINT  NOT NULL,                             -- how many children there are
    children_done BIGINT  NOT NULL,                             -- how many of them ended well
    created_at_ms BIGINT  NOT NULL,                             -- when it was asked for
    updated_at_ms BIGINT  NOT NULL                              -- when it last changed
);
CREATE INDEX orchestrations_newest ON orchestrations (created_at_ms);
CREATE INDEX orchestrations_open ON orchestrations (place_key) WHERE NOT ended;
CREATE INDEX orchestrations_stage ON orchestrations (stage);

-- Which orchestration a conversation belongs to.
CREATE TABLE conversations (
    key              TEXT NOT NULL PRIMARY KEY,                 -- platform, workspace, place and thread
    orchestration_id TEXT NOT NULL REFERENCES orchestrations (id) DEFERRABLE INITIALLY DEFERRED -- whose it is
);

-- Webhooks as they came in, until they are decided; then kept for a while, to know duplicates by.
CREATE TABLE inbox (
    seq            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,  -- the order of arrival; no number is used twice
    id             TEXT    NOT NULL,                            -- names the event in logs and as an input
    source         TEXT    NOT NULL,                            -- slack or linear
    kind           TEXT    NOT NULL,                            -- what sort of body it is
    dedupe         TEXT    NOT NULL,                            -- equal for the same event delivered again
    lane           TEXT    NOT NULL,                            -- events of a lane are decided in order
    body           TEXT    NOT NULL,                            -- as it was signed
    state          TEXT    NOT NULL DEFAULT 'undecided' CHECK (state IN ('undecided', 'done', 'parked')),
    attempts       BIGINT  NOT NULL DEFAULT 0,                  -- how often deciding it failed
    problem        TEXT,                                        -- why, the last time
    due_at_ms      BIGINT  NOT NULL,                            -- not decided before
    received_at_ms BIGINT  NOT NULL,                            -- when it came in
    settled_at_ms  BIGINT,                                      -- when it was decided or parked
    UNIQUE (source, dedupe)
);
CREATE INDEX inbox_undecided ON inbox (seq) WHERE state = 'undecided';
CREATE INDEX inbox_lane ON inbox (lane, seq) WHERE state = 'undecided';
CREATE INDEX inbox_parked ON inbox (seq) WHERE state = 'parked';
CREATE INDEX inbox_settled ON inbox (settled_at_ms) WHERE settled_at_ms IS NOT NULL;

-- Effects to carry out, written in the transaction that decided them.
CREATE TABLE outbox (
    seq              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the order within a lane
    id               TEXT    NOT NULL UNIQUE,                   -- follows from what caused it
    orchestration_id TEXT REFERENCES orchestrations (id) DEFERRABLE INITIALLY DEFERRED, -- whose it is, if anybody's
    lane             TEXT    NOT NULL,                          -- deliveries of a lane keep their order
    kind             TEXT    NOT NULL,                          -- the effect's word
    effect           TEXT    NOT NULL,                          -- the effect, JSON
    coalesce_key     TEXT,                                      -- a newer one replaces the one that waits
    urgent           BOOLEAN NOT NULL,                          -- goes before what is not
    state            TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'parked')),
    attempts         BIGINT  NOT NULL DEFAULT 0,                -- attempts begun
    problem          TEXT,                                      -- why the last one failed
    due_at_ms        BIGINT  NOT NULL,                          -- not attempted before
    expires_at_ms    BIGINT,                                    -- of no use after
    lease_token      TEXT,                                      -- only who knows it may settle
    lease_until_ms   BIGINT,                                    -- others may claim it after
    unsure_since_ms  BIGINT,                                    -- the first attempt that may have had its effect
    unsure_before_ms BIGINT,                                    -- the same, before the attempt under way
    created_at_ms    BIGINT  NOT NULL,                          -- when it was decided
    settled_at_ms    BIGINT                                     -- when it was done or parked
);
CREATE INDEX outbox_due ON outbox (urgent DESC, due_at_ms, seq) WHERE state = 'waiting';
CREATE INDEX outbox_lane ON outbox (lane, seq) WHERE state = 'waiting';
CREATE INDEX outbox_coalesce ON outbox (coalesce_key) WHERE state = 'waiting' AND coalesce_key IS NOT NULL;
CREATE INDEX outbox_parked ON outbox (seq) WHERE state = 'parked';
CREATE INDEX outbox_done ON outbox (settled_at_ms) WHERE state = 'done';
CREATE INDEX outbox_orchestration ON outbox (orchestration_id, seq);

-- Runs in Oz, and whose they are.
CREATE TABLE runs (
    run_id           TEXT    NOT NULL PRIMARY KEY,              -- Oz's id
    orchestration_id TEXT    NOT NULL REFERENCES orchestrations (id) DEFERRABLE INITIALLY DEFERRED, -- whose it is
    slot             TEXT    NOT NULL,                          -- parent, or c and the child's number
    state            TEXT    NOT NULL,                          -- Oz's word, known or not
    updated_at_ms    BIGINT  NOT NULL,                          -- Oz's time of its last change
    working          BOOLEAN NOT NULL                           -- it is followed
);
CREATE INDEX runs_working ON runs (updated_at_ms) WHERE working;
CREATE INDEX runs_orchestration ON runs (orchestration_id);

-- Timers of orchestrations; a row is removed when it is taken.
CREATE TABLE timers (
    orchestration_id TEXT   NOT NULL REFERENCES orchestrations (id) DEFERRABLE INITIALLY DEFERRED, -- whose it is
    key              TEXT   NOT NULL,                           -- the name as one word
    name             TEXT   NOT NULL,                           -- the name, JSON
    due_at_ms        BIGINT NOT NULL,                           -- when it comes due
    PRIMARY KEY (orchestration_id, key)
);
CREATE INDEX timers_due ON timers (due_at_ms);

-- How fast we may call, over all replicas: one row for each limit (generic cell rate algorithm).
CREATE TABLE paces (
    key           TEXT   NOT NULL PRIMARY KEY,                  -- the limit's name
    next_at_ms    BIGINT NOT NULL,                              -- when the next call would come at an even pace
    held_until_ms BIGINT NOT NULL                               -- nothing before: the platform said so
);

-- Work that one replica does for all.
CREATE TABLE leases (
    name     TEXT   NOT NULL PRIMARY KEY,                       -- which work
    holder   TEXT   NOT NULL,                                   -- the replica that does it
    until_ms BIGINT NOT NULL                                    -- another may take it over after
);

-- What led an orchestration to its state, oldest first.
CREATE TABLE trail (
    seq              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the order
    orchestration_id TEXT    NOT NULL REFERENCES orchestrations (id) DEFERRABLE INITIALLY DEFERRED, -- whose it is
    at_ms            BIGINT  NOT NULL,                          -- when it was decided
    input            TEXT    NOT NULL,                          -- the input that was decided on
    actor            TEXT,                                      -- the handle of who did it, if a person
    what             TEXT    NOT NULL,                          -- what happened
    detail           TEXT                                       -- more about it
);
CREATE INDEX trail_orchestration ON trail (orchestration_id, seq);

-- Cursors and caches: one value for each key.
CREATE TABLE kept (
    key        TEXT   NOT NULL PRIMARY KEY,                     -- its name
    value      TEXT   NOT NULL,                                 -- whatever its owner writes
    kept_at_ms BIGINT NOT NULL                                  -- when it was written
);
