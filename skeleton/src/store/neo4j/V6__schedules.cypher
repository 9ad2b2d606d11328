// Up to when each schedule is settled, and its runs. Leases have their constraint from V1.
CREATE CONSTRAINT schedule_name IF NOT EXISTS FOR (schedule:Schedule) REQUIRE schedule.name IS UNIQUE;
CREATE CONSTRAINT schedule_run IF NOT EXISTS FOR (run:ScheduleRun) REQUIRE (run.name, run.due_at) IS UNIQUE;
