-- Deliveries that wait for the same thing stand in a line, and only its first is looked at. migrations/sqlite
-- holds the same for SQLite.
CREATE TABLE lines (
    name      TEXT   NOT NULL PRIMARY KEY,                      -- what is waited for: a pace, or the end of the halt
    due_at_ms BIGINT NOT NULL                                   -- when the first of the line is looked at
);

ALTER TABLE outbox ADD COLUMN line TEXT;                        -- the line that it stands in, if any
ALTER TABLE outbox ADD COLUMN tried_since_ms BIGINT;            -- when its turn first came
CREATE INDEX outbox_line ON outbox (line, (kind = 'cancel_run') DESC, urgent DESC, seq)
    WHERE state = 'waiting' AND line IS NOT NULL;
-- Of those in no line, what is due; what was there before read all that wait.
CREATE INDEX outbox_ready ON outbox (urgent DESC, due_at_ms, seq) WHERE state = 'waiting' AND line IS NULL;
DROP INDEX outbox_due;
