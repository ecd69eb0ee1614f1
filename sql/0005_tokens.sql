-- API tokens for scripts and CI, and when users signed in last.

CREATE TABLE api_tokens (
    id           TEXT PRIMARY KEY NOT NULL,
    name         TEXT NOT NULL,                     -- what it is for, by its owner
    username     TEXT NOT NULL REFERENCES users (username) ON DELETE CASCADE, -- nobody's token opens nothing
    role         TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    -- of the whole token, which has 256 random bits: nobody finds it out, and the table opens no door
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER                            -- to the minute
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_by_user ON api_tokens (username);

ALTER TABLE users ADD COLUMN last_login INTEGER; -- login attempts are forgotten after a day
