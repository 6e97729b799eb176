"""What can be done with sweeps: submitted, followed, taken over; what became of them, and what is asked of their controllers."""
