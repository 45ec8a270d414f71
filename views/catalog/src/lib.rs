//! pg_catalog, information_schema, mz_catalog and mz_internal as relations.
