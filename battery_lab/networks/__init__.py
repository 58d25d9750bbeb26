"""Networks in plain torch: encoders from observations to features for the heads of an algorithm."""
