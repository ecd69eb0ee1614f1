-- Who had a sync made, as recent activity names them. Of older ones only the audit log knows, as far
-- as somebody asked for them.
ALTER TABLE git_sync_history ADD COLUMN triggered_by TEXT NOT NULL DEFAULT 'linkops';

DROP INDEX operations_open; -- operations_by_status finds those, too
