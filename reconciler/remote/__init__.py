"""Remote API: its operations, its wire shapes, a careful client, a complete reading."""
