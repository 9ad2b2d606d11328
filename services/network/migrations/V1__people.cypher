// Someone: a member, or only in the address books of others.
CREATE CONSTRAINT person_id IF NOT EXISTS FOR (person:Person) REQUIRE person.id IS UNIQUE;
CREATE CONSTRAINT person_account IF NOT EXISTS FOR (person:Person) REQUIRE person.account_id IS UNIQUE;

// An e-mail address, phone number or profile address, as a keyed hash.
CREATE CONSTRAINT identifier_key IF NOT EXISTS FOR (identifier:Identifier) REQUIRE identifier.key IS UNIQUE;

// An entry in a member's address book. Of a removed one only its id and sequence stay.
CREATE CONSTRAINT contact_id IF NOT EXISTS FOR (contact:Contact) REQUIRE contact.id IS UNIQUE;

// What is known of an account beside its person: whether it was erased. What still comes in of it then is dropped.
CREATE CONSTRAINT account_id IF NOT EXISTS FOR (account:Account) REQUIRE account.id IS UNIQUE;
