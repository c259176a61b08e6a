-- Orders: what was asked for, where it stands, and the newest that is known of its cook and its delivery.

CREATE TABLE orders (
    order_id         text COLLATE "C" PRIMARY KEY, -- derived from customer and idempotency key: placing happens once
    customer_id      text COLLATE "C" NOT NULL,
    restaurant_id    text NOT NULL,
    menu_id          text NOT NULL,
    quantity         bigint NOT NULL CHECK (quantity > 0),
    address          text,
    note             text,
    status           text COLLATE "C" NOT NULL,
    cancellation     text COLLATE "C" NOT NULL,
    reason           text COLLATE "C",
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    version          bigint NOT NULL,

    -- The newest part of each owner that was seen, by its version.
    cook_status      text COLLATE "C",
    cook_version     bigint,
    delivery_status  text COLLATE "C",
    delivery_version bigint,

    -- While a cancellation is PENDING: which attempt, how often the kitchen was asked, and when who asks is given up.
    attempt_id       uuid,
    attempt_tries    integer,
    attempt_until    timestamptz,

    CHECK ((status = 'CANCELLED') = (reason IS NOT NULL)),
    CHECK ((cancellation = 'PENDING') = (attempt_id IS NOT NULL))
) WITH (fillfactor = 70); -- each row changes a few times: room for the new versions on its page

-- Lists run from the newest order to the oldest.
CREATE INDEX orders_by_age ON orders (created_at, order_id);
CREATE INDEX orders_by_customer ON orders (customer_id, created_at, order_id);

-- Cancellations without an answer, for the resolver.
CREATE INDEX orders_pending ON orders (attempt_until) WHERE cancellation = 'PENDING';
