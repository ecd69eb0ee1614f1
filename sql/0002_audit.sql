-- Who did what. Rows are only ever added; each carries the hash of the one before it, so that
-- `linkopsd audit verify` finds a row that was changed, removed, put in or moved.

CREATE TABLE audit_log (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,                       -- a user, or "linkops" itself
    address    TEXT,                                -- of the client; none for what LinkOps did by itself
    request_id TEXT,
    action     TEXT NOT NULL,                       -- noun.verb
    target     TEXT,
    result     TEXT NOT NULL,                       -- 'ok', or the code of the error
    detail     TEXT CHECK (detail IS NULL OR json_valid(detail)), -- JSON, for what differs by action
    previous   BLOB NOT NULL CHECK (length(previous) = 32), -- the hash of the row before
    hash       BLOB NOT NULL CHECK (length(hash) = 32)      -- SHA-256 of all the others
) STRICT;
CREATE INDEX audit_log_by_time ON audit_log (at, id);

-- Where the chain begins and ends. Without the end, the newest rows could be removed unseen; the
-- beginning moves on when rows become older than they are kept.
CREATE TABLE audit_chain (
    one        INTEGER PRIMARY KEY CHECK (one = 1), -- there is one chain
    first_id   INTEGER NOT NULL,                    -- the oldest row that is kept has this id or a larger one
    first_hash BLOB NOT NULL,                       -- what its `previous` is
    last_id    INTEGER NOT NULL,
    last_hash  BLOB NOT NULL
) STRICT;
INSERT INTO audit_chain VALUES (1, 1, zeroblob(32), 0, zeroblob(32));

-- Not a lock, since whoever can write the file can drop a trigger; it stops mistakes of ours.
CREATE TRIGGER audit_log_is_never_changed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE (ABORT, 'rows of the audit log are never changed'); END;
