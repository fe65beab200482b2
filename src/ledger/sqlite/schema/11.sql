-- The hooks that have run for a payment, each once. Rows stay as long as the observations of payments do: a hook that
-- delivers goods must not run again.
CREATE TABLE hook_runs (
    profile TEXT NOT NULL,
    account TEXT NOT NULL,
    payment TEXT NOT NULL,
    event   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (profile, account, payment, event)
) STRICT;
