-- SPDX-License-Identifier: Apache-2.0
-- A store of schema 2, as that version left it: the dump of a real one, with the
-- tables in the order in which they were made.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE message (
        queue_id TEXT PRIMARY KEY,
        reverse_path TEXT,  -- NULL is the null reverse-path, <>
        submitter TEXT NOT NULL,
        uid INTEGER,
        message_id TEXT,
        arrived INTEGER NOT NULL,
        give_up INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        file TEXT  -- in content/; NULL: the octets are in table content
    ) WITHOUT ROWID, STRICT;
CREATE TABLE content (
        number INTEGER PRIMARY KEY,  -- the queue id, read as a number
        octets BLOB NOT NULL
    ) STRICT;
CREATE TABLE recipient (
        queue_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        forward_path TEXT NOT NULL,
        state TEXT NOT NULL,
        due INTEGER,  -- of ready and deferred; the end of the lease if leased
        attempts INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0,
        owner TEXT,  -- of the lease; NULL: not leased
        hold INTEGER NOT NULL DEFAULT 0,  -- hold it when its lease is settled
        code INTEGER, status TEXT, text TEXT,  -- the last reply
        relay TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (queue_id, number),
        CHECK ((state IN ('ready', 'deferred')) = (due IS NOT NULL))
    ) WITHOUT ROWID, STRICT;
CREATE INDEX recipient_due ON recipient (state, due);
CREATE INDEX recipient_leased ON recipient (owner) WHERE owner IS NOT NULL;
CREATE TABLE tally (
        state TEXT PRIMARY KEY,
        recipients INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
CREATE TABLE submission (
        key TEXT PRIMARY KEY,
        queue_id TEXT NOT NULL,
        since INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
CREATE TABLE clock (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        now INTEGER NOT NULL,
        skew INTEGER NOT NULL,  -- microseconds of the wall clock, ahead of it
        boot TEXT NOT NULL,  -- of the host; empty: unknown
        up INTEGER NOT NULL  -- microseconds since that boot
    ) STRICT;
CREATE TABLE run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        open INTEGER NOT NULL
    ) STRICT;
INSERT INTO message VALUES('5CBPRENWJ000','ann@example.org','spool=drop',1000,
    '<1@example.org>',1767355200123456,1767787200123456,15,
    X'242A91E1AEBC09AC2B57C13243FE269B4A389D3D4DFCB67159F32AD1013BCC0C',NULL);
INSERT INTO message VALUES('5CBPRGJXP000',NULL,'spool=drop',NULL,NULL,
    1767355200123456,1767787200123456,15,
    X'242A91E1AEBC09AC2B57C13243FE269B4A389D3D4DFCB67159F32AD1013BCC0C',NULL);
INSERT INTO content VALUES(194066841726418944,
    X'5375626A6563743A2068690D0A0D0A');
INSERT INTO content VALUES(194066843774418944,
    X'5375626A6563743A2068690D0A0D0A');
INSERT INTO recipient VALUES('5CBPRENWJ000',0,'bob@example.net','deferred',
    1767358800123456,1,1,NULL,0,451,'4.7.1','greylisted','mx.example.net:25');
INSERT INTO recipient VALUES('5CBPRENWJ000',1,'eve@example.net','failed',
    NULL,1,1,NULL,0,550,'5.1.1','no such user','mx.example.net:25');
INSERT INTO recipient VALUES('5CBPRGJXP000',0,'bob@example.net','hold',
    NULL,0,0,NULL,0,NULL,NULL,NULL,'');
INSERT INTO tally VALUES('deferred',1);
INSERT INTO tally VALUES('failed',1);
INSERT INTO tally VALUES('hold',1);
INSERT INTO submission VALUES('drop:1','5CBPRENWJ000',1767355200123456);
INSERT INTO clock VALUES(1,1767323045000000,0,'',1000000000);
INSERT INTO run VALUES(1,0);
PRAGMA application_id = 1298229572;
PRAGMA user_version = 2;
COMMIT;
