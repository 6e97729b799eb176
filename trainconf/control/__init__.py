"""What can be done with runs and sweeps, once: for the command line, for Python and for a page. Prints nothing and asks nothing."""
