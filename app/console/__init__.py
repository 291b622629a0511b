"""Pages for people. They hold no rule of their own: whatever they show or change goes through the API with the key of
whoever signed in, so that nobody can do here what the API would not allow."""
