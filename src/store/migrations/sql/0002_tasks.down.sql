DROP TABLE cluster;
DROP TABLE idempotency_keys;
DROP TABLE tasks;
DROP TABLE trees;
DROP FUNCTION zkraft_task_change();
DROP FUNCTION zkraft_notify_inserted();
DROP FUNCTION zkraft_notify_done();
