"""`python -m infermodel`, for where the console script is not on the path."""

from infermodel.cli import main

main()
