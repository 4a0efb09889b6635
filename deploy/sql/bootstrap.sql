-- Roles, extension and database that Countersign needs. May be run again at any time.
--
-- The launcher runs it on embedded PostgreSQL. To prepare a server of your own (pgvector installed), run as superuser:
--   CS_OWNER_PASSWORD=... CS_APP_PASSWORD=... psql -X -v ON_ERROR_STOP=1 -d postgres -f deploy/sql/bootstrap.sql
--
--   cs_owner  owns the tables: migrates, makes tenants. Used by `install` and never by web or worker.
--   cs_app    runs: reads and writes rows, changes no table, truncates nothing. Migrations take away more,
--             such as changing the audit trail.

\if :{?in_database}

-- Second part, once in each database: see the end of the file.
CREATE SCHEMA IF NOT EXISTS extensions;
CREATE EXTENSION IF NOT EXISTS vector SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO cs_owner, cs_app;

GRANT USAGE, CREATE ON SCHEMA public TO cs_owner;
GRANT USAGE ON SCHEMA public TO cs_app;

-- Whatever cs_owner makes later, in whatever schema, cs_app may use: a tenant is a new schema.
ALTER DEFAULT PRIVILEGES FOR ROLE cs_owner GRANT USAGE ON SCHEMAS TO cs_app;
ALTER DEFAULT PRIVILEGES FOR ROLE cs_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO cs_app;
ALTER DEFAULT PRIVILEGES FOR ROLE cs_owner GRANT USAGE, SELECT ON SEQUENCES TO cs_app;

\else

SET client_min_messages = warning;
\getenv owner_password CS_OWNER_PASSWORD
\getenv app_password CS_APP_PASSWORD

SELECT 'CREATE ROLE ' || name FROM unnest(ARRAY['cs_owner', 'cs_app']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE cs_owner LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE cs_app LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'app_password';

SELECT 'CREATE DATABASE countersign OWNER cs_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'countersign') \gexec
REVOKE ALL ON DATABASE countersign FROM PUBLIC;
GRANT CONNECT ON DATABASE countersign TO cs_app;

\set in_database yes
\connect countersign
SET client_min_messages = warning;
\ir bootstrap.sql

-- Test databases are copies of template1.
\connect template1
SET client_min_messages = warning;
\ir bootstrap.sql

\endif
