DROP INDEX tasks_came_to_nothing;
CREATE INDEX tasks_by_status ON tasks (status);
