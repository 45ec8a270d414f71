select 1
select 1, 'a', null, true, 1.5, 3000000000, 99999999999999999999, -2147483648, 1e3
select from t
select a, b from t
select * from t
select t.* from t
select t.*, t.a as again from t
select public.t.a from public.t
select x.a from t x
select x.i, x.j, c from t as x (i, j)
select t::text from t
select (t).a, (t).c from t
select x::text from t x where x.a = 1
select row(a, b), row(1, 'x') from t
select a + b, a - 1, -a from t
select a + 1 as a, b as "B b" from t
select * from t where a = 1
select * from t where a > 1 and b = 30 or c is null
select * from t where not (a > 1)
select * from t where a is null
select * from t where a is not null and b is not null
select * from t where a = 1 is true
select (a = 1) is true, (a = 1) is false, (a = 1) is unknown, (a = 1) is not unknown, (a = 1) is not true from t
select * from t where a in (1, 3)
select * from t where a not in (1, 3)
select * from t where a in (1, null)
select * from t where a not in (1, null)
select * from t where (a, b) in ((1, 10), (2, null))
select * from t where a between 1 and 2
select * from t where a not between 1 and 2
select * from t where (a, b) = (1, 10)
select * from t where (a, b) < (2, 10)
select (a, b) < (2, 10), (a, b) <= (2, 10), (a, b) <> (2, 10) from t
select a is distinct from b, a is not distinct from null from t
select row(a, b) is distinct from row(1, null) from t
select row(a, b) is null, row(a, b) is not null from t
select case when a = 1 then 'one' when a = 2 then 'two' else c end from t
select case a when 1 then 10 when 2 then 20 end from t
select case when a = 1 then 1 else 2.5 end from t
select coalesce(a, b, 0), coalesce(c, 'none') from t
select nullif(a, 1), nullif(c, 'x') from t
select greatest(a, b, 15), least(a, b, 15) from t
select array[1, 2, a] from t
select array[[1, 2], [3, a]] from t
select (array[1, 2, 3])[2], (array[1, 2, 3])[2:3], (array[1,2,3])[7], (array[[1,2],[3,4]])[2][1]
select '{1,2,3}'::int[], array[1, 2]::text[], array[]::int[]
select 1 = any(array[1, 2]), 3 = any(array[1, null]), 1 <> all(array[2, 3]), a = any('{1,2}') from t
select a = all(array[1, 1]) from t
select true and null, false and null, true or null, false or null, not null::bool
select date '2020-02-29', timestamp '2020-01-01 10:00', interval '1 day 2 hours', interval '1' year
select '5'::int + 1, '5' + 1, cast('12' as bigint)
select distinct a from t
select distinct a, b from t
select all a from t
select 'abc' || 'def', 'a' || c from t
select c like 'x%', c not like 'x%', c ilike 'X' from t
select upper(c), length(c) from t
select small, f, flag from s
select * from s where flag
select * from s where not flag
select distinct f from s
select small + 1, small * 2 from s
select count(*) from s where f = 'NaN'
select f = 0, f > 1 from s
select t.id from t where t.a = t.id
select 1 where true
select 1 where false
select 1 where null
select "id" from "t"
select a::text, a::bigint, b::numeric from t
select $$dollar$$, E'a\nb', U&'\0041'
select current_date = current_date
table t
select 7 / 2, -7 / 2, 7 % 3, 7.0 / 2, 2 ^ 3, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 3
select 1 + 2 * 3 - 4, (1 + 2) * 3, - 2 ^ 2
select id from t where c = 'x' and (a = 1 or (b is null and a = 2))
select null = null, null is null, 1 is null
select a, a as a, a as b from t
select extract(year from date '2020-02-29'), position('b' in 'abc'), substring('abcdef' from 2 for 3), trim('  x '), overlay('abcd' placing 'x' from 2)
select 'x' as "?column?", 1 as one, 'a'::text, 1::int8, true, not true, 1 is null, case when true then 1 end, array[1], row(1), coalesce(1), exists (select 1), (select 1), (select 1 as z), nullif(1, 2), greatest(1, 2), date '2020-01-01', a[1] from (select array[1] as a) s
select current_schema from t where id = 1
select id from t where current_schema = 'public' and id < 3
select id from t where c is not distinct from 'x' and a = 1
select id from t where c is distinct from 'x' or id = 1 and a is not distinct from null
select id, a = 1 is distinct from true and b > 5, a is distinct from b + 1 = false, not a is distinct from 1 from t
select @ -5 + 1, |/ 16 + 9, ~ 1 + 2, ~ 1 & 3, @ -5 * -2, @ -5 || 'x', |/ 4::float8 = 2
select 'abc' ~ 'a' || 'b', 'abc' ~ 'b' = true, not 'abc' ~ 'x', 'abc' !~ 'x' and true, 'a' ~~ 'a' || 'b', 'a' ~* 'A' is true, 1 + 1 = 2 and 'ab' ~ '^a'
select 1 operator(pg_catalog.+) 2 * 3, 'a' operator(pg_catalog.~) 'a' || 'b', 'a' operator(pg_catalog.~) '^(a)$' collate pg_catalog."default" and true
select 1 isnull, 1 + null isnull, null isnull and true, a isnull, (a isnull) is true, a notnull from t
