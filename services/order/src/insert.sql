-- Bound in store.rs. In one sequence, so that two groups with the same orders do not wait for each other.
WITH birth AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
                         $9::text[], $10::timestamptz[], $11::bigint[], $12::uuid[], $13::text[], $14::text[],
                         $15::text[], $16::text[], $17::smallint[])
    AS birth (order_id, customer_id, restaurant_id, menu_id, quantity, address, note, status,
              cancellation, created_at, version, id, aggregatetype, type,
              payload, headers, shard)
), placed AS (
    INSERT INTO orders (order_id, customer_id, restaurant_id, menu_id, quantity, address, note,
                        status, cancellation, created_at, updated_at, version)
    SELECT order_id, customer_id, restaurant_id, menu_id, quantity, address, note,
           status, cancellation, created_at, created_at, version
    FROM birth ORDER BY order_id
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
), said AS (
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers, shard)
    SELECT id, aggregatetype, order_id, type, payload, headers, shard
    FROM birth JOIN placed USING (order_id)
)
SELECT order_id FROM placed
