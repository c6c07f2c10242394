"""HTTP pages: unsubscribe, explanations of replies, health and metrics."""
