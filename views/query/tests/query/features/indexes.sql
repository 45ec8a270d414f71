select id, a from t where id = 3
select id, a from t where id in (3, 5, 3, null, 99)
select id, a from t where id = 4 or id = 6
select id, a from t where id = 4 or a = 1
select id, a from t where id in (1, 2, 3) and id > 1 and c = 'y'
select id, a from t where id = any (array[2, 8, null])
select id, a from t where id = any ('{7,1}')
select id, a from t where id = any (null)
select id, a from t where id = all (array[2])
select id, a from t where id <> any (array[2, 3])
select id, a from t where id = 2::bigint or id = 3::smallint
select id, a from t where id = 2.0
select id, a from t where id = 5000000000
select id, a from t where 3 = id and id = 4
select id, a from t where id = null
select id, a from t where id = (select max(id) from u)
select n.k, t.c from n join t on t.id = n.k
select n.k, t.c from n left join t on t.id = n.k and t.a = n.v
select n.k from n where exists (select 1 from t where t.id = n.k and t.b > 5)
select n.k from n where n.k not in (select id from t where a = 1)
select n.k from n where not exists (select 1 from t where t.id = n.k and t.a = 1)
select n.k, (select c from t where t.id = n.k) from n
select e.name, b.name from emp e join emp b on b.id = e.boss where e.id in (2, 4, 7)
select u.id, t.id from u join t on t.id = u.t_id where u.id = 2
select u.id, t.id from u join t on t.id = u.x where u.x < 20
select s.id, t.id from s join t on t.id = s.small
