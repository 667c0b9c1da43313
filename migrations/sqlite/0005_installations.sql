-- OAuth installs. migrations/postgres holds the same tables for PostgreSQL.

-- One row for each workspace that installed Baton.
CREATE TABLE installations (
    platform        TEXT   NOT NULL CHECK (platform IN ('slack', 'linear')), -- where
    workspace       TEXT   NOT NULL,                            -- the platform's id of the workspace
    name            TEXT   NOT NULL,                            -- what people call it
    identity        TEXT   NOT NULL,                            -- who we are there, JSON
    tokens          TEXT   NOT NULL,                            -- sealed, and bound to the workspace
    refreshed_at_ms BIGINT NOT NULL,                            -- when these tokens were given
    expires_at_ms   BIGINT NOT NULL,                            -- when the access token ends
    installed_at_ms BIGINT NOT NULL,                            -- when somebody last installed it
    revoked_at_ms   BIGINT,                                     -- removed, or its tokens taken back
    PRIMARY KEY (platform, workspace)
);

-- Installs that somebody has begun and the platform has not sent back yet.
CREATE TABLE begun_installs (
    state         TEXT   NOT NULL PRIMARY KEY,                  -- SHA-256 of what the platform has to send back
    platform      TEXT   NOT NULL CHECK (platform IN ('slack', 'linear')), -- where
    verifier      TEXT   NOT NULL,                              -- sealed: proves that it was us who began (PKCE)
    expires_at_ms BIGINT NOT NULL                               -- of no use after
);
CREATE INDEX begun_installs_expiry ON begun_installs (expires_at_ms);
