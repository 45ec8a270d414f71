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
select a from t order by 5
select a from t group by 5
select 1 union select 'x'
select 'x'::int
select * from t where a = 'x'
select row_number() from t
select a from t where row_number() over () = 1
select rank() over (order by rank() over ()) from t
select count(*) over (rows 1 preceding) from t where generate_series(1, 2) = 1
select id from t limit a
select id from t limit 'x'
select array[1, 'x']
select count() from t
select upper(distinct 'a')
select upper('a') over ()
select sum(a order by b, nope) from t
select * from t, (select * from u where u.t_id = t.id) z
select * from t right join lateral (select * from u where u.t_id = t.id) z on true
select a.nope from (select 1 as a) a
select (t).nope from t
select 1 from t order by 'x'
select 1 from t group by 'x'
select a as x, b as x from t order by x
select interval '1 day' + 1
select not 1
select 1 and true
select current_date + true
select 1 = any(1)
select (array[1])['x']
select a[1] from t
select nullif(1, true)
select 1 is distinct from true
select lag(1) over (order by 1, nope)
select sum(a) filter (where sum(b) > 1) from t
select generate_series(1, 2) from t where generate_series(1, 2) = 1
select percentile_cont(0.5) from t
select u.a from t u join lateral (select nope) z on true
select length(null), length(1)
select count(*) from t where a between 1 and 'x'
