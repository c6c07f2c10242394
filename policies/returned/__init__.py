"""What mail that came back may do: grades of evidence, classes of bounces, thresholds, storms."""
