with x as (select 1 as a) select * from x
with x as (select a from t), y as (select a from x where a > 1) select count(*) from x, y
with x (p, q) as (select a, b from t) select p from x where q = 10
with x as (select a from t) select * from x union all select * from x
with t as (select 5 as z) select * from t
with x as (with y as (select 1 as a) select * from y) select * from x
with x as materialized (select a from t) select * from x where a = 1
with unused as (select 1 / 0) select 1
with x as (select a, count(*) as c from t group by a) select x1.a from x x1 join x x2 on x1.c = x2.c
with recursive r as (select 1 as i union all select i + 1 from r where i < 5) select * from r
with recursive r (i) as (select 1 union select (i + 1) % 3 from r) select * from r
with recursive r (i) as (values (1) union all select i + 1 from r where i < 3) select i, i * 10 from r
with recursive c as (select id, name, boss, 1 as depth from emp where boss is null union all select e.id, e.name, e.boss, c.depth + 1 from emp e join c on e.boss = c.id) select * from c
with recursive c as (select id, boss from emp where id = 7 union select e.id, e.boss from emp e, c where e.id = c.boss) select * from c
with recursive r as (select 1 as i union all select i + 1 from r) select * from r limit 5
with recursive r as (select 1 as i union all select i + 1 from r where i < 4) select a.i, b.i from r a, r b where a.i = b.i + 1
with recursive r as (select 1 as i), q as (select i + 1 as j from r) select * from q
with recursive f (a, b) as (select 0, 1 union all select b, a + b from f where b < 50) select a from f
with x as (select 1 as a) select (select a from x), (select count(*) from x)
with x as (select id from t) select * from u where exists (with y as (select id from x) select 1 from y where y.id = u.t_id)
select * from (with x as (select 1 as a) select * from x) z
with recursive r as (select k, v from n where k = 1 union select m.k, m.v from m join r on m.v > r.v) select * from r
with x as (select 1 as a), y as (select 2 as a) select * from x union select * from y order by a -- ordered
with recursive r as (select a from t where a = 1 union all select r.a + 1 from r left join n on n.k = r.a where r.a < 3) select * from r
