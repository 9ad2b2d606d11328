// Messages that the relay passes over, because no queue takes them or because of one before them.
CREATE INDEX outbox_ordering_key IF NOT EXISTS FOR (message:Outbox) ON (message.ordering_key);
