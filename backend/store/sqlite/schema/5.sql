-- Parameters too large for a row are files of the task's folder; this says which.
ALTER TABLE tasks ADD COLUMN attachments TEXT NOT NULL DEFAULT '[]';
