-- What the health monitor found, for the line behind a machine's name. The newest result is in
-- the machine's own row; these are kept for [health] history_days.

CREATE TABLE health_checks (
    machine TEXT NOT NULL REFERENCES machines (id) ON DELETE CASCADE, -- a machine that is gone has no health
    at      INTEGER NOT NULL,                       -- milliseconds since the epoch
    latency INTEGER CHECK (latency >= 0),           -- milliseconds; none when it did not answer
    error   TEXT,                                   -- why it did not
    PRIMARY KEY (machine, at),
    CHECK ((latency IS NULL) = (error IS NOT NULL)) -- it answered, or there is a reason why not
) STRICT, WITHOUT ROWID;
