-- The audit log: what people and Baton decided, as a chain of hashes. Rows are only ever added.
CREATE TABLE audit (
    seq              BIGINT NOT NULL PRIMARY KEY,               -- the order, without gaps, from 1
    at_ms            BIGINT NOT NULL,                           -- when it was decided
    orchestration_id TEXT,                                      -- which one it is about, if one
    input            TEXT   NOT NULL,                           -- what it was decided on
    kind             TEXT   NOT NULL,                           -- what was decided: approved, refused, launched, …
    actor            TEXT,                                      -- the handle of who did it, if a person
    place            TEXT,                                      -- the conversation that it was done in
    version          BIGINT,                                    -- of the proposal that it is about
    digest           TEXT,                                      -- of that version, in full
    detail           TEXT   NOT NULL,                           -- in words
    previous         TEXT   NOT NULL,                           -- the hash of the row before; 64 zeros for the first
    hash             TEXT   NOT NULL                            -- SHA-256 over all of the above, in hex
);
CREATE INDEX audit_orchestration ON audit (orchestration_id, seq);

-- Where the chain ends: one row, locked by whoever adds.
CREATE TABLE audit_head (
    one  BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),           -- there is one
    seq  BIGINT NOT NULL,                                       -- of the last row; 0 before the first
    hash TEXT   NOT NULL                                        -- of the last row
);
INSERT INTO audit_head (one, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
