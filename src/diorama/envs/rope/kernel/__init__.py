"""The rod's sub-step and its adjoint, compiled for one core by numba. `diorama.envs.rope.execution` is its face.

The numbers are those of the readable rod (`diorama.envs.rope.integrator`), to rounding; the tests hold the
two together.
Every function here is compiled, works on float64 arrays of one rope, and allocates nothing.
"""
