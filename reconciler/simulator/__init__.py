"""Simulator of the remote API: a pure state machine, faults, and three transports.

api            the state machine, over organisation, access, validation, responses, store
switches       behaviour that the vendor does not document
faults         faults of the API and the network
auth           checks before the state machine: key, size, JSON, rate
transport      in the process: a transport of the client, or the API protocol
asgi           as an ASGI application; http_server serves it on a socket
factory        the simulator of `reconcile simulate` and of `simulator:` targets
"""
