"""The audit log: who did what to what, from where, before and after."""
