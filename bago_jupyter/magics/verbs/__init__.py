"""What the verbs do; each module is imported when one of its verbs is first used."""
