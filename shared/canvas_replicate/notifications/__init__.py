"""Mails to the people on call: their texts, and the outbox that sends each one once."""
