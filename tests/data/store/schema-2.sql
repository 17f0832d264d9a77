-- A database as schema 2 wrote it. Made with `sqlite3 conversations.db .dump` (without the full-text index,
-- which is rebuilt where it is missing). Never edit: migrations are tested from here.
PRAGMA user_version = 2;
CREATE TABLE conversations ( id INTEGER PRIMARY KEY, title TEXT NOT NULL DEFAULT '', created INTEGER NOT NULL, updated INTEGER NOT NULL, model_path TEXT NOT NULL DEFAULT '', system_prompt TEXT NOT NULL DEFAULT '', active_leaf INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0, archived INTEGER NOT NULL DEFAULT 0, folder TEXT NOT NULL DEFAULT '', sampling TEXT, when_full INTEGER);
CREATE TABLE messages ( id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL REFERENCES conversations(id), parent INTEGER REFERENCES messages(id) DEFERRABLE INITIALLY DEFERRED, role INTEGER NOT NULL, state INTEGER NOT NULL, created INTEGER NOT NULL, text TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', vocabulary INTEGER NOT NULL DEFAULT 0, ids BLOB, stats TEXT);
CREATE INDEX messages_conversation ON messages(conversation);
CREATE INDEX messages_parent ON messages(parent);
INSERT INTO conversations VALUES(10,'Old chat',1700000000000,1700000005000,'/models/a.gguf','Be brief.',3,1,0,'Work','{"temperature":0.25,"seed":"7"}',0);
INSERT INTO messages VALUES(1,10,NULL,1,0,1700000001000,'What is a heron?','',0,X'','');
INSERT INTO messages VALUES(2,10,1,2,2,1700000002000,'A bird','',5,X'0100000002000000','{"newTokens":2,"model":"M"}');
INSERT INTO messages VALUES(3,10,1,2,1,1700000003000,'A long-legged','',5,X'01000000','');
