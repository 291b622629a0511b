"""A Sage X3 folder behind GraphQL, the cloud gateway and REST api1."""
