"""From what a model said to where it stands: the resolvers."""
