"""The lifecycle language: files in, checked definitions out."""
