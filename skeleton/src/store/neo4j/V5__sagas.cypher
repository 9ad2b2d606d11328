// What goes on over many messages, and is remembered between them.
CREATE CONSTRAINT saga_id IF NOT EXISTS FOR (saga:Saga) REQUIRE (saga.name, saga.id) IS UNIQUE;
CREATE INDEX saga_by_id IF NOT EXISTS FOR (saga:Saga) ON (saga.id);
CREATE INDEX saga_change IF NOT EXISTS FOR (saga:Saga) ON (saga.changed_at);
CREATE INDEX saga_end IF NOT EXISTS FOR (saga:Saga) ON (saga.keep_until);
