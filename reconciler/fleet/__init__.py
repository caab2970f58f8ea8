"""Many organisations and environments at once: who they are, and the two engines that run them."""
