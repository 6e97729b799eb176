"""One screen of something long: of the table of runs, of a log; and what the words of a filter mean."""
