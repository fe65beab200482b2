-- A row of hook_runs without an account and a payment says since when the profile has the hook: payments that came to
-- their state before that do not run it.

-- The payments that came to their state lately, among which those without a run are looked for.
CREATE INDEX observations_by_time ON observations (profile, at);
CREATE INDEX expectations_by_time ON expectations (profile, at);
