-- The kitchen: menu items with their stock, the ledger of every change of it, and the cooks.
--
-- Locks are taken in one order everywhere, so that no two transactions wait for each other: menus (by menu_id), then
-- cooks (by order_id).

CREATE TABLE menus (
    menu_id       text COLLATE "C" PRIMARY KEY,
    restaurant_id text NOT NULL,
    name          text NOT NULL,
    on_hand       bigint NOT NULL DEFAULT 0 CHECK (on_hand >= 0)
) WITH (fillfactor = 50); -- a popular item's row changes with every batch: room for the new versions on its page

-- One row for each change of stock. The primary key is what makes a change happen once: a restock by its idempotency
-- key, a reservation and its restoring by the order. Rows are written under the menu row's lock, which keeps on_hand
-- and seq in step; menus are never deleted, so a foreign key would only cost.
CREATE TABLE movements (
    menu_id   text COLLATE "C" NOT NULL,
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('RESTOCK', 'RESERVE', 'RESTORE')),
    reference text COLLATE "C" NOT NULL,
    quantity  bigint NOT NULL CHECK (CASE kind WHEN 'RESERVE' THEN quantity < 0 ELSE quantity > 0 END),
    on_hand   bigint NOT NULL CHECK (on_hand >= 0), -- after the movement
    at        timestamptz NOT NULL,
    seq       bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (menu_id, kind, reference)
);

CREATE INDEX movements_by_age ON movements (menu_id, seq);

CREATE TABLE cooks (
    order_id      text COLLATE "C" PRIMARY KEY, -- at most one cook for an order
    cook_id       text COLLATE "C" NOT NULL UNIQUE, -- UUIDv7: sorts by age
    customer_id   text NOT NULL,
    restaurant_id text NOT NULL,
    menu_id       text NOT NULL,
    quantity      bigint NOT NULL CHECK (quantity > 0),
    status        text NOT NULL CHECK (status IN ('STARTED', 'COMPLETED', 'CANCELLED')),
    reason        text CHECK ((reason IS NOT NULL) = (status = 'CANCELLED')),
    due_at        timestamptz, -- when it is ready by itself; never, when null
    traceparent   text, -- of the event that it came from: its own events go on in that trace
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    version       bigint NOT NULL
);

CREATE INDEX cooks_started ON cooks (due_at) WHERE status = 'STARTED';
CREATE INDEX cooks_cancelled ON cooks (cook_id) WHERE status = 'CANCELLED';
