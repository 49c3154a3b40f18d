"""The demo: a year and a half of real purchases through the whole of Stageline in under a minute."""
