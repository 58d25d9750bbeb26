"""One gradient step: by autograd, or by a compiled program."""
