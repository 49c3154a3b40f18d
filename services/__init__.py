"""The three services of Stageline and the one program that starts them."""
