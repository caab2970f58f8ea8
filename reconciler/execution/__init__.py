"""Carry a plan out: plan in, calls to the API, result out. It decides nothing; the plan did."""
