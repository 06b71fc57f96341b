-- Parameters too large for a row are files of the task's folder; this says which.
ALTER TABLE tasks ADD COLUMN attachments text NOT NULL DEFAULT '[]';
