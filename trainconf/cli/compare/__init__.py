"""The verbs that look at several runs, or closely at one: metrics, compare, diff, watch."""
