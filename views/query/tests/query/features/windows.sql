select id, row_number() over (order by id) from t
select id, row_number() over (partition by a order by id) from t
select id, rank() over (order by a), dense_rank() over (order by a) from t
select id, rank() over (order by a desc nulls last) from t
select id, percent_rank() over (order by a), cume_dist() over (order by a) from t
select id, ntile(3) over (order by id), ntile(100) over (order by id) from t
select id, lag(id) over (order by id), lead(id) over (order by id) from t
select id, lag(id, 2) over (order by id), lead(id, 2, -1) over (order by id), lag(id, 0) over (order by id) from t
select id, first_value(id) over (partition by a order by id), last_value(id) over (partition by a order by id) from t
select id, last_value(id) over (partition by a order by id rows between unbounded preceding and unbounded following) from t
select id, nth_value(id, 2) over (partition by a order by id) from t
select id, sum(id) over () from t
select id, sum(id) over (order by id) from t
select id, sum(id) over (order by a) from t
select id, sum(id) over (partition by a) from t
select id, count(*) over (partition by a order by b) from t
select id, sum(id) over (order by id rows between 1 preceding and 1 following) from t
select id, sum(id) over (order by id rows 2 preceding) from t
select id, sum(id) over (order by id rows between 2 preceding and 1 preceding) from t
select id, count(*) over (order by id rows between 1 following and 3 following) from t
select id, sum(id) over (order by id rows between current row and unbounded following) from t
select id, sum(id) over (order by id range between 2 preceding and 1 following) from t
select id, count(*) over (order by a range between 1 preceding and current row) from t
select id, count(*) over (order by a desc range between 1 preceding and current row) from t
select id, count(*) over (order by a nulls first range between 1 preceding and 1 following) from t
select id, count(*) over (order by a groups between 1 preceding and current row) from t
select id, array_agg(id) over (order by a, id groups 1 preceding) from t
select id, count(*) filter (where b > 10) over (order by id) from t
select id, max(b) over w, min(b) over w from t window w as (partition by a)
select id, sum(b) over (w order by id) from t window w as (partition by a)
select id, sum(b) over (w rows 1 preceding) from t window w as (order by id)
select a, sum(count(*)) over (order by a) from t group by a
select a, rank() over (order by sum(b) desc nulls last) from t group by a
select * from (select id, row_number() over (partition by a order by id) as r from t) z where r = 1
select distinct count(*) over (partition by a) from t
select id from t order by row_number() over (order by id desc) -- ordered
select id, sum(b) over (order by id) - b from t
select id, avg(b) over (partition by c) from t
select row_number() over () from e
select id, sum(f) over (order by id) from s where f < 10
select id, string_agg(c, '') over (order by id) from t
select name, salary, rank() over (partition by dept order by salary desc), lag(salary, 1, 0) over (partition by dept order by id) from emp
select id, sum(id) over (order by id) as s from t order by s desc -- ordered
select id, (select count(*) over () from u where u.t_id = t.id limit 1) from t
select id, sum(a) over (partition by b order by id), sum(b) over (partition by a order by id) from t
