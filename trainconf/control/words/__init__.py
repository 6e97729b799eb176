"""What people read of runs, as text: printed by the command line, by Python and by notebooks, each in its way."""
