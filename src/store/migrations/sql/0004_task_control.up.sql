-- Requests to cancel, tasks that repeat earlier ones, and the story of each task.

ALTER TABLE tasks
  -- The first request counts; the leader takes it up, and the log decides whether the task ended before.
  ADD COLUMN cancel_requested_at timestamptz(3),
  ADD COLUMN cancel_requested_by text CHECK (char_length(cancel_requested_by) BETWEEN 1 AND 256),
  ADD COLUMN cancel_request_id text CHECK (char_length(cancel_request_id) BETWEEN 1 AND 256),
  -- No foreign key: the earlier task may be deleted, and this one cannot change once it has ended.
  ADD COLUMN resubmitted_from uuid,
  ADD CONSTRAINT tasks_cancel_request CHECK (
    (cancel_requested_at IS NULL) = (cancel_requested_by IS NULL)
    AND (cancel_requested_at IS NULL) = (cancel_request_id IS NULL));

CREATE INDEX tasks_to_cancel ON tasks (id)
  WHERE cancel_requested_at IS NOT NULL AND status IN ('pending', 'assigned', 'in_progress');
-- A task is repeated once at a time, unless the repetition came to nothing too.
CREATE UNIQUE INDEX tasks_resubmitted ON tasks (resubmitted_from) WHERE status NOT IN ('failed', 'cancelled');
CREATE INDEX tasks_by_age ON tasks (created_at, id);

CREATE FUNCTION zkraft_notify_cancel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('zkraft_task_cancel', '');
  RETURN NULL;
END $$;
CREATE TRIGGER tasks_cancel_requested AFTER UPDATE OF cancel_requested_at ON tasks FOR EACH ROW
  WHEN (OLD.cancel_requested_at IS NULL AND NEW.cancel_requested_at IS NOT NULL)
  EXECUTE FUNCTION zkraft_notify_cancel();

-- What the log decided about a task, one row a decision, written together with the task's row.
CREATE TABLE task_events (
  task_id uuid NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  -- Of the cluster: a log that was begun anew counts from the start again.
  epoch bigint NOT NULL CHECK (epoch >= 1),
  log_index bigint NOT NULL CHECK (log_index >= 1),
  kind text NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 64),
  at timestamptz(3) NOT NULL,
  attempt integer NOT NULL CHECK (attempt >= 0),
  worker_id text CHECK (char_length(worker_id) BETWEEN 1 AND 128),
  code text CHECK (char_length(code) BETWEEN 1 AND 64),
  message text CHECK (char_length(message) <= 4096),
  request_id text NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 256),
  PRIMARY KEY (task_id, epoch, log_index, kind)
);
