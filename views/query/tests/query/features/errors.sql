select nope from t
select t.nope from t
select nope.a from t
select * from nope
select * from public.nope
select id from t, u
select 1 + 'x'
select 'a' + 'b'
select true + 1
select a || b from t
select nope(1)
select upper(1, 2)
select upper(true)
select a from t where a
select a from t where sum(a) > 1
select a, count(*) from t
select a, b from t group by a
select sum(sum(a)) from t
select * from t group by a
select a from t having a > 1
select a from t order by 5
select a from t group by 5
select distinct a from t order by b
select distinct on (a) a from t order by b
select a from t union select a, b from t
select a from t union select c from t
select 1 union select 'x'
select case when true then 1 else true end
select coalesce(1, true)
select (select a, b from t)
select (select a from t)
select id from t where a = (select k from n)
select a in (select k, v from n) from t
select (a, b) in (select k from n) from t
values (1), (1, 2)
select * from t join u using (nope)
select * from t join u using (a)
select * from t, t
select * from t x, u x
select 1 / 0
select a / 0 from t
select 'x'::int
select 'x'::nope
select 1::date
select * from t where a = 'x'
select row_number() from t
select a from t where row_number() over () = 1
select rank() over (order by rank() over ()) from t
select count(*) over (rows 1 preceding) from t where generate_series(1, 2) = 1
select id from t limit -1
select id from t limit a
select id from t limit 'x'
select id from t offset -1
select * from generate_series(1, 2, 0)
select array[]
select array[1, 'x']
select array[1, true]
select min(distinct) from t
select count() from t
select upper(distinct 'a')
select upper('a') over ()
select sum(a order by b, nope) from t
select grouping(b) from t group by a
select * from (select 1)
select * from (values (1)) v (a, b)
with x as (select 1), x as (select 2) select 1
with recursive r as (select i from r) select * from r
with recursive r as (select 1 as i union all select i + 1.5 from r where i < 3) select * from r
with recursive r as (select 1 as i union all select r.i from r, r r2) select * from r
with recursive r as (select 1 as i union all select sum(i)::int from r) select * from r
select * from t, (select * from u where u.t_id = t.id) z
select * from t right join lateral (select * from u where u.t_id = t.id) z on true
select a.nope from (select 1 as a) a
select (t).nope from t
select *
select nope.* from t
select 1 from t order by 'x'
select 1 from t group by 'x'
select $1
select a as x, b as x from t order by x
select string_agg(distinct c, ',' order by a) from t
select interval '1 day' + 1
select not 1
select 1 and true
select current_date + true
select 1 = any(1)
select (array[1])['x']
select a[1] from t
select - 'x'
select nullif(1, true)
select 1 is distinct from true
select lag(1) over (order by 1, nope)
select sum(a) filter (where sum(b) > 1) from t
select id from t fetch first 1 rows with ties
select generate_series(1, 2) from t where generate_series(1, 2) = 1
select case when true then generate_series(1, 2) end
select coalesce(generate_series(1, 2), 1)
select sum(generate_series(1, 2))
select percentile_cont(0.5) from t
select * from t natural join u join n using (id)
select u.a from t u join lateral (select nope) z on true
select length(null), length(1)
select 9223372036854775807 + 1
select 2147483647 + 1
select count(*) from t where a between 1 and 'x'
