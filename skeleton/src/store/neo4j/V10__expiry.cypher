// Messages that are set aside are counted by state.
CREATE INDEX set_aside_state IF NOT EXISTS FOR (kept:SetAside) ON (kept.state);
// Old runs are found by their time.
CREATE INDEX schedule_run_age IF NOT EXISTS FOR (run:ScheduleRun) ON (run.noted_at);
