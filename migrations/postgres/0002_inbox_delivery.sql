-- A second way to know a webhook again: by the platform's id of its delivery. migrations/sqlite holds
-- the same for SQLite.

ALTER TABLE inbox ADD COLUMN delivery TEXT;                     -- the platform's id of the attempt, if it has one
CREATE UNIQUE INDEX inbox_delivery ON inbox (source, delivery) WHERE delivery IS NOT NULL;
