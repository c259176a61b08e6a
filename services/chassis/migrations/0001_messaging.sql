-- Events that are committed and not yet published (transactional outbox; Debezium's columns and ours).
-- A row lives for milliseconds: the relay deletes it when Kafka has acknowledged it.
CREATE TABLE outbox (
    -- One of a fixed number of shards, by the aggregate's id: the events of one aggregate have one relay.
    shard         smallint    NOT NULL,
    -- Drawn after the aggregate's row was locked, so that within one aggregate it grows in the order of commits.
    seq           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
    id            uuid        NOT NULL,
    aggregatetype text        NOT NULL,
    aggregateid   text        NOT NULL,
    type          text        NOT NULL,
    payload       text        NOT NULL,
    headers       text        NOT NULL, -- a JSON object
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

-- Who may publish a shard, until when. A new holder has a new epoch.
CREATE TABLE outbox_shards (
    shard      smallint    PRIMARY KEY,
    holder     text,
    epoch      bigint      NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO outbox_shards (shard) SELECT generate_series(0, 15);

-- The relays that are alive, so that each takes its share of the shards and no more.
CREATE TABLE outbox_relays (
    holder     text        PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- Messages that were handled (inbox): kept by the day of the event, dropped by partition.
CREATE TABLE inbox (
    day        date NOT NULL,
    message_id uuid NOT NULL,
    reader     text NOT NULL,
    PRIMARY KEY (day, message_id, reader)
) PARTITION BY RANGE (day);
CREATE TABLE inbox_default PARTITION OF inbox DEFAULT;
