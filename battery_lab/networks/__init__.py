"""Networks in plain torch: what turns an observation into features for the heads of an algorithm."""
