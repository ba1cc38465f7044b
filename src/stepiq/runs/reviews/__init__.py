"""Reviews: steps that wait for a decision, made with an account or through an emailed link."""
