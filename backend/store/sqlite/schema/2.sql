-- Priorities, deadlines, idempotency keys, several GPU services, events, retention.
ALTER TABLE tasks ADD COLUMN needs TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tasks ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE tasks ADD COLUMN rank REAL NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN deadline REAL;
ALTER TABLE tasks ADD COLUMN idempotency_key TEXT;
ALTER TABLE tasks ADD COLUMN fingerprint TEXT;
ALTER TABLE tasks ADD COLUMN service TEXT;
ALTER TABLE tasks ADD COLUMN held_until REAL NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN worker TEXT;
ALTER TABLE tasks ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

UPDATE tasks SET rank = created_at, bytes = length(params) + coalesce(
    (SELECT sum(json_extract(value, '$.size')) FROM json_each(outputs)), 0
);

DROP INDEX tasks_queued;
DROP INDEX tasks_running;
CREATE INDEX tasks_queued ON tasks (rank, seq) WHERE state = 'queued';
CREATE INDEX tasks_queues ON tasks (workflow, needs, rank, seq) WHERE state = 'queued';
CREATE INDEX tasks_running ON tasks (worker) WHERE state = 'running';
CREATE INDEX tasks_deadline ON tasks (deadline)
    WHERE deadline IS NOT NULL AND finished_at IS NULL;
CREATE INDEX tasks_ended ON tasks (finished_at, bytes) WHERE finished_at IS NOT NULL;
CREATE UNIQUE INDEX tasks_idempotency_key ON tasks (idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE task_events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL,
    state   TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    at      REAL NOT NULL
) STRICT;

CREATE INDEX task_events_task ON task_events (task_id, seq);

INSERT INTO task_events (task_id, state, attempt, at)
    SELECT id, state, attempt, coalesce(finished_at, started_at, created_at) FROM tasks ORDER BY seq;

-- Written with the change itself: none is ever without its event.
CREATE TRIGGER tasks_added AFTER INSERT ON tasks
BEGIN
    INSERT INTO task_events (task_id, state, attempt, at)
    VALUES (NEW.id, NEW.state, NEW.attempt, NEW.created_at);
END;

CREATE TRIGGER tasks_changed AFTER UPDATE OF state ON tasks WHEN OLD.state <> NEW.state
BEGIN
    INSERT INTO task_events (task_id, state, attempt, at)
    VALUES (NEW.id, NEW.state, NEW.attempt, (julianday('now') - 2440587.5) * 86400.0);
END;

CREATE TRIGGER tasks_removed AFTER DELETE ON tasks
BEGIN
    DELETE FROM task_events WHERE task_id = OLD.id;
END;
