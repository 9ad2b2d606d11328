// How far each subject has come whose events are taken in order, or of which the latest counts.
CREATE CONSTRAINT line_name IF NOT EXISTS FOR (line:Line) REQUIRE line.name IS UNIQUE;
// Numbers that a person has given up: what comes after them does not wait for them.
CREATE CONSTRAINT given_up IF NOT EXISTS FOR (given:GivenUp) REQUIRE (given.line, given.number) IS UNIQUE;
// Messages that are set aside and have a place in a line.
CREATE INDEX set_aside_in_line IF NOT EXISTS FOR (kept:SetAside) ON (kept.line, kept.number);
