select * from generate_series(1, 3)
select * from generate_series(1, 3) as g
select g from generate_series(1, 3) as g
select g.i from generate_series(1, 3) as g (i)
select * from generate_series(1, 3) with ordinality
select * from generate_series(5, 1, -2) with ordinality as g (v, o)
select * from generate_series(1, 0)
select t.id, g from t, generate_series(1, t.a) as g
select t.id, g from t left join generate_series(1, t.a) as g on true
select t.id, g from t cross join lateral generate_series(t.a, t.a + 1) with ordinality as g
select * from unnest(array[1, 2, 3])
select * from unnest(array['a', null, 'c']) with ordinality
select * from unnest(array[1, 2], array['x', 'y', 'z'])
select * from unnest(array[1, 2], array['x', 'y', 'z']) as z (n, s)
select * from rows from (generate_series(1, 2), generate_series(10, 12))
select * from rows from (generate_series(1, 2), generate_series(10, 12)) with ordinality as z (a, b, c)
select generate_series(1, 3)
select id, generate_series(1, a) from t
select generate_series(1, 2), generate_series(1, 3)
select generate_series(1, 3) as g order by g desc -- ordered
select generate_series(1, generate_series(1, 3))
select distinct generate_series(1, a) from t
select count(*) from (select generate_series(1, a) from t) z
select generate_series(1, 3) limit 2
select a, generate_series(1, 2), count(*) from t group by a
select generate_series(1, 2), count(*) from t group by 1
select generate_series(1, 2) + 10
select unnest(array[1, 2]), unnest(array['a', 'b', 'c'])
select * from upper('x')
select * from upper('x') as u
select * from current_date as d where false
select sum(g) from generate_series(1, 100) g
select x.id, y.g from t x, lateral (select g from generate_series(1, x.a) g where g > 1) y
select id from t where exists (select 1 from generate_series(1, t.a) g where g = 2)
select id, (select sum(g) from generate_series(1, t.a) g) from t
select max(generate_series) from generate_series(1, 5)
select row_number() over (), generate_series(1, 2) from n where k = 1
-- columns whose types are the arguments'
select (information_schema._pg_expandarray(array['a','b'])).n
select (information_schema._pg_expandarray(array['a','b'])).x
select information_schema._pg_expandarray(array[7,8])
select e.x + 1, n from information_schema._pg_expandarray(array[10,20]) e
select a, b from information_schema._pg_expandarray(array[10,20]) e(a, b)
select * from information_schema._pg_expandarray('{}'::text[])
