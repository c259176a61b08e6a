WITH placed AS (
    INSERT INTO orders (order_id, customer_id, restaurant_id, menu_id, quantity, address, note,
                        status, cancellation, created_at, updated_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
)
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers, shard)
SELECT $12, $13, order_id, $14, $15, $16, $17 FROM placed
