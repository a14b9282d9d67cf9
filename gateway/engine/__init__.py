"""The engine process: everything native, the scheduler, and the protocol that the gateway speaks with it.

Never imports litestar, sqlalchemy or opentelemetry; only `llama/` imports llama_cpp.
"""
