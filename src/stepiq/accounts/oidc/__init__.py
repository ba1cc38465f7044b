"""Sign-in with OpenID Connect: identity providers that the operator configures confirm who a person is."""
