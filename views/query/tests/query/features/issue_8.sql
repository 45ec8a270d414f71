select 1.5::int, 2.5::int, -1.5::int
select timestamp '2020-01-10' - timestamp '2020-01-01' > interval '7 days'
select * from (values (1), (2)) a (x) right join (values (1, 1), (2, null)) b (x, y) using (x)
select x from (values (1), (3)) a (x) right join (values (1), (2)) b (x) using (x)
values (1), (1), (1), (2), (2) except all values (1), (3), (1)
select sum(x) from (values (9e27::numeric), (9e27::numeric)) v (x)
select id from t where exists (select 1 from u left join n on n.k = u.id where u.t_id = t.id)
select p, q, (q, p) in ((44, 1), (null, 2)) from x
select to_char(timestamp '2020-03-04 05:06:07', 'YYYY-MM')
select timestamptz '2020-07-01 12:00+00' at time zone 'Europe/Berlin'
select date '2020-01-01' + interval '4 hours'
select 2.0 / 3, 1::numeric(50, 20) / 3
select '\xDEADBEEF'::bytea, length('\xDEADBEEF'::bytea)
select 1.1::float
select 'abc' similar to 'ab%', 'abc' similar to 'a(b|d)%'
select 'abcdef'::varchar(3)
select 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '[1,5)'::int4range
select now() = now()
select length(repeat('a', 1000))
select '{"a": 1}'::jsonb -> 'a', '{"a": [1, {"b": 2}]}'::jsonb #>> '{a,1,b}'
select now() at time zone 'UTC' = now() at time zone 'UTC', sum(x) from (values (1.10), (2.2)) v (x)
