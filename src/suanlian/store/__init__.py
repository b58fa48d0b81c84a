"""The database: engine, tables, unit of work, one repository a subject, migrations."""
