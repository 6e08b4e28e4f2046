"""What helps a learner along: progress, hints, grading on save, comparing, going back, running."""
