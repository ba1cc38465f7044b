"""Durable execution: tickets, the executor that carries a run on, and the journal that remembers what it did."""
