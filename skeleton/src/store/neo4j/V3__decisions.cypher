// Who decided what about parked messages, and when. The data of a message is never here.
CREATE INDEX parked_decision_message IF NOT EXISTS FOR (decision:ParkedDecision) ON (decision.message);
CREATE INDEX parked_decision_age IF NOT EXISTS FOR (decision:ParkedDecision) ON (decision.decided_at);
