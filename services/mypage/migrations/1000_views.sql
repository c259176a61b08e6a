-- One row per order: the newest part of each owner, as that owner wrote it. A part's version is 0 while it is unknown.
CREATE TABLE views (
    order_id         text        COLLATE "C" PRIMARY KEY,
    customer_id      text        COLLATE "C",
    first_seen       timestamptz NOT NULL,
    order_version    bigint      NOT NULL DEFAULT 0,
    order_part       json,
    cook_version     bigint      NOT NULL DEFAULT 0,
    cook_part        json,
    delivery_version bigint      NOT NULL DEFAULT 0,
    delivery_part    json,
    request_time     bigint,
    request_part     text        COLLATE "C",
    rejected         boolean     NOT NULL DEFAULT false,
    cancel_requested boolean     NOT NULL DEFAULT false,
    -- Grows with every change, and depends on the parts alone: the id of the event stream.
    version          bigint      NOT NULL GENERATED ALWAYS AS (
        order_version + cook_version + delivery_version
        + (request_part IS NOT NULL)::int + rejected::int + cancel_requested::int
    ) STORED
-- Updates touch no indexed column; room in the page keeps them off the indexes (heap-only tuples).
) WITH (fillfactor = 70);

-- A customer's orders, newest first.
CREATE INDEX views_by_customer ON views (customer_id, first_seen DESC, order_id DESC);
