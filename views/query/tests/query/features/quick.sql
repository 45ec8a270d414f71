select id from t where a = 1
select id from t where 1 < a and b <> 30 and c >= 'x'
select id from t where b >= a and b < 20 + 10
select id from t where c in ('x', 'z') or b is null
select id from t where c in ('x', null)
select id from t where c = null or a is not null and b is null
select id from pay where code in ('x', 'abcdef') and code < 'y'
select id from pay where code like 'a%f' or code like '%y%'
select id from pay where code not like '%b%' and code like '%'
select id from t where c like '_' or c like 'x\'
select id from pay where money > 1 and money <= 12.5
select id from pay where money = 0.500 or rate < 1.00001
select id from pay where money * rate >= 12.5 and money - rate < 100.125
select id from pay where money < rate * 2.50
select id, money * (1 - rate) * 1.000, money + id, rate - money * money from pay
select sum(money * (1 - rate)), avg(money), avg(money * rate), sum(money + id), sum(rate) filter (where money > 1) from pay
select code, sum(money), avg(rate), sum(distinct money) from pay group by code
select sum(v), avg(v) from (values (1.5), (2.25), (null), (0.125)) w(v)
select sum(v) from (values ('NaN'::numeric), (1.5), ('Infinity')) w(v)
select v, v > 1, v * 2.0, v - 1 from (values ('NaN'::numeric), (1.5), ('Infinity'), ('-Infinity'), (null)) w(v) where v > 1 or v < 0 or v is null
select v from (values ('NaN'::numeric(8, 2)), (1.5), (null)) w(v) where v > 100 or v = 1.50
select v * 99999999999999999999999999999 from (values (99999999999999999999999999999.5), (-99999999999999999999999999999)) w(v) where v * 99999999999999999999999999999 > 1
select sum(v * v) from (values (99999999999999999999.5), (-99999999999999999999), (1.25)) w(v)
select d from (values (date '2020-02-29'), ('infinity'), ('-infinity'), (null)) w(d) where d <= date '2020-03-31' - interval '1 month'
select d from (values (date '2020-02-29'), ('infinity'), ('-infinity'), (null)) w(d) where d > timestamp '2020-02-28 23:59:59'
select d from (values (date '2020-02-29'), ('infinity'), ('-infinity'), (null)) w(d) where d < timestamp 'infinity' or d = timestamp '-infinity'
select d from (values (timestamp '2020-02-29'), ('infinity'), (null)) w(d) where d between timestamp '2020-01-01' and date '2020-02-29' + interval '1 day'
select sum(case when a = 1 or c = 'z' then 1 else 0 end), sum(case when b > 10 and c <> 'x' then b end) from t
select id from t where case when id > 0 then true else 1 / (a - a) = 1 end
select t.id from t where exists (select from u where u.t_id = t.id)
select t.id from t where not exists (select from u where u.t_id = t.id and u.x > t.b)
select t.id from t where t.a not in (select k from m where k is not null)
select k, v from n where exists (select from t where t.id = n.k and t.a = n.v)
select k, v from n where not exists (select from t where t.id = n.k and t.a = n.v)
select n.k, m.v from n, m where n.k = m.k and n.v = m.v
select t.id, u.id from t, u where t.id = u.t_id and t.a = u.id
select s.id, t.id from s, t where s.small = t.a and s.id = t.id
select t.id, u.x from t, u where (t.id = u.t_id and t.a = 1 and u.y = 'p') or (t.id = u.t_id and t.a = 2 and u.y = 'q')
select t.id, u.x from t, u where (t.id = u.t_id and t.a = 1) or t.id = u.t_id
select distinct id, a from t
select distinct t.id, u.y from t join u on u.id = t.a where t.b = 10
select distinct t.id from t join n on n.k = t.id
