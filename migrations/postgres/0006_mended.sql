-- What reconciling mended, and how often it did.

-- One row for each thing that was found amiss; rows are forgotten after a while.
CREATE TABLE mended (
    seq              BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order
    key              TEXT   NOT NULL UNIQUE,                    -- names what was found: it is told once
    at_ms            BIGINT NOT NULL,                           -- when it was mended
    kind             TEXT   NOT NULL,                           -- what sort of thing: run_adopted, board_shown, …
    orchestration_id TEXT,                                      -- which one it is about, if one that we know
    what             TEXT   NOT NULL                            -- in words
);
CREATE INDEX mended_at ON mended (at_ms);

-- How often each kind was mended since the beginning. Never forgotten: a metric counts by it.
CREATE TABLE mended_counts (
    kind  TEXT   NOT NULL PRIMARY KEY,                          -- as in mended
    times BIGINT NOT NULL                                       -- how often
);

-- Reconciling looks through those that have not ended.
CREATE INDEX orchestrations_not_ended ON orchestrations (id) WHERE NOT ended;
