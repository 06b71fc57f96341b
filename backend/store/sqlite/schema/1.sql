-- The tasks table is the queue: `claim` takes the first row that is queued and due.
CREATE TABLE tasks (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    mode        TEXT NOT NULL,
    workflow    TEXT NOT NULL,
    params      TEXT NOT NULL,
    created_at  REAL NOT NULL,
    state       TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    not_before  REAL NOT NULL DEFAULT 0,
    started_at  REAL,
    finished_at REAL,
    error       TEXT,
    error_code  TEXT,
    outputs     TEXT NOT NULL DEFAULT '[]',
    "values"    TEXT NOT NULL DEFAULT '{}',
    job_id      TEXT
) STRICT;

CREATE INDEX tasks_queued ON tasks (seq) WHERE state = 'queued';
CREATE INDEX tasks_running ON tasks (seq) WHERE state = 'running';
