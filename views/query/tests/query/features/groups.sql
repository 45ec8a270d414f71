select count(*) from t
select count(a), count(*), sum(a), min(a), max(a) from t
select count(*) from e
select sum(k), min(w), count(k) from e
select a, count(*) from t group by a
select a, b, count(*) from t group by a, b
select a, sum(b) from t group by a having count(*) > 1
select a from t group by a
select count(*) from t group by a
select a + 1, count(*) from t group by a + 1
select a + 1 as x, count(*) from t group by x
select a, count(*) from t group by 1
select count(distinct a), count(distinct b), sum(distinct b) from t
select count(*) filter (where a = 1), sum(b) filter (where a > 1) from t
select a, count(*) filter (where b > 10) from t group by a
select max(a) from t having max(a) > 2
select max(a) from t having max(a) > 200
select 1 from t having count(*) > 1
select 1 having true
select c, max(b) - min(b) from t group by c
select id, a, count(*) from t group by id
select t.id, t.c, count(u.id) from t left join u on u.t_id = t.id group by t.id
select count(*) from (select a from t group by a) x
select a, count(*) from t group by grouping sets ((a), ())
select a, b, count(*) from t group by grouping sets ((a, b), (a), ())
select a, b, count(*), grouping(a), grouping(b), grouping(a, b) from t group by rollup (a, b)
select a, b, count(*) from t group by cube (a, b)
select a, b, c, count(*) from t group by a, rollup (b, c)

select k, count(*) from e group by rollup (k)
select k, count(*) from e group by k
select count(*) from e group by ()
select a, count(*) from t group by grouping sets (a, a)
select a, sum(b) from t group by rollup (a) having grouping(a) = 1
select string_agg(c, ',' order by c) from t
select array_agg(a order by a desc nulls last, id) from t
select array_agg(distinct a order by a) from t
select array_agg(distinct c) from t
select string_agg(distinct c, '-' order by c desc) from t where c is not null
select bool_and(flag), bool_or(flag), every(flag) from s
select avg(a), avg(b) from t
select sum(salary), dept from emp group by dept
select dept, count(*), (select count(*) from t) from emp group by dept
select sum(a + b), sum(a) + sum(b) from t
select a, sum(b) over () from t
select sum(small), sum(f), avg(f) from s where f < 10
select count((a, b)), count(t) , count(t.*) from t
select b, count(*) from t where a is not null group by b having sum(a) > 1
select percentile_cont(0.5) within group (order by a), percentile_disc(0.5) within group (order by c) from t
select mode() within group (order by a) from t
select stddev(a), variance(b) from t
select case when a > 1 then 'big' else 'small' end, count(*) from t group by case when a > 1 then 'big' else 'small' end
select case when a > 1 then 'big' else 'small' end as size, count(*) from t group by size
select a as b, count(*) from t group by b
select max(c), min(c) from t
select a % 2, sum(sum(b)) over () from t group by a % 2
select distinct count(*) from t group by a
select coalesce(a, 0), count(*) from t group by coalesce(a, 0)
select emp.dept, max(emp.name) from emp join t on emp.id = t.id group by emp.dept
