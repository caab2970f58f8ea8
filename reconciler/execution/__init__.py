"""Carry out a plan: the input is a plan, the output a result. All decisions are in the plan."""
