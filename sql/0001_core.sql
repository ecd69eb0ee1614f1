-- The first schema. Each constraint has its reason beside it.
-- Times are milliseconds since the epoch; lists and maps are JSON text.

CREATE TABLE users (
    username      TEXT PRIMARY KEY NOT NULL,
    password_hash TEXT NOT NULL,                    -- PHC string, argon2id
    -- random, new with each password: a token that names another one is refused. A time would
    -- do the same except when two things happen in one instant or the clock is set back.
    generation    TEXT NOT NULL,
    role          TEXT NOT NULL
                  CHECK (role IN ('admin', 'operator', 'viewer')), -- a role nobody knows would be refused everything
    created_at    INTEGER NOT NULL
) STRICT;

-- One row per password that was compared. Names that no user has are kept too: the lockout must
-- not tell which exist.
CREATE TABLE auth_attempts (
    id       INTEGER PRIMARY KEY,
    username TEXT NOT NULL,
    address  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    success  INTEGER NOT NULL CHECK (success IN (0, 1))
) STRICT;
CREATE INDEX auth_attempts_by_user ON auth_attempts (username); -- newest first: the index ends with the id
CREATE INDEX auth_attempts_by_time ON auth_attempts (at); -- old ones are removed

CREATE TABLE revoked_tokens (
    jti        TEXT PRIMARY KEY NOT NULL,
    expires_at INTEGER NOT NULL                     -- after it the row has done its duty
) STRICT, WITHOUT ROWID;

CREATE TABLE machines (
    id                  TEXT PRIMARY KEY NOT NULL,
    type                TEXT NOT NULL CHECK (type IN ('VPS', 'Proxmox', 'VM')), -- section 1
    provider            TEXT,
    icon                TEXT,
    name                TEXT NOT NULL,
    tags                TEXT NOT NULL,
    host                TEXT NOT NULL,
    port                INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    user                TEXT NOT NULL,
    key_ref             TEXT,
    -- checked at commit, since a jump host may come later in the same sync
    proxy_jump          TEXT REFERENCES machines (id) DEFERRABLE INITIALLY DEFERRED,
    enrollment_id       TEXT NOT NULL,
    enrollment_path     TEXT NOT NULL,
    enrollment_required INTEGER NOT NULL CHECK (enrollment_required IN (0, 1)),
    metadata            TEXT NOT NULL,
    -- what checks found; a sync leaves it alone unless it changes what was checked
    enrolled            INTEGER NOT NULL DEFAULT 0 CHECK (enrolled IN (0, 1)),
    client_id_found     INTEGER NOT NULL DEFAULT 0 CHECK (client_id_found IN (0, 1)),
    client_id_matches   INTEGER NOT NULL DEFAULT 0 CHECK (client_id_matches IN (0, 1)),
    enrollment_error    TEXT,
    verified_at         INTEGER,
    status              TEXT NOT NULL DEFAULT 'unknown'
                        CHECK (status IN ('online', 'offline', 'unknown')),
    latency             INTEGER,                    -- milliseconds
    last_seen           INTEGER,
    CHECK (enrolled = 0 OR client_id_matches = 1)   -- enrolled is never more than what was read
) STRICT;

CREATE TABLE scripts (
    id                 TEXT PRIMARY KEY NOT NULL,
    name               TEXT NOT NULL,
    emoji              TEXT,
    description        TEXT NOT NULL,
    path               TEXT NOT NULL,               -- in the repository
    flags              TEXT NOT NULL,
    estimated_duration INTEGER,                     -- seconds
    tags               TEXT NOT NULL
) STRICT;

CREATE TABLE git_sync_history (
    id          INTEGER PRIMARY KEY,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    success     INTEGER NOT NULL CHECK (success IN (0, 1)),
    commit_hash TEXT,
    links       INTEGER,
    scripts     INTEGER,
    error       TEXT,
    CHECK (success = 0 OR commit_hash IS NOT NULL)  -- a sync that succeeded has something to show
) STRICT;

CREATE TABLE operations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- a number that only grows, also after a delete
    status       TEXT NOT NULL
                 CHECK (status IN ('queued', 'running', 'success', 'failed', 'partial', 'stopped')),
    scripts      TEXT NOT NULL,
    targets      TEXT NOT NULL,
    flags        TEXT NOT NULL,
    concurrency  INTEGER NOT NULL CHECK (concurrency > 0),
    keep_going   INTEGER NOT NULL CHECK (keep_going IN (0, 1)),
    check_ids    INTEGER NOT NULL CHECK (check_ids IN (0, 1)),
    triggered_by TEXT NOT NULL,
    commit_hash  TEXT NOT NULL,
    stop_asked   INTEGER NOT NULL DEFAULT 0 CHECK (stop_asked IN (0, 1)), -- also after a restart
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER,
    CHECK ((ended_at IS NULL) = (status IN ('queued', 'running'))) -- nothing ended is open, nothing open ended
) STRICT;
INSERT INTO sqlite_sequence (name, seq) VALUES ('operations', 10000); -- the first is OP-10001
CREATE INDEX operations_by_start ON operations (coalesce(started_at, created_at), id);
CREATE INDEX operations_open ON operations (status) WHERE ended_at IS NULL;

-- The text of each script as it was at submission: a sync cannot change what is running.
CREATE TABLE operation_scripts (
    operation INTEGER NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    script    TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    text      BLOB NOT NULL,
    PRIMARY KEY (operation, position)
) STRICT, WITHOUT ROWID;

-- One row per execution. `run_id` names its directory on the target.
CREATE TABLE operation_logs (
    operation  INTEGER NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,                    -- target-major order
    target     TEXT NOT NULL,
    script     TEXT NOT NULL,
    run_id     TEXT NOT NULL UNIQUE,                -- two runs in one directory would mix their output
    status     TEXT NOT NULL
               CHECK (status IN ('queued', 'running', 'success', 'failed', 'stopped', 'skipped')),
    exit_code  INTEGER,
    truncated  INTEGER NOT NULL DEFAULT 0 CHECK (truncated IN (0, 1)),
    started_at INTEGER,
    ended_at   INTEGER,
    error      TEXT,
    litter     INTEGER NOT NULL DEFAULT 0 CHECK (litter IN (0, 1)), -- the target still has the directory
    PRIMARY KEY (operation, position),
    CHECK (status <> 'success' OR exit_code = 0)    -- success is never assumed
) STRICT, WITHOUT ROWID;
CREATE INDEX operation_logs_litter ON operation_logs (target) WHERE litter = 1;
CREATE INDEX operation_logs_by_target ON operation_logs (target, operation);
CREATE INDEX operation_logs_by_script ON operation_logs (script, operation);

-- The transcript: an append-only log per operation. `start` and `complete` name an execution,
-- whose row holds their details; `output` holds bytes.
CREATE TABLE operation_events (
    operation INTEGER NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    kind      TEXT NOT NULL CHECK (kind IN ('start', 'output', 'complete', 'end')),
    position  INTEGER,
    stream    TEXT CHECK (stream IN ('stdout', 'stderr')),
    data      BLOB,
    PRIMARY KEY (operation, seq),
    CHECK ((kind = 'output') = (data IS NOT NULL AND stream IS NOT NULL)),
    CHECK ((kind = 'end') = (position IS NULL))
) STRICT, WITHOUT ROWID;
-- The output of one execution, without reading that of the others.
CREATE INDEX operation_events_by_execution ON operation_events (operation, position, seq);
