"""REST api1 of Syracuse: the way into an X3 that has no GraphQL. Reading only, stateless, never `/sdata/`."""
