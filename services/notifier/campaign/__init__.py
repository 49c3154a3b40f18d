"""Campaigns: what they answer, their steps and templates; values, whatever file they came from."""
