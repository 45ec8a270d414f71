create table region (r_regionkey int4 primary key, r_name text, r_comment text);
create table nation (n_nationkey int4 primary key, n_name text, n_regionkey int4, n_comment text);
create table supplier (s_suppkey int4 primary key, s_name text, s_address text, s_nationkey int4, s_phone text, s_acctbal numeric(15,2), s_comment text);
create table part (p_partkey int4 primary key, p_name text, p_mfgr text, p_brand text, p_type text, p_size int4, p_container text, p_retailprice numeric(15,2), p_comment text);
create table partsupp (ps_partkey int4, ps_suppkey int4, ps_availqty int4, ps_supplycost numeric(15,2), ps_comment text, primary key (ps_partkey, ps_suppkey));
create table customer (c_custkey int4 primary key, c_name text, c_address text, c_nationkey int4, c_phone text, c_acctbal numeric(15,2), c_mktsegment text, c_comment text);
create table orders (o_orderkey int4 primary key, o_custkey int4, o_orderstatus text, o_totalprice numeric(15,2), o_orderdate date, o_orderpriority text, o_clerk text, o_shippriority int4, o_comment text);
create table lineitem (l_orderkey int4, l_partkey int4, l_suppkey int4, l_linenumber int4, l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text, primary key (l_orderkey, l_linenumber));
