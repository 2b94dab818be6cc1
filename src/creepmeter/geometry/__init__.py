"""How the ground lies, and what that makes of its motion."""
