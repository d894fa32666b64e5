"""Correct shares: ``python scripts/estimate.py predictions=stances.parquet gold=sample.jsonl``."""

from stance.commands.estimate import main

if __name__ == "__main__":
    main()
