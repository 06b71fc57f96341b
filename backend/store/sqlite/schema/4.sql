-- The request that a task came with goes along to wherever the task goes.
ALTER TABLE tasks ADD COLUMN request_id TEXT;
ALTER TABLE tasks ADD COLUMN traceparent TEXT;
