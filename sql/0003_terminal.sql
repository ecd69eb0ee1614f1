-- Terminals: workspaces with their panes as they are, and the recordings of what was on them. Who
-- was on which machine when is in the audit log, also when the workspace is long gone.

CREATE TABLE terminal_workspaces (
    id         TEXT PRIMARY KEY NOT NULL CHECK (id GLOB 'WS-*'), -- random: never the same twice
    layout     TEXT NOT NULL CHECK (layout IN ('single', 'grid2x1', 'grid1x3', 'grid2x2')), -- section 7
    max_panes  INTEGER NOT NULL,
    created_by TEXT NOT NULL,                       -- a name: the workspace stays when its user goes
    created_at INTEGER NOT NULL,
    CHECK (max_panes BETWEEN 1 AND                  -- no more panes than the layout shows
           CASE layout WHEN 'single' THEN 1 WHEN 'grid2x1' THEN 2 WHEN 'grid1x3' THEN 3 ELSE 4 END)
) STRICT, WITHOUT ROWID;

-- One row per pane that has a target. It does not point at the machine's row: a sync may take the
-- machine away while somebody is on it.
CREATE TABLE terminal_panes (
    workspace       TEXT NOT NULL REFERENCES terminal_workspaces (id) ON DELETE CASCADE, -- a pane is a part of it
    pane            TEXT NOT NULL CHECK (pane IN ('A', 'B', 'C', 'D')),
    target          TEXT NOT NULL,
    status          TEXT NOT NULL DEFAULT 'assigned'
                    CHECK (status IN ('assigned', 'connecting', 'connected', 'disconnected')),
    error           TEXT,                           -- why it is not connected, when it should be
    cols            INTEGER CHECK (cols BETWEEN 1 AND 1000),
    rows            INTEGER CHECK (rows BETWEEN 1 AND 1000),
    -- of the last connection; none when there was no connection yet
    connected_at    INTEGER,
    disconnected_at INTEGER,
    PRIMARY KEY (workspace, pane),
    CHECK (status <> 'connected' OR error IS NULL), -- what works has no reason why it does not
    CHECK ((cols IS NULL) = (rows IS NULL)),
    -- connected is exactly what has begun and not ended: nothing is left open (P24)
    CHECK ((status = 'connected') = (connected_at IS NOT NULL AND disconnected_at IS NULL))
) STRICT, WITHOUT ROWID;
-- What was open when LinkOps was killed.
CREATE INDEX terminal_panes_open ON terminal_panes (status) WHERE status IN ('connecting', 'connected');

-- One row per file `<id>.cast` in the directory for recordings. Workspace, machine and user are
-- names here: the recording stays when they go.
CREATE TABLE recordings (
    id         TEXT PRIMARY KEY NOT NULL CHECK (id GLOB 'REC-*'),
    workspace  TEXT NOT NULL,
    pane       TEXT NOT NULL CHECK (pane IN ('A', 'B', 'C', 'D')),
    target     TEXT NOT NULL,
    actor      TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,                             -- none while it runs
    bytes      INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0), -- of the file; counted when it has ended
    error      TEXT,                                -- why it ended before its session did
    CHECK (ended_at IS NOT NULL OR error IS NULL)   -- what runs has not failed
) STRICT, WITHOUT ROWID;
CREATE INDEX recordings_by_start ON recordings (started_at, id); -- newest first; the oldest are removed
CREATE INDEX recordings_open ON recordings (id) WHERE ended_at IS NULL;
