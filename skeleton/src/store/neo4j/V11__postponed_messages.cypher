// The relay finds the first postponed message of an ordering key, and the messages of a route, without reading the others.
// Only postponed messages are in these indexes, since only they have an ordering key.
CREATE INDEX outbox_postponed_by_key IF NOT EXISTS FOR (message:Outbox) ON (message.ordering_key, message.position);
CREATE INDEX outbox_postponed_by_route IF NOT EXISTS FOR (message:Outbox)
    ON (message.exchange, message.routing_key, message.position, message.ordering_key);
