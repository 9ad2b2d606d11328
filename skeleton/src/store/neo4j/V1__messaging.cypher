// What the skeleton keeps beside a service's own nodes.
CREATE CONSTRAINT inbox_id IF NOT EXISTS FOR (entry:Inbox) REQUIRE entry.id IS UNIQUE;
CREATE INDEX inbox_age IF NOT EXISTS FOR (entry:Inbox) ON (entry.taken_in_at);
CREATE CONSTRAINT outbox_position IF NOT EXISTS FOR (message:Outbox) REQUIRE message.position IS UNIQUE;
CREATE CONSTRAINT sequence_subject IF NOT EXISTS FOR (sequence:Sequence) REQUIRE sequence.subject IS UNIQUE;
CREATE CONSTRAINT set_aside_id IF NOT EXISTS FOR (kept:SetAside) REQUIRE kept.id IS UNIQUE;
CREATE INDEX set_aside_due IF NOT EXISTS FOR (kept:SetAside) ON (kept.queue, kept.state, kept.due_at);

// The last position given out in the outbox.
CREATE CONSTRAINT counter_name IF NOT EXISTS FOR (counter:Counter) REQUIRE counter.name IS UNIQUE;
MERGE (counter:Counter {name: 'outbox'}) ON CREATE SET counter.last = 0;

// Which replica relays, and until when.
CREATE CONSTRAINT lease_name IF NOT EXISTS FOR (lease:Lease) REQUIRE lease.name IS UNIQUE;
MERGE (lease:Lease {name: 'relay'}) ON CREATE SET lease.holder = '', lease.expires_at = datetime({epochMillis: 0});
