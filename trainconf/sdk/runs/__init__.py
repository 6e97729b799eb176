"""What one can learn of runs from Python: waiting for them, their facts, finding them, tables of them."""
