select id from t order by id -- ordered
select id from t order by id desc -- ordered
select a, id from t order by a, id -- ordered
select a, id from t order by a desc, id -- ordered
select a, id from t order by a nulls first, id -- ordered
select a, id from t order by a desc nulls last, id desc -- ordered
select a as z, id from t order by z, 2 -- ordered
select id from t order by a + b, id -- ordered
select id, -id as a from t order by a -- ordered
select id from t order by c, id limit 3 -- ordered
select id from t order by id limit 3 offset 2 -- ordered
select id from t order by id offset 5 -- ordered
select id from t order by id limit 0 -- ordered
select id from t order by id limit null -- ordered
select id from t order by id limit all -- ordered
select id from t order by id fetch first 2 rows only -- ordered
select id from t order by id fetch first row only -- ordered
select a from t order by a fetch first 2 rows with ties -- ordered
select a from t order by a offset 1 fetch first 2 rows with ties -- ordered
select count(*) from (select id from t limit 3) z
select count(*) from (select id from t offset 3) z
select distinct a from t order by a -- ordered
select distinct a from t order by a desc limit 1 -- ordered
select distinct on (a) a, id from t order by a, id -- ordered
select distinct on (a) a, id from t order by a, id desc -- ordered
select distinct on (a, b) a, b, id from t order by b, a, id desc -- ordered
select distinct on (a) a from t
select f from s order by f, id -- ordered
select flag, id from s order by flag, id -- ordered
select a, count(*) from t group by a order by count(*) desc, a -- ordered
select a, sum(b) as s from t group by a order by s nulls first, a -- ordered
select a from t group by a order by max(id) -- ordered
select id from t order by 1 + 1, id -- ordered
select * from t order by t.c, t.id -- ordered
select upper(c) as c from t order by c, 1 -- ordered
select t.id from t, u where t.id = u.t_id order by u.id desc -- ordered
select (select max(x) from u where u.t_id = t.id) as m, id from t order by m, id -- ordered
select id from t order by row(a, b), id -- ordered
select array_agg(id) from (select id from t order by id desc) z
select id from t where id > 3 order by id limit 2 + 1 -- ordered
(select id from t order by id desc) limit 2 -- ordered
(select id from t limit 3) order by b, id -- ordered
((select id from t)) order by id offset 6 -- ordered
(select id from t order by 1) order by 1
(select id from t limit 1) limit 1
