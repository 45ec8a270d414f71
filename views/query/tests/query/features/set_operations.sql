select a from t union select k from n
select a from t union all select k from n
select a from t intersect select k from n
select a from t intersect all select k from n
select a from t except select k from n
select a from t except all select k from n
values (1), (1), (1), (2), (2) except all values (1), (3), (1)
values (1), (1), (2) intersect all values (1), (1), (1)
select 1 union select 2 union all select 2 union select 3
(select 1 union all select 1) intersect select 1
select 1 union select 1.5
select 1 union select null
select null union select 1
select 'a' union select null
select '1' union select 2
select null union select null
select a, c from t union select k, 'n' from n
select a as x from t union select k as y from n order by x -- ordered
select a from t union select k from n order by 1 desc nulls last limit 2 -- ordered
(select a from t order by a limit 2) union all (select k from n order by k limit 1)
select * from (select a from t union select b from t) z where a > 2
select count(*) from (select a from t union all select b from t) z
select id from t union select id from u except select k from n
select id from t union (select id from u intersect select k from n)
select id from t except select id from t
values (1, 'a'), (2, null)
values (1), (2.5), (null)
values (1, 2), (3, 4) order by column1 desc -- ordered
select * from (values (1, 'a'), (2, 'b')) v
select * from (values (1, 'a'), (2, 'b')) v (n, s) where n > 1
values ((select max(a) from t))
select 1 where false union all select 2
select a, b from t intersect select k, v from n
select p, q from x except select null, 2
select a::int8 from t union select k from n
select array[1] union select array[1]
select 1 as one union select 2 as two
select small from s union select a from t
