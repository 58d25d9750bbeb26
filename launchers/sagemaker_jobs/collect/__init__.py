"""Collection of finished jobs: their results, outcomes and bills."""
