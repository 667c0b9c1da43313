-- What retention looks for: orchestrations that ended long ago, and the conversations that were theirs.
-- migrations/postgres holds the same for PostgreSQL.
CREATE INDEX orchestrations_ended ON orchestrations (updated_at_ms) WHERE ended;
CREATE INDEX conversations_orchestration ON conversations (orchestration_id);
