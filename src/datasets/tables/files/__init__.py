"""Tables in files and databases: what each kind of them gives, in chunks of rows."""
