select all - 5 * - + 67 as col0 from t
select distinct - a, + b * 2 as col2 from t where not ( + 1 ) in ( 2 )
select count( * ) from t as cor0 cross join u as cor1
select - count ( * ) + + 3 as c from t
select cast( null as integer ), cast ( 5 as text )
select ( 1 ) + ( - 2 ), ( ( 3 ) )
select case - 1 when + a then 1 else - 2 end from t
select nullif ( 1, + 2 ) is null, coalesce ( null, a ) from t
select a, b from t where a between - 1 and 2 and not b between 1 and 5
select t.*, u.* from t, u where t.id = u.id order by 1 -- ordered
select sum(a) / count(*) from t
select a, count(*) as n from t group by a having n > 1
select a as x from t group by x having count(*) > 1
select a from t where exists (select * from u where t_id = t.id) order by a -- ordered
select e.name, m.name as boss from emp e left join emp m on m.id = e.boss where m.name is null or m.name like 'a%'
select dept, avg(salary)::numeric(10, 2) from emp group by dept order by dept nulls first -- ordered
select dept, count(*) filter (where salary > 70), max(name) from emp group by 1 having count(*) > 1
select name from emp where salary = (select max(salary) from emp)
select name from emp e where 2 <= (select count(*) from emp s where s.boss = e.id)
select e.dept, e.name, e.salary from emp e join (select dept, max(salary) as top from emp group by dept) m on e.dept = m.dept and e.salary = m.top
select name, (select count(*) from emp b where b.salary > a.salary) + 1 as rank from emp a order by rank, name -- ordered
select name from emp where dept in ('it', 'hr') and boss in (select id from emp where dept = 'it')
select x.dept, x.n, y.n from (select dept, count(*) n from emp group by dept) x left join (select dept, count(*) n from emp where salary > 70 group by dept) y using (dept)
select a.dept from emp a, emp b where a.boss = b.id and a.dept = b.dept group by a.dept
select dept, string_agg(name, ', ' order by salary desc, name) from emp group by dept
select distinct on (dept) dept, name from emp order by dept, salary desc, name -- ordered
with top as (select dept, max(salary) s from emp group by dept) select e.name from emp e where exists (select 1 from top where top.dept = e.dept and top.s = e.salary)
select name, salary - lag(salary) over (order by id) from emp
select name, sum(salary) over (partition by dept order by id rows unbounded preceding), sum(salary) over () from emp
select dept, rank() over (order by sum(salary) desc) from emp group by dept
select * from (select name, row_number() over (partition by dept order by salary desc, id) as r from emp) z where r <= 2
select (select name from emp where id = t.id), t.id from t where t.id < 4
select t.id, (select count(*) from emp where emp.boss = t.id and exists (select 1 from u where u.t_id = emp.id)) from t
select id from t where (select count(*) from u where u.t_id = t.id) > 1 or (select max(k) from n where n.v = t.a) is null
select case when exists (select 1 from u where u.t_id = t.id) then 'y' else (select min(y) from u) end from t
select a, (select sum(k) from n where k = any (array[t.a, 1])) from t
select t.id from t where t.a = all (select k from n where n.v = t.b)
select t.id from t where row(t.a, t.b) = any (select k, v * 10 from n)
select t.id from t left join (select t_id, sum(x) as sx from u group by t_id) q on q.t_id = t.id where coalesce(q.sx, 0) > 50
select 1 in (select 1 union all select null), 2 in (select 1 union all select null), null in (select 1), null in (select 1 where false)
select 1 not in (select 2), 1 not in (select null::int), null not in (select 1 where false)
select (1, null::int) in (select 1, 2), (1, null::int) in (select 2, 2), (null::int, 3) in (select 1, 2)
select exists (select from t), exists (select 1 where false)
select u.y, t.c from u full join t on t.id = u.t_id and t.a = 1 where u.y > 'p' or t.c = 'z'
select count(*) from t full join u on t.id = u.t_id full join n on n.k = coalesce(t.id, u.id)
select t.a, u.x from t left join u on (t.id = u.t_id) where t.a is not distinct from null
select t1.a from t t1 join t t2 using (a) join t t3 using (a)
select a, t1.id, t2.id from t t1 left join t t2 using (a)
select * from (select 1 as a, 2 as b) x natural full join (select 1 as a, 3 as c) y
select * from (values (1, 2), (3, 4)) x (a, b) cross join lateral (select a + b as s) y
select * from (values (1), (2)) x (a), lateral (values (x.a), (x.a * 10)) y (b)
select x.a, y.* from (values (1), (2)) x (a) left join lateral (select g, g * x.a from generate_series(1, x.a) g) y (g, m) on y.g > 1
select a.g, b.g from generate_series(1, 3) a (g), generate_series(a.g, 3) b (g)
select array_agg(g order by g desc) from generate_series(1, 4) g
select g % 2 as odd, array_agg(g) from generate_series(1, 5) g group by odd order by odd -- ordered
select i, (select array_agg(j) from generate_series(1, i) j) from generate_series(0, 3) i
select unnest(array[3, 1, 2]) as v order by v -- ordered
select a, unnest(array[1, 2]) from t where id < 3
select (array_agg(id order by id))[1] from t
select array(select unnest(array[1, 2]) union select 5 order by 1)
select array[row(1, 'a'), row(2, 'b')]::text
select (row(1, 2)).f1, (select row(a, b)::text from t where id = 1)
select max(array[a, b])::text from t
select count(distinct (a, b)) from t
select row(1, 2) < row(1, 3), row(1, null) = row(1, null), row(1, 2) = row(1, 2)
select a, b from t group by a, b having (a, b) = (1, 10)
select a is null as missing, count(*) from t group by a is null
select count(*), count(b), count(distinct b), sum(b), min(b), max(b), avg(b) from t where false
select coalesce(sum(b), 0) from t where false
select sum(b) from t where false group by a
select 'x' || 1, 1 || 'x', 'a' || null
select 'a' < 'b', 'B' < 'a', 'abc' like 'a_c', 'abc' ~ '^a'
select 1 < 2 and 2 < 3 or false, not 1 > 2
select 10 / 3, 10 % 3, 10.0 / 3, 2 ^ 10, 7::float8 / 2
select 1::int2 + 1::int8, 1::int2 + 1.5
select 1.5 + 1, 1::float8 + 1.5, 1e0
select current_date - current_date, now() - now() = interval '0'
select date '2020-03-01' - 1, date '2020-03-01' - date '2020-02-01', timestamp '2020-01-01' + interval '1 month'
select extract(year from timestamp '2020-05-06'), date_trunc('month', timestamp '2020-05-06 07:08'), date_part('day', date '2020-05-06')
select true = 't'::bool, 'yes'::bool, 1::bool, true::int, true::text
select '2020-01-01'::date > '2019-01-01', date '2020-01-01' = '2020-01-01'
select a from t where c > 'x' union select v from n where k is null order by a nulls first -- ordered
(select a from t order by id limit 1) union all (select b from t order by id desc limit 2)
select a from t union (select k from n union all select k from n)
select * from t where id in (values (1), (3))
select * from (select a, b from t union select k, v from n) q (x, y) where x = y
with a as (select 1 as x), b as (select x + 1 as x from a), c as (select * from a union all select * from b) select sum(x) from c
with recursive t2 (n) as (values (1) union all select n + 1 from t2 where n < 100) select sum(n) from t2
with recursive tree as (select id, boss, name::text as path from emp where boss is null union all select e.id, e.boss, tree.path || '/' || e.name from emp e join tree on tree.id = e.boss) select path from tree order by path -- ordered
with recursive x as (select 1 as n), y as (select n from x union all select n + 1 from y where n < 3) select * from x, y
select * from (with q as (select a from t) select a from q where a > 1) z
with q as (select a, row_number() over (order by id) as r from t) select q1.a from q q1 join q q2 on q1.r = q2.r + 1 where q1.a is distinct from q2.a
select greatest(1, null, 3), least('b', 'a'), greatest(null::int, null)
select case when a > 2 then a end, case a when null then 1 else 2 end from t
select case when a = 0 then 0 else 10 / a end from t where a is not null
select id from t order by case when a is null then 0 else 1 end, id desc -- ordered
select id from t order by -id limit 2 -- ordered
select a, id from t order by 1 desc, 2 asc limit 3 offset 1 -- ordered
select t.c, count(*) from t group by t.c order by 2 desc, 1 nulls last -- ordered
select sum(a) as a from t order by a -- ordered
select a + 1 as b from t where b > 10 order by b -- ordered
select -a as a from t order by a nulls first -- ordered
select id, a from t order by a, id fetch next 3 rows only -- ordered
select upper(name) from emp order by upper(name) desc limit 1 -- ordered
select "A"."id" from t as "A" where "A".id = 1
select t.id as "select" from t where id = 1
select e.*, 1 as one from emp e where e.id = 1
select (e).name, e::text from emp e where e.id = 1
select count(e) from emp e
select to_json(e) from emp e where id = 1
select n.k from n where n.k = n.v and n.v in (select m.k from m where m.v = n.v)
select k, sum(v) from n group by k union all select null, sum(v) from n order by 1 nulls last, 2 -- ordered
select grouping(dept), dept, count(*) from emp group by rollup (dept) order by 1, 2 nulls first -- ordered
select dept, boss, count(*) from emp group by cube (dept, boss) order by 1, 2, 3 -- ordered
select dept, boss, sum(salary) from emp group by grouping sets ((dept, boss), (dept), ()) having sum(salary) > 100
select first_value(name) over w, last_value(name) over w, nth_value(name, 2) over w from emp window w as (partition by dept order by id)
select id, sum(salary) over (order by salary range between 10 preceding and 10 following) from emp
select id, count(*) over (order by ts range between interval '1 day' preceding and current row) from (select id, timestamp '2020-01-01' + id * interval '12 hours' as ts from t) z
select id, avg(f) over (order by f range between 1 preceding and 1 following) from s where f < 5
select make_interval(days => 3, hours => 2)
select format('%s-%s', 'a', 'b'), concat('a', 1, null, true)
select concat_ws('-', variadic array['a', 'b'])
select format('%s-%s', variadic array['a', 'b'])
