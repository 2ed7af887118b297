"""The two ways to send a plan to Canvas: REST calls and SIS imports."""
