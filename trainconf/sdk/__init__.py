"""The same from Python, in the words of Azure ML's SDK v1: classes over `control/`. Prints nothing unless asked to show output."""
