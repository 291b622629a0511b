"""Connections, mappings and syncs of a tenant as one YAML file: written, compared, applied."""
