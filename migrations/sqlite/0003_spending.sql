-- What policies limit: how many orchestrations there are at once, and what their runs use.

-- The policy that an orchestration was started on.
ALTER TABLE orchestrations ADD COLUMN policy TEXT NOT NULL DEFAULT 'default';
UPDATE orchestrations SET policy = COALESCE(json_extract(doc, '$.policy.name'), 'default');
CREATE INDEX orchestrations_on_policy ON orchestrations (policy) WHERE NOT ended;

-- What each run used in each hour, as Oz told it.
CREATE TABLE spending (
    orchestration_id TEXT   NOT NULL REFERENCES orchestrations (id) DEFERRABLE INITIALLY DEFERRED, -- whose run it is
    slot             TEXT   NOT NULL,                           -- parent, or c and the child's number
    hour_ms          BIGINT NOT NULL,                           -- the hour's beginning
    policy           TEXT   NOT NULL,                           -- the policy that it counts for
    environment      TEXT   NOT NULL,                           -- where the run works; empty for the account's default
    millicredits     BIGINT NOT NULL,                           -- thousandths of a credit
    PRIMARY KEY (orchestration_id, slot, hour_ms)
);
CREATE INDEX spending_on_policy ON spending (policy, hour_ms);
CREATE INDEX spending_by_hour ON spending (hour_ms);
