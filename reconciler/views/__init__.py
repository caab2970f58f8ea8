"""Values become text: one outline, several formats. Pure; nothing here can see a secret."""
