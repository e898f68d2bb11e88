DROP INDEX tasks_by_owner_status;
DROP INDEX tasks_by_owner;
DROP TABLE audit;
DROP FUNCTION zkraft_audit_change();
DROP TABLE api_keys;
