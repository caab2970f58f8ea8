"""Remote API: its operations, its wire format, a client with retries, and complete reads."""
