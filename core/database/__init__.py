"""The store: tables, migrations, transactions, pages."""
