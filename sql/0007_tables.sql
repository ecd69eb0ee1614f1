-- Indexes for lists: what is sorted or filtered by in a table that grows. Each ends with what the
-- list is ordered by, so that a page is read from it and nothing is sorted.

CREATE INDEX operations_by_status ON operations (status, coalesce(started_at, created_at), id);
CREATE INDEX operations_by_user ON operations (triggered_by, coalesce(started_at, created_at), id);
CREATE INDEX operations_by_end ON operations (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX operations_by_submission ON operations (created_at, id); -- recent activity
CREATE INDEX audit_log_by_actor ON audit_log (actor, at, id);
CREATE INDEX audit_log_by_action ON audit_log (action, at, id); -- recent activity, too
CREATE INDEX audit_log_by_target ON audit_log (target, at, id);
CREATE INDEX git_sync_history_by_start ON git_sync_history (started_at, id);
