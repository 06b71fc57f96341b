-- Owners, output options, webhooks with their outbox, retries by hand, lists, keys.
ALTER TABLE tasks ADD COLUMN owner text;
ALTER TABLE tasks ADD COLUMN output_options text NOT NULL DEFAULT '{}';
ALTER TABLE tasks ADD COLUMN webhook text;
ALTER TABLE tasks ADD COLUMN first_attempt integer NOT NULL DEFAULT 0;

DROP INDEX tasks_idempotency_key;
CREATE UNIQUE INDEX tasks_idempotency_key ON tasks (idempotency_key, coalesce(owner, ''))
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX tasks_owner ON tasks (owner, seq) WHERE owner IS NOT NULL;
CREATE INDEX tasks_open ON tasks (owner) WHERE owner IS NOT NULL AND finished_at IS NULL;
CREATE INDEX tasks_mode ON tasks (mode, seq);
CREATE INDEX tasks_failed ON tasks (seq) WHERE state = 'failed';
CREATE INDEX tasks_cancelled ON tasks (seq) WHERE state = 'cancelled';
CREATE INDEX tasks_run ON tasks (workflow, finished_at) WHERE state = 'done';

-- Keys as they are known: by the hash, never by the key.
CREATE TABLE api_keys (
    id         text PRIMARY KEY,
    hash       text NOT NULL UNIQUE,
    key        text NOT NULL        -- all else of it, as JSON
);

-- Tasks that an owner has sent, by day (of UTC): removing tasks gives none back.
CREATE TABLE owner_usage (
    owner text NOT NULL,
    day   integer NOT NULL,         -- since the epoch
    tasks integer NOT NULL,
    PRIMARY KEY (owner, day)
);

CREATE FUNCTION gateway_task_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO owner_usage (owner, day, tasks)
    VALUES (NEW.owner, floor(NEW.created_at / 86400)::integer, 1)
    ON CONFLICT (owner, day) DO UPDATE SET tasks = owner_usage.tasks + 1;
    RETURN NULL;
END;
$$;

CREATE TRIGGER tasks_counted AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.owner IS NOT NULL) EXECUTE FUNCTION gateway_task_counted();

-- What webhooks are still to be told, and what they were.
CREATE TABLE webhook_deliveries (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text NOT NULL UNIQUE,          -- the header webhook-id
    task_id      text NOT NULL,
    owner        text,
    url          text NOT NULL,
    host         text NOT NULL,
    event        text NOT NULL,                 -- a state of the task
    created_at   double precision NOT NULL,
    state        text NOT NULL DEFAULT 'pending',   -- pending, delivered, failed
    attempts     integer NOT NULL DEFAULT 0,
    due_at       double precision NOT NULL DEFAULT 0,
    payload      text,                          -- as it was first sent: each try sends the same
    status       integer,                       -- the last answer's
    error        text,
    delivered_at double precision
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_task ON webhook_deliveries (task_id);
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (seq) WHERE state = 'failed';
CREATE INDEX webhook_deliveries_owner ON webhook_deliveries (owner, seq) WHERE owner IS NOT NULL;

CREATE FUNCTION gateway_webhook() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM json_array_elements_text(NEW.webhook::json -> 'events') AS event
               WHERE event = NEW.state) THEN
        INSERT INTO webhook_deliveries (id, task_id, owner, url, host, event, created_at)
        VALUES ('msg_' || replace(gen_random_uuid()::text, '-', ''), NEW.id, NEW.owner,
                NEW.webhook::json ->> 'url', NEW.webhook::json ->> 'host', NEW.state,
                CASE TG_OP WHEN 'INSERT' THEN NEW.created_at
                           ELSE extract(epoch FROM clock_timestamp()) END);
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER webhook_added AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.webhook IS NOT NULL) EXECUTE FUNCTION gateway_webhook();

CREATE TRIGGER webhook_changed AFTER UPDATE OF state ON tasks
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.webhook IS NOT NULL)
    EXECUTE FUNCTION gateway_webhook();

CREATE FUNCTION gateway_webhook_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM webhook_deliveries WHERE task_id = OLD.id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER webhook_removed AFTER DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION gateway_webhook_removed();
