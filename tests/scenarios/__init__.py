"""What LANGUAGE.md means, scenario by scenario: each expectation was worked out from the text by hand, then run."""
