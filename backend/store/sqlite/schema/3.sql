-- Owners, output options, webhooks with their outbox, retries by hand, lists, bounds of keys.
ALTER TABLE tasks ADD COLUMN owner TEXT;
ALTER TABLE tasks ADD COLUMN output_options TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tasks ADD COLUMN webhook TEXT;
ALTER TABLE tasks ADD COLUMN first_attempt INTEGER NOT NULL DEFAULT 0;

DROP INDEX tasks_idempotency_key;
CREATE UNIQUE INDEX tasks_idempotency_key ON tasks (idempotency_key, coalesce(owner, ''))
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX tasks_owner ON tasks (owner, seq) WHERE owner IS NOT NULL;
CREATE INDEX tasks_open ON tasks (owner) WHERE owner IS NOT NULL AND finished_at IS NULL;
CREATE INDEX tasks_mode ON tasks (mode, seq);
CREATE INDEX tasks_failed ON tasks (seq) WHERE state = 'failed';
CREATE INDEX tasks_cancelled ON tasks (seq) WHERE state = 'cancelled';
CREATE INDEX tasks_run ON tasks (workflow, finished_at) WHERE state = 'done';

-- Tasks that an owner has sent, by day (of UTC): removing tasks gives none back.
CREATE TABLE owner_usage (
    owner TEXT NOT NULL,
    day   INTEGER NOT NULL,     -- since the epoch
    tasks INTEGER NOT NULL,
    PRIMARY KEY (owner, day)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tasks_counted AFTER INSERT ON tasks WHEN NEW.owner IS NOT NULL
BEGIN
    INSERT INTO owner_usage (owner, day, tasks)
    VALUES (NEW.owner, CAST(NEW.created_at / 86400 AS INTEGER), 1)
    ON CONFLICT (owner, day) DO UPDATE SET tasks = tasks + 1;
END;

-- What webhooks are still to be told, and what they were.
CREATE TABLE webhook_deliveries (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,          -- the header webhook-id
    task_id      TEXT NOT NULL,
    owner        TEXT,
    url          TEXT NOT NULL,
    host         TEXT NOT NULL,
    event        TEXT NOT NULL,                 -- a state of the task
    created_at   REAL NOT NULL,
    state        TEXT NOT NULL DEFAULT 'pending',   -- pending, delivered, failed
    attempts     INTEGER NOT NULL DEFAULT 0,
    due_at       REAL NOT NULL DEFAULT 0,
    payload      TEXT,                          -- as it was first sent: each try sends the same
    status       INTEGER,                       -- the last answer's
    error        TEXT,
    delivered_at REAL
) STRICT;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_task ON webhook_deliveries (task_id);
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (seq) WHERE state = 'failed';
CREATE INDEX webhook_deliveries_owner ON webhook_deliveries (owner, seq) WHERE owner IS NOT NULL;

CREATE TRIGGER webhook_added AFTER INSERT ON tasks
WHEN NEW.webhook IS NOT NULL
    AND EXISTS (SELECT 1 FROM json_each(NEW.webhook, '$.events') WHERE value = NEW.state)
BEGIN
    INSERT INTO webhook_deliveries (id, task_id, owner, url, host, event, created_at)
    VALUES ('msg_' || lower(hex(randomblob(16))), NEW.id, NEW.owner,
            json_extract(NEW.webhook, '$.url'), json_extract(NEW.webhook, '$.host'),
            NEW.state, NEW.created_at);
END;

CREATE TRIGGER webhook_changed AFTER UPDATE OF state ON tasks
WHEN OLD.state <> NEW.state AND NEW.webhook IS NOT NULL
    AND EXISTS (SELECT 1 FROM json_each(NEW.webhook, '$.events') WHERE value = NEW.state)
BEGIN
    INSERT INTO webhook_deliveries (id, task_id, owner, url, host, event, created_at)
    VALUES ('msg_' || lower(hex(randomblob(16))), NEW.id, NEW.owner,
            json_extract(NEW.webhook, '$.url'), json_extract(NEW.webhook, '$.host'),
            NEW.state,
            (julianday('now') - 2440587.5) * 86400.0);
END;

CREATE TRIGGER webhook_removed AFTER DELETE ON tasks
BEGIN
    DELETE FROM webhook_deliveries WHERE task_id = OLD.id;
END;
