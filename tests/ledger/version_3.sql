BEGIN TRANSACTION;
CREATE TABLE calls (
	id INTEGER NOT NULL, 
	run INTEGER NOT NULL, 
	slug VARCHAR NOT NULL, 
	operation VARCHAR NOT NULL, 
	fields TEXT NOT NULL, 
	started_at VARCHAR NOT NULL, 
	ended_at VARCHAR, 
	request_id VARCHAR, 
	error VARCHAR, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "calls" VALUES(1,1,'a','create-integration','{"body":["ai_provider_id","create_default_provider","key","name","slug"],"query":{}}','2026-11-29T01:33:00.947Z','2026-11-29T01:33:00.955Z',NULL,NULL);
INSERT INTO "calls" VALUES(2,2,'b','create-integration','{"body":["ai_provider_id","create_default_provider","key","name","slug"],"query":{}}','2026-11-29T01:33:02.752Z','2026-11-29T01:33:02.761Z',NULL,NULL);
INSERT INTO "calls" VALUES(3,2,'b','update-integration-workspaces','{"body":["create_default_provider","workspaces"],"query":{}}','2026-11-29T01:33:02.762Z','2026-11-29T01:33:02.768Z',NULL,NULL);
INSERT INTO "calls" VALUES(4,3,'a','update-integration','{"body":["name"],"query":{}}','2026-11-29T01:33:05.416Z','2026-11-29T01:33:05.433Z',NULL,NULL);
CREATE TABLE declared (
	target INTEGER NOT NULL, 
	slug VARCHAR NOT NULL, 
	fields TEXT NOT NULL, 
	protected BOOLEAN NOT NULL, 
	run VARCHAR, 
	PRIMARY KEY (target, slug), 
	FOREIGN KEY(target) REFERENCES targets (id)
);
INSERT INTO "declared" VALUES(1,'a','{"ai_provider_id":"openai","key":"${env:SECRET_A}","name":"A2"}',0,'20261129T013304Z-b4613228');
INSERT INTO "declared" VALUES(1,'b','{"ai_provider_id":"openai","key":"${env:SECRET_A}","name":"Zürich ☃","workspaces":[{"enabled":true,"id":"ws-1"}]}',0,'20261129T013304Z-b4613228');
CREATE TABLE holders (
	lock VARCHAR NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (lock)
);
CREATE TABLE meta (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('schema_version','3');
CREATE TABLE outcomes (
	run INTEGER NOT NULL, 
	slug VARCHAR NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (run, slug), 
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "outcomes" VALUES(1,'a','{"action":"create","address":"integration/a","attempts":1,"duration_ms":8,"error":null,"request_ids":[],"slug":"a","status":"applied","warnings":[]}');
INSERT INTO "outcomes" VALUES(2,'b','{"action":"create","address":"integration/b","attempts":1,"duration_ms":14,"error":null,"request_ids":[],"slug":"b","status":"applied","warnings":[]}');
INSERT INTO "outcomes" VALUES(3,'a','{"action":"update","address":"integration/a","attempts":1,"duration_ms":23,"error":null,"request_ids":[],"slug":"a","status":"applied","warnings":[]}');
CREATE TABLE pre_images (
	run INTEGER NOT NULL, 
	slug VARCHAR NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (run, slug), 
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "pre_images" VALUES(1,'a','{"action":"create","changed":[["ai_provider_id"],["key"],["name"]],"declared":null,"observed":null,"resent":[]}');
INSERT INTO "pre_images" VALUES(2,'b','{"action":"create","changed":[["ai_provider_id"],["key"],["name"],["workspaces","ws-1","enabled"]],"declared":null,"observed":null,"resent":[]}');
INSERT INTO "pre_images" VALUES(3,'a','{"action":"update","changed":[["name"]],"declared":{"ai_provider_id":"openai","key":"${env:SECRET_A}","name":"A"},"observed":{"created_at":"2026-11-29T01:33:00.953Z","detailed":true,"fields":{"ai_provider_id":"openai","allow_all_models":true,"key":{"mask":"sk*****e5f"},"name":"A"},"id":"1be98ce8-2c67-4f0a-bce3-b4df54fbff2c","kind":"organisation","last_updated_at":null,"models_read":false,"status":"active","workspace_count":0,"workspaces_read":false},"resent":[]}');
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	target INTEGER NOT NULL, 
	run VARCHAR NOT NULL, 
	started_at VARCHAR NOT NULL, 
	finished_at VARCHAR, 
	plan_digest VARCHAR NOT NULL, 
	facts TEXT NOT NULL, 
	summary TEXT, 
	previous VARCHAR, 
	hash VARCHAR, 
	PRIMARY KEY (id), 
	FOREIGN KEY(target) REFERENCES targets (id), 
	UNIQUE (run)
);
INSERT INTO "runs" VALUES(1,1,'20261129T013300Z-17a476ea','2026-11-29T01:33:00.933Z','2026-11-29T01:33:00.955Z','sha256:54941e8a916946be9ca06e2a46f6c5e7ca72050ba280d98f93ddf0074a5e2e4d','{"actor":"ada","approver":null,"author":null,"commit":"c0ffee","environment":null,"pull_request":null,"target":{"base_url":"simulator:","name":"production","organisation_id":null},"tool":"reconcile 0.1.0","undoes":null,"workflow":null}','{"applied":1,"failed":0,"skipped":0,"unknown":0}',NULL,'sha256:c1f4086faf76e25a033f4b43f2709f9099a535e0ef180631149f7a68b0b43267');
INSERT INTO "runs" VALUES(2,1,'20261129T013302Z-a902bf54','2026-11-29T01:33:02.728Z','2026-11-29T01:33:02.769Z','sha256:defb7cda6d1b2e2f874bb222932f08c1bdba302fdc3d7396e89b42ff7701ef6a','{"actor":"ada","approver":null,"author":null,"commit":null,"environment":null,"pull_request":null,"target":{"base_url":"simulator:","name":"production","organisation_id":"824e0871-8ea4-414e-b747-0905e4a2522a"},"tool":"reconcile 0.1.0","undoes":null,"workflow":null}','{"applied":1,"failed":0,"skipped":0,"unknown":0}','sha256:c1f4086faf76e25a033f4b43f2709f9099a535e0ef180631149f7a68b0b43267','sha256:a51fb47eea0a4a14422e0785a6e4c734fbec117bee52a7d3edc0b2927ba7215e');
INSERT INTO "runs" VALUES(3,1,'20261129T013304Z-b4613228','2026-11-29T01:33:05.374Z','2026-11-29T01:33:05.457Z','sha256:7c703b544499623b74faaa32ab54d20a91ec9c87d75d3d8854280b760dc877fa','{"actor":"ada","approver":null,"author":null,"commit":null,"environment":null,"pull_request":null,"shard":"1/1","target":{"base_url":"simulator:","name":"production","organisation_id":"824e0871-8ea4-414e-b747-0905e4a2522a"},"tool":"reconcile 0.1.0","undoes":null,"workflow":null}','{"applied":1,"failed":0,"skipped":0,"unknown":0}',NULL,'sha256:b42ab0642d1230719f8cef9d06b2b0c68b30334f28d548dfc3847ce449e9f213');
CREATE TABLE secrets (
	target INTEGER NOT NULL, 
	slug VARCHAR NOT NULL, 
	path VARCHAR NOT NULL, 
	reference VARCHAR NOT NULL, 
	fingerprint VARCHAR, 
	mask VARCHAR, 
	run VARCHAR, 
	mask_agreed BOOLEAN DEFAULT 1 NOT NULL, 
	PRIMARY KEY (target, slug, path), 
	FOREIGN KEY(target) REFERENCES targets (id)
);
INSERT INTO "secrets" VALUES(1,'a','["key"]','env:SECRET_A','713a499acbcb:d1b80a121f991b0023d01096fded624d3f7b21767e33d337ac7bd8b3359d1a85','sk*****e5f','20261129T013300Z-17a476ea',1);
INSERT INTO "secrets" VALUES(1,'b','["key"]','env:SECRET_A','713a499acbcb:d1b80a121f991b0023d01096fded624d3f7b21767e33d337ac7bd8b3359d1a85','sk*****e5f','20261129T013302Z-a902bf54',1);
CREATE TABLE seen (
	target INTEGER NOT NULL, 
	slug VARCHAR NOT NULL, 
	read_at VARCHAR NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (target, slug), 
	FOREIGN KEY(target) REFERENCES targets (id)
);
INSERT INTO "seen" VALUES(1,'a','2026-11-29T01:33:05.471Z','{"created_at":"2026-11-29T01:33:00.953Z","detailed":true,"fields":{"ai_provider_id":"openai","allow_all_models":true,"key":{"mask":"sk*****e5f"},"name":"A2"},"id":"1be98ce8-2c67-4f0a-bce3-b4df54fbff2c","kind":"organisation","last_updated_at":"2026-11-29T01:33:05.425Z","models_read":false,"status":"active","workspace_count":null,"workspaces_read":false}');
INSERT INTO "seen" VALUES(1,'b','2026-11-29T01:33:05.471Z','{"created_at":"2026-11-29T01:33:02.757Z","detailed":true,"fields":{"ai_provider_id":"openai","allow_all_models":true,"global_workspace_access":{"enabled":false},"key":{"mask":"sk*****e5f"},"name":"Zürich ☃","workspaces":[{"enabled":true,"id":"ws-1"}]},"id":"275322c8-dc0f-4cc0-b9e8-b8c8df0cb32d","kind":"organisation","last_updated_at":null,"models_read":false,"status":"active","workspace_count":1,"workspaces_read":true}');
CREATE TABLE targets (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	host VARCHAR NOT NULL, 
	organisation VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name, host, organisation)
);
INSERT INTO "targets" VALUES(1,'production','simulator:','824e0871-8ea4-414e-b747-0905e4a2522a');
CREATE INDEX ix_runs_target ON runs (target);
CREATE INDEX ix_runs_started_at ON runs (started_at);
CREATE INDEX ix_calls_run ON calls (run);
COMMIT;
