-- Why a hook failed.
ALTER TABLE hook_runs ADD COLUMN failure TEXT;

-- Each time that an alert was marked as handled, or unmarked; `handled` has those that are marked now.
CREATE TABLE marks (
    profile  TEXT NOT NULL,
    alert    TEXT NOT NULL,
    at       BIGINT NOT NULL,
    handled  BIGINT NOT NULL,
    operator TEXT NOT NULL DEFAULT current_setting('tilldeck.operator', true),
    PRIMARY KEY (profile, alert, at)
);
INSERT INTO marks (profile, alert, at, handled, operator) SELECT profile, matter, at, 1, operator FROM handled;
