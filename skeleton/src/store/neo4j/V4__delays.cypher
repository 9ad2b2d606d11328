// Jobs that are not due yet.
CREATE CONSTRAINT delayed_id IF NOT EXISTS FOR (delayed:Delayed) REQUIRE delayed.id IS UNIQUE;
CREATE INDEX delayed_due IF NOT EXISTS FOR (delayed:Delayed) ON (delayed.due_at);

// Whoever moves what is due locks it, so that one replica does so at a time.
MERGE (counter:Counter {name: 'delays'}) ON CREATE SET counter.last = 0;
