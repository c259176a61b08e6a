-- One row for each delivery.
CREATE TABLE deliveries (
    order_id     text COLLATE "C" PRIMARY KEY, -- at most one delivery for an order
    delivery_id  text COLLATE "C" NOT NULL UNIQUE, -- UUIDv7: sorts by age
    cook_id      text NOT NULL,
    customer_id  text NOT NULL,
    status       text NOT NULL CHECK (status IN ('STARTED', 'PICKED_UP', 'DELIVERED', 'FAILED')),
    due_at       timestamptz, -- when the next step happens by itself; never, when null
    hand_over_at timestamptz, -- when the last step does; becomes due_at at the pick-up
    traceparent  text, -- of the event that it came from: its own events go on in that trace
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    version      bigint NOT NULL
);

CREATE INDEX deliveries_under_way ON deliveries (due_at) WHERE status IN ('STARTED', 'PICKED_UP');
CREATE INDEX deliveries_failed ON deliveries (delivery_id) WHERE status = 'FAILED';
