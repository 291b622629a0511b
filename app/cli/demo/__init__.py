"""`ml-connector demo`: the whole product with both vendors' stand-ins, and a story whose every claim is counted."""
