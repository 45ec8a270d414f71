select * from t, u where t.id = u.t_id
select * from t join u on t.id = u.t_id
select * from t inner join u on t.id = u.t_id and u.x > 100
select t.id, u.id from t left join u on t.id = u.t_id
select t.id, u.id from t left outer join u on t.id = u.t_id and t.a = 1
select t.id, u.id from t left join u on t.id = u.t_id and u.x > 100
select t.id, u.id from t left join u on t.id = u.t_id where u.id is null
select t.id, u.id from t left join u on t.id = u.t_id where u.x > 100
select t.id, u.id from t right join u on t.id = u.t_id
select t.id, u.id from t right join u on t.id = u.t_id and t.a = 1
select t.id, u.id from t full join u on t.id = u.t_id
select t.id, u.id from t full outer join u on t.id = u.t_id and u.x > 100
select t.id, u.id from t full join u on t.id = u.t_id where t.id = 1
select t.id, u.id from t full join u on t.id = u.t_id where u.id = 1
select t.id, u.id from t full join u on t.id = u.t_id where t.id = 1 or u.id = 4
select count(*) from t cross join u
select count(*) from t, u, n
select * from n join m using (k)
select * from n left join m using (k)
select * from n right join m using (k)
select * from n full join m using (k)
select k, n.k, m.k from n full join m using (k)
select k, n.k, m.k from n right join m using (k)
select k, n.v, m.v from n join m using (k)
select * from n join m using (k, v)
select * from n natural join m
select * from n natural left join m
select * from n natural full join m
select * from n natural join t
select * from t natural join u
select * from n join m using (k) join e using (k)
select * from n full join m using (k) full join e using (k)
select n.*, m.* from n join m using (k)
select x.* from (n join m using (k)) as x
select x.k from (n join m using (k)) as x
select * from (t join u on t.id = u.t_id)
select t.id, u.id, n.k from t left join (u join n on u.id = n.k) on t.id = u.t_id
select t.id, u.id, n.k from t left join u on t.id = u.t_id left join n on n.k = u.id
select t.id, u.id, n.k from t left join u on t.id = u.t_id join n on n.k = u.id
select * from n join m on n.k < m.k
select n.k, m.k from n left join m on n.k < m.k
select n.k, m.k from n full join m on n.k = m.k and n.v < m.v
select n.k, m.k from n join m on n.k is not distinct from m.k
select n.k, m.k from n left join m on true
select n.k, m.k from n left join m on false
select n.k, e.k from n left join e on n.k = e.k
select n.k, e.k from n full join e on n.k = e.k
select n.k, e.k from e right join n on n.k = e.k
select n.k from n, e
select a.id, b.id from t a, t b where a.a = b.a and a.id < b.id
select e1.name, e2.name from emp e1 left join emp e2 on e1.boss = e2.id
select e1.name, e2.name, e3.name from emp e1 join emp e2 on e1.boss = e2.id join emp e3 on e2.boss = e3.id
select t.id from t join u on t.id = u.t_id join n on n.k = t.a join m on m.k = n.k
select t.id, x.p from t left join x on t.a = x.q and x.p is null
select a.k, b.k, c.k from n a left join m b on a.k = b.k left join n c on b.k = c.k and b.v = c.v
select * from s join t on s.small = t.a
select * from t join u on t.id::bigint = u.x
select t.id, u.x from t join u on t.b = u.x
select * from (select 1 as a) x join (select 1 as a) y using (a)
select * from (values (1, 'a'), (2, 'b')) as v (i, j) join t on v.i = t.a
