select (select 1)
select (select max(a) from t)
select (select a from t where false)
select (select a from t)
select id from t where exists (select 1 from u where u.t_id = t.id)
select id from t where not exists (select 1 from u where u.t_id = t.id)
select id from t where exists (select 1 from u where u.t_id = t.id and u.x > t.b)
select id from t where exists (select 1 from e)
select id from t where id in (select t_id from u)
select id from t where id not in (select t_id from u)
select id from t where id not in (select t_id from u where t_id is not null)
select a from t where a in (select k from n)
select a from t where a not in (select k from n)
select a from t where a not in (select k from e)
select a from t where a not in (select k from n where k is not null)
select id from t where a not in (select x.p from x where x.q = 3 or t.id + null::int = x.p)
select id, a in (select x.p from x where x.q = 3 or t.id + null::int = x.p) from t
select a, a in (select k from n), a not in (select k from n) from t
select a, a in (select k from e), a in (select k from n where k = 1) from t
select a, b, (a, b) in (select k, v from n) from t
select p, q, (p, q) in (select p, q from x) from x
select (p, q) in ((44, 1), (null, 2)) from x
select p, q from x where (p, q) not in (select p, q from x where p is not null)
select p, q from x where (p, q) in (select p, q from x)
select id from t where exists (select 1 from u where u.t_id = t.id) or a = 3
select id, exists (select 1 from u where u.t_id = t.id) from t
select id from t where not (id in (select t_id from u) and a = 1)
select id, (select max(x) from u where u.t_id = t.id) from t
select id, (select count(*) from u where u.t_id = t.id) from t
select id, (select count(*) + 1 from u where u.t_id = t.id) from t
select id, (select coalesce(sum(x), 0) from u where u.t_id = t.id) from t
select id, (select count(*) from u where u.t_id > t.id) from t
select id, (select x from u where u.t_id = t.id) from t
select id, (select x from u where u.t_id = t.id order by x limit 1) from t
select id, (select x from u where u.t_id = t.id order by x desc limit 1 offset 1) from t
select id, (select y from u where u.id = t.id) from t
select id from t where b > (select avg(b) from t t2 where t2.a = t.a)
select id from t where b = (select max(b) from t t2 where t2.a is not distinct from t.a)
select id from t where a = any (select k from n)
select id from t where a > all (select k from n where k is not null)
select id from t where a > all (select k from n)
select id from t where a > all (select k from e)
select id from t where a > any (select k from n)
select id, a > any (select k from n), a > all (select k from m), a <> all (select k from m), a = any (select v from e) from t
select id, array(select x from u where u.t_id = t.id order by x) from t
select array(select a from t where false), array(select id from t order by id desc)
select id, (select (select max(x) from u where u.t_id = t.id)) from t
select id, (select sum(v) from n where n.k = t.a and exists (select 1 from m where m.k = n.k and m.v > t.id)) from t
select id, (select count(*) from u where u.t_id = t.id and u.x > (select avg(x) from u u2 where u2.t_id = t.id)) from t
select id, (select count(*) from u, n where u.t_id = t.id and n.k = t.a) from t
select id, (select count(*) from u left join n on n.k = t.a where u.t_id = t.id) from t
select id, (select count(*) from u left join n on n.k = u.id and n.v = t.a where u.t_id = t.id) from t
select id, (select count(*) from n full join m on n.k = m.k and n.v = t.a) from t
select id, (select count(distinct v) from n where n.k = t.a) from t
select id, (select max(c) from (select k, count(*) as c from n where n.v > t.a group by k) z) from t
select id, (select sum(z) from (select x as z from u where u.t_id = t.id union all select t.b) q) from t
select id, (select count(*) from (select k from n where n.k = t.a union select t.b) q) from t
select id, (select count(*) from (select k from n intersect select t.a) q) from t
select id, (select count(*) from (select k from n except all select t.a) q) from t
select id, (select t.a + t.b) from t
select id, (select t.a where t.b > 10) from t
select id, (select max(v) from (values (t.a), (t.b), (5)) as w (v)) from t
select id, (select min(r) from (select row_number() over (order by x) as r from u where u.t_id = t.id) z) from t
select id, (select string_agg(y, ',' order by y) from u where u.t_id = t.id) from t
select a, (select max(x) from u where u.t_id = t.a) from t group by a
select a, (select count(*) from u where u.t_id = max(t.id)) from t group by a
select (select sum(t.a)) from t
select (select sum(t.a) from u where u.id = 1) from t
select a from t group by a having a in (select k from n)
select a from t group by a having sum(b) > (select min(x) from u)
select id from t order by (select max(x) from u where u.t_id = t.id), id -- ordered
select x.id from (select * from t where a = 1) x where x.b > 10
select * from (select a, count(*) from t group by a) as x (k, c) where c > 1
select id from t where (a, b) = (select k, v * 10 from n where n.k = 1 and n.v = 1 limit 1)
select id from t where (select true)
select id from t where case when a = 1 then exists (select 1 from u where u.t_id = t.id) else false end
select sum((select max(x) from u where u.t_id = t.id)) from t
select id from t where id = (select min(id) from t)
select * from t, lateral (select * from u where u.t_id = t.id) z
select t.id, z.m from t, lateral (select max(x) as m from u where u.t_id = t.id) z
select t.id, z.x from t left join lateral (select x from u where u.t_id = t.id order by x desc limit 1) z on true
select t.id, z.x from t left join lateral (select x from u where u.t_id = t.id) z on z.x > 100
select t.id, z.x, w.k from t cross join lateral (select x from u where u.t_id = t.id) z, lateral (select k from n where n.k = t.a and n.v < z.x) w
select id from t where id in (select t_id from u union select 8)
select id from t where exists (select 1 from u where u.t_id = t.id group by u.t_id having count(*) > 1)
select id from t where exists (select count(*) from u where u.t_id = t.id)
select id from t where id in (select max(u.t_id) from u where u.x > t.b)
select id from t where 1 = (select count(*) from u where u.t_id = t.id)
select id from t where 0 = (select count(*) from u where u.t_id = t.id)
select t.id from t join u on t.id = u.t_id and exists (select 1 from n where n.k = t.a)
select t.id, u.id from t left join u on t.id = u.t_id and exists (select 1 from n where n.k = u.id)
select t.id, u.id from t left join u on t.id = u.t_id and exists (select 1 from n where n.k = t.a and n.v = u.id)
select (select a from t t2 where t2.id = t.id limit 1) from t
select id from t limit (select 3)
select id, (with q as (select x from u where u.t_id = t.id) select count(*) from q, q q2) from t
select id, (with recursive q as (select t.a as i union all select i + 1 from q where i < 4) select count(*) from q) from t
select not exists (select 1 from e), exists (select 1 from t)
select id from emp where salary > (select avg(salary) from emp b where b.dept = emp.dept)
select dept, (select name from emp b where b.dept = a.dept order by salary desc, id limit 1) from (select distinct dept from emp) a
select (select count(*) from t where t.a = x.p) + (select count(*) from t where t.a = x.q) from x
select id, (select u.y from u where u.t_id = t.id and u.x = (select max(x) from u u2 where u2.t_id = u.t_id)) from t
select id from t where a in ((select 1), 3)
select id from t where a in ((select max(a) from t), (select min(a) from t))
