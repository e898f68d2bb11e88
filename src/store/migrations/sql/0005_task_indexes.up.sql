-- An index by status alone holds every pending row that there ever was, until a vacuum, and in no useful order; yet the
-- planner takes it for the ready tasks when it believes that they are few. What it was good for is listing the tasks
-- that came to nothing, which are rare: pending and leased ones have indexes of their own, completed ones are most.
DROP INDEX tasks_by_status;
CREATE INDEX tasks_came_to_nothing ON tasks (status, created_at, id) WHERE status IN ('failed', 'cancelled');
