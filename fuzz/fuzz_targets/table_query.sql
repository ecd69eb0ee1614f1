-- Some rows for each table, many of them equal in many columns, with values missing here and there.
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 11)
INSERT INTO machines (id, type, name, provider, tags, host, port, user, enrollment_id, enrollment_path,
    enrollment_required, metadata, enrolled, client_id_matches, status, latency, last_seen)
SELECT 'm-' || i, iif(i % 3, 'VPS', 'VM'), iif(i % 2, 'a', 'A'), iif(i % 4, NULL, 'é'),
    iif(i % 2, '["web","a"]', '[]'), 'h', 22, 'root', 'LINKOPS-' || i, '/x', 1, '{}', i % 2, i % 2,
    iif(i % 3, 'online', 'offline'), iif(i % 3, i % 2, NULL), iif(i % 5, 1767225600000 + i % 3, NULL) FROM n;
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 15)
INSERT INTO operations (status, scripts, targets, flags, concurrency, keep_going, check_ids, triggered_by,
    commit_hash, created_at, started_at, ended_at)
SELECT CASE i % 4 WHEN 0 THEN 'queued' WHEN 1 THEN 'failed' ELSE 'success' END, '["a"]', '["m-1","m-2"]', '{}',
    1, 0, 1, iif(i % 3, 'a', 'b'), 'c', 1767225600000 + i % 3, iif(i % 4, 1767225600000 + i % 3, NULL),
    iif(i % 4, 1767225602000 + i % 2, NULL) FROM n;
INSERT INTO operation_logs (operation, position, target, script, run_id, status, exit_code)
SELECT id, 0, 'm-' || (id % 3), iif(id % 2, 'a', 'b'), 'r' || id, status, 0 FROM operations;
INSERT INTO scripts VALUES ('a', 'a', NULL, 'b', 'a.sh', '["a"]', NULL, '[]'),
    ('b', 'a', 'é', 'b', 'b.sh', '[]', 3, '["web"]');
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5)
INSERT INTO git_sync_history (started_at, ended_at, success, commit_hash, links, error)
SELECT 1767225600000 + i % 2, 1767225602000, i % 2, iif(i % 2, 'c', NULL), iif(i % 2, i, NULL), iif(i % 2, NULL, 'a') FROM n;
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
INSERT INTO audit_log (at, actor, address, action, target, result, detail, previous, hash)
SELECT 1767225600000 + i % 3, iif(i % 2, 'a', 'b'), iif(i % 3, '::1', NULL),
    CASE i % 3 WHEN 0 THEN 'auth.login' WHEN 1 THEN 'terminal.connect' ELSE 'operation.run' END,
    iif(i % 4, 'm-1', NULL), iif(i % 5, 'ok', 'FORBIDDEN'), iif(i % 2, '{"a":1}', NULL), zeroblob(32), zeroblob(32) FROM n;
INSERT INTO terminal_workspaces VALUES ('WS-1', 'grid2x1', 2, 'a', 1767225600000),
    ('WS-2', 'single', 1, 'b', 1767225600000), ('WS-3', 'grid2x2', 4, 'a', 1767225600001);
INSERT INTO terminal_panes (workspace, pane, target, status, error, cols, rows, connected_at, disconnected_at)
VALUES ('WS-1', 'A', 'm-1', 'connected', NULL, 80, 24, 1767225600002, NULL),
    ('WS-1', 'B', 'm-2', 'assigned', 'a', NULL, NULL, NULL, NULL),
    ('WS-3', 'A', 'm-1', 'disconnected', NULL, 80, 24, 1767225600002, 1767225600003);
