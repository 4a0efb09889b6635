"""django-tenants' PostgreSQL backend, without its habit of falling back to `public`."""
