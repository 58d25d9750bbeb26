"""One gradient step: automatic differentiation, a compiled program for the same gradients, and the optimizers."""
