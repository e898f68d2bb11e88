DROP TABLE task_events;
DROP TRIGGER tasks_cancel_requested ON tasks;
DROP FUNCTION zkraft_notify_cancel();
DROP INDEX tasks_by_age;
DROP INDEX tasks_resubmitted;
DROP INDEX tasks_to_cancel;
ALTER TABLE tasks
  DROP CONSTRAINT tasks_cancel_request,
  DROP COLUMN resubmitted_from,
  DROP COLUMN cancel_request_id,
  DROP COLUMN cancel_requested_by,
  DROP COLUMN cancel_requested_at;
